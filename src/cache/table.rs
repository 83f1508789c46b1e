use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use zeroize::Zeroizing;

use crate::claims::{NumericDate, Principal};

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

/// A token and what is kept for it.
pub(super) struct Entry<V> {
    hash: u64,
    /// Whoever reads this memory later shall not find a token in it.
    token: Zeroizing<Box<[u8]>>,
    pub(super) value: V,
    until: NumericDate,
}

impl<V> Entry<V> {
    pub(super) fn new(hash: u64, token: &[u8], value: V, until: NumericDate) -> Self {
        let token = Zeroizing::new(token.into());
        Self { hash, token, value, until }
    }

    /// What is counted for it: the token, as much again for what was read from it, and what surrounds
    /// both.
    pub(super) fn bytes(&self) -> usize {
        2 * self.token.len() + size_of::<Self>() + AROUND
    }

    fn is_of(&self, hash: u64, token: &[u8]) -> bool {
        self.hash == hash && **self.token == *token
    }
}

/// Slots in groups of four. A token may stand in any slot of two groups, so that the table can be almost
/// full before one that is still wanted has to go.
pub(super) struct Table<V> {
    groups: Box<[Group<V>]>,
    most_bytes: usize,
    entries: AtomicUsize,
    bytes: AtomicUsize,
    /// Where the next newcomer looks for what has expired.
    hand: AtomicUsize,
}

#[repr(align(64))]
struct Group<V> {
    /// A part of the hash of what stands in each slot, and [`USED`]: most others are passed over without
    /// being looked at. May be out of date, which makes a miss.
    tags: [AtomicU32; WAYS],
    /// The second in which what stands in each slot has expired; [`EMPTY`] where nothing does. May be out
    /// of date, so nobody is removed by this alone.
    ends: [AtomicU32; WAYS],
    slots: [ArcSwapOption<Entry<V>>; WAYS],
}

/// Where something stands.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    group: usize,
    way: usize,
}

type Found<V> = Guard<Option<Arc<Entry<V>>>>;

/// An entry that stays for as long as it is looked at.
pub(super) struct Kept<V>(Found<V>);

impl<V> std::ops::Deref for Kept<V> {
    type Target = Entry<V>;

    fn deref(&self) -> &Entry<V> {
        self.0.as_ref().expect("was looked at before it was wrapped")
    }
}

impl<V> Table<V> {
    /// What an entry takes at the least.
    const SMALLEST: usize = size_of::<Entry<V>>() + AROUND;

    pub(super) fn new(bounds: Bounds) -> Self {
        let group = || Group {
            tags: [const { AtomicU32::new(0) }; WAYS],
            ends: [const { AtomicU32::new(EMPTY) }; WAYS],
            slots: std::array::from_fn(|_| ArcSwapOption::empty()),
        };
        // No more than there are bytes for, or a bound that somebody left open would be all memory.
        let entries = bounds.entries.min(bounds.bytes / Self::SMALLEST).min(MOST_ENTRIES);
        let groups = std::iter::repeat_with(group).take(entries.div_ceil(WAYS).max(1)).collect();
        Self {
            groups,
            most_bytes: bounds.bytes,
            entries: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            hand: AtomicUsize::new(0),
        }
    }

