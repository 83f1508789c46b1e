//! Remembers proofs in Redis, for any number of nodes.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::Value;

use super::{MemoryReplays, ProofId, ProofUse, ReplayCheck, ReplayStore};
use crate::config_error::ConfigError;
use crate::error::ReplaysUnavailable;
use crate::jose::unsigned::random_id;
use crate::state::redis::{
    ConnectSettings, ConnectionSettings, Namespace, RedisConnection, RedisError, Roots, Script,
    ScriptCall,
};

/// Remembers used proofs in Redis. Any number of nodes share them, so a proof is accepted once by all
/// of them together.
///
/// ```no_run
/// use tower_bearer::dpop::{Dpop, RedisReplays};
///
/// # fn example() -> Result<(), tower_bearer::ConfigError> {
/// let replays = RedisReplays::new("rediss://user:password@redis.example.com")?;
/// let dpop = Dpop::new("https://api.example.com")?.with_replay_store(replays);
/// # Ok(())
/// # }
/// ```
///
/// - **One round trip** for each request. Only a hash is stored, for as long as the proof could be used
///   again.
/// - **While Redis is away**, requests with a proof are answered 503
///   ([`Reason::ReplaysUnavailable`](crate::Reason::ReplaysUnavailable)), at once or within
///   [`with_timeout`](Self::with_timeout). A task connects again.
/// - **Redis that was emptied** has forgotten the proofs of the last minute: each can be used once
///   more. Set `maxmemory-policy noeviction`, or a full Redis forgets some; an event of level `ERROR`
///   says so.
///
/// The address is as that of [`RedisRevocations`](crate::revocation::RedisRevocations#address). In a
/// cluster, one server keeps all proofs. The first use in a tokio runtime with I/O and timers starts a
/// task, which ends with the last clone.
#[derive(Clone)]
pub struct RedisReplays {
    store: Arc<Store>,
    while_away: Option<MemoryReplays>,
}

struct Store {
    connection: RedisConnection,
    namespace: Namespace,
}

impl RedisReplays {
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
    /// An attacker on the way can read the password and remove proofs, so that they can be used again. Use it only in
    /// a network without strangers.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the address cannot be read.
    pub fn dangerously_without_tls(address: &str) -> Result<Self, ConfigError> {
        Ok(Self::at(ConnectSettings::dangerously_without_tls(address)?))
    }

    fn at(connect: ConnectSettings) -> Self {
        Self::with(connect, Namespace::usual(), DEFAULT_TIMEOUT, None)
    }

    fn with(
        connect: ConnectSettings,
        namespace: Namespace,
        timeout: Duration,
        while_away: Option<MemoryReplays>,
    ) -> Self {
        let (key, scripts) = (namespace.key("proof"), &SCRIPTS);
        let settings = ConnectionSettings { connect, key, timeout, scripts, kept: "used proofs" };
        let connection = RedisConnection::new(settings);
        Self { store: Arc::new(Store { connection, namespace }), while_away }
    }

    /// Sets the namespace, with which all keys begin. All nodes have the same namespace.
    /// [`RedisRevocations`](crate::revocation::RedisRevocations) may have it too. The default is `tower-bearer`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Namespace`] when it is empty, or holds anything but ASCII letters, digits and `-_.:/`.
    pub fn with_namespace(self, namespace: &str) -> Result<Self, ConfigError> {
        let ConnectionSettings { connect, timeout, .. } = self.settings();
        Ok(Self::with(connect, Namespace::new(namespace)?, timeout, self.while_away))
    }

    /// Sets the longest time that a call takes, with connecting. The default is one second, the range 100
    /// milliseconds to 30 seconds.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        let connect = self.settings().connect;
        let timeout = timeout.clamp(Duration::from_millis(100), Duration::from_secs(30));
        Self::with(connect, self.store.namespace.clone(), timeout, self.while_away)
    }

    /// Trusts only these certificates, in PEM. The default is those of the system.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when there is no certificate, or one that cannot be read.
    pub fn with_root_certificates(self, pem: &str) -> Result<Self, ConfigError> {
        let ConnectionSettings { mut connect, timeout, .. } = self.settings();
        connect.roots = Some(Roots::read(pem)?);
        Ok(Self::with(connect, self.store.namespace.clone(), timeout, self.while_away))
    }

    /// Remembers proofs in the memory of each node while Redis is away, in place of the answer 503.
    ///
    /// A proof that an attacker has captured can then be used once on each other node, as long as Redis is away.
    #[must_use]
    pub fn dangerously_use_memory_while_away(mut self, memory: MemoryReplays) -> Self {
        self.while_away = Some(memory);
        self
    }

    /// Connects, and checks that Redis answers: at the start of a program, or for a readiness probe.
    ///
    /// # Errors
    ///
    /// [`ReplaysUnavailable`] when Redis does not answer in time.
    pub async fn check(&self) -> Result<(), ReplaysUnavailable> {
        self.store.connection.ping().await.map_err(|problem| unavailable(&problem))
    }

    fn settings(&self) -> ConnectionSettings {
        self.store.connection.settings().clone()
    }
}

