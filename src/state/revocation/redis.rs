//! Shares revocations between several nodes through Redis.
//!
//! Each node looks up revocations in a view of its own, in memory. The [`worker`] is a task that
//! keeps the view and Redis in step: it writes the revocations in the [`outbox`], [follows](follow)
//! the stream of changes in Redis, and reads all revocations from time to time ([`reconcile`]).

mod entry;
mod keys;
mod position;
mod stream;
mod outbox;
mod scripts;
mod status;
mod settings;
mod shared;
mod follow;
mod reconcile;
mod write;
mod worker;
mod configure;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

pub use status::RedisStatus;

use self::shared::SharedState;
use self::worker::FollowWorker;
use super::{Revocable, Revocation, RevocationKinds, RevocationStore, Revocations, Revoked};
use crate::claims::NumericDate;
use crate::error::RevocationsUnavailable;
use crate::task::{NotHere, Worker};

/// Shares revocations between all nodes of a service, through Redis.
///
/// ```no_run
/// use std::time::{Duration, SystemTime};
/// use tower_bearer::revocation::{RedisRevocations, Revocation, RevocationStore as _};
/// # use tower_bearer::keys::VerifyingKey;
/// # use tower_bearer::{Algorithm, Validation, Verifier};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = VerifyingKey::from_secret(Algorithm::HS256, "at least 32 bytes of randomness, please")?;
/// # let rules = Validation::new("https://id.example.com", "https://api.example.com");
/// let max_lifetime = Duration::from_secs(60 * 60);
/// let revocations = RedisRevocations::new("rediss://redis.example.com", max_lifetime)?;
/// let verifier = Verifier::<serde_json::Value>::new(key, rules)?
///     .with_revocations(revocations.clone());
///
/// let alice = Revocation::subject("https://id.example.com", "alice", SystemTime::now());
/// revocations.add(alice).await?;
/// # Ok(())
/// # }
/// ```
///
/// - **Look-ups never wait.** They read a copy in memory, a
///   [`MemoryRevocations`](crate::revocation::MemoryRevocations).
/// - **A revocation on one node holds on all nodes** some milliseconds later. [`add`](Self::add)
///   returns when Redis has it. If `add` fails, the revocation holds on this node all the same, and
///   is written when Redis is back.
/// - **No message is lost.** A node follows a stream from its last position, and reads all
///   revocations if the stream no longer reaches back to that position. A node writes again all
///   that it has written in the last 10 minutes after each reconnection, after each gap in the
///   stream, and within about a second when Redis lacks a revocation that it wrote: for a Redis
///   that lost its last second or its memory, was emptied, or has evicted keys. A node that starts
///   before that is done may accept tokens whose revocation was lost.
/// - **A gap is noticed.** A node that has not heard from Redis for [some
///   seconds](Self::with_max_gap), or never yet, answers 503 to tokens that it does not know to be
///   revoked, unless [`fail_open`](crate::Dangerous#method.fail_open-1) was chosen.
/// - **Revocations expire**, here and in Redis, when the tokens that they name have expired. The
///   longest lifetime of tokens is therefore required, and tokens that live longer are refused.
///
/// Clones share the same revocations. The first use in a tokio runtime with I/O and timers starts a
/// task that connects to Redis; the task ends with the last clone.
///
/// # Address
///
/// | | |
/// |---|---|
/// | `rediss://user:password@host:6379/0` | a server, or several hosts to try, separated by commas; user, password, port and database may be left out |
/// | `redis://…` | the same without TLS, on this machine; on others only by [`dangerously_without_tls`](Self::dangerously_without_tls) |
/// | `rediss+sentinel://host:26379,host:26379/service` | sentinels, and the name of the service they watch; with user, password and database of the server |
/// | `redis+sentinel://…` | the same without TLS to either |
///
/// In user and password, `@`, `/`, `?`, `#` and `%` are percent-encoded.
///
/// A cluster has no scheme of its own: any of its hosts leads to the one that keeps the keys.
///
/// # Defaults
///
/// | | |
/// |---|---|
/// | namespace of the keys | `tower-bearer` |
/// | largest gap | 10 seconds |
/// | all revocations are read again | every 10 minutes |
/// | the stream holds | 1,000,000 changes, and those of the last hour |
///
/// Requires Redis 5 or later. It must not evict keys (`maxmemory-policy noeviction`), and to keep
/// revocations over a restart it needs `appendonly yes`. Redis is trusted: a client that can write
/// to it can revoke.
#[derive(Clone)]
pub struct RedisRevocations {
    node: Arc<Node>,
}

struct Node {
    shared: Arc<SharedState>,
    worker: Worker<FollowWorker>,
}

impl RedisRevocations {
    /// Waits until all revocations are here, for programs that should not start without them.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when some are still missing after `at_most`. The node goes on
    /// trying.
    pub async fn await_ready(&self, at_most: Duration) -> Result<(), RevocationsUnavailable> {
        let shared = &self.node.shared;
        self.node.start();
        self.node.runtime()?;
        let mut changed = shared.changed.subscribe();
        let whole = async {
            while !shared.is_ready() {
                // `shared` holds the sender, so this cannot fail.
                _ = changed.changed().await;
                self.node.start();
            }
        };
        timeout(at_most, whole).await.map_err(|_| self.unavailable())
    }

