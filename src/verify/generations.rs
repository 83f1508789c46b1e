use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

/// Keeps a bounded number of entries, and forgets first what has not been kept again for the longest time.
///
/// When the young ones are many, they become the old ones, and those are forgotten.
pub(crate) struct Generations<K, V> {
    young: HashMap<K, V>,
    old: HashMap<K, V>,
    /// The number of entries of each generation.
    most: usize,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Keeps at most so many entries, and half as many at least.
    pub(crate) fn new(most: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), most: (most / 2).max(1) }
    }

    #[cfg(any(feature = "api-keys", feature = "introspection"))]
    pub(crate) fn get<Q: Eq + Hash + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// Keeps a value, in place of the former one.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        if self.young.len() >= self.most && !self.young.contains_key(&key) {
            self.old = std::mem::take(&mut self.young);
        }
        self.old.remove(&key);
        self.young.insert(key, value);
    }

    /// Forgets a value, and returns it.
    pub(crate) fn remove<Q: Eq + Hash + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let old = self.old.remove(key);
        self.young.remove(key).or(old)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_are_kept_again_stay_and_their_number_is_bounded() {
        let mut kept = Generations::new(8);
        for number in 1..100 {
            kept.insert(number, number);
            kept.insert(0, number);
            assert!(kept.young.len() <= 4 && kept.old.len() <= 4);
            assert_eq!(kept.get(&0), Some(&number));
        }

        assert_eq!((kept.get(&99), kept.get(&98), kept.get(&1)), (Some(&99), Some(&98), None));
    }

    #[test]
    fn entry_that_was_removed_and_comes_again_is_a_new_one() {
        let mut kept = Generations::new(4);
        kept.insert("a", 1);
        kept.remove("a");
        assert_eq!(kept.get("a"), None);
        kept.insert("a", 2);
        kept.insert("b", 3);

        assert_eq!((kept.get("a"), kept.get("b")), (Some(&2), Some(&3)));
    }
}
