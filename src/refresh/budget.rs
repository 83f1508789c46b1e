use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// Limits the fetches that tokens can cause, over all sources that share it.
///
/// A token that names an unknown key makes a [`CachedKeys`](crate::keys::CachedKeys) fetch, and
/// [`Refreshed::refresh`](super::Refreshed::refresh) makes a [`Refreshed`](super::Refreshed) load.
/// Each source has a budget of its own for that. This budget limits all sources together, so that a
/// client that invents keys of a hundred issuers does not cause a hundred times as many fetches.
/// Fetches that are due anyway do not count. A source is not kept from fetching for long by the others:
/// a source that has not fetched on demand for 10 seconds may do so although this budget is
/// spent (unless it is a budget of none). Many sources together can therefore exceed this budget,
/// each by one fetch in 10 seconds.
///
/// All sources of a program share one budget of 60 fetches, to which one is added every second. A source can get
/// another one by [`CachedKeys::with_shared_budget`](crate::keys::CachedKeys::with_shared_budget). Clones are the same
/// budget.
#[derive(Clone)]
pub struct FetchBudget(Arc<Shared>);

struct Shared {
    began: Moment,
    bucket: Mutex<Bucket>,
}

impl FetchBudget {
    /// Allows this number of fetches at once, and one more each time that `refill_every` has passed.
    pub fn new(fetches: u32, refill_every: Duration) -> Self {
        let bucket = Mutex::new(Bucket::new(fetches, refill_every));
        Self(Arc::new(Shared { began: Moment::now(), bucket }))
    }

    /// Returns the budget of all sources that were given no other.
    pub(super) fn of_the_program() -> Self {
        static PROGRAM: LazyLock<FetchBudget> =
            LazyLock::new(|| FetchBudget::new(60, Duration::from_secs(1)));
        PROGRAM.clone()
    }

    /// Returns whether the budget never allows a fetch.
    pub(super) fn is_nothing(&self) -> bool {
        self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner).is_nothing()
    }

    /// Takes one fetch out, if one is left.
    pub(super) fn take(&self) -> Share {
        let now = self.0.began.elapsed();
        let mut bucket = self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        match bucket.take(now) {
            true => Share::Given,
            false if bucket.is_nothing() => Share::Never,
            false => Share::Spent,
        }
    }
}

impl fmt::Debug for FetchBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bucket = self.0.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("FetchBudget")
            .field("fetches", &bucket.most)
            .field("refill_every", &bucket.every)
            .finish_non_exhaustive()
    }
}

/// The part of a shared budget that one source uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Share {
    Given,
    /// Other sources have taken all fetches.
    Spent,
    /// The budget was set to allow no fetches.
    Never,
}

/// A number of fetches to which one is added as time passes. Moments are counted from any fixed one.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    most: u32,
    every: Duration,
    left: u32,
    /// The moment from which the time until the next fetch counts.
    growing_since: Duration,
}

impl Bucket {
    pub(crate) fn new(most: u32, every: Duration) -> Self {
        // Zero would be a division by zero, and no limit.
        let every = every.max(Duration::from_millis(1));
        Self { most, every, left: most, growing_since: Duration::ZERO }
    }

    /// Returns the largest number of fetches, and the time after which one is added.
    #[cfg(feature = "config")]
    pub(super) fn size(&self) -> (u32, Duration) {
        (self.most, self.every)
    }

    /// Returns whether there is never a fetch to take.
    pub(crate) fn is_nothing(&self) -> bool {
        self.most == 0
    }

    /// Returns whether all fetches can be taken.
    pub(super) fn is_full(&mut self, now: Duration) -> bool {
        self.grow(now);
        self.left >= self.most
    }

    /// Returns the time until there is a fetch to take. For a budget of none, returns the time after which one would
    /// be added.
    pub(crate) fn until_one(&mut self, now: Duration) -> Duration {
        if self.has_one(now) {
            return Duration::ZERO;
        }
        self.every.saturating_sub(now.saturating_sub(self.growing_since))
    }

    /// Returns whether there is a fetch to take.
    pub(super) fn has_one(&mut self, now: Duration) -> bool {
        self.grow(now);
        self.left > 0
    }

    /// Takes a fetch out. `false` when there is none.
    pub(crate) fn take(&mut self, now: Duration) -> bool {
        let has_one = self.has_one(now);
        if has_one {
            self.left -= 1;
        }
        has_one
    }

    fn grow(&mut self, now: Duration) {
        let grown = now.saturating_sub(self.growing_since).as_nanos() / self.every.as_nanos();
        let grown = u32::try_from(grown).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(grown);
        if self.left >= self.most {
            // A full budget does not grow: the time until the next fetch counts from when one is taken out.
            (self.left, self.growing_since) = (self.most, now);
        } else {
            self.growing_since += self.every * grown;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn taken(bucket: &mut Bucket, at: u64) -> usize {
        (0..100).filter(|_| bucket.take(seconds(at))).count()
    }

    #[test]
    fn three_can_be_taken_at_once_and_one_more_every_ten_seconds() {
        let mut bucket = Bucket::new(3, seconds(10));

        assert_eq!(taken(&mut bucket, 1_000), 3);
        assert_eq!(taken(&mut bucket, 1_009), 0);
        assert_eq!(taken(&mut bucket, 1_010), 1);
        assert_eq!(taken(&mut bucket, 1_019), 0);
        assert_eq!(taken(&mut bucket, 1_020), 1);
    }

    #[test]
    fn bucket_does_not_grow_beyond_what_it_began_with() {
        let mut bucket = Bucket::new(3, seconds(10));
        taken(&mut bucket, 0);

        assert_eq!(taken(&mut bucket, 1_000_000), 3);
        assert_eq!(taken(&mut bucket, 1_000_005), 0);
    }

    #[test]
    fn minute_of_asking_takes_nine_at_the_most() {
        let mut bucket = Bucket::new(3, seconds(10));
        let asked = (0..=60_000).map(Duration::from_millis);

        assert_eq!(asked.filter(|at| bucket.take(*at)).count(), 9);
    }

    #[test]
    fn bucket_says_whether_it_is_full_and_when_there_is_one_again() {
        let mut bucket = Bucket::new(2, seconds(10));
        assert!(bucket.is_full(seconds(100)));

        assert_eq!(taken(&mut bucket, 100), 2);

        assert!(!bucket.is_full(seconds(119)) && bucket.is_full(seconds(120)));
        let mut bucket = Bucket::new(1, seconds(10));
        assert_eq!(bucket.until_one(seconds(100)), seconds(0));
        taken(&mut bucket, 100);
        assert_eq!(bucket.until_one(seconds(103)), seconds(7));
    }

    #[test]
    fn nothing_to_begin_with_is_never_anything() {
        let mut bucket = Bucket::new(0, seconds(10));

        assert_eq!(taken(&mut bucket, 1_000_000), 0);
    }
}