impl Store {
    async fn use_proof(&self, proof: ProofId, lifetime: Duration) -> Result<ProofUse, RedisError> {
        let key = self
            .namespace
            .key(format_args!("proof:{:032x}", u128::from_be_bytes(*proof.as_bytes())));
        // A call may be repeated on another connection, and is not to find its own first attempt.
        let call = random_id().ok_or_else(|| RedisError::Refused(NO_RANDOMNESS.to_owned()))?;
        let call =
            ScriptCall::new(REMEMBER, [key]).with(call).with(lifetime.as_millis().to_string());
        match self.connection.call(&call).await? {
            Value::Int(1) => Ok(ProofUse::First),
            Value::Int(0) => Ok(ProofUse::Replayed),
            _ => Err(RedisError::unreadable("an answer")),
        }
    }
}

impl ReplayStore for RedisReplays {
    fn remember(&self, proof: ProofId, lifetime: Duration) -> ReplayCheck {
        let Self { store, while_away } = self.clone();
        ReplayCheck::Pending(Box::pin(async move {
            // Also while Redis answers, so that a proof of before is known when it goes away.
            let here = while_away.map(|memory| memory.remember(proof, lifetime));
            match (store.use_proof(proof, lifetime).await, here) {
                // Redis does not know the proofs that were used while it was away.
                (Ok(_), Some(ReplayCheck::Done(Ok(ProofUse::Replayed)))) => Ok(ProofUse::Replayed),
                (Ok(answer), _) => Ok(answer),
                (Err(_), Some(ReplayCheck::Done(here))) => here,
                (Err(problem), _) => Err(unavailable(&problem)),
            }
        }))
    }
}

// The problem has no user or password: an address is shown without them, and Redis does not repeat them.
fn unavailable(problem: &RedisError) -> ReplaysUnavailable {
    ReplaysUnavailable::new(problem.to_string())
}

impl fmt::Debug for RedisReplays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.store.connection.settings();
        f.debug_struct("RedisReplays")
            .field("address", &settings.connect.address)
            .field("namespace", &self.store.namespace)
            .field("timeout", &settings.timeout)
            .finish_non_exhaustive()
    }
}

/// Remembers a proof with the name of the call, and finds out whether it was this call that did so.
const REMEMBER: Script = Script { number: 0, text: SCRIPTS[0] };
const SCRIPTS: [&str; 1] = ["\
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0"];
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(1);
const NO_RANDOMNESS: &str = "the operating system has no randomness to give";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_kept_by_the_other_settings() {
        let certificate = rcgen::generate_simple_self_signed(["redis.invalid".to_owned()]).unwrap();
        let replays = RedisReplays::new("rediss://redis.invalid").unwrap();
        let replays = replays.dangerously_use_memory_while_away(MemoryReplays::new());
        let replays = replays.with_timeout(Duration::from_secs(5));
        let replays = replays.with_root_certificates(&certificate.cert.pem()).unwrap();
        let replays = replays.with_namespace("shop").unwrap();

        let settings = replays.settings();
        assert_eq!(
            (settings.timeout, settings.key.as_str()),
            (Duration::from_secs(5), "{shop}:1:proof")
        );
        assert!(settings.connect.roots.is_some() && replays.while_away.is_some());
        let replays = replays.with_timeout(Duration::ZERO);
        assert_eq!(replays.settings().timeout, Duration::from_millis(100));
        assert!(replays.settings().connect.roots.is_some() && replays.while_away.is_some());
    }

    #[test]
    fn other_machine_is_refused_without_tls_unless_it_was_asked_for() {
        let address = "redis://:secret@redis.example.com";

        let error = RedisReplays::new(address).unwrap_err();
        let replays = RedisReplays::dangerously_without_tls(address).unwrap();

        assert!(!format!("{error} {error:?} {replays:?}").contains("secret"));
    }
}
