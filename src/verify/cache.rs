//! Caches the results of verification by token.
//!
//! A look-up never waits, and never writes memory that another core reads: a slot is read as
//! [`arc_swap`] reads, and a mark is set only where it is not set yet. Only an insertion writes.
//! The caller revalidates each entry that it finds. The cache does not know the meaning of a token.

mod doorkeeper;
mod entry;
mod state;
mod table;
mod counters;

use std::hash::BuildHasher as _;
use std::sync::OnceLock;

use foldhash::quality::RandomState;

pub use counters::CacheStats;
pub(crate) use table::Bounds;

use self::counters::Counters;
use self::entry::{CacheEntry, CacheKey};
use self::table::CacheTable;
use crate::claims::NumericDate;

/// Caches values by token.
pub(crate) struct Cache<V> {
    bounds: Bounds,
    /// Created with the first value.
    table: OnceLock<CacheTable<V>>,
    counters: Counters,
    hasher: RandomState,
}

/// The reason why a value that was found cannot be used.
#[derive(Debug)]
pub(crate) enum Miss {
    /// The value cannot be used now, but perhaps later.
    Temporary,
    /// The value will never be good again.
    Permanent,
}

impl<V> Cache<V> {
    /// Creates a cache, which must have room for at least one entry.
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            table: OnceLock::new(),
            counters: Counters::default(),
            hasher: RandomState::default(),
        }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Returns the value of a token, if `revalidate` accepts it.
    #[inline]
    pub(crate) fn find<R>(
        &self,
        token: &[u8],
        revalidate: impl FnOnce(&V) -> Result<R, Miss>,
    ) -> Option<R> {
        if let Some(table) = self.table.get()
            && let Some((slot, entry)) = table.find(self.key(token))
        {
            match revalidate(&entry.value) {
                Ok(answer) => {
                    table.mark_as_hit(slot);
                    self.counters.count_hit();
                    return Some(answer);
                }
                Err(Miss::Temporary) => {}
                Err(Miss::Permanent) => _ = table.remove(slot, &entry),
            }
        }
        self.counters.count_miss();
        None
    }

    /// Reads the value of a token, good or not. Neither a hit nor a miss is counted.
    pub(crate) fn peek<R>(&self, token: &[u8], look: impl FnOnce(&V) -> R) -> Option<R> {
        let (_, entry) = self.table.get()?.find(self.key(token))?;
        Some(look(&entry.value))
    }

    /// Keeps the value of a token until it expires. It may evict other entries, unless they are
    /// worth as much or more. `weight` is the memory that the value takes in addition to its own
    /// size.
    pub(crate) fn insert(
        &self,
        token: &[u8],
        weight: usize,
        (until, now): (NumericDate, NumericDate),
        value: impl FnOnce() -> V,
    ) {
        let key = self.key(token);
        let bytes = CacheEntry::<V>::bytes_of(key, weight);
        // An entry that would evict many others is not worth it.
        if bytes > self.bounds.bytes / 4 {
            return;
        }
        let table = self.table.get_or_init(|| CacheTable::new(self.bounds));
        self.counters.count_newcomer(&table.insert(key, bytes, value, until, now));
    }

    /// Returns the counts since the beginning, and the current size.
    pub(crate) fn stats(&self) -> CacheStats {
        let (entries, bytes) = self.table.get().map_or((0, 0), CacheTable::size);
        self.counters.stats(entries, bytes)
    }

    /// Returns a token with its hash. The hash covers the end of the signature: 16 characters are
    /// 96 bits that differ for every token. A client cannot aim at the entry of another token,
    /// because the hash has a random key and only verified tokens are kept.
    fn key<'t>(&self, token: &'t [u8]) -> CacheKey<'t> {
        let hash = match token.last_chunk::<16>() {
            Some(end) => self.hasher.hash_one(u128::from_ne_bytes(*end)),
            None => self.hasher.hash_one(token),
        };
        CacheKey { hash, token }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::thread;

    use proptest::prelude::*;

    use super::*;

    fn at(seconds: i64) -> NumericDate {
        NumericDate::from_seconds(seconds)
    }

    /// Returns the value of a token.
    fn find<V: Clone>(cache: &Cache<V>, token: &str) -> Option<V> {
        cache.find(token.as_bytes(), |value| Ok(value.clone()))
    }

    /// Checks that the counters agree with the table.
    fn is_consistent<V>(cache: &Cache<V>) {
        let CacheStats { entries, bytes, .. } = cache.stats();
        let table = cache.table.get().unwrap();
        assert_eq!(table.count(), (entries, bytes));
        assert!(entries <= cache.bounds.entries.next_multiple_of(4), "{entries}");
        assert!(bytes <= cache.bounds.bytes, "{bytes}");
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, i64),
        Find(u8),
        NotNow(u8),
        Over(u8),
        Pass(i64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (any::<u8>(), 1..50_i64).prop_map(|(token, lives)| Step::Insert(token, lives)),
            any::<u8>().prop_map(Step::Find),
            any::<u8>().prop_map(Step::NotNow),
            any::<u8>().prop_map(Step::Over),
            (0..20_i64).prop_map(Step::Pass),
        ]
    }

    proptest! {
        /// The cache may have lost a value, but never returns a wrong one.
        #[test]
        fn value_is_that_of_a_map_or_none(
            entries in 1..40_usize, bytes in 4_000..40_000_usize,
            steps in proptest::collection::vec(step(), 1..300),
        ) {
            let cache = Cache::new(Bounds { entries, bytes });
            let mut model = HashMap::new();
            let (mut now, mut value, mut asked) = (0, 0_u32, 0);
            for step in steps {
                match step {
                    Step::Insert(token, lives) => {
                        value += 1;
                        let name = token.to_string();
                        let before = cache.stats().turned_away;
                        let dates = (at(now + lives), at(now));
                        cache.insert(name.as_bytes(), usize::from(token), dates, || value);
                        let is_kept = cache.stats().turned_away == before;
                        prop_assert_eq!(find(&cache, &name), is_kept.then_some(value));
                        asked += 1;
                        if is_kept {
                            model.insert(name, value);
                        }
                        is_consistent(&cache);
                    }
                    Step::Find(token) => {
                        let found = find(&cache, &token.to_string());
                        asked += 1;
                        prop_assert!(found.is_none() || found == model.get(&token.to_string()).copied());
                    }
                    Step::NotNow(token) => {
                        let before = cache.stats().entries;
                        let found = cache.find(token.to_string().as_bytes(), |_| Err::<(), _>(Miss::Temporary));
                        asked += 1;
                        prop_assert_eq!((found, cache.stats().entries), (None, before));
                    }
                    Step::Over(token) => {
                        let found = cache.find(token.to_string().as_bytes(), |_| Err::<(), _>(Miss::Permanent));
                        asked += 2;
                        prop_assert!(found.is_none() && find(&cache, &token.to_string()).is_none());
                        model.remove(&token.to_string());
                    }
                    Step::Pass(seconds) => now += seconds,
                }
            }
            let CacheStats { hits, misses, .. } = cache.stats();
            prop_assert_eq!(hits + misses, asked);
        }
    }

    #[test]
    fn almost_all_entries_that_fit_are_found() {
        let cache = Cache::new(Bounds { entries: 4096, bytes: usize::MAX });
        let tokens: Vec<String> = (0..3400).map(|n| format!("token number {n}")).collect();
        for token in &tokens {
            cache.insert(token.as_bytes(), 0, (at(1), at(0)), || ());
        }

        let found = tokens.iter().filter(|token| find(&cache, token).is_some()).count();

        // The table is then filled to five sixths.
        assert!(found > 3280, "{found}");
    }

    #[test]
    fn expired_entries_are_removed_when_others_come() {
        let cache = Cache::new(Bounds { entries: 64, bytes: usize::MAX });
        for n in 0..32 {
            cache.insert(format!("old {n}").as_bytes(), 0, (at(10), at(0)), || ());
        }
        for n in 0..16 {
            cache.insert(format!("new {n}").as_bytes(), 0, (at(99), at(10)), || ());
        }

        assert_eq!(cache.stats().entries, 16);
        assert_eq!(cache.stats().evictions, 0);
    }

    #[test]
    fn many_threads_find_their_own_and_leave_the_counts_right() {
        let cache = Cache::new(Bounds { entries: 64, bytes: 20_000 });
        thread::scope(|scope| {
            for thread in 0..4_u64 {
                let cache = &cache;
                scope.spawn(move || {
                    let mut random = thread + 1;
                    for _ in 0..20_000 {
                        random ^= random << 13;
                        random ^= random >> 7;
                        random ^= random << 17;
                        let token = (random % 200).to_string();
                        match cache.find(token.as_bytes(), |value: &String| {
                            assert_eq!(*value, token);
                            if random % 31 == 0 { Err(Miss::Permanent) } else { Ok(()) }
                        }) {
                            Some(()) => {}
                            None => {
                                cache.insert(token.as_bytes(), 9, (at(9), at(0)), || token.clone());
                            }
                        }
                    }
                });
            }
        });

        let table = cache.table.get().unwrap();
        let CacheStats { entries, bytes, hits, misses, .. } = cache.stats();
        assert_eq!(table.count(), (entries, bytes));
        assert_eq!(hits + misses, 80_000);
    }

    #[test]
    fn token_that_takes_more_than_a_quarter_of_the_bytes_is_not_kept() {
        let quarter = 100 + CacheEntry::<()>::SMALLEST;
        // The token and its claims count alike.
        for (length, weight, entries) in
            [(99, 0, 1), (100, 0, 1), (101, 0, 0), (200, 0, 0), (60, 40, 1), (60, 41, 0)]
        {
            let cache = Cache::new(Bounds { entries: 64, bytes: 4 * quarter });

            cache.insert(&vec![b'x'; length], weight, (at(9), at(0)), || ());

            assert_eq!(cache.stats().entries, entries, "{length} and {weight}");
        }
    }

    #[test]
    fn counted_bytes_are_the_token_its_claims_and_the_overhead_of_both() {
        let cache = Cache::new(Bounds { entries: 64, bytes: 1_000_000 });

        cache.insert(&[b'x'; 1000], 300, (at(9), at(0)), || [0_u64; 8]);

        let around = CacheEntry::<[u64; 8]>::SMALLEST;
        assert!(around > size_of::<[u64; 8]>());
        assert_eq!(cache.stats().bytes, 1300 + around);
    }
}
