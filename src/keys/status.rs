use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};

use crate::clock::unix;
use crate::config_error::SkippedKey;
#[cfg(feature = "refresh")]
use crate::refresh::{State, Status};

/// Describes the keys of a [`KeySource`](super::KeySource) and its last fetches, for readiness probes and metrics.
///
/// Serialises as an object; moments are seconds since 1970 and durations seconds.
#[derive(Clone, Debug, Serialize)]
pub struct KeysStatus {
    pub(super) source: String,
    pub(super) state: KeysState,
    pub(super) keys: usize,
    #[serde(serialize_with = "displayed")]
    pub(super) skipped: Vec<SkippedKey>,
    #[serde(rename = "age_seconds", serialize_with = "unix::whole_duration")]
    pub(super) age: Option<Duration>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(super) last_success: Option<SystemTime>,
    pub(super) last_error: Option<FetchFailure>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(super) stale_since: Option<SystemTime>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(super) next_refresh: Option<SystemTime>,
    pub(super) fetches: u64,
    pub(super) failures: u64,
}

/// The state of a source's keys in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeysState {
    /// There have been no keys yet: requests wait for them, or are answered 503.
    Missing,
    /// The keys are as new as the provider asks for.
    Fresh,
    /// The keys should have been replaced, but the provider has not answered. They are still used.
    Stale,
    /// The keys are too old to be used: requests are answered 503.
    Expired,
}

/// A fetch that brought no keys.
#[derive(Clone, Debug, Serialize)]
pub struct FetchFailure {
    #[serde(serialize_with = "unix::moment")]
    pub(super) at: SystemTime,
    pub(super) message: String,
}

impl KeysStatus {
    /// Describes keys that are known from the start and never change.
    pub(super) fn of_fixed(keys: usize, skipped: Vec<SkippedKey>) -> Self {
        Self {
            source: "fixed".to_owned(),
            state: if keys == 0 { KeysState::Missing } else { KeysState::Fresh },
            keys,
            skipped,
            age: None,
            last_success: None,
            last_error: None,
            stale_since: None,
            next_refresh: None,
            fetches: 0,
            failures: 0,
        }
    }

    #[cfg(feature = "refresh")]
    pub(super) fn of_refreshed(status: Status, keys: usize, skipped: Vec<SkippedKey>) -> Self {
        Self {
            source: status.source,
            state: match status.state {
                State::Missing => KeysState::Missing,
                State::Fresh => KeysState::Fresh,
                State::Stale => KeysState::Stale,
                State::Expired => KeysState::Expired,
            },
            keys,
            skipped,
            age: status.age,
            last_success: status.last_success,
            last_error: status
                .last_error
                .map(|failure| FetchFailure { at: failure.at, message: failure.message }),
            stale_since: status.stale_since,
            next_refresh: status.next_refresh,
            fetches: status.loads,
            failures: status.failures,
        }
    }

    /// Returns where the keys come from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether there are keys, and whether they are fresh.
    pub fn state(&self) -> KeysState {
        self.state
    }

    /// Returns whether tokens can be verified: the keys are fresh or stale.
    pub fn is_ready(&self) -> bool {
        matches!(self.state, KeysState::Fresh | KeysState::Stale)
    }

    /// Returns how many keys are in use.
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// Returns the keys of the last set that were left out, with the reason of each.
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.skipped
    }

    /// Returns how long ago the keys in use were fetched.
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Returns when keys were last fetched.
    pub fn last_success(&self) -> Option<SystemTime> {
        self.last_success
    }

    /// Returns the last fetch that brought no keys. It stays here when another has succeeded since.
    pub fn last_error(&self) -> Option<&FetchFailure> {
        self.last_error.as_ref()
    }

    /// Returns since when the keys in use are older than they should be, if they are.
    pub fn stale_since(&self) -> Option<SystemTime> {
        self.stale_since
    }

    /// Returns when the next fetch is due. `None` while one runs, and for keys that are not fetched.
    pub fn next_refresh(&self) -> Option<SystemTime> {
        self.next_refresh
    }

    /// Returns how many fetches there have been, the failed ones included.
    pub fn fetches(&self) -> u64 {
        self.fetches
    }

    /// Returns how many fetches brought no keys.
    pub fn failures(&self) -> u64 {
        self.failures
    }
}

impl KeysState {
    /// Returns the state as a stable `snake_case` word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for KeysState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FetchFailure {
    /// Returns when the fetch ended.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Returns the message of the failure. For logs: it may name internal addresses.
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn displayed<S: Serializer>(skipped: &[SkippedKey], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(skipped.iter().map(ToString::to_string))
}
