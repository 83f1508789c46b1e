//! Numbers the states of key sets.
//!
//! An epoch stands for an unchanged key set: while it is the same, a cache hit does not look its key up again.
//! It is read before the look-up that it stands for, so a change in between is noticed the next time. Keys that
//! never change have an epoch of their own all the same, because a source may hold first one set and then
//! another, and hands on the epoch.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that no keys have had yet.
///
/// One count for all keys, so that a source which holds first some and then others, and hands on the epoch
/// of those it holds, says another one as well.
pub(super) fn next_epoch() -> u64 {
    static MADE: AtomicU64 = AtomicU64::new(1);
    MADE.fetch_add(1, Ordering::Relaxed)
}
