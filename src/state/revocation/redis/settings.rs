use std::time::Duration;

use super::address::Address;
use super::keys::Keys;
use super::tls::Roots;

/// What can be set; see the methods of [`RedisRevocations`](super::RedisRevocations).
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) address: Address,
    /// Other machines may be reached without TLS.
    pub(super) is_plain_allowed: bool,
    pub(super) roots: Option<Roots>,
    pub(super) keys: Keys,
    pub(super) max_lifetime: Duration,
    pub(super) max_gap: Duration,
    pub(super) reconciled_every: Duration,
    pub(super) stream_length: u64,
    pub(super) carries_on: bool,
}

impl Settings {
    /// How long a read waits for news. While there are none, each answer shows that we miss nothing, so
    /// there must be several within the gap.
    pub(super) fn block(&self) -> Duration {
        (self.max_gap / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }

    /// How often Redis is asked whether it still has what was written lately.
    pub(super) fn probed_every(&self) -> Duration {
        self.block().max(Duration::from_secs(1))
    }

    /// How long an answer is waited for.
    pub(super) fn patience(&self) -> Duration {
        (self.max_gap / 3).clamp(Duration::from_millis(300), Duration::from_secs(3))
    }

    /// For how long entries of the stream are of use: others are found by a reconciliation.
    pub(super) fn stream_kept(&self) -> u64 {
        self.reconciled_every.as_secs().saturating_mul(2).clamp(3600, A_YEAR)
    }

    /// For how long the stream is kept when nobody is there.
    pub(super) fn stream_idle(&self) -> u64 {
        self.stream_kept().max(24 * 60 * 60)
    }

    /// For how long it is kept in mind what was taken back: as long as somebody may come back who has
    /// revoked it before.
    pub(super) fn restored_kept(&self) -> u64 {
        self.max_lifetime.as_secs().saturating_add(24 * 60 * 60).min(A_YEAR)
    }
}

const A_YEAR: u64 = 366 * 24 * 60 * 60;
