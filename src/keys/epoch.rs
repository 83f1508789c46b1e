use std::sync::atomic::{AtomicU64, Ordering};

/// A number that no keys have had yet.
///
/// One count for all keys, so that a source which holds first some and then others, and hands on the epoch
/// of those it holds, says another one as well.
pub(super) fn next_epoch() -> u64 {
    static MADE: AtomicU64 = AtomicU64::new(1);
    MADE.fetch_add(1, Ordering::Relaxed)
}
