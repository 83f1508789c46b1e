//! Holds the slots of the cache.
//!
//! `quick_cache` is not used, because its readers write to a lock that all cores share. A slot is
//! an `ArcSwapOption`. Each token has two groups of four slots, the emptier one first: with five
//! sixths of the slots full, 2 % of new tokens find no place. Eviction is CLOCK. The marks beside
//! the slots (`state.rs`) select candidates and do not decide: no entry is removed as expired
//! before its own expiry is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use arc_swap::{ArcSwapOption, Guard};

use super::doorkeeper::Doorkeeper;
use super::entry::{CacheEntry, CacheKey};
use super::state::{EMPTY, HIT, Places, RECENT, TAG, WAYS, end, seconds, tag};
use crate::claims::NumericDate;

/// The limits of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 4096, bytes: 16 * 1024 * 1024 }
    }
}

/// A table of slots in groups of four. A token may stand in any slot of two groups, so that the
/// table is almost full before it evicts an entry that is still in use.
pub(super) struct CacheTable<V> {
    groups: Box<[Group<V>]>,
    /// Decides about tokens that would evict an entry that was never hit.
    doorkeeper: Doorkeeper,
    /// Whether the last entry that was evicted for its bytes had never been hit.
    last_evicted_was_never_hit: AtomicBool,
    most_bytes: usize,
    entries: AtomicUsize,
    bytes: AtomicUsize,
    /// The group in which the next insertion looks for expired entries.
    hand: AtomicUsize,
}

#[repr(align(64))]
struct Group<V> {
    /// The tag of each slot: a part of the hash of its entry, [`HIT`] and [`RECENT`]. Most slots of
    /// other entries are skipped because of it. A tag may be out of date, which causes a miss.
    tags: [AtomicU32; WAYS],
    /// The second in which the entry of each slot expires, or [`EMPTY`]. It may be out of date, so
    /// no entry is removed because of it alone.
    ends: [AtomicU32; WAYS],
    slots: [ArcSwapOption<CacheEntry<V>>; WAYS],
}

impl<V> Group<V> {
    /// Returns the tag and the expiry of each slot.
    fn states(&self) -> [(u32, u32); WAYS] {
        let load = |of: &AtomicU32| of.load(Ordering::Relaxed);
        std::array::from_fn(|way| (load(&self.tags[way]), load(&self.ends[way])))
    }
}

/// The position of a slot.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct SlotPosition {
    group: usize,
    way: usize,
}

type LoadedEntry<V> = Guard<Option<Arc<CacheEntry<V>>>>;

/// The outcome of an insertion.
pub(super) struct Inserted {
    pub(super) is_kept: bool,
    /// The number of entries that were evicted for it before they expired.
    pub(super) evictions: u64,
}

/// An entry that is kept alive while it is read.
pub(super) struct EntryGuard<V>(LoadedEntry<V>);

impl<V> EntryGuard<V> {
    // Compiled once, and not for each of the places, which are many and rarely read.
    #[inline(never)]
    fn of(slot: &ArcSwapOption<CacheEntry<V>>, key: CacheKey<'_>) -> Option<Self> {
        let found = slot.load();
        found.as_ref().is_some_and(|entry| entry.is_of(key)).then(|| Self(found))
    }
}

impl<V> std::ops::Deref for EntryGuard<V> {
    type Target = CacheEntry<V>;

    fn deref(&self) -> &CacheEntry<V> {
        self.0.as_ref().expect("was looked at before it was wrapped")
    }
}

