//! What time it is, in one place.

#[cfg(any(feature = "active-check", feature = "redis", feature = "refresh", feature = "tracing"))]
mod moment;
pub(crate) mod unix;

use std::sync::Arc;
use std::time::SystemTime;

#[cfg(any(
    feature = "active-check",
    feature = "redis",
    feature = "refresh",
    feature = "tracing"
))]
pub(crate) use moment::Moment;
#[cfg(test)]
pub(crate) use moment::pretend_to_be_suspended;

/// Tells the time.
///
/// The verifier reads it once for each token. Pass another one than [`SystemClock`] to test what
/// happens around expiry.
pub trait Clock: Send + Sync + 'static {
    /// The time right now.
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

/// Where a verifier reads the time.
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

    /// The seconds since 1970 as the system last wrote them down, where that is quicker to read than what
    /// time it is: a few milliseconds late, or [many more](LATEST) on a machine that is very busy, and
    /// never early.
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

/// By how many seconds [`Time::about_now`] may be late, with the fraction of one that it does not tell.
pub(crate) const LATEST: i64 = 5;

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn system_says_about_what_time_it_is() {
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
    fn clock_of_a_test_is_asked_itself() {
        assert_eq!(Time::OfClock(Arc::new(SystemClock)).about_now(), None);
    }

    fn about_now_is_known() -> bool {
        Time::OfSystem.about_now().is_some()
    }
}
