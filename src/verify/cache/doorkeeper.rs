//! Admits new tokens to a full cache.
//!
//! A new token that would evict an entry without a hit has to come twice. A write to an `ArcSwap`
//! checks every thread that has ever read one. A flood of tokens that come once paid that for
//! nothing: 2.3 times the cost without a cache (HS256), now 1.05. A stream of uneven tokens gains
//! hits too (`docs/BENCHMARKS.md`).

use std::sync::atomic::{AtomicU32, Ordering};

/// Remembers tokens that were not kept, so that they are kept when they come again. Each place
/// holds a part of the hash of its last token. A token may be forgotten or mistaken for another,
/// neither of which does harm.
pub(super) struct Doorkeeper {
    last: Box<[AtomicU32]>,
}

impl Doorkeeper {
    pub(super) fn new(places: usize) -> Self {
        Self { last: std::iter::repeat_with(AtomicU32::default).take(places).collect() }
    }

    /// Returns whether this hash came before, and remembers it.
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
    fn token_is_known_until_others_have_come() {
        let doorkeeper = Doorkeeper::new(64);
        let hash = |n: u64| n.wrapping_mul(0xd134_2543_de82_ef95);

        assert!(!doorkeeper.knows(hash(1)));
        assert!(doorkeeper.knows(hash(1)));
        let known = (2..10_000).filter(|&n| doorkeeper.knows(hash(n))).count();
        assert_eq!(known, 0, "none has come before");
        assert!(!doorkeeper.knows(hash(1)));
    }

    #[test]
    fn tokens_are_known_as_long_as_there_is_room() {
        let doorkeeper = Doorkeeper::new(1024);
        let hash = |n: u64| n.wrapping_mul(0xd134_2543_de82_ef95);
        (1..=100).for_each(|n| _ = doorkeeper.knows(hash(n)));

        let known = (1..=100).filter(|&n| doorkeeper.knows(hash(n))).count();

        // Some share a place, and the later one replaces the earlier one.
        assert!(known > 80, "{known}");
    }
}
