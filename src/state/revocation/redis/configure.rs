use std::sync::Arc;
use std::time::Duration;

use super::keys::RedisKeys;
use super::settings::RedisSettings;
use super::shared::SharedState;
use super::worker::FollowWorker;
use super::{Node, RedisRevocations};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::dangerous::Dangerous;
use crate::state::redis::{ConnectSettings, Roots};
use crate::state::revocation::{MemoryRevocations, RevocationKind};
use crate::task::Worker;

impl RedisRevocations {
    /// Connects to this address on first use. Tokens that live longer than `max_lifetime` are
    /// refused.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the address cannot be read, or is of another machine and
    /// without TLS. It shows neither user nor password.
    pub fn new(address: &str, max_lifetime: Duration) -> Result<Self, ConfigError> {
        Ok(Self::at(ConnectSettings::new(address)?, max_lifetime))
    }

    /// Connects without TLS, to other machines too.
    ///
    /// An attacker on the way can read the password, and so revoke every token and take every
    /// revocation back. Use it only in a network without strangers.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the address cannot be read.
    pub fn dangerously_without_tls(
        address: &str,
        max_lifetime: Duration,
    ) -> Result<Self, ConfigError> {
        Ok(Self::at(ConnectSettings::dangerously_without_tls(address)?, max_lifetime))
    }

    fn at(connection: ConnectSettings, max_lifetime: Duration) -> Self {
        let settings = RedisSettings {
            connection,
            keys: RedisKeys::usual(),
            max_lifetime,
            max_gap: Duration::from_secs(10),
            reconciled_every: Duration::from_secs(10 * 60),
            stream_length: 1_000_000,
            carries_on: false,
        };
        let view = MemoryRevocations::new().with_max_lifetime(max_lifetime);
        Self::with(settings, view)
    }

    fn with(settings: RedisSettings, view: MemoryRevocations) -> Self {
        let shared = Arc::new(SharedState::new(settings, view));
        let worker = Worker::new(FollowWorker(Arc::clone(&shared)));
        Self { node: Arc::new(Node { shared, worker }) }
    }

    // Settings change before use and before cloning, as everywhere. A worker that runs already
    // starts anew.
    fn change(self, change: impl FnOnce(&mut RedisSettings)) -> Self {
        let mut settings = self.node.shared.settings.clone();
        change(&mut settings);
        Self::with(settings, self.node.shared.view.clone())
    }

    fn change_view(self, change: impl FnOnce(MemoryRevocations) -> MemoryRevocations) -> Self {
        let shared = &self.node.shared;
        Self::with(shared.settings.clone(), change(shared.view.clone()))
    }

    /// Sets the namespace, with which all keys begin. Nodes that share revocations have the same
    /// namespace. The default is `tower-bearer`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Namespace`] when it is empty, or holds anything but ASCII letters, digits and
    /// `-_.:/`.
    pub fn with_namespace(self, namespace: &str) -> Result<Self, ConfigError> {
        let keys = RedisKeys::new(namespace)?;
        Ok(self.change(|settings| settings.keys = keys))
    }

    /// Sets the kinds of revocation that must be possible for every token, as
    /// [`MemoryRevocations::with_kinds`] does.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoRevocationKinds`] when no kind is named.
    pub fn with_kinds(
        self,
        kinds: impl IntoIterator<Item = RevocationKind>,
    ) -> Result<Self, ConfigError> {
        let view = self.node.shared.view.clone().with_kinds(kinds)?;
        Ok(self.change_view(|_| view))
    }

    /// Sets how long Redis may be unreachable before revocations count as missing. The default is
    /// 10 seconds, the range half a second to 5 minutes.
    ///
    /// Within the gap tokens are accepted as usual, so a revocation made elsewhere may take this
    /// long to hold.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooLong`]. To accept tokens for as long as Redis is away, use
    /// [`dangerous().fail_open()`](Dangerous#method.fail_open-1).
    pub fn with_max_gap(self, gap: Duration) -> Result<Self, ConfigError> {
        if gap > MAX_GAP {
            return Err(ConfigError::TooLong {
                what: "a largest gap",
                seconds: gap.as_secs(),
                most: MAX_GAP.as_secs(),
                instead: "dangerous().fail_open()",
            });
        }
        Ok(self.change(|settings| settings.max_gap = gap.max(Duration::from_millis(500))))
    }

    /// Sets how often all revocations in Redis are read again, besides following the stream. The
    /// default is every 10 minutes; the shortest interval is a second.
    #[must_use]
    pub fn with_reconciliation_every(self, pause: Duration) -> Self {
        self.change(|settings| settings.reconciled_every = pause.max(Duration::from_secs(1)))
    }

    /// Sets how many changes the stream holds, approximately. The default is 1,000,000.
    ///
    /// A node that has missed more reads all revocations. A change takes about 100 bytes in Redis.
    #[must_use]
    pub fn with_stream_length(self, changes: u64) -> Self {
        self.change(|settings| settings.stream_length = changes.max(1))
    }

    /// Trusts only these certificates, in PEM. The default is those of the system.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when there is no certificate, or one that cannot be read.
    pub fn with_root_certificates(self, pem: &str) -> Result<Self, ConfigError> {
        let roots = Roots::read(pem)?;
        Ok(self.change(|settings| settings.connection.roots = Some(roots)))
    }

    /// Replaces the clock, for tests.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.change_view(|view| view.with_clock(clock))
    }

    /// Returns the switch that accepts tokens while revocations may be missing.
    pub fn dangerous(self) -> Dangerous<Self> {
        Dangerous(self)
    }
}

impl Dangerous<RedisRevocations> {
    /// Accepts tokens while revocations may be missing (fail open): before Redis was reached for
    /// the first time, and while it has been unreachable for longer than [the
    /// gap](RedisRevocations::with_max_gap).
    ///
    /// An attacker who keeps a node from Redis can use a stolen token there until it expires. A
    /// token that this node knows to be revoked is still refused.
    pub fn fail_open(self) -> RedisRevocations {
        self.0.change(|settings| settings.carries_on = true)
    }
}

const MAX_GAP: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_is_read_again_every_ten_minutes_unless_another_pause_is_set() {
        let usual = RedisRevocations::new("redis://localhost", Duration::from_secs(900)).unwrap();
        let pause = |revocations: &RedisRevocations| {
            revocations.node.shared.settings.reconciled_every.as_secs()
        };
        assert_eq!(pause(&usual), 600);

        let often = usual.with_reconciliation_every(Duration::from_secs(5));

        assert_eq!(pause(&often), 5);
    }
}