impl<V> CacheTable<V> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let group = || Group {
            tags: [const { AtomicU32::new(0) }; WAYS],
            ends: [const { AtomicU32::new(EMPTY) }; WAYS],
            slots: std::array::from_fn(|_| ArcSwapOption::empty()),
        };
        // No more entries than the bytes allow: an open bound would otherwise allocate all memory.
        let entries =
            bounds.entries.min(bounds.bytes / CacheEntry::<V>::SMALLEST).min(MOST_ENTRIES);
        let groups = entries.div_ceil(WAYS).max(1);
        Self {
            groups: std::iter::repeat_with(group).take(groups).collect(),
            doorkeeper: Doorkeeper::new(groups * WAYS),
            last_evicted_was_never_hit: AtomicBool::new(false),
            most_bytes: bounds.bytes,
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
        }
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.entries.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    #[expect(clippy::inline_always, reason = "the call costs as much as the search")]
    #[inline(always)]
    pub(super) fn find(&self, key: CacheKey<'_>) -> Option<(SlotPosition, EntryGuard<V>)> {
        let tag = tag(key.hash);
        for group in self.groups_of(key.hash) {
            let Group { tags, slots, .. } = &self.groups[group];
            for (way, (at, slot)) in tags.iter().zip(slots).enumerate() {
                if at.load(Ordering::Relaxed) & TAG == tag
                    && let Some(kept) = EntryGuard::of(slot, key)
                {
                    return Some((SlotPosition { group, way }, kept));
                }
            }
        }
        None
    }

    /// Removes an entry, unless another one has replaced it.
    #[cold]
    pub(super) fn remove(&self, slot: SlotPosition, entry: &EntryGuard<V>) -> bool {
        let was = self.slot(slot).compare_and_swap(&entry.0, None);
        let is_gone = std::ptr::eq(Self::address(&was), Self::address(&entry.0));
        if is_gone {
            self.end(slot).store(EMPTY, Ordering::Relaxed);
            self.count_out(entry);
        }
        is_gone
    }

    /// Keeps a value in place of the entry that is needed least, if the token is worth it.
    pub(super) fn insert(
        &self,
        key: CacheKey<'_>,
        bytes: usize,
        value: impl FnOnce() -> V,
        until: NumericDate,
        now: NumericDate,
    ) -> Inserted {
        let Some((slot, is_replaced)) = self.place_for(key, bytes, now) else {
            return Inserted { is_kept: false, evictions: 0 };
        };
        let entry = Arc::new(CacheEntry::new(key, bytes, value(), until));
        // Counted before another thread can remove it again.
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        let before = self.slot(slot).swap(Some(entry));
        self.tag(slot).store(tag(key.hash), Ordering::Relaxed);
        self.end(slot).store(end(until), Ordering::Relaxed);
        let mut evictions = 0;
        if let Some(before) = before {
            evictions += u64::from(!is_replaced && !before.has_expired(now));
            self.count_out(&before);
        }
        self.sweep(now);
        Inserted { is_kept: true, evictions: evictions + self.make_room(slot, now) }
    }

    /// Returns a place for a new token, and whether the token stands there already. Returns `None`
    /// when the place holds an entry that was never hit and the token comes for the first time. Of
    /// tokens that come once, however many they are, few are kept.
    fn place_for(
        &self,
        key: CacheKey<'_>,
        bytes: usize,
        now: NumericDate,
    ) -> Option<(SlotPosition, bool)> {
        let (tag, until) = (tag(key.hash), seconds(now));
        let groups = self.groups_of(key.hash);
        let mut places = Places::default();
        for (nth, group) in groups.into_iter().enumerate() {
            for (way, state) in self.groups[group].states().into_iter().enumerate() {
                places.add(nth * WAYS + way, state, tag, until);
            }
        }
        let slot = |place: usize| SlotPosition { group: groups[place / WAYS], way: place % WAYS };
        // The entry has expired, or another thread has inserted the token meanwhile.
        if let Some(own) = places.own().map(slot).find(|own| self.is_at(*own, key)) {
            return Some((own, true));
        }
        let (free, never_hit) = (places.free(), places.never_hit());
        if free.is_some() && self.is_full_with(bytes) {
            // Some of the entries that would be evicted may have expired.
            self.sweep(now);
        }
        let would_evict_never_hit = match free {
            Some(_) => {
                self.is_full_with(bytes) && self.last_evicted_was_never_hit.load(Ordering::Relaxed)
            }
            None => never_hit.is_some(),
        };
        if would_evict_never_hit && !self.doorkeeper.knows(key.hash) {
            return None;
        }
        let place = free.or(never_hit).unwrap_or_else(|| {
            // An entry that is not hit before the next insertion makes room for it.
            (0..Places::COUNT).for_each(|place| _ = self.clear_recent(slot(place)));
            // If all were hit, any place will do, and the hash is as good as a random number.
            places.not_recently_hit().unwrap_or((key.hash >> 7) as usize % Places::COUNT)
        });
        Some((slot(place), false))
    }

    fn is_at(&self, slot: SlotPosition, key: CacheKey<'_>) -> bool {
        self.slot(slot).load().as_ref().is_some_and(|entry| entry.is_of(key))
    }

    /// Advances to the next group, and removes expired entries.
    fn sweep(&self, now: NumericDate) {
        let hand = self.hand.fetch_add(1, Ordering::Relaxed);
        let (round, group) = (hand / self.groups.len(), hand % self.groups.len());
        let until = seconds(now);
        let mut due = self.groups[group].states().map(|(_, end)| end != EMPTY && end <= until);
        // At least one slot is checked, because the expiry of the others may be out of date.
        due[round % WAYS] = true;
        for way in (0..WAYS).filter(|way| due[*way]) {
            let slot = SlotPosition { group, way };
            let found = self.slot(slot).load();
            if found.as_ref().is_some_and(|entry| entry.has_expired(now)) {
                self.remove(slot, &EntryGuard(found));
            }
        }
    }

    /// Evicts entries from group to group while there are too many bytes. Returns how many had not
    /// expired.
    fn make_room(&self, newcomer: SlotPosition, now: NumericDate) -> u64 {
        let mut evictions = 0;
        // Two rounds, because the first one may find that all were hit.
        for _ in 0..2 * self.groups.len() {
            if !self.is_full_with(0) {
                break;
            }
            let group = self.hand.fetch_add(1, Ordering::Relaxed) % self.groups.len();
            for slot in (0..WAYS).map(|way| SlotPosition { group, way }) {
                let must_go = self.is_full_with(0) && slot != newcomer && !self.clear_recent(slot);
                evictions += u64::from(must_go && self.evict(slot, now));
            }
        }
        evictions
    }

    /// Removes the entry of a slot. Returns whether it had not expired.
    fn evict(&self, slot: SlotPosition, now: NumericDate) -> bool {
        let was_never_hit = self.tag(slot).load(Ordering::Relaxed) & HIT == 0;
        let found = self.slot(slot).load();
        let Some(entry) = &*found else { return false };
        let was_good = !entry.has_expired(now);
        let is_evicted = self.remove(slot, &EntryGuard(found)) && was_good;
        if is_evicted {
            self.last_evicted_was_never_hit.store(was_never_hit, Ordering::Relaxed);
        }
        is_evicted
    }

    fn is_full_with(&self, more: usize) -> bool {
        self.bytes.load(Ordering::Relaxed).saturating_add(more) > self.most_bytes
    }

    #[inline]
    pub(super) fn mark_as_hit(&self, slot: SlotPosition) {
        // Only if a mark is missing: a write makes other cores fetch the line again.
        let tag = self.tag(slot);
        if tag.load(Ordering::Relaxed) & RECENT == 0 {
            tag.fetch_or(HIT | RECENT, Ordering::Relaxed);
        }
    }

    /// Clears the mark for recent hits, and returns whether it was set.
    fn clear_recent(&self, slot: SlotPosition) -> bool {
        let tag = self.tag(slot);
        let was_recent = tag.load(Ordering::Relaxed) & RECENT != 0;
        if was_recent {
            tag.fetch_and(!RECENT, Ordering::Relaxed);
        }
        was_recent
    }

    fn count_out(&self, entry: &CacheEntry<V>) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(entry.bytes(), Ordering::Relaxed);
    }

    #[inline]
    fn groups_of(&self, hash: u64) -> [usize; 2] {
        // The high half of a product is evenly spread, for any number of groups.
        let of = |half: u64| ((half * self.groups.len() as u64) >> 32) as usize;
        [of(hash & 0xffff_ffff), of(hash >> 32)]
    }

    fn slot(&self, SlotPosition { group, way }: SlotPosition) -> &ArcSwapOption<CacheEntry<V>> {
        &self.groups[group].slots[way]
    }

    fn tag(&self, SlotPosition { group, way }: SlotPosition) -> &AtomicU32 {
        &self.groups[group].tags[way]
    }

    fn end(&self, SlotPosition { group, way }: SlotPosition) -> &AtomicU32 {
        &self.groups[group].ends[way]
    }

    fn address(found: &LoadedEntry<V>) -> *const CacheEntry<V> {
        found.as_ref().map_or(std::ptr::null(), Arc::as_ptr)
    }
}

