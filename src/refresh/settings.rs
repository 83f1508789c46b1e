#[cfg(feature = "config")]
use std::ops::RangeInclusive;
use std::time::Duration;

use super::budget::{Bucket, FetchBudget};
use super::schedule::Timing;

/// The settings of a source; see the methods of [`Refreshed`](super::Refreshed).
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timing: Timing,
    pub(crate) wait: Duration,
    pub(crate) most_waiting: usize,
    pub(crate) shared_budget: FetchBudget,
}

impl Default for Settings {
    fn default() -> Self {
        let timing = Timing {
            fresh_at_least: Duration::from_secs(60),
            fresh_at_most: Duration::from_secs(24 * 60 * 60),
            fresh_by_default: Duration::from_secs(10 * 60),
            stale_for: Duration::from_secs(4 * 60 * 60),
            first_retry: Duration::from_secs(1),
            last_retry: Duration::from_secs(60),
            budget: Bucket::new(3, Duration::from_secs(10)),
        };
        Self {
            timing,
            wait: Duration::from_secs(5),
            most_waiting: 256,
            shared_budget: FetchBudget::of_the_program(),
        }
    }
}

impl Settings {
    pub(crate) fn set_budget(&mut self, loads: u32, refill_every: Duration) {
        self.timing.budget = Bucket::new(loads, refill_every);
    }
}

/// The settings in effect, defaults included.
#[cfg(feature = "config")]
pub(crate) struct EffectiveRefresh {
    pub(crate) wait: Duration,
    pub(crate) most_waiting: usize,
    pub(crate) budget: (u32, Duration),
    pub(crate) fresh_between: RangeInclusive<Duration>,
    pub(crate) fresh_by_default: Duration,
    pub(crate) stale_for: Duration,
    pub(crate) retry_between: RangeInclusive<Duration>,
}

#[cfg(feature = "config")]
impl Settings {
    pub(crate) fn effective(&self) -> EffectiveRefresh {
        let Timing { first_retry, last_retry, fresh_at_least, fresh_at_most, .. } = self.timing;
        EffectiveRefresh {
            wait: self.wait,
            most_waiting: self.most_waiting,
            budget: self.timing.budget.size(),
            fresh_between: fresh_at_least..=fresh_at_most,
            fresh_by_default: self.timing.fresh_by_default.min(fresh_at_most).max(fresh_at_least),
            stale_for: self.timing.stale_for,
            retry_between: first_retry..=last_retry,
        }
    }
}
