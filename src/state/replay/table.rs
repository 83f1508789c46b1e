//! A set of random numbers. Own code, because a look-up touches one line of the processor's cache, where a hash table
//! touches two: with ten million numbers, that is half the time.

/// A set of numbers that are spread evenly. Zero is never among them.
#[derive(Default)]
pub(super) struct NumberTable {
    /// A power of two, or none.
    lines: Vec<Line>,
    len: usize,
}

/// A line of the processor's cache. Zeros are free places, and stand at the end.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([u64; PLACES]);

impl NumberTable {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn contains(&self, number: u64) -> bool {
        !self.lines.is_empty() && self.find(number).is_none()
    }

    /// Adds a number, and returns whether it is new.
    pub(super) fn insert(&mut self, number: u64) -> bool {
        if self.len >= self.lines.len() * PLACES / 4 * 3 {
            self.grow();
        }
        match self.find(number) {
            Some((line, place)) => {
                self.lines[line].0[place] = number;
                self.len += 1;
                true
            }
            None => false,
        }
    }

    /// Returns the free place for a number, or `None` if the number is there. At least one place is free.
    fn find(&self, number: u64) -> Option<(usize, usize)> {
        let mask = self.lines.len() - 1;
        // The first bits, since the last ones have chosen the shard.
        let mut line = (number >> 32) as usize & mask;
        loop {
            for (place, &known) in self.lines[line].0.iter().enumerate() {
                if known == number {
                    return None;
                }
                if known == 0 {
                    return Some((line, place));
                }
            }
            line = (line + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let lines = vec![Line([0; PLACES]); (self.lines.len() * 2).max(1)];
        let before = std::mem::replace(&mut self.lines, lines);
        for number in before.iter().flat_map(|line| line.0).filter(|number| *number != 0) {
            if let Some((line, place)) = self.find(number) {
                self.lines[line].0[place] = number;
            }
        }
    }

    /// Returns the memory that the set takes.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }
}

const PLACES: usize = 8;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// Numbers that are spread evenly, and each the same in every run.
    fn number(index: u64) -> u64 {
        let mixed = (index ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb).max(1)
    }

    #[test]
    fn numbers_are_in_it_after_they_were_added_and_no_others() {
        let (mut table, mut known) = (NumberTable::default(), HashSet::new());
        for index in 0..20_000 {
            let number = number(index % 13_000);
            assert_eq!(table.contains(number), known.contains(&number), "{index}");
            assert_eq!(table.insert(number), known.insert(number), "{index}");
            assert!(table.contains(number), "{index}");
        }
        assert_eq!(table.len(), known.len());
        assert!((13_000..20_000).all(|index| !table.contains(number(index))));
    }

    #[test]
    fn numbers_that_meet_in_one_line_go_on_to_the_next() {
        let mut table = NumberTable::default();
        for index in 0..1000 {
            assert!(table.insert(index + 1) && !table.insert(index + 1));
        }
        assert_eq!(table.len(), 1000);
        assert!((1..=1000).all(|index| table.contains(index)) && !table.contains(1001));
    }

    #[test]
    fn number_takes_22_bytes_at_the_most() {
        let mut table = NumberTable::default();
        for index in 0..100_000 {
            table.insert(number(index));
            assert!(index < 100 || table.bytes() <= table.len() * 22, "{index}");
        }
    }
}
