//! Holds the slots of the cache.
//!
//! Not `quick_cache`, whose readers write to a lock that all cores share. A slot is an `ArcSwapOption`. Each
//! token has two groups of four slots, the emptier one first: with five sixths of the slots full, 2 % find no
//! place. Eviction is CLOCK. The marks beside the slots (`state.rs`) choose and do not decide: no entry is
//! removed as expired without a look at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use arc_swap::{ArcSwapOption, Guard};

use super::doorkeeper::Doorkeeper;
use super::entry::{Entry, Key};
use super::state::{EMPTY, KNOWN, Places, TAG, USED, WAYS, end, seconds, tag};
use crate::claims::NumericDate;

/// How much is kept.
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

/// Slots in groups of four. A token may stand in any slot of two groups, so that the table can be almost
/// full before one that is still wanted has to go.
pub(super) struct Table<V> {
    groups: Box<[Group<V>]>,
    /// For whoever would push out a stranger.
    door: Doorkeeper,
    /// Whether the last one that had to go for its bytes was a stranger.
    was_for_a_stranger: AtomicBool,
    most_bytes: usize,
    entries: AtomicUsize,
    bytes: AtomicUsize,
    /// Where the next newcomer looks for what has expired.
    hand: AtomicUsize,
}

#[repr(align(64))]
struct Group<V> {
    /// A part of the hash of what stands in each slot, [`KNOWN`] and [`USED`]: most others are passed over
    /// without being looked at. May be out of date, which makes a miss.
    tags: [AtomicU32; WAYS],
    /// The second in which what stands in each slot has expired; [`EMPTY`] where nothing does. May be out
    /// of date, so nobody is removed by this alone.
    ends: [AtomicU32; WAYS],
    slots: [ArcSwapOption<Entry<V>>; WAYS],
}

impl<V> Group<V> {
    /// Of each slot its tag and its end.
    fn states(&self) -> [(u32, u32); WAYS] {
        let load = |of: &AtomicU32| of.load(Ordering::Relaxed);
        std::array::from_fn(|way| (load(&self.tags[way]), load(&self.ends[way])))
    }
}

/// Where something stands.
#[derive(Clone, Copy, PartialEq)]
pub(super) struct Slot {
    group: usize,
    way: usize,
}

type Found<V> = Guard<Option<Arc<Entry<V>>>>;

/// What has become of a newcomer.
pub(super) struct Inserted {
    pub(super) is_kept: bool,
    /// How many had to go for it although they had not expired.
    pub(super) evictions: u64,
}

/// An entry that stays for as long as it is looked at.
pub(super) struct Kept<V>(Found<V>);

impl<V> Kept<V> {
    // Once and not for each of the places, which are many and rarely looked at.
    #[inline(never)]
    fn of(slot: &ArcSwapOption<Entry<V>>, key: Key<'_>) -> Option<Self> {
        let found = slot.load();
        found.as_ref().is_some_and(|entry| entry.is_of(key)).then(|| Self(found))
    }
}

impl<V> std::ops::Deref for Kept<V> {
    type Target = Entry<V>;

    fn deref(&self) -> &Entry<V> {
        self.0.as_ref().expect("was looked at before it was wrapped")
    }
}

