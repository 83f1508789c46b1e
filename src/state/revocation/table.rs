//! Holds revocations in memory.
//!
//! 1024 maps behind locks: readers of one map share its lock; a writer keeps the readers of one map in 1024
//! waiting, for half a microsecond, or 0.2 ms when it clears the expired entries of that map, at most once in
//! 64 s. So there is no thread, no list of dates and no pause. An entry is kept 6 minutes after `exp`: the
//! largest leeway, and a minute for a suspended request.
//!
//! The epoch changes under the lock of a map: a revocation that is here already changes no epoch, and its
//! second caller must be able to rely on the first one's change.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasherDefault;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::name::{HashedName, IdentityHasher};

/// The value of a name in the table, in seconds since 1970. The largest number stands for never.
pub(super) trait TableValue: Copy {
    /// Returns the second from which it may be forgotten.
    fn until(&self) -> u32;
    /// Combines two values: revokes the tokens that either revokes.
    fn or(self, other: Self) -> Self;
    /// Returns whether it revokes tokens that another value of the same name does not.
    fn revokes_more_than(&self, other: &Self) -> bool;
}

/// Maps names to values in many small maps, each behind a lock of its own.
///
/// A reader waits only for a writer of the same map, for the time of one insertion or of one
/// clean-up. Each writer checks one more map, in turn, and cleans it up if an entry in it has
/// expired. Expired entries are thus removed in small steps, without a thread of their own.
pub(super) struct RevocationTable<V> {
    shards: Box<[Shard<V>]>,
    len: AtomicUsize,
    next: AtomicUsize,
}

struct Shard<V> {
    map: RwLock<Map<V>>,
    /// The second at which this map is due for a clean-up.
    due: AtomicU32,
}

type Map<V> = HashMap<HashedName, V, BuildHasherDefault<IdentityHasher>>;

