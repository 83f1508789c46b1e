use std::sync::Arc;
use std::time::Duration;

use super::address::Address;
use super::keys::Keys;
use super::settings::Settings;
use super::shared::Shared;
use super::tls::Roots;
use super::worker::FollowWorker;
use super::{Node, RedisRevocations};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::dangerous::Dangerous;
use crate::state::revocation::{MemoryRevocations, RevocationKind};
use crate::task::Worker;

impl RedisRevocations {
    /// Connects to this address when it is used first. Tokens are valid for `max_lifetime` at the
    /// most, or refused.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the address cannot be read, or is of another machine and without TLS. It
    /// shows neither user nor password.
    pub fn new(address: &str, max_lifetime: Duration) -> Result<Self, ConfigError> {
        let address = Address::read(address)?;
        address.check_secrecy()?;
        Ok(Self::at(address, max_lifetime, false))
    }

    /// The same without TLS, to other machines too.
    ///
    /// An attacker on the way can read the password, and so revoke every token and take every revocation
    /// back. For a network without strangers.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the address cannot be read.
    pub fn dangerously_without_tls(
        address: &str,
        max_lifetime: Duration,
    ) -> Result<Self, ConfigError> {
        Ok(Self::at(Address::read(address)?, max_lifetime, true))
    }

    fn at(address: Address, max_lifetime: Duration, is_plain_allowed: bool) -> Self {
        let settings = Settings {
            address,
            is_plain_allowed,
            roots: None,
            keys: Keys::usual(),
            max_lifetime,
            max_gap: Duration::from_secs(10),
            reconciled_every: Duration::from_secs(10 * 60),
            stream_length: 1_000_000,
            carries_on: false,
        };
        let view = MemoryRevocations::new().with_max_lifetime(max_lifetime);
        Self::with(settings, view)
    }

    fn with(settings: Settings, view: MemoryRevocations) -> Self {
        let shared = Arc::new(Shared::new(settings, view));
        let worker = Worker::new(FollowWorker(Arc::clone(&shared)));
        Self { node: Arc::new(Node { shared, worker }) }
    }

    // Before it is used and cloned, as everywhere: what has begun ends, and begins anew.
    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.node.shared.settings.clone();
        change(&mut settings);
        Self::with(settings, self.node.shared.view.clone())
    }

    fn change_view(self, change: impl FnOnce(MemoryRevocations) -> MemoryRevocations) -> Self {
        let shared = &self.node.shared;
        Self::with(shared.settings.clone(), change(shared.view.clone()))
    }

    /// Sets the namespace, with which all keys begin. Nodes that share revocations have the same. The
    /// default is `tower-bearer`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Namespace`] when it is empty, or holds anything but ASCII letters, digits and
    /// `-_.:/`.
    pub fn with_namespace(self, namespace: &str) -> Result<Self, ConfigError> {
        let keys = Keys::new(namespace)?;
        Ok(self.change(|settings| settings.keys = keys))
    }

    /// Sets which kinds of revocation must be possible for every token, as
    /// [`MemoryRevocations::with_kinds`] does.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoRevocationKinds`] when none is named.
    pub fn with_kinds(
        self,
        kinds: impl IntoIterator<Item = RevocationKind>,
    ) -> Result<Self, ConfigError> {
        let view = self.node.shared.view.clone().with_kinds(kinds)?;
        Ok(self.change_view(|_| view))
    }

    /// Sets for how long Redis may be out of sight before revocations count as missing. The default is
    /// 10 seconds; at least half a second, and at most 5 minutes are possible.
    ///
    /// Within it nobody notices anything, and what is revoked elsewhere may be let in for as long.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooLong`]. To let tokens in for as long as Redis is away is
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

    /// Sets after how much time all revocations in Redis are read again, whatever the stream has said.
    /// The default is 10 minutes; at least a second.
    #[must_use]
    pub fn with_reconciliation_every(self, pause: Duration) -> Self {
        self.change(|settings| settings.reconciled_every = pause.max(Duration::from_secs(1)))
    }

    /// Sets how many changes the stream holds, more or less. The default is 1,000,000.
    ///
    /// Who has missed more reads everything. A change takes 100 bytes or so in Redis.
    #[must_use]
    pub fn with_stream_length(self, changes: u64) -> Self {
        self.change(|settings| settings.stream_length = changes.max(1))
    }

    /// Believes servers by these certificates in PEM and no others. By default, those of the system.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when there is none, or one that cannot be read.
    pub fn with_root_certificates(self, pem: &str) -> Result<Self, ConfigError> {
        let roots = Roots::read(pem)?;
        Ok(self.change(|settings| settings.roots = Some(roots)))
    }

    /// Asks another clock for the time. For tests.
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
    /// Accepts tokens while revocations may be missing (fail open): before Redis was reached for the first
    /// time, and while it has been unreachable for longer than [the gap](RedisRevocations::with_max_gap).
    ///
    /// An attacker who keeps a node from Redis can use a stolen token there until it expires. A token that
    /// this node knows to be revoked is still refused.
    pub fn fail_open(self) -> RedisRevocations {
        self.0.change(|settings| settings.carries_on = true)
    }
}

const MAX_GAP: Duration = Duration::from_secs(5 * 60);
