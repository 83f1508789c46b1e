//! Reads the time, in one place.

mod moment;
pub(crate) mod unix;

use std::sync::Arc;
use std::time::SystemTime;

pub(crate) use moment::Moment;
#[cfg(test)]
pub(crate) use moment::pretend_to_be_suspended;

/// Returns the time to a verifier.
///
/// A verifier reads its clock once for each token. To test behaviour around expiry, replace
/// [`SystemClock`] by a clock of your own.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }
}

/// The clock that a verifier reads.
#[derive(Clone)]
pub(crate) enum Time {
    OfSystem,
    OfClock(Arc<dyn Clock>),
}

impl Time {
    pub(crate) fn now(&self) -> SystemTime {
        match self {
            Self::OfSystem => SystemClock.now(),
            Self::OfClock(clock) => clock.now(),
        }
    }

    /// Returns the seconds since 1970 from the coarse clock of the system, where it is cheaper to
    /// read than the exact one. The value is a few milliseconds late, or up to [`LATEST`] seconds
    /// on a very busy machine, and never early.
    #[inline]
    pub(crate) fn about_now(&self) -> Option<i64> {
        match self {
            #[cfg(target_os = "linux")]
            Self::OfSystem => {
                use rustix::time::{ClockId, clock_gettime};
                Some(clock_gettime(ClockId::RealtimeCoarse).tv_sec)
            }
            #[cfg(not(target_os = "linux"))]
            Self::OfSystem => None,
            Self::OfClock(_) => None,
        }
    }
}

/// The largest delay of [`Time::about_now`] in seconds, including the fraction of a second that it
/// leaves out.
pub(crate) const LATEST: i64 = 5;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn coarse_time_is_close_to_the_exact_one() {
        let seconds =
            |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
        for _ in 0..1000 {
            let about = Time::OfSystem.about_now();
            let now = seconds(Time::OfSystem.now());
            assert!(about.is_none_or(|about| about <= now && now <= about + LATEST), "{about:?}");
        }
        assert_eq!(about_now_is_known(), cfg!(target_os = "linux"));
    }

    #[test]
    fn clock_of_a_test_has_no_coarse_time() {
        assert_eq!(Time::OfClock(Arc::new(SystemClock)).about_now(), None);
    }

    fn about_now_is_known() -> bool {
        Time::OfSystem.about_now().is_some()
    }
}
