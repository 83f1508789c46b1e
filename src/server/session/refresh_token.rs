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

use super::key::{MARK_BYTES, SessionKey};
use crate::jose::crypto;
use crate::state::session::TokenHash;

/// A refresh token to give to the client. Its `Debug` does not show it, and it is zeroized when dropped.
#[derive(Clone)]
pub struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    /// Returns the token. It has 89 characters that need no escaping in JSON, forms and cookies.
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

    /// Reads a token that this key, or one that it accepts, has marked, for the client's key with this thumbprint or for
    /// none. Returns its successor, too.
    pub(super) fn read(
        token: &str,
        key: &SessionKey,
        bound_to: Option<&str>,
    ) -> Option<(Self, Self)> {
        let encoded = token.strip_prefix(PREFIX)?;
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        // Exactly one text for the same bytes: the engine refuses padding and loose bits.
        if encoded.len() != ENCODED
            || URL_SAFE_NO_PAD.decode_slice(encoded, &mut *bytes).ok()? != TOKEN_BYTES
        {
            return None;
        }
        let (session, rest) = bytes.split_first_chunk::<SESSION_BYTES>()?;
        let (secret, rest) = rest.split_first_chunk::<SECRET_BYTES>()?;
        let mark = rest.first_chunk::<MARK_BYTES>()?;
        let found = key.find(&[session, secret], bound_to, mark)?;
        let next = Zeroizing::new(found.successor(&[session, secret]));
        let presented = Self { session: *session, secret: Zeroizing::new(*secret) };
        Some((presented, Self { session: *session, secret: next }))
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

    /// Writes the token, marked by this key. If it is bound to a key of the client, nothing is good but both.
    pub(super) fn write(&self, key: &SessionKey, bound_to: Option<&str>) -> RefreshToken {
        let mut bytes = Zeroizing::new([0; TOKEN_BYTES]);
        let mark = key.mark(&[&self.session, &*self.secret], bound_to);
        bytes[..SESSION_BYTES].copy_from_slice(&self.session);
        bytes[SESSION_BYTES..][..SECRET_BYTES].copy_from_slice(&*self.secret);
        bytes[SESSION_BYTES + SECRET_BYTES..].copy_from_slice(&mark);
        let mut token = Zeroizing::new(String::with_capacity(PREFIX.len() + ENCODED));
        token.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(*bytes, &mut token);
        RefreshToken(token)
    }
}

const PREFIX: &str = "rt_";
const SESSION_BYTES: usize = 16;
const SECRET_BYTES: usize = 32;
const TOKEN_BYTES: usize = SESSION_BYTES + SECRET_BYTES + MARK_BYTES;
const ENCODED: usize = (TOKEN_BYTES * 4).div_ceil(3);

#[cfg(test)]
mod tests {
    use super::*;

    fn key(letter: &str) -> SessionKey {
        SessionKey::from_secret(letter.repeat(32)).unwrap()
    }

    fn read(token: &RefreshToken, key: &SessionKey) -> Option<(TokenSecret, TokenSecret)> {
        TokenSecret::read(token.as_str(), key, None)
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
        let token = TokenSecret::generate().unwrap().write(&key("a"), None);
        let text = token.as_str();

        assert!(TokenSecret::read(text, &key("a"), None).is_some());
        for place in 0..text.len() {
            let mut changed = text.to_owned();
            let other = if &text[place..=place] == "A" { "B" } else { "A" };
            changed.replace_range(place..=place, other);
            assert!(TokenSecret::read(&changed, &key("a"), None).is_none(), "{place}");
        }
        for other in
            ["", "rt_", "é", &text[1..], &text[..88], &format!("{text}="), &format!("{text} ")]
        {
            assert!(TokenSecret::read(other, &key("a"), None).is_none(), "{other}");
        }
    }

    #[test]
    fn successor_is_the_same_each_time_and_another_for_each_token() {
        let secret = TokenSecret::generate().unwrap();
        let token = secret.write(&key("a"), None);

        let (_, first) = read(&token, &key("a")).unwrap();
        let (_, again) = read(&token, &key("a")).unwrap();
        let (_, other) =
            read(&TokenSecret::generate().unwrap().write(&key("a"), None), &key("a")).unwrap();

        assert_eq!(first.hash(), again.hash());
        assert_eq!(first.write(&key("a"), None).as_str(), again.write(&key("a"), None).as_str());
        assert_ne!(first.hash(), secret.hash());
        assert_ne!(first.hash(), other.hash());
    }

    #[test]
    fn nodes_that_have_the_same_keys_in_another_order_derive_the_same_successor() {
        let (one, other) = (key("a").accepting(key("b")), key("b").accepting(key("a")));
        let token = TokenSecret::generate().unwrap().write(&one, None);

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
    fn bound_token_is_read_with_the_thumbprint_of_its_key_alone() {
        let bound = TokenSecret::generate().unwrap().write(&key("a"), Some("thumbprint"));
        let plain = TokenSecret::generate().unwrap().write(&key("a"), None);

        let read = |token: &RefreshToken, bound_to| {
            TokenSecret::read(token.as_str(), &key("a"), bound_to).is_some()
        };
        assert!(read(&bound, Some("thumbprint")) && read(&plain, None));
        assert!(
            !read(&bound, None)
                && !read(&bound, Some("other"))
                && !read(&plain, Some("thumbprint"))
        );
    }
}
