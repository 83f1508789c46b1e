use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use crate::config_error::{ConfigError, KeyProblem};

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
    /// [`ConfigError::Key`] when the secret is shorter.
    pub fn from_secret(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = secret.as_ref();
        if secret.len() < MIN_SECRET {
            let bits = secret.len() * 8;
            return Err(KeyProblem::SecretTooShort { bits, required: MIN_SECRET * 8 }.into());
        }
        let mut hash = Sha256::new_with_prefix("tower-bearer session key\0");
        hash.update(secret);
        Ok(Self { own: Zeroizing::new(hash.finalize().into()), others: Vec::new() })
    }

    /// Makes a random key for one run of the program: all users sign in again after the next start.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoRandomness`] when the operating system has no randomness to give.
    pub fn generate() -> Result<Self, ConfigError> {
        let mut own = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *own).map_err(|_| ConfigError::NoRandomness)?;
        Ok(Self { own, others: Vec::new() })
    }

    /// Accepts tokens with the mark of another key too: the next one, or the last one.
    #[must_use]
    pub fn accepting(mut self, other: Self) -> Self {
        self.others.push(other.own);
        self.others.extend(other.others);
        self
    }

    /// Computes the mark of a token.
    pub(super) fn mark(&self, parts: &[&[u8]]) -> [u8; MARK_BYTES] {
        let whole = mac(&self.own, MARK, parts).finalize().into_bytes();
        let mut mark = [0; MARK_BYTES];
        mark.copy_from_slice(&whole[..MARK_BYTES]);
        mark
    }

    /// Finds the key that a mark is of, in a time that does not depend on where they differ.
    pub(super) fn find(&self, parts: &[&[u8]], mark: &[u8; MARK_BYTES]) -> Option<KeyInUse<'_>> {
        let mut keys = std::iter::once(&self.own).chain(&self.others);
        keys.find(|key| mac(key, MARK, parts).verify_truncated_left(mark).is_ok()).map(KeyInUse)
    }
}

/// The key that has marked a token.
pub(super) struct KeyInUse<'k>(&'k Secret);

impl KeyInUse<'_> {
    /// Derives the secret of a token's successor. It depends on the token alone, and not on which key is in front.
    pub(super) fn successor(&self, parts: &[&[u8]]) -> [u8; 32] {
        mac(self.0, SUCCESSOR, parts).finalize().into_bytes().into()
    }
}

fn mac(key: &Secret, purpose: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&**key).expect("a key of any length will do");
    mac.update(purpose);
    // The parts have fixed lengths, so no two lists of them make the same text.
    for part in parts {
        mac.update(part);
    }
    mac
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKey").finish_non_exhaustive()
    }
}

pub(super) const MARK_BYTES: usize = 16;
const MIN_SECRET: usize = 32;
const MARK: &[u8] = b"mark\0";
const SUCCESSOR: &[u8] = b"successor\0";