impl<V> Table<V> {
    pub(super) fn new(bounds: Bounds) -> Self {
        let group = || Group {
            tags: [const { AtomicU32::new(0) }; WAYS],
            ends: [const { AtomicU32::new(EMPTY) }; WAYS],
            slots: std::array::from_fn(|_| ArcSwapOption::empty()),
        };
        // No more than there are bytes for, or a bound that somebody left open would be all memory.
        let entries = bounds.entries.min(bounds.bytes / Entry::<V>::SMALLEST).min(MOST_ENTRIES);
        let groups = entries.div_ceil(WAYS).max(1);
        Self {
            groups: std::iter::repeat_with(group).take(groups).collect(),
            door: Doorkeeper::new(groups * WAYS),
            was_for_a_stranger: AtomicBool::new(false),
            most_bytes: bounds.bytes,
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
        }
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.entries.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    pub(super) fn find(&self, key: Key<'_>) -> Option<(Slot, Kept<V>)> {
        let tag = tag(key.hash);
        for group in self.groups_of(key.hash) {
            let Group { tags, slots, .. } = &self.groups[group];
            for (way, (at, slot)) in tags.iter().zip(slots).enumerate() {
                if at.load(Ordering::Relaxed) & TAG == tag
                    && let Some(kept) = Kept::of(slot, key)
                {
                    return Some((Slot { group, way }, kept));
                }
            }
        }
        None
    }

    /// Removes an entry, unless another has taken its place.
    #[cold]
    pub(super) fn remove(&self, slot: Slot, entry: &Kept<V>) -> bool {
        let was = self.slot(slot).compare_and_swap(&entry.0, None);
        let is_gone = std::ptr::eq(Self::address(&was), Self::address(&entry.0));
        if is_gone {
            self.end(slot).store(EMPTY, Ordering::Relaxed);
            self.count_out(entry);
        }
        is_gone
    }

    /// Keeps a value in the place of the one that is needed least, if it is worth that.
    pub(super) fn insert(
        &self,
        key: Key<'_>,
        bytes: usize,
        value: impl FnOnce() -> V,
        until: NumericDate,
        now: NumericDate,
    ) -> Inserted {
        let Some((slot, is_replaced)) = self.place_for(key, bytes, now) else {
            return Inserted { is_kept: false, evictions: 0 };
        };
        let entry = Arc::new(Entry::new(key, bytes, value(), until));
        // Counted before anybody can remove it again.
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

    /// A place for a newcomer, and whether it is its own. `None` if it would push out a stranger, who was
    /// never asked for again, and is one itself: of those who come once and never again, however many
    /// they are, few are kept.
    fn place_for(&self, key: Key<'_>, bytes: usize, now: NumericDate) -> Option<(Slot, bool)> {
        let (tag, until) = (tag(key.hash), seconds(now));
        let groups = self.groups_of(key.hash);
        let mut places = Places::default();
        for (nth, group) in groups.into_iter().enumerate() {
            for (way, state) in self.groups[group].states().into_iter().enumerate() {
                places.add(nth * WAYS + way, state, tag, until);
            }
        }
        let slot = |place: usize| Slot { group: groups[place / WAYS], way: place % WAYS };
        // It has expired, or somebody else was quicker.
        if let Some(own) = places.own().map(slot).find(|own| self.is_at(*own, key)) {
            return Some((own, true));
        }
        let (free, stranger) = (places.free(), places.stranger());
        if free.is_some() && self.is_full_with(bytes) {
            // Of what has to go, some may have expired.
            self.sweep(now);
        }
        let is_for_a_stranger = match free {
            Some(_) => self.is_full_with(bytes) && self.was_for_a_stranger.load(Ordering::Relaxed),
            None => stranger.is_some(),
        };
        if is_for_a_stranger && !self.door.knows(key.hash) {
            return None;
        }
        let place = free.or(stranger).unwrap_or_else(|| {
            // Whoever is not asked for until the next newcomer comes makes room for it.
            (0..Places::COUNT).for_each(|place| _ = self.clear_used(slot(place)));
            // If all were used, any will do, and the hash is as good as a die.
            places.idle().unwrap_or((key.hash >> 7) as usize % Places::COUNT)
        });
        Some((slot(place), false))
    }

    fn is_at(&self, slot: Slot, key: Key<'_>) -> bool {
        self.slot(slot).load().as_ref().is_some_and(|entry| entry.is_of(key))
    }

    /// Goes on to the next group, and removes what has expired.
    fn sweep(&self, now: NumericDate) {
        let hand = self.hand.fetch_add(1, Ordering::Relaxed);
        let (round, group) = (hand / self.groups.len(), hand % self.groups.len());
        let until = seconds(now);
        let mut due = self.groups[group].states().map(|(_, end)| end != EMPTY && end <= until);
        // One in any case, because what stands beside the others may be out of date.
        due[round % WAYS] = true;
        for way in (0..WAYS).filter(|way| due[*way]) {
            let slot = Slot { group, way };
            let found = self.slot(slot).load();
            if found.as_ref().is_some_and(|entry| entry.has_expired(now)) {
                self.remove(slot, &Kept(found));
            }
        }
    }

    /// Goes on from group to group while there are too many bytes. Returns how many had to go although they
    /// had not expired.
    fn make_room(&self, newcomer: Slot, now: NumericDate) -> u64 {
        let mut evictions = 0;
        // Twice around, because the first time may only find that all were used.
        for _ in 0..2 * self.groups.len() {
            if !self.is_full_with(0) {
                break;
            }
            let group = self.hand.fetch_add(1, Ordering::Relaxed) % self.groups.len();
            for slot in (0..WAYS).map(|way| Slot { group, way }) {
                let must_go = self.is_full_with(0) && slot != newcomer && !self.clear_used(slot);
                evictions += u64::from(must_go && self.evict(slot, now));
            }
        }
        evictions
    }

    /// Whether there was one that had not expired.
    fn evict(&self, slot: Slot, now: NumericDate) -> bool {
        let is_stranger = self.tag(slot).load(Ordering::Relaxed) & KNOWN == 0;
        let found = self.slot(slot).load();
        let Some(entry) = &*found else { return false };
        let was_good = !entry.has_expired(now);
        let is_evicted = self.remove(slot, &Kept(found)) && was_good;
        if is_evicted {
            self.was_for_a_stranger.store(is_stranger, Ordering::Relaxed);
        }
        is_evicted
    }

    fn is_full_with(&self, more: usize) -> bool {
        self.bytes.load(Ordering::Relaxed).saturating_add(more) > self.most_bytes
    }

    pub(super) fn mark_as_used(&self, slot: Slot) {
        // Only if it is not: to write makes other cores fetch the line again.
        let tag = self.tag(slot);
        if tag.load(Ordering::Relaxed) & USED == 0 {
            tag.fetch_or(KNOWN | USED, Ordering::Relaxed);
        }
    }

    /// Whether it was used.
    fn clear_used(&self, slot: Slot) -> bool {
        let tag = self.tag(slot);
        let was_used = tag.load(Ordering::Relaxed) & USED != 0;
        if was_used {
            tag.fetch_and(!USED, Ordering::Relaxed);
        }
        was_used
    }

    fn count_out(&self, entry: &Entry<V>) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(entry.bytes(), Ordering::Relaxed);
    }

    fn groups_of(&self, hash: u64) -> [usize; 2] {
        // The high half of a product: evenly spread, for any number of groups.
        let of = |half: u64| ((half * self.groups.len() as u64) >> 32) as usize;
        [of(hash & 0xffff_ffff), of(hash >> 32)]
    }

    fn slot(&self, Slot { group, way }: Slot) -> &ArcSwapOption<Entry<V>> {
        &self.groups[group].slots[way]
    }

    fn tag(&self, Slot { group, way }: Slot) -> &AtomicU32 {
        &self.groups[group].tags[way]
    }

    fn end(&self, Slot { group, way }: Slot) -> &AtomicU32 {
        &self.groups[group].ends[way]
    }

    fn address(found: &Found<V>) -> *const Entry<V> {
        found.as_ref().map_or(std::ptr::null(), Arc::as_ptr)
    }
}

/// More than anybody needs, and their slots are a third of a gibibyte.
const MOST_ENTRIES: usize = 1 << 24;

#[cfg(test)]
impl<V> Table<V> {
    /// What stands in the slots: how many, and their bytes.
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

