//! Revocations that several nodes share through Redis.
//!
//! Each node looks up in a view of its own, in memory. [`worker`] is the task that keeps the view and
//! Redis together: it writes what the [`outbox`] holds, [follows](follow) the stream in which Redis says
//! what has changed, and reads all of it now and then ([`reconcile`]).

mod address;
mod entry;
mod keys;
mod position;
mod outbox;
mod error;
mod link;
mod scripts;
mod status;
mod tls;
mod settings;
mod connect;
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

use self::shared::Shared;
use self::worker::FollowWorker;
use super::{Revocable, Revocation, RevocationKinds, RevocationStore, Revocations, Revoked};
use crate::claims::NumericDate;
use crate::error::RevocationsUnavailable;
use crate::task::{NotHere, Worker};

/// Revocations that all nodes of a service share through Redis.
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
/// - **What is revoked on one node holds on all** some milliseconds later. [`add`](Self::add) is done when
///   Redis has it. If it fails, the revocation holds on this node all the same, and is written when
///   Redis is back.
/// - **No message is lost.** Nodes follow a stream from where they have stopped, and read everything
///   where it does not reach back so far. After each reconnection, each gap in the stream, and when it finds
///   within a second or so that Redis lacks what it has written, a node writes again what it has written
///   in the last 10 minutes: for a Redis that lost its last second or its memory, was emptied, or has
///   evicted keys. A node that starts before that is done may let in what was lost.
/// - **A gap is noticed.** While it has not heard of Redis for [some
///   seconds](Self::with_max_gap), and before it has heard of it for the first time, a node answers 503
///   to tokens that it does not know as revoked, unless somebody
///   [chose otherwise](crate::Dangerous#method.fail_open-1).
/// - **Revocations expire**, here and in Redis, when the tokens that they name have. So it must be said
///   how long tokens live; those that live longer are refused.
///
/// Clones are the same revocations. The first use in a tokio runtime, whose I/O and timers must be
/// enabled, starts a task that connects to Redis; it ends with the last clone.
///
/// # Address
///
/// | | |
/// |---|---|
/// | `rediss://user:password@host:6379/0` | a server, or several hosts to try, separated by commas; user, password, port and database may be left out |
/// | `redis://…` | the same without TLS, on this machine; on others only by [`dangerously_without_tls`](Self::dangerously_without_tls) |
/// | `rediss+sentinel://host:26379,host:26379/service` | sentinels, and the name of what they watch; with user, password and database of the server |
/// | `redis+sentinel://…` | the same without TLS to either |
///
/// In user and password, `@`, `/`, `?`, `#` and `%` are percent-encoded.
///
/// A cluster needs no spelling of its own: any of its hosts leads to the one that keeps the keys.
///
/// # Defaults
///
/// | | |
/// |---|---|
/// | namespace of the keys | `tower-bearer` |
/// | largest gap | 10 seconds |
/// | everything is read again | every 10 minutes |
/// | the stream holds | 1,000,000 changes, and those of the last hour |
///
/// Redis 5 or later. It must be allowed to keep what it has: `maxmemory-policy noeviction`, and for
/// revocations that outlive it, `appendonly yes`. It is trusted: who can write to it, can revoke.
#[derive(Clone)]
pub struct RedisRevocations {
    node: Arc<Node>,
}

struct Node {
    shared: Arc<Shared>,
    worker: Worker<FollowWorker>,
}

impl RedisRevocations {
    /// Waits until all revocations are here. For programs that would rather not start without.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when some are still missing after `at_most`. It goes on trying.
    pub async fn await_ready(&self, at_most: Duration) -> Result<(), RevocationsUnavailable> {
        let shared = &self.node.shared;
        self.node.start();
        self.node.runtime()?;
        let mut changed = shared.changed.subscribe();
        let whole = async {
            while !shared.is_ready() {
                // The sender is held by `shared`, so this cannot fail.
                _ = changed.changed().await;
                self.node.start();
            }
        };
        timeout(at_most, whole).await.map_err(|_| self.unavailable())
    }

    /// Takes back what was revoked under this name, whatever its moment, on all nodes; a warning in the
    /// log of each says so. `false` if nothing was.
    ///
    /// Where the same name is revoked in the same moment, either may be the last.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when Redis could not be told. Nothing is taken back then, unless the
    /// answer alone was lost; do it again.
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

    /// How they are doing: whole or not, since when, and what Redis is like.
    ///
    /// Starts following as a look-up does, so that a program that is asked for its readiness first becomes
    /// ready.
    pub fn status(&self) -> RedisStatus {
        self.node.start();
        self.node.shared.status()
    }

    /// How much memory the copy on this node takes, as good as can be told.
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
    /// Starts to follow Redis if that can be done here. If not, what is here counts all the same.
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

    /// Also tells a whole view from one that is not: it is another number while revocations are missing,
    /// and the same as before when the view is whole again and has not changed.
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
    /// Holds on this node from this call on, whether the future is awaited or not, and is done when
    /// Redis has it.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when Redis does not have it after 5 seconds, or cannot be reached. It
    /// is written when Redis is back, if this program still runs then.
    fn add(
        &self,
        revocation: Revocation,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send {
        self.add_all(vec![revocation])
    }

    /// As [`add`](Self::add), and in Redis all of them or none.
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
            .field("address", &shared.settings.address)
            .field("keys", &shared.settings.keys)
            .field("max_gap", &shared.settings.max_gap)
            .field("view", &shared.view)
            .finish_non_exhaustive()
    }
}

/// How long whoever revokes waits for Redis.
const WRITTEN_WITHIN: Duration = Duration::from_secs(5);
