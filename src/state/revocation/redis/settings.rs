use std::time::Duration;

use super::keys::RedisKeys;
use crate::state::redis::ConnectSettings;
use crate::task::Backoff;

/// The settings; see the methods of [`RedisRevocations`](super::RedisRevocations).
#[derive(Clone)]
pub(super) struct RedisSettings {
    pub(super) connection: ConnectSettings,
    pub(super) keys: RedisKeys,
    pub(super) max_lifetime: Duration,
    pub(super) max_gap: Duration,
    pub(super) reconciled_every: Duration,
    pub(super) stream_length: u64,
    pub(super) carries_on: bool,
}

impl RedisSettings {
    /// Returns the address for logs, without user and password.
    pub(super) fn source(&self) -> String {
        self.connection.address.to_string()
    }

    /// Returns how long a read waits for entries. While there are none, each answer shows that this
    /// node misses nothing, so several answers must fit in the gap.
    pub(super) fn block(&self) -> Duration {
        (self.max_gap / 8).clamp(Duration::from_millis(20), Duration::from_secs(1))
    }

    /// Returns how often the worker checks that Redis still has the recent writes.
    pub(super) fn probed_every(&self) -> Duration {
        self.block().max(Duration::from_secs(1))
    }

    /// Returns how long to wait for an answer.
    pub(super) fn patience(&self) -> Duration {
        (self.max_gap / 3).clamp(Duration::from_millis(300), Duration::from_secs(3))
    }

    /// Returns the pauses between attempts to reach Redis. None is longer than a quarter of the
    /// gap, so that one lost attempt does not use it up.
    pub(super) fn backoff(&self) -> Backoff {
        Backoff::new(FIRST_PAUSE, (self.max_gap / 4).clamp(FIRST_PAUSE, LONGEST_PAUSE))
    }

    /// Returns how long entries of the stream are useful: older ones are found by a reconciliation.
    pub(super) fn stream_kept(&self) -> u64 {
        self.reconciled_every.as_secs().saturating_mul(2).clamp(3600, A_YEAR)
    }

    /// Returns how long the stream is kept while no node runs.
    pub(super) fn stream_idle(&self) -> u64 {
        self.stream_kept().max(24 * 60 * 60)
    }

    /// Returns how long a restoration is remembered: as long as a node may come back that revoked
    /// the name before it.
    pub(super) fn restored_kept(&self) -> u64 {
        self.max_lifetime.as_secs().saturating_add(24 * 60 * 60).min(A_YEAR)
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const A_YEAR: u64 = 366 * 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn settings(max_gap: Duration, reconciled_every: u64, max_lifetime: u64) -> RedisSettings {
        RedisSettings {
            connection: ConnectSettings::new("redis://localhost").unwrap(),
            keys: RedisKeys::usual(),
            max_lifetime: seconds(max_lifetime),
            max_gap,
            reconciled_every: seconds(reconciled_every),
            stream_length: 1,
            carries_on: false,
        }
    }

    #[test]
    fn several_answers_are_waited_for_within_the_gap_that_is_borne() {
        for (gap, block, probed_every, patience) in [
            (100, 20, 1000, 300),
            (4_000, 500, 1000, 1333),
            (8_000, 1000, 1000, 2667),
            (300_000, 1000, 1000, 3000),
        ] {
            let settings = settings(Duration::from_millis(gap), 1, 1);

            assert_eq!(settings.block().as_millis(), block, "{gap}");
            assert_eq!(settings.probed_every().as_millis(), probed_every, "{gap}");
            let micros = settings.patience().as_micros();
            assert_eq!((micros + 500) / 1000, u128::from(u32::try_from(patience).unwrap()));
        }
    }

    #[test]
    fn stream_and_restorations_outlast_the_nodes_that_may_come_back_for_them() {
        let (hour, day) = (3600, 24 * 3600);
        for (reconciled_every, kept, idle) in [
            (600, hour, day),
            (2 * hour, 4 * hour, day),
            (day, 2 * day, 2 * day),
            (u64::MAX, 366 * day, 366 * day),
        ] {
            let settings = settings(seconds(10), reconciled_every, 1);
            assert_eq!((settings.stream_kept(), settings.stream_idle()), (kept, idle));
        }
        for (lifetime, kept) in [(0, day), (hour, day + hour), (u64::MAX, 366 * day)] {
            assert_eq!(settings(seconds(10), 1, lifetime).restored_kept(), kept);
        }
    }

    #[test]
    fn pauses_are_no_longer_than_a_quarter_of_the_gap_and_five_seconds() {
        for (gap, longest) in [(100, 50), (4_000, 1_000), (20_000, 5_000), (300_000, 5_000)] {
            let mut backoff = settings(Duration::from_millis(gap), 600, 3_600).backoff();

            assert_eq!(backoff.next(1.0), FIRST_PAUSE);
            let last = (0..20).map(|_| backoff.next(1.0)).last();
            assert_eq!(last, Some(Duration::from_millis(longest)));
        }
    }
}
