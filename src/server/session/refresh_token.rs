//! Writes and reads refresh tokens.
//!
//! A token is the name of its session (16 bytes), a secret (32) and a mark (16), in base64url behind a prefix that
//! scanners for leaked secrets can look for. The mark is a MAC over the others. It lets tokens that strangers made
//! up be told from old ones without a list of old ones, and without a look into the store: only an old one is a
//! sign of theft.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::key::{KeyInUse, MARK_BYTES, MarkKind, SessionKey};
use crate::jose::crypto;
use crate::state::session::TokenHash;

/// A refresh token to give to the client. Its `Debug` does not show it, and it is zeroized when dropped.
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    /// Returns the token. It has 89 characters that need no escaping in JSON, forms and cookies; 110 if it is bound to a
    /// key of the client.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshToken").finish_non_exhaustive()
    }
}

/// The secret of a refresh token, for one session.
pub(super) struct TokenSecret {
    session: [u8; SESSION_BYTES],
    secret: Zeroizing<[u8; SECRET_BYTES]>,
}

impl TokenSecret {
    /// Makes the first token of a new session. `None` when the operating system has no randomness to give.
    pub(super) fn generate() -> Option<Self> {
        let (mut session, mut secret) = ([0; SESSION_BYTES], Zeroizing::new([0; SECRET_BYTES]));
        getrandom::fill(&mut session).ok()?;
        getrandom::fill(&mut *secret).ok()?;
        Some(Self { session, secret })
    }

    /// Returns the name of the session.
    pub(super) fn session_id(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.session)
    }

    /// Returns the hash that a store keeps.
    pub(super) fn hash(&self) -> TokenHash {
        let hash = crypto::sha256(&*self.secret);
        TokenHash::from_bytes(hash.expect("a session key is made by a back end only"))
    }

    /// Writes the token, marked by this key. A token that is bound to a key of the client has a second mark, of both.
    pub(super) fn write(&self, key: &SessionKey, bound_to: Option<&str>) -> RefreshToken {
        let parts: [&[u8]; 2] = [&self.session, &*self.secret];
        let mut bytes = Zeroizing::new(Vec::with_capacity(BOUND_BYTES));
        for part in parts {
            bytes.extend_from_slice(part);
        }
        match bound_to {
            None => bytes.extend_from_slice(&key.mark(MarkKind::Unbound, &parts)),
            Some(thumbprint) => {
                bytes.extend_from_slice(&key.mark(MarkKind::Bound, &parts));
                bytes.extend_from_slice(&key.mark(MarkKind::BoundTo(thumbprint), &parts));
            }
        }
        let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + 2 * BOUND_BYTES));
        token.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(&*bytes, &mut token);
        RefreshToken(token)
    }
}

/// A token that a client presents, and that this server has given out.
pub(super) struct PresentedToken<'k> {
    pub(super) secret: TokenSecret,
    key: KeyInUse<'k>,
    /// The mark of the client's key, if the token is bound to one.
    key_mark: Option<[u8; MARK_BYTES]>,
}

impl<'k> PresentedToken<'k> {
    /// Reads a token that this key, or one that it accepts, has marked.
    pub(super) fn read(token: &str, key: &'k SessionKey) -> Option<Self> {
        let encoded = token.strip_prefix(PREFIX)?;
        let mut bytes = Zeroizing::new([0; BOUND_BYTES]);
        // Exactly one text for the same bytes: the engine refuses padding and loose bits.
        let length = match encoded.len() {
            ENCODED => TOKEN_BYTES,
            BOUND_ENCODED => BOUND_BYTES,
            _ => return None,
        };
        if URL_SAFE_NO_PAD.decode_slice(encoded, &mut *bytes).ok()? != length {
            return None;
        }
        let (session, rest) = bytes.split_first_chunk::<SESSION_BYTES>()?;
        let (secret, rest) = rest.split_first_chunk::<SECRET_BYTES>()?;
        let (mark, rest) = rest.split_first_chunk::<MARK_BYTES>()?;
        let key_mark = rest.first_chunk().filter(|_| length == BOUND_BYTES).copied();
        let kind = if key_mark.is_some() { MarkKind::Bound } else { MarkKind::Unbound };
        let key = key.find(kind, &[session, secret], mark)?;
        let secret = TokenSecret { session: *session, secret: Zeroizing::new(*secret) };
        Some(Self { secret, key, key_mark })
    }

    /// Returns whether the token may be exchanged by the client whose key has this thumbprint, or by one without. A
    /// token that is bound to no key may be exchanged by all.
    pub(super) fn is_for(&self, thumbprint: Option<&str>) -> bool {
        match (&self.key_mark, thumbprint) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(mark), Some(thumbprint)) => {
                self.key.has_marked(MarkKind::BoundTo(thumbprint), &self.parts(), mark)
            }
        }
    }

    /// Returns the successor, which is bound to the key with this thumbprint.
    pub(super) fn successor(&self, thumbprint: Option<&str>) -> TokenSecret {
        let secret = Zeroizing::new(self.key.successor(&self.parts(), thumbprint));
        TokenSecret { session: self.secret.session, secret }
    }

    fn parts(&self) -> [&[u8]; 2] {
        [&self.secret.session, &*self.secret.secret]
    }
}

