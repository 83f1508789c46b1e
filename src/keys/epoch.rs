//! Numbers the states of key sets.
//!
//! An epoch stands for an unchanged key set: while it is the same, a cache hit does not look its key up again. It is
//! read before the look-up that it stands for, so a change in between is noticed at the next request. Keys that never
//! change have an epoch too, because a source may hold first one set and then another, and return the epoch of the
//! set that it holds.

use std::sync::atomic::{AtomicU64, Ordering};

/// Returns a number that no keys have had yet.
///
/// All keys share one counter. So a source that holds first one set and then another, and returns the epoch of the
/// set that it holds, returns different numbers.
pub(super) fn next_epoch() -> u64 {
    static MADE: AtomicU64 = AtomicU64::new(1);
    MADE.fetch_add(1, Ordering::Relaxed)
}
