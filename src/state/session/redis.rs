//! Keeps sessions in Redis, for any number of nodes.
//!
//! Each call of the store is a script: atomic, and one round trip. The [`scripts`] do what
//! [`Rotation::apply`] and `MemorySessions` do; a test with random calls compares them.

mod keys;
mod record;
mod scripts;
mod call;
mod configure;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use self::call::ScriptAnswer;
use self::keys::SessionKeys;
use self::record::{milliseconds, optional, packed};
use self::scripts::SessionScript;
use super::store::SUPERSEDED_FOR;
use super::{CreationOutcome, NewSession, Rotation, RotationOutcome, Session, SessionStore, Swept};
use crate::error::SessionsUnavailable;
use crate::state::redis::{RedisConnection, RedisError, ScriptCall};

/// Keeps sessions in Redis. Any number of programs share them.
///
/// ```no_run
/// use tower_bearer::revocation::MemoryRevocations;
/// use tower_bearer::session::{RedisSessions, SessionKey, Sessions};
/// use tower_bearer::{Algorithm, SigningKey, TokenIssuer};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # let key = SigningKey::generate(Algorithm::ES256)?;
/// # let tokens = TokenIssuer::new("https://id.example.com", "https://api.example.com", key)?;
/// # let (revocations, key) = (MemoryRevocations::new(), SessionKey::generate()?);
/// let store = RedisSessions::new("rediss://user:password@redis.example.com")?;
/// let sessions = Sessions::new(tokens, store, revocations, key);
/// # Ok(())
/// # }
/// ```
///
/// - **Each call is one round trip** and atomic, also a refresh: a script in Redis does it. Nothing is kept on the
///   node, so the next call may come to any other node.
/// - **Redis removes what has expired.** After a refresh, a session stays for as long as it may be idle; one that
///   has ended stays until its access tokens are revoked, and no longer than it could have lived. A clock of Redis
///   that differs from those of the nodes does no harm; one that is set ahead removes sessions early.
/// - **Only hashes** of refresh tokens are in Redis, so a copy of it is no way in. A program that can write to it
///   can begin sessions: Redis is trusted.
/// - **Errors are bounded in time.** A call takes no longer than [`with_timeout`](Self::with_timeout). While Redis
///   cannot be reached, each call fails at once; a task connects again.
///
/// The first use in a tokio runtime with I/O and timers starts that task. It ends with the last clone.
///
/// # Address
///
/// As that of [`RedisRevocations`](crate::revocation::RedisRevocations#address): a server, sentinels, or any host of
/// a cluster. In a cluster, one server keeps all sessions, since a script needs its keys on one.
///
/// # What Redis must not lose
///
/// Requires Redis 5 or later, with these settings:
///
/// | | |
/// |---|---|
/// | `maxmemory-policy noeviction` | Else users are signed out when the memory is full. An event of level `ERROR` says so. |
/// | `appendonly yes` | Else a restart signs all users out. |
/// | `appendfsync always` | Else a crash, like a failover, loses about a second. |
///
/// In Redis that was emptied, every refresh token is unknown, and users sign in again. If only the last second is
/// lost, a session that was refreshed in it has its tokens of before: the new token of its client counts as
/// stolen, and the session ends. A session that was ended in it may be refreshed again, so end it again; its access
/// tokens stay revoked.
#[derive(Clone)]
pub struct RedisSessions {
    store: Arc<Store>,
}

struct Store {
    connection: RedisConnection,
    keys: SessionKeys,
}

impl RedisSessions {
    /// Connects, and checks that Redis answers: at the start of a program, or for a readiness probe.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when Redis does not answer in time.
    pub async fn check(&self) -> Result<(), SessionsUnavailable> {
        self.store.connection.ping().await.map_err(|problem| unavailable(&problem))
    }

    async fn call(&self, call: ScriptCall) -> Result<ScriptAnswer, SessionsUnavailable> {
        let answer = self.store.connection.call(&call).await;
        answer
            .and_then(|answer| ScriptAnswer::read(&answer))
            .map_err(|problem| unavailable(&problem))
    }

    fn keys(&self) -> &SessionKeys {
        &self.store.keys
    }
}

impl SessionStore for RedisSessions {
    async fn create(&self, new: NewSession) -> Result<CreationOutcome, SessionsUnavailable> {
        let (keys, session) = (self.keys(), &new.session);
        let touched = [
            keys.session(&session.id),
            keys.of_subject(&session.subject),
            keys.all_ended(&session.subject),
            keys.ended(),
        ];
        // No limit is 0.
        let most = new.max_per_subject.map_or(0, |most| most.max(1));
        let call = ScriptCall::new(SessionScript::Create.script(), touched)
            .with(keys.session(""))
            .with(session.id.as_str())
            .with(packed(session))
            .with(milliseconds(new.signed_in_at))
            .with(most.to_string());
        let answer = self.call(call).await?;
        match answer.word.as_str() {
            "created" => Ok(CreationOutcome::Created { ended: answer.sessions }),
            "superseded" => Ok(CreationOutcome::Superseded),
            _ => Err(unavailable(&RedisError::unreadable("an answer"))),
        }
    }