/// The largest number of entries, whose slots take a third of a gibibyte.
const MOST_ENTRIES: usize = 1 << 24;

#[cfg(test)]
impl<V> CacheTable<V> {
    /// Returns the number of entries in the slots, and their bytes.
    pub(super) fn count(&self) -> (usize, usize) {
        let slots = self.groups.iter().flat_map(|group| &group.slots);
        let entries = slots.filter_map(ArcSwapOption::load_full);
        entries.fold((0, 0), |(all, bytes), entry| (all + 1, bytes + entry.bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: u64 = 0x0123_4567_89ab_cdef;

    fn insert(table: &CacheTable<u32>, hash: u64, number: u32) {
        let token = number.to_string();
        let key = CacheKey { hash, token: token.as_bytes() };
        let (until, now) = (NumericDate::from_seconds(9), NumericDate::from_seconds(0));
        table.insert(key, CacheEntry::<u32>::bytes_of(key, 0), || number, until, now);
    }

    fn find(table: &CacheTable<u32>, hash: u64, number: u32) -> Option<u32> {
        let token = number.to_string();
        table.find(CacheKey { hash, token: token.as_bytes() }).map(|(_, entry)| entry.value)
    }

    #[test]
    fn tokens_of_one_hash_evict_each_other_and_no_others() {
        let table = CacheTable::new(Bounds { entries: 4096, bytes: usize::MAX });
        let others = 0..1000_u32;
        let hash = |number: u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for number in others.clone() {
            insert(&table, hash(number), number);
        }
        let before = others.clone().filter(|&number| find(&table, hash(number), number).is_some());
        let before: Vec<u32> = before.collect();

        for number in 10_000..20_000 {
            // To evict an entry that was never hit, a token has to come twice.
            insert(&table, HASH, number);
            insert(&table, HASH, number);
            assert_eq!(find(&table, HASH, number), Some(number), "the last one is found");
        }

        // However many there are, a look-up reads at most these places.
        let flood = (10_000..20_000).filter(|&number| find(&table, HASH, number).is_some());
        assert!(flood.count() <= 2 * WAYS);
        let lost = before.iter().filter(|&&number| find(&table, hash(number), number).is_none());
        assert!(lost.count() <= 2 * WAYS, "only entries of the same two groups");
        assert!(before.len() > 990);
        assert_eq!(table.size(), table.count());
    }

    #[test]
    fn one_hash_is_not_one_token() {
        let table = CacheTable::new(Bounds { entries: 64, bytes: usize::MAX });
        insert(&table, HASH, 1);

        assert_eq!(find(&table, HASH, 1), Some(1));
        assert_eq!(find(&table, HASH, 2), None);
    }

    #[test]
    fn tokens_of_one_hash_stand_side_by_side_while_there_is_room() {
        let table = CacheTable::new(Bounds { entries: 64, bytes: usize::MAX });

        (1..=4).for_each(|number| insert(&table, HASH, number));

        let found: Vec<_> = (1..=4).filter_map(|number| find(&table, HASH, number)).collect();
        assert_eq!(found, [1, 2, 3, 4]);
    }
}
