//! Stores a tag and an expiry beside each slot, so that most slots need not be read. A tag is a
//! part of a hash with two marks.

use crate::claims::NumericDate;

/// A mark in a tag: the entry was hit since it was inserted.
pub(super) const HIT: u32 = 2;
/// A mark in a tag: the entry was hit since an insertion last chose among these places.
pub(super) const RECENT: u32 = 1;
/// The part of a tag that belongs to the hash.
pub(super) const TAG: u32 = !(HIT | RECENT);
/// The expiry of an empty slot, which lies in the past at any time.
pub(super) const EMPTY: u32 = 0;

/// Slots in a group.
pub(super) const WAYS: usize = 4;

/// Returns the bits of a hash that influence the place of a token least.
#[expect(clippy::cast_possible_truncation, reason = "it is about bits")]
pub(super) fn tag(hash: u64) -> u32 {
    ((hash as u32) ^ ((hash >> 32) as u32).rotate_left(16)) & TAG
}

/// Returns an expiry in seconds, from 1 to the year 2106. Dates beyond become the nearest limit.
pub(super) fn end(until: NumericDate) -> u32 {
    u32::try_from(until.rounded_up().as_seconds().max(1)).unwrap_or(u32::MAX)
}

/// Returns the current time in the same form.
pub(super) fn seconds(now: NumericDate) -> u32 {
    u32::try_from(now.as_seconds().max(0)).unwrap_or(u32::MAX)
}

/// The states of the places where a token may stand, which are the slots of two groups. Each set
/// has a bit for each place.
#[derive(Default)]
pub(super) struct Places {
    own: u32,
    free: u32,
    hit: u32,
    recent: u32,
}

impl Places {
    pub(super) const COUNT: usize = 2 * WAYS;
    const ALL: u32 = (1 << Self::COUNT) - 1;
    const IN_FIRST_GROUP: u32 = (1 << WAYS) - 1;

    /// Adds a place with its tag and expiry, for a new token with this tag at this time.
    #[inline]
    pub(super) fn add(&mut self, place: usize, (at, end): (u32, u32), tag: u32, now: u32) {
        self.own |= u32::from(at & TAG == tag) << place;
        self.free |= u32::from(end <= now) << place;
        self.hit |= u32::from(at & HIT != 0) << place;
        self.recent |= u32::from(at & RECENT != 0) << place;
    }

    /// Returns the places where the new token itself may stand already.
    pub(super) fn own(&self) -> impl Iterator<Item = usize> {
        let own = self.own;
        (0..Self::COUNT).filter(move |place| own != 0 && own & (1 << place) != 0)
    }

    /// Returns a place that is empty or has expired, in the emptier group: then few groups are full
    /// before the table is.
    pub(super) fn free(&self) -> Option<usize> {
        let [one, other] = [self.free & Self::IN_FIRST_GROUP, self.free & !Self::IN_FIRST_GROUP];
        first(if one.count_ones() >= other.count_ones() { one } else { other })
    }

    /// Returns a place whose entry was never hit.
    pub(super) fn never_hit(&self) -> Option<usize> {
        first(!self.hit & Self::ALL)
    }

    /// Returns a place whose entry was not hit since the last insertion.
    pub(super) fn not_recently_hit(&self) -> Option<usize> {
        first(!self.recent & Self::ALL)
    }
}

fn first(places: u32) -> Option<usize> {
    (places != 0).then(|| places.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(states: [(u32, u32); Places::COUNT]) -> Places {
        let mut places = Places::default();
        for (place, state) in states.into_iter().enumerate() {
            places.add(place, state, 64, 10);
        }
        places
    }

    #[test]
    fn place_is_chosen_by_its_tag_and_expiry() {
        let known = (4 | HIT | RECENT, 99);
        let mut states = [known; Places::COUNT];
        let all = |places: &Places| (places.free(), places.never_hit(), places.not_recently_hit());
        assert_eq!(all(&places(states)), (None, None, None));

        states[6] = (4 | HIT, 99);
        assert_eq!(all(&places(states)), (None, None, Some(6)));
        states[7] = (4, 99);
        assert_eq!(all(&places(states)), (None, Some(7), Some(6)));
        states[1] = (4 | HIT | RECENT, 10);
        assert_eq!(all(&places(states)), (Some(1), Some(7), Some(6)));
        (states[4], states[5]) = ((0, EMPTY), (0, EMPTY));
        assert_eq!(places(states).free(), Some(4), "more are free in that group");

        assert_eq!(places(states).own().count(), 0);
        (states[2], states[3]) = ((64, 99), (64 | HIT, 99));
        assert_eq!(places(states).own().collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn seconds_end_where_32_bits_do() {
        let at = NumericDate::from_seconds;
        assert_eq!([end(at(-1)), end(at(7)), end(at(i64::MAX))], [1, 7, u32::MAX]);
        assert_eq!([seconds(at(-1)), seconds(at(7)), seconds(at(i64::MAX))], [0, 7, u32::MAX]);
    }
}