    async fn rotate(&self, rotation: Rotation<'_>) -> Result<RotationOutcome, SessionsUnavailable> {
        let keys = self.keys();
        let call = ScriptCall::new(
            SessionScript::Rotate.script(),
            [keys.session(rotation.id), keys.ended()],
        )
        .with(rotation.id)
        .with(rotation.presented.as_bytes().as_slice())
        .with(rotation.next.as_bytes().as_slice())
        .with(optional(rotation.client_id))
        .with(milliseconds(rotation.now))
        .with(milliseconds(rotation.idle_until));
        let answer = self.call(call).await?;
        let verdict: fn(Session) -> RotationOutcome = match answer.word.as_str() {
            "rotated" => RotationOutcome::Rotated,
            "repeated" => RotationOutcome::Repeated,
            "reused" => RotationOutcome::Reused,
            "ended" => RotationOutcome::Ended,
            "expired" => return Ok(RotationOutcome::Expired),
            "wrong client" => return Ok(RotationOutcome::WrongClient),
            "unknown" => return Ok(RotationOutcome::Unknown),
            _ => return Err(unavailable(&RedisError::unreadable("an answer"))),
        };
        answer.session().map(verdict).map_err(|problem| unavailable(&problem))
    }

    async fn of_subject(
        &self,
        subject: &str,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        let keys = self.keys();
        let call = ScriptCall::new(SessionScript::OfSubject.script(), [keys.of_subject(subject)])
            .with(keys.session(""))
            .with(milliseconds(now));
        Ok(self.call(call).await?.sessions)
    }

    async fn end(
        &self,
        id: &str,
        subject: Option<&str>,
    ) -> Result<Option<Session>, SessionsUnavailable> {
        let keys = self.keys();
        let mut call =
            ScriptCall::new(SessionScript::End.script(), [keys.session(id), keys.ended()]).with(id);
        if let Some(subject) = subject {
            call = call.with(subject);
        }
        Ok(self.call(call).await?.sessions.pop())
    }

    async fn end_all(
        &self,
        subject: &str,
        except: Option<&str>,
        now: SystemTime,
    ) -> Result<Vec<Session>, SessionsUnavailable> {
        let keys = self.keys();
        let touched = [keys.of_subject(subject), keys.all_ended(subject), keys.ended()];
        let mut call = ScriptCall::new(SessionScript::EndAll.script(), touched)
            .with(keys.session(""))
            .with(milliseconds(now))
            .with(SUPERSEDED_FOR.as_millis().to_string());
        if let Some(except) = except {
            call = call.with(except);
        }
        Ok(self.call(call).await?.sessions)
    }

    async fn remove(&self, ids: &[&str]) -> Result<(), SessionsUnavailable> {
        let keys = self.keys();
        for ids in ids.chunks(AT_ONCE) {
            let call = ScriptCall::new(SessionScript::Remove.script(), [keys.ended()])
                .with(keys.session(""))
                .with(keys.of_subject(""));
            let call = ids.iter().fold(call, |call, id| call.with(*id));
            self.call(call).await?;
        }
        Ok(())
    }

    /// Returns at most 1,000 sessions, any of those that have ended.
    async fn sweep(&self, _now: SystemTime) -> Result<Swept, SessionsUnavailable> {
        let keys = self.keys();
        let call = ScriptCall::new(SessionScript::Sweep.script(), [keys.ended()])
            .with(keys.session(""))
            .with(AT_ONCE.to_string());
        let answer = self.call(call).await?;
        Ok(Swept::new(answer.sessions, answer.word == "more"))
    }
}

// The problem has no user or password: an address is shown without them, and Redis does not repeat them.
fn unavailable(problem: &RedisError) -> SessionsUnavailable {
    SessionsUnavailable::new(problem.to_string())
}

impl fmt::Debug for RedisSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.store.connection.settings();
        f.debug_struct("RedisSessions")
            .field("address", &settings.connect.address)
            .field("keys", &self.store.keys)
            .field("timeout", &settings.timeout)
            .finish_non_exhaustive()
    }
}

/// How many sessions a script looks at, so that other calls do not wait for it for long.
const AT_ONCE: usize = 1000;