const PREFIX: &str = "rt_";
const SESSION_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const TOKEN_BYTES: usize = SESSION_BYTES + SECRET_BYTES + MARK_BYTES;
const ENCODED: usize = (TOKEN_BYTES * 4).div_ceil(3);
const BOUND_BYTES: usize = TOKEN_BYTES + MARK_BYTES;
const BOUND_ENCODED: usize = (BOUND_BYTES * 4).div_ceil(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: &str) -> SessionKey {
        SessionKey::from_secret(letter.repeat(32)).unwrap()
    }

    /// Reads a token, and returns its successor too.
    fn read(token: &RefreshToken, key: &SessionKey) -> Option<(TokenSecret, TokenSecret)> {
        let presented = PresentedToken::read(token.as_str(), key)?;
        let successor = presented.successor(None);
        Some((presented.secret, successor))
    }

    fn written(by: &SessionKey) -> RefreshToken {
        TokenSecret::generate().unwrap().write(by, None)
    }

    #[test]
    fn token_is_read_as_it_was_written() {
        let secret = TokenSecret::generate().unwrap();

        let token = secret.write(&key("a"), None);

        assert_eq!(token.as_str().len(), 89);
        let (found, _) = read(&token, &key("a")).unwrap();
        assert_eq!((found.session_id(), found.hash()), (secret.session_id(), secret.hash()));
        assert_eq!(format!("{token:?}"), "RefreshToken { .. }");
    }

    #[test]
    fn token_with_any_letter_changed_is_refused() {
        for bound_to in [None, Some("thumbprint")] {
            let token = TokenSecret::generate().unwrap().write(&key("a"), bound_to);
            let text = token.as_str();
            let own = key("a");
            let is_good = |text: &str| {
                PresentedToken::read(text, &own).is_some_and(|token| token.is_for(bound_to))
            };

            assert!(is_good(text));
            for place in 0..text.len() {
                let mut changed = text.to_owned();
                let other = if &text[place..=place] == "A" { "B" } else { "A" };
                changed.replace_range(place..=place, other);
                assert!(!is_good(&changed), "{place}");
            }
            let cut = &text[..text.len() - 1];
            for other in ["", "rt_", "é", &text[1..], cut, &format!("{text}="), &format!("{text} ")]
            {
                assert!(!is_good(other), "{other}");
            }
        }
    }

    #[test]
    fn successor_is_the_same_each_time_and_another_for_each_token() {
        let secret = TokenSecret::generate().unwrap();
        let token = secret.write(&key("a"), None);

        let (_, first) = read(&token, &key("a")).unwrap();
        let (_, again) = read(&token, &key("a")).unwrap();
        let (_, other) = read(&written(&key("a")), &key("a")).unwrap();

        assert_eq!(first.hash(), again.hash());
        let written = |secret: &TokenSecret| secret.write(&key("a"), None).as_str().to_owned();
        assert_eq!(written(&first), written(&again));
        assert_ne!(first.hash(), secret.hash());
        assert_ne!(first.hash(), other.hash());
    }

    #[test]
    fn nodes_that_have_the_same_keys_in_another_order_derive_the_same_successor() {
        let (one, other) = (key("a").accepting(key("b")), key("b").accepting(key("a")));
        let token = written(&one);

        let successors = [&one, &other].map(|key| read(&token, key).unwrap().1);

        assert_eq!(successors[0].hash(), successors[1].hash());
        // Each marks it by its own key, and either is good at both.
        for (successor, by) in successors.iter().zip([&one, &other]) {
            let token = successor.write(by, None);
            assert!([&one, &other].iter().all(|key| read(&token, key).is_some()));
        }
        assert!(read(&token, &key("b")).is_none());
    }

    #[test]
    fn bound_token_is_known_by_itself_and_exchanged_with_its_key_alone() {
        let own = key("a");
        let bound = TokenSecret::generate().unwrap().write(&own, Some("thumbprint"));
        let plain = written(&own);
        assert_eq!(bound.as_str().len(), 110);

        let is_for = |token: &RefreshToken, thumbprint| {
            PresentedToken::read(token.as_str(), &own).unwrap().is_for(thumbprint)
        };
        assert!(is_for(&bound, Some("thumbprint")));
        assert!(
            !is_for(&bound, None) && !is_for(&bound, Some("other")) && !is_for(&bound, Some(""))
        );
        assert!(is_for(&plain, None) && is_for(&plain, Some("thumbprint")));
        // Without its second mark, it is no token that is bound to none.
        assert!(PresentedToken::read(&bound.as_str()[..89], &own).is_none());
    }

    #[test]
    fn successor_for_a_key_is_another_than_that_for_none() {
        let own = key("a");
        let token = written(&own);
        let presented = PresentedToken::read(token.as_str(), &own).unwrap();

        let hashes = [None, Some("a"), Some("b")].map(|key| presented.successor(key).hash());

        assert!(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
    }
}
