//! Names the keys in Redis, all with the hash tag `{namespace}`.
//!
//! | key | holds |
//! |---|---|
//! | `until:<second>` | a bucket: a hash from names to moments for one window of time, which expires as a whole |
//! | `buckets` | a sorted set of the buckets that exist |
//! | `stream` | the changes |
//! | `restored` | the names that were restored, and where in the stream |
//!
//! Each key has an expiry date of its own, so a service that is shut down leaves nothing. The name of a bucket is a
//! function of the date, so `EXPIREAT` never moves.

use std::time::Duration;

use crate::config_error::ConfigError;
use crate::state::redis::Namespace;

/// The names of the keys in Redis.
#[derive(Clone, Debug)]
pub(super) struct RedisKeys(Namespace);

impl RedisKeys {
    pub(super) fn new(namespace: &str) -> Result<Self, ConfigError> {
        Namespace::new(namespace).map(Self)
    }

    pub(super) fn usual() -> Self {
        Self(Namespace::usual())
    }

    /// The stream of changes, in their order.
    pub(super) fn stream(&self) -> String {
        self.0.key("stream")
    }

    /// The index of the buckets, by their ends.
    pub(super) fn index(&self) -> String {
        self.0.key("buckets")
    }

    /// The restored names, each with the position of the restoration in the stream.
    pub(super) fn restored(&self) -> String {
        self.0.key("restored")
    }

    /// The bucket of the revocations that are kept until this second.
    pub(super) fn bucket(&self, end: u64) -> String {
        self.0.key(format_args!("until:{end}"))
    }
}

/// The span of time of a bucket. A bucket expires as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct BucketSpan(u64);

impl BucketSpan {
    /// Divides the lifetime of revocations into some hundred buckets: a reconciliation asks for
    /// each bucket, and Redis deletes each at once.
    pub(super) fn of(max_lifetime: Duration) -> Self {
        Self((max_lifetime.as_secs() / 512).clamp(60, 3600))
    }

    /// Returns the end of the bucket in which this second lies.
    pub(super) fn end(self, until: u32) -> u64 {
        u64::from(until).div_ceil(self.0) * self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_share_one_hash_tag() {
        let keys = RedisKeys::new("shop").unwrap();

        for key in [keys.stream(), keys.index(), keys.restored(), keys.bucket(60)] {
            assert!(key.starts_with("{shop}:1:"), "{key}");
        }
    }

    #[test]
    fn window_is_a_512th_of_what_a_token_lives_from_a_minute_to_an_hour() {
        for (days, window) in [(0, 60), (1, 168), (7, 1181), (365, 3600)] {
            let longest = Duration::from_secs(days * 86_400);
            assert_eq!(BucketSpan::of(longest).end(1), window, "{days}");
        }
    }

    #[test]
    fn window_ends_no_earlier_than_what_is_in_it() {
        for longest in [0, 1, 3600, 86_400, 365 * 86_400] {
            let window = BucketSpan::of(Duration::from_secs(longest));
            for until in [0, 1, 59, 60, 61, 3601, u32::MAX - 1, u32::MAX] {
                let end = window.end(until);
                assert!((u64::from(until)..u64::from(until) + 3600).contains(&end));
            }
        }
    }
}
