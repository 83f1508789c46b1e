//! Identifies keys without storing them.
//!
//! Keys are read again with each fetch. Their identity is a hash under a random key of this process, so that a
//! fetch of equal keys does not empty the cache of tokens. Comparing numbers would keep secrets in memory a
//! second time.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::LazyLock;

use siphasher::sip128::{Hasher128 as _, SipHasher24};

use crate::jose::Algorithm;
use crate::jose::crypto::Material;

/// Identifies a key, independently of its encoding, its name and how often it was read: a hash of
/// the numbers of the key, and of its issuer if it has one, under a secret of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyIdentity(u128);

impl KeyIdentity {
    pub(super) fn new(algorithm: Algorithm, material: &Material) -> Self {
        let mut hasher = SipHasher24::new_with_key(&KEY);
        hasher.write(algorithm.canonical().as_str().as_bytes());
        material.hash_into(&mut hasher);
        Self(hasher.finish128().as_u128())
    }

    /// Returns the identity of the same key for this issuer. A token that is remembered was accepted
    /// with a key for an issuer, and not with a key alone.
    pub(super) fn with_issuer(self, issuer: &str) -> Self {
        let mut hasher = SipHasher24::new_with_key(&KEY);
        hasher.write(&self.0.to_le_bytes());
        hasher.write(issuer.as_bytes());
        Self(hasher.finish128().as_u128())
    }
}

static KEY: LazyLock<[u8; 16]> = LazyLock::new(|| {
    let half = || u128::from(RandomState::new().hash_one(0_u64));
    (half() << 64 | half()).to_le_bytes()
});
