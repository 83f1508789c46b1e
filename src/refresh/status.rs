use std::fmt;
use std::time::{Duration, SystemTime};

use serde::Serialize;

use crate::clock::unix;

/// Describes a [`Refreshed`](super::Refreshed) document and its last loads, for readiness probes and metrics.
///
/// Serialises as an object; moments are seconds since 1970 and durations seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    pub(crate) source: String,
    pub(crate) state: State,
    #[serde(rename = "age_seconds", serialize_with = "unix::whole_duration")]
    pub(crate) age: Option<Duration>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(crate) last_success: Option<SystemTime>,
    pub(crate) last_error: Option<LoadFailure>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(crate) stale_since: Option<SystemTime>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(crate) next_refresh: Option<SystemTime>,
    pub(crate) loads: u64,
    pub(crate) failures: u64,
}

/// Classifies a document by its age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum State {
    /// No document has come yet.
    Missing,
    /// The document is as new as its source asks for.
    Fresh,
    /// The document should have been replaced, but loads fail. It is still used.
    Stale,
    /// The document is too old to be used.
    Expired,
}

/// A load that brought nothing.
#[derive(Clone, Debug, Serialize)]
pub struct LoadFailure {
    #[serde(serialize_with = "unix::moment")]
    pub(crate) at: SystemTime,
    pub(crate) message: String,
}

impl Status {
    /// Returns where the document comes from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether there is a document, and how good it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns whether there is a document to use: it is fresh or stale.
    pub fn is_ready(&self) -> bool {
        self.state.is_usable()
    }

    /// Returns how long ago the document was loaded.
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Returns when a document was last loaded.
    pub fn last_success(&self) -> Option<SystemTime> {
        self.last_success
    }

    /// Returns the last load that brought nothing. It stays here when another has succeeded since.
    pub fn last_error(&self) -> Option<&LoadFailure> {
        self.last_error.as_ref()
    }

    /// Returns since when the document is older than it should be, if it is.
    pub fn stale_since(&self) -> Option<SystemTime> {
        self.stale_since
    }

    /// Returns when the next load is due; `None` while one runs.
    pub fn next_refresh(&self) -> Option<SystemTime> {
        self.next_refresh
    }

    /// Returns how many loads there have been, the failed ones among them.
    pub fn loads(&self) -> u64 {
        self.loads
    }

    /// Returns how many loads brought nothing.
    pub fn failures(&self) -> u64 {
        self.failures
    }
}

impl State {
    /// Returns the state as a stable `snake_case` word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }

    pub(super) fn is_usable(self) -> bool {
        matches!(self, Self::Fresh | Self::Stale)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl LoadFailure {
    /// Returns when the load ended.
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Returns what went wrong. For logs: it may name internal addresses.
    pub fn message(&self) -> &str {
        &self.message
    }
}
