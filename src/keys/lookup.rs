use std::fmt;
use std::sync::Arc;

use super::VerifyingKey;

/// Answers a [`KeySource`](super::KeySource)'s look-up of the keys for a token's header.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// These keys may have signed the token.
    Found(Candidates),
    /// There may be such a key, and the request must wait for it. After waiting, the answer means that the key was
    /// not looked for: 503.
    Refresh,
    /// There is no such key: 401.
    Unknown,
    /// There is a key of that name, or the token names none, but none is for its algorithm.
    WrongAlgorithm,
}

/// The keys to try on a token, in order. Of more than 16 the verifier tries the first 16.
#[derive(Clone)]
pub struct Candidates(Several);

#[derive(Clone)]
enum Several {
    One(VerifyingKey),
    Many(Arc<[VerifyingKey]>),
}

impl Candidates {
    /// The keys.
    pub fn keys(&self) -> &[VerifyingKey] {
        match &self.0 {
            Several::One(key) => std::slice::from_ref(key),
            Several::Many(keys) => keys,
        }
    }
}

impl From<VerifyingKey> for Candidates {
    fn from(key: VerifyingKey) -> Self {
        Self(Several::One(key))
    }
}

impl FromIterator<VerifyingKey> for Candidates {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(Several::Many(keys.into_iter().collect()))
    }
}

impl fmt::Debug for Candidates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys()).finish()
    }
}
