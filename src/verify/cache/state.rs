//! What is written beside the slots, so that most of them need not be looked at: a part of a hash with two
//! marks, and a second.

use crate::claims::NumericDate;

/// In a tag: asked for again since it came. Whoever was not is a stranger.
pub(super) const KNOWN: u32 = 2;
/// In a tag: asked for again since a newcomer last took a place here.
pub(super) const USED: u32 = 1;
/// The rest of a tag.
pub(super) const TAG: u32 = !(KNOWN | USED);
/// In place of an end: has ended at any time.
pub(super) const EMPTY: u32 = 0;

/// Slots in a group.
pub(super) const WAYS: usize = 4;

/// Bits that have the least part in where a token stands.
#[expect(clippy::cast_possible_truncation, reason = "it is about bits")]
pub(super) fn tag(hash: u64) -> u32 {
    ((hash as u32) ^ ((hash >> 32) as u32).rotate_left(16)) & TAG
}

/// The second, from 1 to the year 2106: what lies outside is as good as the nearest.
pub(super) fn end(until: NumericDate) -> u32 {
    u32::try_from(until.rounded_up().as_seconds().max(1)).unwrap_or(u32::MAX)
}

/// The same for what time it is.
pub(super) fn seconds(now: NumericDate) -> u32 {
    u32::try_from(now.as_seconds().max(0)).unwrap_or(u32::MAX)
}

/// What is known of the places where a token may stand, which are those of two groups: a bit for each.
#[derive(Default)]
pub(super) struct Places {
    own: u32,
    free: u32,
    known: u32,
    used: u32,
}

impl Places {
    pub(super) const COUNT: usize = 2 * WAYS;
    const ALL: u32 = (1 << Self::COUNT) - 1;
    const IN_FIRST_GROUP: u32 = (1 << WAYS) - 1;

    /// Takes down a place: what is written beside it, what the newcomer's own tag is, and what time.
    #[inline]
    pub(super) fn add(&mut self, place: usize, (at, end): (u32, u32), tag: u32, now: u32) {
        self.own |= u32::from(at & TAG == tag) << place;
        self.free |= u32::from(end <= now) << place;
        self.known |= u32::from(at & KNOWN != 0) << place;
        self.used |= u32::from(at & USED != 0) << place;
    }

    /// Where the newcomer itself may stand already.
    pub(super) fn own(&self) -> impl Iterator<Item = usize> {
        let own = self.own;
        (0..Self::COUNT).filter(move |place| own != 0 && own & (1 << place) != 0)
    }

    /// One that is empty or has expired: in the emptier group, so that few are full before the table is.
    pub(super) fn free(&self) -> Option<usize> {
        let [one, other] = [self.free & Self::IN_FIRST_GROUP, self.free & !Self::IN_FIRST_GROUP];
        first(if one.count_ones() >= other.count_ones() { one } else { other })
    }

    /// One who was never asked for again.
    pub(super) fn stranger(&self) -> Option<usize> {
        first(!self.known & Self::ALL)
    }

    /// One who was not asked for since a newcomer last took a place.
    pub(super) fn idle(&self) -> Option<usize> {
        first(!self.used & Self::ALL)
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
    fn place_is_chosen_by_what_is_written_beside_it() {
        let known = (4 | KNOWN | USED, 99);
        let mut states = [known; Places::COUNT];
        let all = |places: &Places| (places.free(), places.stranger(), places.idle());
        assert_eq!(all(&places(states)), (None, None, None));

        states[6] = (4 | KNOWN, 99);
        assert_eq!(all(&places(states)), (None, None, Some(6)));
        states[7] = (4, 99);
        assert_eq!(all(&places(states)), (None, Some(7), Some(6)));
        states[1] = (4 | KNOWN | USED, 10);
        assert_eq!(all(&places(states)), (Some(1), Some(7), Some(6)));
        (states[4], states[5]) = ((0, EMPTY), (0, EMPTY));
        assert_eq!(places(states).free(), Some(4), "more are free in that group");

        assert_eq!(places(states).own().count(), 0);
        (states[2], states[3]) = ((64, 99), (64 | KNOWN, 99));
        assert_eq!(places(states).own().collect::<Vec<_>>(), [2, 3]);
    }

    #[test]
    fn seconds_end_where_32_bits_do() {
        let at = NumericDate::from_seconds;
        assert_eq!([end(at(-1)), end(at(7)), end(at(i64::MAX))], [1, 7, u32::MAX]);
        assert_eq!([seconds(at(-1)), seconds(at(7)), seconds(at(i64::MAX))], [0, 7, u32::MAX]);
    }
}
