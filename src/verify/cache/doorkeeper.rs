//! Admits new tokens to a full cache.
//!
//! A new token that would evict a token without a hit has to come twice. A write to an `ArcSwap` looks at every
//! thread that has ever read one, and a flood of tokens that come once paid that for nothing: 2.3 times the
//! cost without a cache (HS256), now 1.05. A stream of uneven tokens gains hits too (`docs/BENCHMARKS.md`).

use std::sync::atomic::{AtomicU32, Ordering};

/// Who came and was turned away, so that whoever comes again is let in: a part of the hash of the last one
/// at each place. May be forgotten for another, and taken for another, neither of which does harm.
pub(super) struct Doorkeeper {
    last: Box<[AtomicU32]>,
}

impl Doorkeeper {
    pub(super) fn new(places: usize) -> Self {
        Self { last: std::iter::repeat_with(AtomicU32::default).take(places).collect() }
    }

    /// Whether it came before. If not, it will have.
    pub(super) fn knows(&self, hash: u64) -> bool {
        let [mark, at] = halves(hash.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let at = ((u64::from(at) * self.last.len() as u64) >> 32) as usize;
        let last = &self.last[at];
        let knows = last.load(Ordering::Relaxed) == mark;
        if !knows {
            last.store(mark, Ordering::Relaxed);
        }
        knows
    }
}

#[expect(clippy::cast_possible_truncation, reason = "it is about bits")]
fn halves(bits: u64) -> [u32; 2] {
    [bits as u32, (bits >> 32) as u32]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_came_is_known_until_others_have_come() {
        let door = Doorkeeper::new(64);
        let hash = |n: u64| n.wrapping_mul(0xd134_2543_de82_ef95);

        assert!(!door.knows(hash(1)));
        assert!(door.knows(hash(1)));
        let known = (2..10_000).filter(|&n| door.knows(hash(n))).count();
        assert_eq!(known, 0, "none has come before");
        assert!(!door.knows(hash(1)));
    }

    #[test]
    fn as_many_are_known_as_there_is_room_for() {
        let door = Doorkeeper::new(1024);
        let hash = |n: u64| n.wrapping_mul(0xd134_2543_de82_ef95);
        (1..=100).for_each(|n| _ = door.knows(hash(n)));

        let known = (1..=100).filter(|&n| door.knows(hash(n))).count();

        // Some have taken the place of another.
        assert!(known > 80, "{known}");
    }
}
