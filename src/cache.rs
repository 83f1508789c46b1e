//! What was worked out for a token, kept for the next time it comes.
//!
//! A reader never waits and never writes what another core reads: a slot is read as [`arc_swap`] reads,
//! and a mark is set only where it is not set yet. Only whoever brings something new writes. What is kept
//! for a token must be judged each time by whoever asks; nothing here knows what a token is.

mod counters;
mod table;

use std::hash::{BuildHasher as _, RandomState};
use std::sync::OnceLock;

pub use counters::CacheStats;
pub(crate) use table::Bounds;

use self::counters::Counters;
use self::table::{Entry, Table};
use crate::claims::NumericDate;

/// Values by token.
pub(crate) struct Cache<V> {
    bounds: Bounds,
    /// Made when the first value comes.
    table: OnceLock<Table<V>>,
    counters: Counters,
    hasher: RandomState,
}

/// What is to be done with a value that was found.
pub(crate) enum Verdict<R> {
    /// It is as good as new.
    Good(R),
    /// It cannot be used now, but perhaps later.
    NotNow,
    /// It will never be good again.
    Over,
}

impl<V> Cache<V> {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            table: OnceLock::new(),
            counters: Counters::default(),
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Finds what is kept for a token, if the judge finds it good.
    pub(crate) fn find<R>(&self, token: &str, judge: impl FnOnce(&V) -> Verdict<R>) -> Option<R> {
        let found = self.table.get().and_then(|table| {
            let (slot, entry) = table.find(self.hash(token), token)?;
            match judge(&entry.value) {
                Verdict::Good(answer) => {
                    entry.mark_as_used();
                    Some(answer)
                }
                Verdict::NotNow => None,
                Verdict::Over => {
                    table.remove(slot, &entry);
                    None
                }
            }
        });
        self.counters.count_look_up(found.is_some());
        found
    }

    /// Keeps a value for a token, in place of others if need be, until it is of no use to anybody.
    pub(crate) fn insert(&self, token: &str, value: V, until: NumericDate, now: NumericDate) {
        let entry = Entry::new(self.hash(token), token, value, until);
        // One that would push out many others is not worth them.
        if self.bounds.entries == 0 || entry.bytes() > self.bounds.bytes / 4 {
            return;
        }
        let table = self.table.get_or_init(|| Table::new(self.bounds));
        self.counters.count_evictions(table.insert(entry, now));
    }

    /// Counts since the beginning, and what is here now.
    pub(crate) fn stats(&self) -> CacheStats {
        let (entries, bytes) = self.table.get().map_or((0, 0), Table::size);
        self.counters.stats(entries, bytes)
    }

    /// Of the end of the signature: it is different for every token, and short. Who knows no token
    /// cannot aim at what is kept for another, because the hash has a random key and only what was
    /// verified is kept.
    fn hash(&self, token: &str) -> u64 {
        let bytes = token.as_bytes();
        let end = &bytes[bytes.len().saturating_sub(HASHED)..];
        self.hasher.hash_one(end)
    }
}

const HASHED: usize = 32;