    pub(super) fn size(&self) -> (usize, usize) {
        (self.entries.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }

    pub(super) fn find(&self, hash: u64, token: &[u8]) -> Option<(Slot, Kept<V>)> {
        let tag = tag(hash);
        for group in self.groups_of(hash) {
            let Group { tags, slots, .. } = &self.groups[group];
            for (way, (at, slot)) in tags.iter().zip(slots).enumerate() {
                if at.load(Ordering::Relaxed) & !USED != tag {
                    continue;
                }
                let found = slot.load();
                if found.as_ref().is_some_and(|entry| entry.is_of(hash, token)) {
                    return Some((Slot { group, way }, Kept(found)));
                }
            }
        }
        None
    }

    /// Removes an entry, unless another has taken its place.
    pub(super) fn remove(&self, slot: Slot, entry: &Kept<V>) -> bool {
        let was = self.slot(slot).compare_and_swap(&entry.0, None);
        let is_gone = std::ptr::eq(Self::address(&was), Self::address(&entry.0));
        if is_gone {
            self.end(slot).store(EMPTY, Ordering::Relaxed);
            self.count_out(entry);
        }
        is_gone
    }

    /// Puts an entry into the place of the one that is needed least, and returns how many had to go
    /// although they had not expired.
    pub(super) fn insert(&self, entry: Entry<V>, now: NumericDate) -> u64 {
        let (slot, is_replaced) = self.place_for(&entry, now);
        // Counted before anybody can remove it again.
        self.entries.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(entry.bytes(), Ordering::Relaxed);
        let (tag, end) = (tag(entry.hash), end(entry.until));
        let before = self.slot(slot).swap(Some(Arc::new(entry)));
        self.tag(slot).store(tag, Ordering::Relaxed);
        self.end(slot).store(end, Ordering::Relaxed);
        let mut evictions = 0;
        if let Some(before) = before {
            evictions += u64::from(!is_replaced && before.until > now);
            self.count_out(&before);
        }
        evictions + self.make_room(now, slot)
    }

    fn place_for(&self, newcomer: &Entry<V>, now: NumericDate) -> (Slot, bool) {
        let (tag, now) = (tag(newcomer.hash), now.as_seconds());
        let mut free = [(0, None), (0, None)];
        let mut unused = None;
        for (at, slot) in self.places(newcomer.hash).enumerate() {
            let other = self.tag(slot).load(Ordering::Relaxed);
            if other & !USED == tag && self.is_at(slot, newcomer) {
                // It has expired, or somebody else was quicker.
                return (slot, true);
            }
            if has_ended(self.end(slot), now) {
                let (count, first) = &mut free[at / WAYS];
                *count += 1;
                first.get_or_insert(slot);
            } else if other & USED == 0 {
                unused.get_or_insert(slot);
            } else {
                // Whoever is not asked for until the next newcomer comes makes room for it.
                self.tag(slot).fetch_and(!USED, Ordering::Relaxed);
            }
        }
        // The emptier group, so that few groups are full before the table is.
        let [(first, slot), (second, other)] = free;
        let free = if first >= second { slot } else { other };
        // If all were used, any will do, and the hash is as good as a die.
        let [first, second] = self.groups_of(newcomer.hash);
        let die = (newcomer.hash >> 7) as usize;
        let any = Slot { group: if die & WAYS == 0 { first } else { second }, way: die % WAYS };
        (free.or(unused).unwrap_or(any), false)
    }

    fn is_at(&self, slot: Slot, entry: &Entry<V>) -> bool {
        let found = self.slot(slot).load();
        found.as_ref().is_some_and(|other| other.is_of(entry.hash, &entry.token))
    }

    /// Walks on from slot to slot: some steps in any case, to find what has expired, and more while
    /// there are too many bytes.
    fn make_room(&self, now: NumericDate, newcomer: Slot) -> u64 {
        let slots = self.groups.len() * WAYS;
        let mut hand = self.hand.fetch_add(SWEPT, Ordering::Relaxed);
        let mut evictions = 0;
        // Twice around, because the first time may only find that all were used.
        for step in 0..2 * slots {
            let is_full = self.bytes.load(Ordering::Relaxed) > self.most_bytes;
            if step >= SWEPT {
                if !is_full {
                    break;
                }
                hand = self.hand.fetch_add(1, Ordering::Relaxed);
            }
            let at = hand % slots;
            hand = hand.wrapping_add(1);
            let slot = Slot { group: at / WAYS, way: at % WAYS };
            let is_newcomer = slot.group == newcomer.group && slot.way == newcomer.way;
            let must_go = is_full && !is_newcomer && !self.clear_used(slot);
            // One in any case, because what stands beside the others may be out of date.
            if step > 0 && !must_go && !has_ended(self.end(slot), now.as_seconds()) {
                continue;
            }
            let found = self.slot(slot).load();
            let Some(entry) = &*found else { continue };
            let has_expired = entry.until <= now;
            if (has_expired || must_go) && self.remove(slot, &Kept(found)) {
                evictions += u64::from(!has_expired);
            }
        }
        evictions
    }

    pub(super) fn mark_as_used(&self, slot: Slot) {
        // Only if it is not: to write makes other cores fetch the line again.
        let tag = self.tag(slot);
        if tag.load(Ordering::Relaxed) & USED == 0 {
            tag.fetch_or(USED, Ordering::Relaxed);
        }
    }

    /// Whether it was used.
    fn clear_used(&self, slot: Slot) -> bool {
        self.tag(slot).fetch_and(!USED, Ordering::Relaxed) & USED != 0
    }

    fn count_out(&self, entry: &Entry<V>) {
        self.entries.fetch_sub(1, Ordering::Relaxed);
        self.bytes.fetch_sub(entry.bytes(), Ordering::Relaxed);
    }

    fn places(&self, hash: u64) -> impl Iterator<Item = Slot> {
        let groups = self.groups_of(hash);
        groups.into_iter().flat_map(|group| (0..WAYS).map(move |way| Slot { group, way }))
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

/// Bits that have the least part in where a token stands.
#[expect(clippy::cast_possible_truncation, reason = "it is about bits")]
fn tag(hash: u64) -> u32 {
    ((hash as u32) ^ ((hash >> 32) as u32).rotate_left(16)) & !USED
}

/// The second, from 1 to the year 2106: what lies outside is as good as the nearest.
fn end(until: NumericDate) -> u32 {
    u32::try_from(until.rounded_up().as_seconds().max(1)).unwrap_or(u32::MAX)
}

fn has_ended(end: &AtomicU32, now: i64) -> bool {
    i64::from(end.load(Ordering::Relaxed)) <= now
}

/// In a tag: asked for since a newcomer last looked for a place here.
const USED: u32 = 1;
/// In place of an end: has ended at any time.
const EMPTY: u32 = 0;

const WAYS: usize = 4;
/// More than anybody needs, and their slots are a quarter of a gibibyte.
const MOST_ENTRIES: usize = 1 << 24;
/// How many slots a newcomer looks into for what has expired.
const SWEPT: usize = 4;
/// The counts of an `Arc`, what an allocator adds, and the principal, to which an entry has a pointer.
const AROUND: usize = 32 + Principal::BYTES;

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
        let entry = Entry::new(hash, token.as_bytes(), number, NumericDate::from_seconds(9));
        table.insert(entry, NumericDate::from_seconds(0));
    }

    fn find(table: &Table<u32>, hash: u64, number: u32) -> Option<u32> {
        table.find(hash, number.to_string().as_bytes()).map(|(_, entry)| entry.value)
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
}
