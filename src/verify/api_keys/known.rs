use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crate::state::api_key::ApiKeyHash;

/// Keeps hashes of keys that were right. A client that knows no secret cannot add one, and cannot name one.
#[derive(Default)]
pub(super) struct KnownKeys(Mutex<Generations>);

/// When the young ones are many, they become the old ones, and those are forgotten.
#[derive(Default)]
struct Generations {
    young: HashSet<[u8; 32]>,
    old: HashSet<[u8; 32]>,
}

impl KnownKeys {
    pub(super) fn contains(&self, hash: &ApiKeyHash) -> bool {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.young.contains(hash.as_bytes()) || keys.old.contains(hash.as_bytes())
    }

    /// Forgets a key that is not good any more.
    pub(super) fn remove(&self, hash: &ApiKeyHash) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.young.remove(hash.as_bytes());
        keys.old.remove(hash.as_bytes());
    }

    pub(super) fn insert(&self, hash: &ApiKeyHash) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.young.contains(hash.as_bytes()) {
            return;
        }
        if keys.young.len() >= MOST {
            keys.old = std::mem::take(&mut keys.young);
        }
        keys.young.insert(*hash.as_bytes());
    }
}

const MOST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: usize) -> ApiKeyHash {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_le_bytes());
        ApiKeyHash::from_bytes(bytes)
    }

    #[test]
    fn keys_that_come_again_are_kept_and_their_number_is_bounded() {
        let known = KnownKeys::default();
        for number in 1..3 * MOST {
            known.insert(&hash(number));
            known.insert(&hash(0));
        }

        assert!(known.contains(&hash(0)) && known.contains(&hash(3 * MOST - 1)));
        assert!(!known.contains(&hash(1)) && !known.contains(&hash(usize::MAX)));
        known.remove(&hash(0));
        assert!(!known.contains(&hash(0)));
        let keys = known.0.lock().unwrap();
        assert!(keys.young.len() <= MOST && keys.old.len() <= MOST);
    }
}
