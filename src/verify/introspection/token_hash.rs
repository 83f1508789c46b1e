//! Names a token without keeping it: by a hash with a random key.
//!
//! A hash that clients can compute, or one with collisions that clients can find, would let the answer about one token
//! become that about another. HMAC-SHA256 with a key of 256 bits, which lives as long as the program, does not.

use std::fmt;

use zeroize::Zeroizing;

use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::crypto;

/// The name of a token in this program.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

/// The key of all hashes.
pub(super) struct HashKey(Zeroizing<[u8; 32]>);

impl HashKey {
    pub(super) fn generate() -> Result<Self, ConfigError> {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).map_err(|_| ConfigError::NoRandomness)?;
        // A back end that hashes once hashes always.
        crypto::hmac_sha256(&*key, b"").ok_or(KeyProblem::NoBackEnd)?;
        Ok(Self(key))
    }

    pub(super) fn hash(&self, token: &str) -> TokenHash {
        let hash = crypto::hmac_sha256(&*self.0, token.as_bytes());
        TokenHash(hash.expect("a key is made by a back end only"))
    }
}

// A hash names a token to readers who have the key.
impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}