    /// Takes back the revocations of a name, whatever their moment, on all nodes. Each node logs a
    /// warning. Returns `false` if there were none.
    ///
    /// If the same name is revoked at the same time, either call may win.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when Redis could not be reached. Nothing is taken back then,
    /// unless only the answer was lost. Try again.
    pub async fn restore(
        &self,
        issuer: &str,
        name: Revocable<'_>,
    ) -> Result<bool, RevocationsUnavailable> {
        let shared = &self.node.shared;
        self.node.start();
        self.node.runtime()?;
        let Some(mut link) = shared.link() else { return Err(self.unavailable()) };
        let restored = write::restore(shared, &mut link, issuer, name).await;
        restored.map_err(|problem| RevocationsUnavailable::new(problem.to_string()))
    }

    /// Returns the state: ready or not, since when, and the state of Redis.
    ///
    /// Starts to follow Redis as a look-up does, so that a program that only reports its readiness
    /// becomes ready.
    pub fn status(&self) -> RedisStatus {
        self.node.start();
        self.node.shared.status()
    }

    /// Returns an estimate of the memory that the copy on this node takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        self.node.shared.view.memory_bytes()
    }

    fn unavailable(&self) -> RevocationsUnavailable {
        let status = self.node.shared.status();
        let problem = status.problem().unwrap_or("Redis has not been reached yet").to_owned();
        RevocationsUnavailable::new(problem)
    }
}

impl Node {
    /// Starts to follow Redis if that is possible here. If not, the revocations in memory still
    /// count.
    fn start(&self) {
        _ = self.worker.ensure();
    }

    /// Checks that a caller can wait here.
    fn runtime(&self) -> Result<(), RevocationsUnavailable> {
        let problem = match self.worker.runtime() {
            Ok(_) => return Ok(()),
            Err(NotHere::NoRuntime) => "Redis is asked through tokio, and no runtime is here",
            Err(NotHere::NoTimers) => "the timers of this tokio runtime are not enabled",
            Err(NotHere::Panicked) => "the task that follows Redis has panicked",
        };
        Err(RevocationsUnavailable::new(problem))
    }
}

impl Revocations for RedisRevocations {
    fn lookup(&self, issuer: &str, name: Revocable<'_>) -> Option<Revoked> {
        self.node.shared.view.lookup(issuer, name)
    }

    /// Differs while revocations are missing, and returns to the number before when the view is
    /// ready again and has not changed.
    fn epoch(&self) -> u64 {
        let shared = &self.node.shared;
        let lets_in = shared.settings.carries_on || shared.is_ready();
        shared.view.epoch() << 1 | u64::from(lets_in)
    }

    fn kinds(&self) -> RevocationKinds {
        self.node.shared.view.kinds()
    }

    fn max_lifetime(&self) -> Option<Duration> {
        self.node.shared.view.max_lifetime()
    }

    fn heeded_by(&self, issuer: &str) {
        self.node.shared.view.heeded_by(issuer);
    }

    fn is_heeded_by(&self, issuer: &str) -> bool {
        self.node.shared.view.is_heeded_by(issuer)
    }

    fn dated_ahead(&self, issuer: &str, name: Revocable<'_>, date: NumericDate) {
        self.node.shared.view.dated_ahead(issuer, name, date);
    }

    fn ready(&self) -> Result<(), RevocationsUnavailable> {
        self.node.start();
        let shared = &self.node.shared;
        if shared.settings.carries_on || shared.is_ready() {
            return Ok(());
        }
        Err(shared.unavailable())
    }
}

impl RevocationStore for RedisRevocations {
    /// Stores a revocation. It holds on this node from this call on, even if the future is dropped.
    /// The future is ready when Redis has it.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when Redis does not have it after 5 seconds, or cannot be
    /// reached. It is written when Redis is back, if this program still runs then.
    fn add(
        &self,
        revocation: Revocation,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send {
        self.add_all(vec![revocation])
    }

    /// Stores several revocations, in Redis all of them or none. Otherwise as [`add`](Self::add).
    ///
    /// # Errors
    ///
    /// As for [`add`](Self::add).
    fn add_all(
        &self,
        revocations: Vec<Revocation>,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send {
        self.node.start();
        let told = self.node.shared.revoke(&revocations);
        let node = Arc::clone(&self.node);
        async move {
            node.runtime()?;
            let Some(told) = told else {
                return Err(RevocationsUnavailable::new("too many wait to be written already"));
            };
            let written = async {
                for told in told {
                    match told.await {
                        Ok(outcome) => outcome?,
                        Err(_) => return Err("Redis is not followed any more".to_owned()),
                    }
                }
                Ok(())
            };
            match timeout(WRITTEN_WITHIN, written).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(problem)) => Err(RevocationsUnavailable::new(problem)),
                Err(_) => Err(RevocationsUnavailable::new("Redis has not answered in time")),
            }
        }
    }
}

impl fmt::Debug for RedisRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = &self.node.shared;
        f.debug_struct("RedisRevocations")
            .field("address", &shared.settings.connection.address)
            .field("keys", &shared.settings.keys)
            .field("max_gap", &shared.settings.max_gap)
            .field("view", &shared.view)
            .finish_non_exhaustive()
    }
}

/// The longest wait of a caller that revokes.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
