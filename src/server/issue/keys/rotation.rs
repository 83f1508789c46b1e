use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::claims::validation::MAX_LEEWAY;
use crate::clock::{Clock, Time};
use crate::config_error::ConfigError;

/// Says when the keys of an issuer are replaced, and makes [`IssuerKeys`](super::IssuerKeys).
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::Algorithm;
/// use tower_bearer::issue::KeyRotation;
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
///
/// let keys = KeyRotation::new().with_rotation_after(30 * DAY).generate(Algorithm::ES256)?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Nodes that share a file need the same settings.
#[derive(Clone)]
#[must_use = "no keys are made before `generate`, `create` or `open`"]
pub struct KeyRotation {
    pub(super) rotation_after: Option<Duration>,
    pub(super) published_ahead: Duration,
    pub(super) max_lifetime: Duration,
    pub(super) poll_interval: Duration,
    clock: Time,
}

impl KeyRotation {
    /// Replaces keys on [command](super::IssuerKeys::rotate) only.
    pub fn new() -> Self {
        Self {
            rotation_after: None,
            published_ahead: PUBLISHED_AHEAD,
            max_lifetime: MAX_LIFETIME,
            poll_interval: POLL_INTERVAL,
            clock: Time::OfSystem,
        }
    }

    /// Replaces each key when it has signed for this long. The default is never.
    ///
    /// A thread of these keys does it, some seconds later. The first token that is issued wakes the thread when it is a
    /// minute late. For nodes that [share one file](super::IssuerKeys#several-nodes), and not for copies of it.
    pub fn with_rotation_after(mut self, age: Duration) -> Self {
        self.rotation_after = Some(age);
        self
    }

    /// Sets how long a next key is published before it signs. The default is 15 minutes; 10 minutes and the
    /// [poll interval](Self::with_poll_interval) are the least.
    ///
    /// A verifier keeps a JWK set for the 10 minutes that its answer allows. The rest is for verifiers that fetch
    /// it late.
    pub fn with_published_ahead(mut self, time: Duration) -> Self {
        self.published_ahead = time;
        self
    }

    /// Sets the longest time for which a token may be valid. The default is 24 hours.
    ///
    /// A retired key verifies for this time and 10 minutes more: 5 minutes for the leeway of verifiers, and 5 for
    /// nodes that have not noticed yet. A token with a longer lifetime is not
    /// [issued](super::super::IssueError::LifetimeTooLong).
    pub fn with_max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// Sets how often the file is looked at. The default is every 5 seconds; a minute is the most.
    pub fn with_poll_interval(mut self, every: Duration) -> Self {
        self.poll_interval = every;
        self
    }

    /// Asks another clock for the time. For tests.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Time::OfClock(Arc::new(clock));
        self
    }

    /// Refuses settings with which tokens would be refused.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let wrong = |problem| Err(ConfigError::KeyRotation { problem });
        if self.poll_interval.is_zero() || self.poll_interval > MAX_POLL_INTERVAL {
            return wrong("`with_poll_interval` takes more than nothing and a minute at the most");
        }
        if self.published_ahead < MIN_PUBLISHED_AHEAD + self.poll_interval {
            return wrong(
                "the next key would sign before verifiers know it: `with_published_ahead` takes no less than the \
                 10 minutes for which they keep a JWK set and a `with_poll_interval`, after which another node \
                 publishes the key; in an emergency, `rotate_now` does not wait",
            );
        }
        if self.rotation_after.is_some_and(|age| age < self.published_ahead) {
            return wrong(
                "`with_rotation_after` is shorter than the time for which the next key must be published first",
            );
        }
        if self
            .rotation_after
            .is_some_and(|age| self.retired_for() > age.saturating_mul(MAX_RETIRED))
        {
            return wrong(
                "tokens live so long that more than 64 retired keys would be published at once; rotate less often, \
                 or set a shorter `with_max_lifetime`",
            );
        }
        if self.max_lifetime < Duration::from_secs(1) {
            return wrong("`with_max_lifetime` is below one second, so no token could be issued");
        }
        Ok(())
    }

    /// Returns how long a retired key verifies.
    pub(super) fn retired_for(&self) -> Duration {
        self.max_lifetime.saturating_add(MAX_LEEWAY).saturating_add(NOTICED_AFTER)
    }

    /// Returns the seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        seconds(self.clock.now())
    }

    /// Returns the seconds since 1970, some seconds late perhaps, from a clock that is cheap to read.
    pub(super) fn about_now(&self) -> u64 {
        match self.clock.about_now() {
            Some(now) => u64::try_from(now).unwrap_or_default(),
            None => self.now(),
        }
    }
}

impl Default for KeyRotation {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for KeyRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRotation")
            .field("rotation_after", &self.rotation_after)
            .field("published_ahead", &self.published_ahead)
            .field("max_lifetime", &self.max_lifetime)
            .field("poll_interval", &self.poll_interval)
            .finish_non_exhaustive()
    }
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

const PUBLISHED_AHEAD: Duration = Duration::from_secs(15 * 60);
/// `max-age` of the JWK set.
const MIN_PUBLISHED_AHEAD: Duration = Duration::from_secs(10 * 60);
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
const POLL_INTERVAL: Duration = Duration::from_secs(5);
const MAX_POLL_INTERVAL: Duration = Duration::from_secs(60);
/// The time in which each node has noticed a rotation, whatever their clocks differ by.
const NOTICED_AFTER: Duration = Duration::from_secs(5 * 60);

/// The number of retired keys that rotation by age may leave.
const MAX_RETIRED: u32 = 64;
