use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::clock::unix;

/// How [`RedisRevocations`](super::RedisRevocations) are doing, for readiness probes and metrics.
///
/// Serialises as an object; moments are seconds since 1970.
#[derive(Clone, Debug, Serialize)]
pub struct RedisStatus {
    pub(super) source: String,
    pub(super) is_ready: bool,
    pub(super) carries_on: bool,
    #[serde(serialize_with = "unix::moment")]
    pub(super) since: SystemTime,
    pub(super) problem: Option<String>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(super) complete_up_to: Option<SystemTime>,
    pub(super) revocations: usize,
    pub(super) unwritten: usize,
    pub(super) position: Option<String>,
    #[serde(serialize_with = "unix::optional_moment")]
    pub(super) last_reconciliation: Option<SystemTime>,
    pub(super) eviction_policy: Option<String>,
}

impl RedisStatus {
    /// The address as it was configured, without user and password.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether all revocations are here but those of the last moments, as
    /// [`with_max_gap`](super::RedisRevocations::with_max_gap) allows. If not, tokens that are
    /// not known to be revoked are answered 503, or let in where
    /// [somebody chose that](crate::Dangerous#method.fail_open-1).
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Whether tokens are let in while revocations are missing.
    pub fn carries_on(&self) -> bool {
        self.carries_on
    }

    /// Since when they are whole, or not.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Why there is no connection, if there is none. For logs: it may name internal addresses.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Up to when nothing is missing here: the last contact with Redis, as the clock of this machine
    /// has it.
    pub fn complete_up_to(&self) -> Option<SystemTime> {
        self.complete_up_to
    }

    /// How many revocations are here.
    pub fn revocations(&self) -> usize {
        self.revocations
    }

    /// How many revocations of this node are not in Redis yet.
    pub fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// The entry of the stream up to which it was read.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// When all revocations in Redis were last read.
    pub fn last_reconciliation(&self) -> Option<SystemTime> {
        self.last_reconciliation
    }

    /// What Redis does when its memory is full (`maxmemory-policy`); `None` where it does not say.
    ///
    /// Anything but `noeviction` lets it delete revocations.
    pub fn eviction_policy(&self) -> Option<&str> {
        self.eviction_policy.as_deref()
    }

    /// Whether Redis may delete revocations when its memory is full; `None` where it does not say.
    pub fn evicts(&self) -> Option<bool> {
        self.eviction_policy.as_deref().map(|policy| policy != KEEPS_ALL)
    }
}

/// A moment of the monotonic clock as the system tells time.
pub(super) fn moment(clock: SystemTime, now: Duration, at: Duration) -> SystemTime {
    clock.checked_sub(now.saturating_sub(at)).unwrap_or(UNIX_EPOCH)
}

/// The one policy with which Redis deletes nothing that has not expired.
pub(super) const KEEPS_ALL: &str = "noeviction";
