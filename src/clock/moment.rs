//! Measures elapsed time with a monotonic clock that includes suspensions.
//!
//! A moment is tokio's `Instant` plus, on Linux, the time in which the machine was suspended, which
//! `CLOCK_MONOTONIC` leaves out: a laptop that resumes must not trust old keys. The suspension is
//! read once a second. `CLOCK_BOOTTIME` itself is not used, because tests that advance tokio's time
//! would wait forever.

use std::time::Duration;

#[cfg(not(any(feature = "active-check", feature = "redis", feature = "refresh")))]
use std::time::Instant;
// The same clock, except in tests that advance tokio's time.
#[cfg(any(feature = "active-check", feature = "redis", feature = "refresh"))]
use tokio::time::Instant;

/// A point in time by a monotonic clock, to measure how much time has passed.
///
/// On Linux an [`Instant`] stands still while the machine is suspended. A `Moment` counts that
/// time, because the clocks of all other machines went on: keys that were fetched before a
/// suspension are as old as they look to the provider. A suspension is noticed at the latest one
/// second after the machine resumes. On other systems a `Moment` is a plain `Instant`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    uptime: Instant,
    /// The time that the machine has been suspended, in nanoseconds from an arbitrary start.
    suspended: i64,
}

impl Moment {
    /// Returns the current moment.
    pub(crate) fn now() -> Self {
        let uptime = Instant::now();
        Self { uptime, suspended: suspended::until(uptime) }
    }

    /// Returns how much time has passed since this moment.
    #[cfg(any(feature = "active-check", feature = "redis", feature = "refresh"))]
    pub(crate) fn elapsed(self) -> Duration {
        Self::now().since(self)
    }

    /// Returns how much later this moment is than `earlier`, or zero if it is not later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let suspended = self.suspended.saturating_sub(earlier.suspended);
        let suspended = Duration::from_nanos(suspended.try_into().unwrap_or_default());
        let later = self.uptime.saturating_duration_since(earlier.uptime);
        later.saturating_add(suspended)
    }
}

#[cfg(target_os = "linux")]
mod suspended {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

    use rustix::time::{ClockId, clock_gettime};

    use super::Instant;

    /// Returns how long the machine had been suspended at `now` or up to one second before it, in
    /// nanoseconds from an arbitrary start. The value never decreases.
    pub(super) fn until(now: Instant) -> i64 {
        static FIRST: OnceLock<Instant> = OnceLock::new();
        static SUSPENDED: AtomicI64 = AtomicI64::new(i64::MIN);
        // In milliseconds since the first reading. The two other clocks are not read for each
        // request.
        static LOOKED: AtomicU64 = AtomicU64::new(u64::MAX);
        let since_first = now.saturating_duration_since(*FIRST.get_or_init(|| now)).as_millis();
        let since_first = u64::try_from(since_first).unwrap_or(u64::MAX);
        if since_first.abs_diff(LOOKED.load(Ordering::Acquire)) >= LOOK_EVERY {
            SUSPENDED.fetch_max(look(), Ordering::AcqRel);
            LOOKED.store(since_first, Ordering::Release);
        }
        SUSPENDED.load(Ordering::Acquire) + pretended()
    }

    fn look() -> i64 {
        // In this order: an interruption between the two readings makes the result too small, and
        // the next reading makes up for it.
        let [with, without] = [ClockId::Boottime, ClockId::Monotonic].map(|clock| {
            let time = clock_gettime(clock);
            time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec)
        });
        with.saturating_sub(without)
    }

    const LOOK_EVERY: u64 = 1000;

    #[cfg(not(test))]
    fn pretended() -> i64 {
        0
    }

    #[cfg(test)]
    fn pretended() -> i64 {
        super::PRETENDED.get()
    }
}

#[cfg(not(target_os = "linux"))]
mod suspended {
    use super::Instant;

    #[cfg(not(test))]
    pub(super) fn until(_: Instant) -> i64 {
        0
    }

    #[cfg(test)]
    pub(super) fn until(_: Instant) -> i64 {
        super::PRETENDED.get()
    }
}

#[cfg(test)]
thread_local! {
    static PRETENDED: std::cell::Cell<i64> = const { std::cell::Cell::new(0) };
}

/// Makes this thread measure a suspension of this length.
#[cfg(test)]
pub(crate) fn pretend_to_be_suspended(time: Duration) {
    let time = i64::try_from(time.as_nanos()).expect("less than 292 years");
    PRETENDED.set(PRETENDED.get() + time);
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;

    use super::*;

    #[test]
    fn time_passes() {
        let moment = Moment::now();

        sleep(Duration::from_millis(20));

        assert!(moment.elapsed() >= Duration::from_millis(20));
        assert_eq!(moment.since(Moment::now()), Duration::ZERO);
    }

    #[test]
    fn time_passes_while_the_machine_is_suspended() {
        let moment = Moment::now();

        pretend_to_be_suspended(Duration::from_secs(3600));

        let passed = moment.elapsed().as_secs();
        assert!((3600..3660).contains(&passed), "{passed}");
    }

    #[test]
    fn machine_that_runs_is_not_suspended() {
        let uptime = Instant::now();
        let moments: Vec<_> = (0..3).map(|n| uptime + Duration::from_secs(2 * n)).collect();

        let suspended: Vec<_> = moments.into_iter().map(suspended::until).collect();

        let most = Duration::from_secs(10).as_nanos();
        assert!(suspended.is_sorted() && u128::from(suspended[2].abs_diff(suspended[0])) < most);
    }
}