impl<V: TableValue> RevocationTable<V> {
    pub(super) fn new() -> Self {
        let shard = || Shard { map: RwLock::default(), due: AtomicU32::new(NEVER) };
        let shards = std::iter::repeat_with(shard).take(SHARDS).collect();
        Self { shards, len: AtomicUsize::new(0), next: AtomicUsize::new(0) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    pub(super) fn get(&self, name: HashedName) -> Option<V> {
        self.shard(name).read().get(&name).copied()
    }

    /// Inserts a value. Calls `changed` if more is revoked than before, while the map is locked:
    /// another thread that finds the same value here may rely on the call.
    pub(super) fn insert(&self, name: HashedName, value: V, now: u32, changed: impl FnOnce()) {
        let shard = self.shard(name);
        {
            let mut map = shard.write();
            shard.due.fetch_min(later(value.until()), Ordering::Relaxed);
            match map.entry(name) {
                Entry::Occupied(mut entry) => {
                    let before = entry.insert(entry.get().or(value));
                    if value.revokes_more_than(&before) {
                        changed();
                    }
                }
                Entry::Vacant(entry) => {
                    entry.insert(value);
                    self.len.fetch_add(1, Ordering::Release);
                    changed();
                }
            }
        }
        let next = self.next.fetch_add(1, Ordering::Relaxed) % SHARDS;
        self.clear_up(&self.shards[next], now);
    }

    pub(super) fn remove(&self, name: HashedName) -> Option<V> {
        let mut map = self.shard(name).write();
        let removed = map.remove(&name);
        if removed.is_some() {
            self.len.fetch_sub(1, Ordering::Release);
        }
        removed
    }

    /// Removes all expired entries, one map after the other.
    pub(super) fn forget_expired(&self, now: u32) {
        for shard in &self.shards {
            shard.due.fetch_min(now, Ordering::Relaxed);
            self.clear_up(shard, now);
        }
    }

    /// Calls a function with every entry, one map after the other.
    pub(super) fn try_for_each<E>(
        &self,
        mut each: impl FnMut(HashedName, V) -> Result<(), E>,
    ) -> Result<(), E> {
        for shard in &self.shards {
            // Copied, so that the function does not block writers.
            let entries: Vec<(HashedName, V)> =
                shard.read().iter().map(|(name, value)| (*name, *value)).collect();
            entries.into_iter().try_for_each(|(name, value)| each(name, value))?;
        }
        Ok(())
    }

    /// Returns an estimate of the bytes in use.
    pub(super) fn bytes(&self) -> usize {
        let maps: usize = self.shards.iter().map(|shard| buckets(&shard.read())).sum();
        size_of_val(&*self.shards) + maps * (size_of::<(HashedName, V)>() + 1)
    }

    fn shard(&self, name: HashedName) -> &Shard<V> {
        &self.shards[name.shard_bits() % SHARDS]
    }

    fn clear_up(&self, shard: &Shard<V>, now: u32) {
        if shard.due.load(Ordering::Relaxed) > now {
            return;
        }
        let mut map = shard.write();
        let (before, mut first) = (map.len(), NEVER);
        map.retain(|_, value| {
            let stays = value.until() == NEVER || value.until() > now;
            if stays {
                first = first.min(value.until());
            }
            stays
        });
        self.len.fetch_sub(before - map.len(), Ordering::Release);
        if map.capacity() > 4 * map.len() {
            let twice = 2 * map.len();
            map.shrink_to(twice);
        }
        shard.due.store(later(first.max(now)), Ordering::Relaxed);
    }
}

impl<V> Shard<V> {
    fn read(&self) -> RwLockReadGuard<'_, Map<V>> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Map<V>> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Delays a clean-up, so that a map with an expiry every second is not cleaned up every second.
fn later(second: u32) -> u32 {
    second.saturating_add(CLEARED_UP_EVERY)
}

fn buckets<V>(map: &Map<V>) -> usize {
    match map.capacity() {
        0 => 0,
        capacity => (capacity * 8 / 7).next_power_of_two(),
    }
}

pub(super) const NEVER: u32 = u32::MAX;
const CLEARED_UP_EVERY: u32 = 64;
/// At ten million entries a map has ten thousand, which take a fifth of a millisecond to clean up
/// (`benches/revocations.rs`).
const SHARDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Until(u32);

    impl TableValue for Until {
        fn until(&self) -> u32 {
            self.0
        }

        fn or(self, other: Self) -> Self {
            Self(self.0.max(other.0))
        }

        fn revokes_more_than(&self, _: &Self) -> bool {
            false
        }
    }

    /// A name of this map.
    fn name(shard: u8, number: u32) -> HashedName {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_le_bytes());
        bytes[4..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_le_bytes());
        bytes[8] = shard;
        HashedName::from_bytes(bytes)
    }

    fn insert(table: &RevocationTable<Until>, name: HashedName, until: u32, now: u32) {
        table.insert(name, Until(until), now, || ());
    }

    #[test]
    fn expired_entries_are_removed_at_once_on_request() {
        let table = RevocationTable::new();
        insert(&table, name(1, 1), 1000, 0);
        insert(&table, name(1, 2), NEVER, 0);

        table.forget_expired(999);
        assert_eq!(table.len(), 2);
        table.forget_expired(1000);

        assert_eq!((table.len(), table.is_empty()), (1, false));
        assert!(table.get(name(1, 1)).is_none() && table.get(name(1, 2)).is_some());
        table.remove(name(1, 2));
        assert!(table.is_empty());
    }

    #[test]
    fn map_is_cleared_up_no_sooner_than_a_minute_after_something_in_it_has_expired() {
        let table = RevocationTable::new();
        insert(&table, name(1, 1), 1000, 0);
        // As many writers as there are maps, each of which looks at another.
        let write_at = |now| (0..1024).for_each(|_| insert(&table, name(2, 1), NEVER, now));

        write_at(1063);
        assert_eq!(table.len(), 2);
        write_at(1064);

        assert_eq!(table.len(), 1);
    }

    #[test]
    fn memory_is_given_back_when_three_quarters_of_a_map_are_free() {
        let table = RevocationTable::new();
        let empty = table.bytes();
        // Room for 28 in 32 places, of a name, its value and a tag.
        (0..28).for_each(|number| insert(&table, name(1, number), 1000 + number, 0));
        let bytes = |places: usize| places * (16 + 4 + 1);
        assert_eq!(table.bytes() - empty, bytes(32));

        table.forget_expired(1000 + 20);
        assert_eq!((table.len(), table.bytes() - empty), (7, bytes(32)));
        table.forget_expired(1000 + 21);
        assert_eq!((table.len(), table.bytes() - empty), (6, bytes(16)));
        table.forget_expired(1000 + 27);

        assert_eq!((table.len(), table.bytes()), (0, empty));
    }
}