    fn insert(table: &Table<u32>, hash: u64, number: u32) {
        let token = number.to_string();
        let key = Key { hash, token: token.as_bytes() };
        let (until, now) = (NumericDate::from_seconds(9), NumericDate::from_seconds(0));
        table.insert(key, Entry::<u32>::bytes_of(key, 0), || number, until, now);
    }

    fn find(table: &Table<u32>, hash: u64, number: u32) -> Option<u32> {
        let token = number.to_string();
        table.find(Key { hash, token: token.as_bytes() }).map(|(_, entry)| entry.value)
    }

    #[test]
    fn tokens_of_one_hash_push_each_other_out_and_nobody_else() {
        let table = Table::new(Bounds { entries: 4096, bytes: usize::MAX });
        let others = 0..1000_u32;
        let hash = |number: u32| u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for number in others.clone() {
            insert(&table, hash(number), number);
        }
        let before = others.clone().filter(|&number| find(&table, hash(number), number).is_some());
        let before: Vec<u32> = before.collect();

        for number in 10_000..20_000 {
            // Whoever would push out a stranger has to come twice.
            insert(&table, HASH, number);
            insert(&table, HASH, number);
            assert_eq!(find(&table, HASH, number), Some(number), "the last one is found");
        }

        // However many there are, a look-up has at most these to look at.
        let flood = (10_000..20_000).filter(|&number| find(&table, HASH, number).is_some());
        assert!(flood.count() <= 2 * WAYS);
        let lost = before.iter().filter(|&&number| find(&table, hash(number), number).is_none());
        assert!(lost.count() <= 2 * WAYS, "only who stood in the same two groups");
        assert!(before.len() > 990);
        assert_eq!(table.size(), table.count());
    }

    #[test]
    fn one_hash_is_not_one_token() {
        let table = Table::new(Bounds { entries: 64, bytes: usize::MAX });
        insert(&table, HASH, 1);

        assert_eq!(find(&table, HASH, 1), Some(1));
        assert_eq!(find(&table, HASH, 2), None);
    }

    #[test]
    fn tokens_of_one_hash_stand_side_by_side_while_there_is_room() {
        let table = Table::new(Bounds { entries: 64, bytes: usize::MAX });

        (1..=4).for_each(|number| insert(&table, HASH, number));

        let found: Vec<_> = (1..=4).filter_map(|number| find(&table, HASH, number)).collect();
        assert_eq!(found, [1, 2, 3, 4]);
    }
}
