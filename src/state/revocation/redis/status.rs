use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::clock::unix;
use crate::state::redis::KEEPS_ALL;

/// The state of [`RedisRevocations`](super::RedisRevocations), for readiness probes and metrics.
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
    /// Returns the configured address, without user and password.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns whether all revocations are here except those of the last moments, as
    /// [`with_max_gap`](super::RedisRevocations::with_max_gap) allows. If not, tokens that are not
    /// known to be revoked are answered 503, or accepted with
    /// [`fail_open`](crate::Dangerous#method.fail_open-1).
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// Returns whether tokens are accepted while revocations are missing.
    pub fn carries_on(&self) -> bool {
        self.carries_on
    }

    /// Returns since when the view has been ready, or not ready.
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// Returns why there is no connection, if there is none. For logs: it may name internal
    /// addresses.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Returns the moment up to which nothing is missing: the last contact with Redis, by the clock
    /// of this machine.
    pub fn complete_up_to(&self) -> Option<SystemTime> {
        self.complete_up_to
    }

    /// Returns the number of revocations on this node.
    pub fn revocations(&self) -> usize {
        self.revocations
    }

    /// Returns the number of revocations of this node that are not in Redis yet.
    pub fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Returns the position up to which the stream was read.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Returns when all revocations in Redis were last read.
    pub fn last_reconciliation(&self) -> Option<SystemTime> {
        self.last_reconciliation
    }

    /// Returns the `maxmemory-policy` of Redis, if this client may read it.
    ///
    /// With any policy but `noeviction`, Redis may evict revocations.
    pub fn eviction_policy(&self) -> Option<&str> {
        self.eviction_policy.as_deref()
    }

    /// Returns whether Redis may evict revocations when its memory is full, if this client may
    /// know.
    pub fn evicts(&self) -> Option<bool> {
        self.eviction_policy.as_deref().map(|policy| policy != KEEPS_ALL)
    }
}

/// Converts a moment of the monotonic clock to system time.
pub(super) fn moment(clock: SystemTime, now: Duration, at: Duration) -> SystemTime {
    clock.checked_sub(now.saturating_sub(at)).unwrap_or(UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(eviction_policy: Option<&str>) -> RedisStatus {
        RedisStatus {
            source: "redis://a".to_owned(),
            is_ready: true,
            carries_on: false,
            since: UNIX_EPOCH + Duration::from_secs(1),
            problem: Some("no route".to_owned()),
            complete_up_to: Some(UNIX_EPOCH + Duration::from_secs(2)),
            revocations: 3,
            unwritten: 4,
            position: Some("5-0".to_owned()),
            last_reconciliation: Some(UNIX_EPOCH + Duration::from_secs(6)),
            eviction_policy: eviction_policy.map(str::to_owned),
        }
    }

    #[test]
    fn status_says_what_it_holds() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        let status = status(Some("allkeys-lru"));

        assert_eq!(
            (status.source(), status.is_ready(), status.carries_on()),
            ("redis://a", true, false)
        );
        assert_eq!((status.since(), status.complete_up_to()), (at(1), Some(at(2))));
        assert_eq!((status.revocations(), status.unwritten()), (3, 4));
        assert_eq!((status.problem(), status.position()), (Some("no route"), Some("5-0")));
        assert_eq!(status.last_reconciliation(), Some(at(6)));
        assert_eq!(status.eviction_policy(), Some("allkeys-lru"));
    }

    #[test]
    fn redis_evicts_unless_its_policy_is_to_keep_all() {
        for (policy, evicts) in
            [(None, None), (Some("noeviction"), Some(false)), (Some("volatile-ttl"), Some(true))]
        {
            assert_eq!(status(policy).evicts(), evicts);
        }
    }
}
