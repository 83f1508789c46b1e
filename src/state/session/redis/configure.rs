use std::sync::Arc;
use std::time::Duration;

use super::keys::SessionKeys;
use super::scripts::SessionScript;
use super::{RedisSessions, Store};
use crate::config_error::ConfigError;
use crate::state::redis::{ConnectSettings, ConnectionSettings, Namespace, RedisConnection, Roots};

impl RedisSessions {
    /// Connects to this address on first use.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the address cannot be read, or is of another machine and without TLS. It shows
    /// neither user nor password.
    pub fn new(address: &str) -> Result<Self, ConfigError> {
        Ok(Self::at(ConnectSettings::new(address)?))
    }

    /// Connects without TLS, to other machines too.
    ///
    /// An attacker on the way can read the password, end sessions, and begin sessions of any subject. Use it only
    /// in a network without strangers.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the address cannot be read.
    pub fn dangerously_without_tls(address: &str) -> Result<Self, ConfigError> {
        Ok(Self::at(ConnectSettings::dangerously_without_tls(address)?))
    }

    fn at(connect: ConnectSettings) -> Self {
        Self::with(connect, SessionKeys(Namespace::usual()), DEFAULT_TIMEOUT)
    }

    fn with(connect: ConnectSettings, keys: SessionKeys, timeout: Duration) -> Self {
        let (key, scripts) = (keys.ended(), &SessionScript::TEXTS);
        let settings = ConnectionSettings { connect, key, timeout, scripts, kept: "sessions" };
        let connection = RedisConnection::new(settings);
        Self { store: Arc::new(Store { connection, keys }) }
    }

    /// Sets the namespace, with which all keys begin. Nodes that share sessions have the same namespace.
    /// [`RedisRevocations`](crate::revocation::RedisRevocations) may have it too. The default is `tower-bearer`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Namespace`] when it is empty, or holds anything but ASCII letters, digits and `-_.:/`.
    pub fn with_namespace(self, namespace: &str) -> Result<Self, ConfigError> {
        let ConnectionSettings { connect, timeout, .. } = self.store.connection.settings().clone();
        Ok(Self::with(connect, SessionKeys(Namespace::new(namespace)?), timeout))
    }

    /// Sets the longest time that a call takes, with connecting. The default is 2 seconds, the range 100
    /// milliseconds to 30 seconds.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let connect = self.store.connection.settings().connect.clone();
        let timeout = timeout.clamp(Duration::from_millis(100), Duration::from_secs(30));
        Self::with(connect, self.store.keys.clone(), timeout)
    }

    /// Trusts only these certificates, in PEM. The default is those of the system.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when there is no certificate, or one that cannot be read.
    pub fn with_root_certificates(self, pem: &str) -> Result<Self, ConfigError> {
        let ConnectionSettings { mut connect, timeout, .. } =
            self.store.connection.settings().clone();
        connect.roots = Some(Roots::read(pem)?);
        Ok(Self::with(connect, self.store.keys.clone(), timeout))
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_by_the_other_settings() {
        let certificate = rcgen::generate_simple_self_signed(["redis.invalid".to_owned()]).unwrap();
        let sessions = RedisSessions::new("rediss://redis.invalid").unwrap();
        let sessions = sessions.with_timeout(Duration::from_secs(5));
        let sessions = sessions.with_root_certificates(&certificate.cert.pem()).unwrap();
        let sessions = sessions.with_namespace("shop").unwrap();

        let settings = sessions.store.connection.settings();
        assert_eq!(
            (settings.timeout, settings.key.as_str()),
            (Duration::from_secs(5), "{shop}:1:ended")
        );
        assert!(settings.connect.roots.is_some());
        let sessions = sessions.with_root_certificates(&certificate.cert.pem()).unwrap();
        let sessions = sessions.with_timeout(Duration::from_secs(60));
        let settings = sessions.store.connection.settings();
        assert_eq!(
            (settings.timeout, settings.key.as_str()),
            (Duration::from_secs(30), "{shop}:1:ended")
        );
        assert!(settings.connect.roots.is_some());
    }

    #[test]
    fn namespace_and_certificates_that_cannot_be_read_are_refused() {
        let sessions = || RedisSessions::new("redis://localhost").unwrap();

        assert!(matches!(sessions().with_namespace("a}"), Err(ConfigError::Namespace { .. })));
        let refused = sessions().with_root_certificates("none");
        assert!(matches!(refused, Err(ConfigError::UnreadableKeys { .. })));
        let shortest = sessions().with_timeout(Duration::ZERO);
        assert_eq!(shortest.store.connection.settings().timeout, Duration::from_millis(100));
    }

    #[test]
    fn other_machine_is_refused_without_tls_unless_it_was_asked_for() {
        let address = "redis://:secret@redis.example.com";

        let error = RedisSessions::new(address).unwrap_err();
        let sessions = RedisSessions::dangerously_without_tls(address).unwrap();

        assert!(!format!("{error} {error:?} {sessions:?}").contains("secret"));
    }
}
