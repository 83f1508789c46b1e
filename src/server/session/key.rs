use std::fmt;

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::crypto;

/// The secret of the server that marks refresh tokens as its own and derives each from the one before.
///
/// A token without the mark is refused without a look into the store. The key alone makes no good token:
/// each is derived from the one before it, which only the client has.
///
/// All programs that share a store need the same key. To replace it, give the new key [beside](Self::accepting) the
/// old one everywhere, then put it in front everywhere, and take the old one away when all sessions have
/// expired: a client whose token has the mark of a key that is not known must sign in again.
#[derive(Clone)]
pub struct SessionKey {
    own: Secret,
    others: Vec<Secret>,
}

type Secret = Zeroizing<[u8; 32]>;

impl SessionKey {
    /// Derives the key from a secret of 32 bytes or more, of a random generator and not of a person.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the secret is shorter, or the crate was built without a back end for signatures.
    pub fn from_secret(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = secret.as_ref();
        if secret.len() < MIN_SECRET {
            let bits = secret.len() * 8;
            return Err(KeyProblem::SecretTooShort { bits, required: MIN_SECRET * 8 }.into());
        }
        let labelled = Zeroizing::new([b"tower-bearer session key\0", secret].concat());
        let own = crypto::sha256(&labelled).ok_or(KeyProblem::NoBackEnd)?;
        Ok(Self { own: Zeroizing::new(own), others: Vec::new() })
    }

    /// Makes a random key for one run of the program: all users sign in again after the next start.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoRandomness`] when the operating system has no randomness to give, and [`ConfigError::Key`] when
    /// the crate was built without a back end for signatures.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret).map_err(|_| ConfigError::NoRandomness)?;
        Self::from_secret(*secret)
    }

    /// Accepts tokens with the mark of another key too: the next one, or the last one.
    #[must_use]
    pub fn accepting(mut self, other: Self) -> Self {
        self.others.push(other.own);
        self.others.extend(other.others);
        self
    }

    /// Computes the mark of a token.
    pub(super) fn mark(&self, kind: MarkKind<'_>, parts: &[&[u8]]) -> [u8; MARK_BYTES] {
        mark_by(&self.own, kind, parts)
    }

    /// Finds the key that a mark is of, in a time that does not depend on where they differ.
    pub(super) fn find(
        &self,
        kind: MarkKind<'_>,
        parts: &[&[u8]],
        mark: &[u8; MARK_BYTES],
    ) -> Option<KeyInUse<'_>> {
        let mut keys = std::iter::once(&self.own).chain(&self.others);
        keys.find(|key| mark_by(key, kind, parts).ct_eq(mark).into()).map(KeyInUse)
    }
}

/// The key that has marked a token.
pub(super) struct KeyInUse<'k>(&'k Secret);

impl KeyInUse<'_> {
    /// Derives the secret of a token's successor, which may be bound to the key with this thumbprint. It does not depend
    /// on which session key is in front.
    pub(super) fn successor(&self, parts: &[&[u8]], bound_to: Option<&str>) -> [u8; 32] {
        match bound_to {
            None => mac(self.0, SUCCESSOR, parts),
            Some(thumbprint) => {
                mac(self.0, BOUND_SUCCESSOR, &[parts, &[thumbprint.as_bytes()]].concat())
            }
        }
    }

    /// Returns whether a mark is of this key, in a time that does not depend on where they differ.
    pub(super) fn has_marked(
        &self,
        kind: MarkKind<'_>,
        parts: &[&[u8]],
        mark: &[u8; MARK_BYTES],
    ) -> bool {
        mark_by(self.0, kind, parts).ct_eq(mark).into()
    }
}

/// The purpose of a mark.
#[derive(Clone, Copy, Debug)]
pub(super) enum MarkKind<'k> {
    /// Of a token that is bound to no key of a client.
    Unbound,
    /// Of a token that is bound to one. It has a second mark, which says to which.
    Bound,
    /// Of the key with this thumbprint.
    BoundTo(&'k str),
}

/// The first half of a MAC, which is as hard to guess as a key of 128 bits.
fn mark_by(key: &Secret, kind: MarkKind<'_>, parts: &[&[u8]]) -> [u8; MARK_BYTES] {
    let whole = match kind {
        MarkKind::Unbound => mac(key, MARK, parts),
        MarkKind::Bound => mac(key, BOUND_MARK, parts),
        // Behind the parts, which have fixed lengths.
        MarkKind::BoundTo(thumbprint) => {
            mac(key, KEY_MARK, &[parts, &[thumbprint.as_bytes()]].concat())
        }
    };
    *whole.first_chunk().expect("a mark is shorter than a MAC")
}

fn mac(key: &Secret, purpose: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    // The parts but the last have fixed lengths, so no two lists of them make the same text.
    let mut message = Zeroizing::new(Vec::with_capacity(MOST_BYTES));
    message.extend_from_slice(purpose);
    for part in parts {
        message.extend_from_slice(part);
    }
    crypto::hmac_sha256(&**key, &message).expect("a key is made by a back end only")
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}

pub(super) const MARK_BYTES: usize = 16;
const MIN_SECRET: usize = 32;
/// The most that is hashed. A buffer that grows would leave copies behind.
const MOST_BYTES: usize = 128;
const MARK: &[u8] = b"mark\0";
const BOUND_MARK: &[u8] = b"bound mark\0";
const KEY_MARK: &[u8] = b"key mark\0";
const BOUND_SUCCESSOR: &[u8] = b"bound successor\0";
const SUCCESSOR: &[u8] = b"successor\0";

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;

    #[test]
    fn marks_and_successors_stay_the_same_in_every_version() {
        // Computed by `hmac` and `hashlib` of Python.
        let key = SessionKey::from_secret([1; 32]).unwrap();
        let parts: [&[u8]; 2] = [&[2; 16], &[3; 32]];

        let mark = key.mark(MarkKind::Unbound, &parts);
        let found = key.find(MarkKind::Unbound, &parts, &mark).unwrap();
        let successor = found.successor(&parts, None);

        let hex = |bytes: &[u8]| {
            bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
        };
        assert_eq!(hex(&mark), "50b36fb21b07fc33ced036d22b0ea450");
        assert_eq!(
            hex(&successor),
            "192d869231a18748b78907d3a97b6ded20ffb2940c331a66fcc1c31a13f16307"
        );
        let mut wrong = mark;
        wrong[MARK_BYTES - 1] ^= 1;
        assert!(key.find(MarkKind::Unbound, &parts, &wrong).is_none());
        let kinds =
            [MarkKind::Unbound, MarkKind::Bound, MarkKind::BoundTo("a"), MarkKind::BoundTo("")];
        for (index, kind) in kinds.into_iter().enumerate() {
            let mark = key.mark(kind, &parts);
            for (other, is_found) in kinds.into_iter().zip((0..4).map(|other| other == index)) {
                assert_eq!(
                    key.find(other, &parts, &mark).is_some(),
                    is_found,
                    "{kind:?} {other:?}"
                );
            }
        }
        assert_ne!(found.successor(&parts, Some("a")), successor);
    }
}
