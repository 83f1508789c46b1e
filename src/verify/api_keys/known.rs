use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::state::api_key::ApiKeyHash;
use crate::verify::generations::Generations;

/// Keeps hashes of keys that were right. A client that knows no secret cannot add one, and cannot name one.
pub(super) struct KnownKeys(Mutex<Generations<[u8; 32], ()>>);

impl KnownKeys {
    pub(super) fn contains(&self, hash: &ApiKeyHash) -> bool {
        self.keys().get(hash.as_bytes()).is_some()
    }

    pub(super) fn insert(&self, hash: &ApiKeyHash) {
        self.keys().insert(*hash.as_bytes(), ());
    }

    /// Forgets a key that is not good any more.
    pub(super) fn remove(&self, hash: &ApiKeyHash) {
        self.keys().remove(hash.as_bytes());
    }

    fn keys(&self) -> MutexGuard<'_, Generations<[u8; 32], ()>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for KnownKeys {
    fn default() -> Self {
        Self(Mutex::new(Generations::new(MOST)))
    }
}

const MOST: usize = 32 * 1024;
