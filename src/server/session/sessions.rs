//! Begins, refreshes and ends sessions.
//!
//! Ending takes three steps that no transaction joins: the store marks the session, then its access tokens are
//! revoked, then the store removes it. A program that stops in between leaves a marked session, which cannot be
//! refreshed, and which the next sweep of any program revokes again and removes.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use super::error::SessionError;
use super::key::SessionKey;
use super::refresh_token::{PresentedToken, RefreshToken, TokenSecret};
use crate::clock::{Clock, Time};
use crate::keys::{BoxSigner, Signer};
use crate::observe::trace::{self, Pace};
use crate::server::erased_store::ErasedStore;
use crate::server::issue::{IssueError, TokenIssuer, TokenRequest};
use crate::server::sweeps::Sweeps;
use crate::state::revocation::{Revocation, RevocationStore, Revocations};
use crate::state::session::{
    BoxSessionStore, CreationOutcome, MAX_SIGN_IN, MAX_SUBJECT, NewSession, Rotation,
    RotationOutcome, Session, SessionStore,
};

/// Gives out refresh tokens, exchanges each once, and notices when one is stolen.
///
/// Each sign-in begins a [`Session`]. Its refresh token is exchanged for the next one and a new access token, until
/// the session expires or ends:
///
/// ```
/// use tower_bearer::revocation::MemoryRevocations;
/// use tower_bearer::session::{MemorySessions, SessionKey, Sessions, SignIn};
/// use tower_bearer::{Algorithm, SigningKey, TokenIssuer};
///
/// # let run = async {
/// let key = SigningKey::generate(Algorithm::ES256)?;
/// let tokens = TokenIssuer::new("https://id.example.com", "https://api.example.com", key)?;
/// let revocations = MemoryRevocations::new(); // the same as the verifier has
/// let sessions = Sessions::new(tokens, MemorySessions::new(), revocations, SessionKey::generate()?);
///
/// let begun = sessions.begin(SignIn::now("alice").with_device("Firefox on Linux")).await?;
/// let access = sessions.access_token(&begun.session).with_roles(["user"]).issue_async().await?;
///
/// let next = sessions.refresh(begun.refresh_token.as_str(), None).await?;
/// assert_eq!(next.session.subject, "alice");
/// # drop(access);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # };
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(run)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Rotation
///
/// A refresh token is good once (RFC 9700 §4.14.2). Its successor is derived from it, so a client that sends it
/// again, because an answer was lost or two tabs refresh at once, gets the same successor. When the successor has
/// been used, the older token is a sign of theft: the session ends, its access tokens are revoked, an event of level
/// `WARN` is written, and the hook of [`on_reuse`](Self::on_reuse) is called.
///
/// # Access tokens
///
/// They carry the session's name in `sid`. Ending a session revokes them by it, on every node that shares the
/// revocations. The verifier must have the same revocations, or they live on until they expire.
#[derive(Clone)]
pub struct Sessions {
    inner: Arc<Inner>,
}

struct Inner {
    tokens: TokenIssuer<BoxSigner>,
    store: BoxSessionStore,
    revocations: Arc<dyn ErasedStore>,
    key: SessionKey,
    idle: Duration,
    lifetime: Duration,
    max_per_subject: Option<usize>,
    on_reuse: Option<Hook>,
    clock: Time,
    sweeps: Sweeps,
    /// The last millisecond in which a sign-in began here, and the last up to which all sessions of a subject were
    /// ended here. The clock may stand still between the two, and one comes after the other all the same.
    begun: AtomicI64,
    ended: AtomicI64,
    /// Limits how often the log repeats itself.
    pace: Pace,
}

type Hook = Arc<dyn Fn(&Session) + Send + Sync>;

/// A sign-in that succeeded, and so begins a session.
#[derive(Clone, Debug)]
pub struct SignIn {
    subject: String,
    client_id: Option<String>,
    device: Option<String>,
    began: Option<SystemTime>,
    key_thumbprint: Option<String>,
}

impl SignIn {
    /// Creates the sign-in of a subject that has just begun and needs no time.
    pub fn now(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            client_id: None,
            device: None,
            began: None,
            key_thumbprint: None,
        }
    }

    /// Says when the sign-in began: before the password was read from its table.
    ///
    /// If the password is changed while an old one is checked, the session must not begin. So a sign-in that began
    /// before all sessions of its subject were ended is refused.
    #[must_use]
    pub fn begun_at(mut self, began: SystemTime) -> Self {
        self.began = Some(began);
        self
    }

    /// Binds the refresh tokens to a client (RFC 6749 §6), and puts `client_id` into the access tokens.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Binds the refresh tokens to the key with this thumbprint: that of a DPoP proof in the request (RFC 9449 §5,
    /// [`Dpop::thumbprint_of`](crate::dpop::Dpop::thumbprint_of)). They are then exchanged by
    /// [`refresh_with_key`](Sessions::refresh_with_key) alone. Access tokens are bound by
    /// [`with_key_thumbprint`](TokenRequest::with_key_thumbprint).
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn with_key_thumbprint(mut self, thumbprint: impl Into<String>) -> Self {
        self.key_thumbprint = Some(thumbprint.into());
        self
    }

    /// Names the device, for the user's list of sessions. At most 128 characters are kept, none of them a
    /// control character.
    #[must_use]
    pub fn with_device(mut self, device: impl AsRef<str>) -> Self {
        let printable = device.as_ref().chars().filter(|letter| !letter.is_control());
        let device: String = printable.take(MAX_DEVICE_CHARS).collect();
        self.device = Some(device.trim().to_owned()).filter(|device| !device.is_empty());
        self
    }
}

/// A session and its refresh token, after a sign-in or a refresh.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionTokens {
    /// The session as it is now.
    pub session: Session,
    /// The refresh token for the client to keep. It replaces the one that was presented.
    pub refresh_token: RefreshToken,
}

impl Sessions {
    /// Gives out tokens of this issuer, and keeps sessions in this store.
    ///
    /// `revocations` is told which sessions have ended, and the issuer heeds it
    /// ([`TokenIssuer::with_revocations`]): a user who was locked can sign in again at once. Give the same to the
    /// verifier. `key` is the same in every program that shares the store.
    pub fn new<K: Signer>(
        tokens: TokenIssuer<K>,
        store: impl SessionStore,
        revocations: impl Revocations + RevocationStore,
        key: SessionKey,
    ) -> Self {
        let revocations = Arc::new(revocations);
        let inner = Inner {
            tokens: tokens.with_revocations(Arc::clone(&revocations)).boxed(),
            store: BoxSessionStore::new(store),
            revocations,
            key,
            idle: DEFAULT_IDLE,
            lifetime: DEFAULT_LIFETIME,
            max_per_subject: None,
            on_reuse: None,
            clock: Time::OfSystem,
            sweeps: Sweeps::every(SWEEP_SECONDS),
            begun: AtomicI64::new(0),
            ended: AtomicI64::new(0),
            pace: Pace::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Sets for how long a session may go without a refresh before it expires. The default is 7 days.
    #[must_use]
    pub fn with_idle_lifetime(self, idle: Duration) -> Self {
        self.with(|inner| inner.idle = idle)
    }

    /// Sets for how long a session can be refreshed at all. Then the user has to sign in again (OWASP ASVS
    /// 10.4.8). The default is 30 days.
    #[must_use]
    pub fn with_max_lifetime(self, lifetime: Duration) -> Self {
        self.with(|inner| inner.lifetime = lifetime)
    }

    /// Sets the number of sessions that a subject may have. One more ends the oldest. At least one. By default there
    /// is no limit.
    #[must_use]
    pub fn with_max_per_subject(self, max: usize) -> Self {
        self.with(|inner| inner.max_per_subject = Some(max.max(1)))
    }

    /// Calls a function when a refresh token was used again after its successor: to write to the user, for example.
    /// It must not block.
    #[must_use]
    pub fn on_reuse(self, hook: impl Fn(&Session) + Send + Sync + 'static) -> Self {
        self.with(|inner| inner.on_reuse = Some(Arc::new(hook)))
    }

    /// Replaces the clock, for tests. The issuer has a clock of its own.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.with(|inner| inner.clock = Time::OfClock(Arc::new(clock)))
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        if let Some(inner) = Arc::get_mut(&mut self.inner) {
            change(inner);
        } else {
            // A clone that is in use keeps its settings.
            let mut inner = self.inner.copy();
            change(&mut inner);
            self.inner = Arc::new(inner);
        }
        self
    }

    /// Begins a session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Superseded`] when all sessions of the subject were ended since the sign-in
    /// [began](SignIn::begun_at); [`SessionError::SubjectTooLong`], [`SessionError::Unavailable`] and
    /// [`SessionError::NotIssued`].
    pub async fn begin(&self, sign_in: SignIn) -> Result<SessionTokens, SessionError> {
        let SignIn { subject, client_id, device, began, key_thumbprint } = sign_in;
        if subject.is_empty() {
            return Err(IssueError::EmptySubject.into());
        }
        check_length(&subject)?;
        let inner = &*self.inner;
        let now = self.now();
        let began = began.map_or_else(|| self.sign_in_begins(), in_milliseconds);
        if now.duration_since(began).is_ok_and(|took| took >= MAX_SIGN_IN) {
            return Err(SessionError::Superseded);
        }
        let secret = TokenSecret::generate().ok_or(IssueError::NoRandomness)?;
        let expires_at = later(now, inner.lifetime);
        let mut session =
            Session::new(secret.session_id(), subject, secret.hash(), now, expires_at);
        session.client_id = client_id;
        session.device = device;
        session.idle_until = later(now, inner.idle).min(expires_at);
        let new = NewSession::new(session.clone(), began, inner.max_per_subject);
        match inner.store.create(new).await? {
            CreationOutcome::Created { ended } => {
                // The new session is there. What cannot be revoked now, the next sweep revokes.
                if let Err(error) = self.revoke(&ended).await {
                    trace::sessions_not_revoked(&error, &inner.pace);
                }
            }
            CreationOutcome::Superseded => return Err(SessionError::Superseded),
        }
        self.sweep_now_and_then(now);
        let refresh_token = secret.write(&inner.key, key_thumbprint.as_deref());
        Ok(SessionTokens { session, refresh_token })
    }

    /// Exchanges a refresh token for the next one.
    ///
    /// `client_id` is the client that presents the token, if clients have names here.
    ///
    /// # Errors
    ///
    /// A [`SessionError`]. One that [is not final](SessionError::is_final) lost nothing: the client sends the same
    /// token again.
    pub async fn refresh(
        &self,
        token: &str,
        client_id: Option<&str>,
    ) -> Result<SessionTokens, SessionError> {
        self.exchange(token, client_id, None).await
    }

    /// Exchanges a refresh token that is bound to the key with this thumbprint, which the proof of the request has. The
    /// next one is bound to it too.
    ///
    /// A token that is bound to no key is exchanged for one that is bound to this key, so that a client can begin to
    /// send proofs. One that is bound to another key is [refused](SessionError::WrongKey), and its session goes on.
    ///
    /// # Errors
    ///
    /// Those of [`refresh`](Self::refresh).
    #[cfg(feature = "dpop")]
    pub async fn refresh_with_key(
        &self,
        token: &str,
        client_id: Option<&str>,
        thumbprint: &str,
    ) -> Result<SessionTokens, SessionError> {
        self.exchange(token, client_id, Some(thumbprint)).await
    }

    pub(in crate::server) async fn exchange(
        &self,
        token: &str,
        client_id: Option<&str>,
        key_thumbprint: Option<&str>,
    ) -> Result<SessionTokens, SessionError> {
        let inner = &*self.inner;
        let presented = self.recognised(token, key_thumbprint)?;
        let next = presented.successor(key_thumbprint);
        let now = self.now();
        let id = presented.secret.session_id();
        let rotation = Rotation {
            id: &id,
            presented: presented.secret.hash(),
            next: next.hash(),
            client_id,
            now,
            idle_until: later(now, inner.idle),
        };
        match inner.store.rotate(rotation).await? {
            RotationOutcome::Rotated(session) | RotationOutcome::Repeated(session) => {
                self.sweep_now_and_then(now);
                let refresh_token = next.write(&inner.key, key_thumbprint);
                Ok(SessionTokens { session, refresh_token })
            }
            RotationOutcome::Reused(session) => {
                self.sweep_now_and_then(now);
                trace::refresh_token_reused(&session.subject, &session.id);
                if let Some(hook) = &inner.on_reuse {
                    hook(&session);
                }
                self.revoke(&[session]).await?;
                Err(SessionError::Reused)
            }
            RotationOutcome::Ended(session) => {
                self.revoke(&[session]).await?;
                Err(SessionError::Ended)
            }
            RotationOutcome::Expired => Err(SessionError::Expired),
            RotationOutcome::WrongClient => Err(SessionError::WrongClient),
            RotationOutcome::Unknown => Err(SessionError::UnknownToken),
        }
    }

    /// Begins an access token for a session: `sub`, `sid` and `client_id` are set, and it does not outlive the
    /// session, also one that is not refreshed. Add roles, scopes and claims, and sign it with `issue_async`.
    pub fn access_token(&self, session: &Session) -> TokenRequest<'_, BoxSigner> {
        let tokens = &self.inner.tokens;
        let rest = session.due().duration_since(self.now()).unwrap_or_default();
        // Tokens are valid for whole seconds.
        let rest = Duration::from_secs(rest.as_secs() + u64::from(rest.subsec_nanos() > 0));
        let request = tokens.token_for(&session.subject).with_session_id(&session.id);
        let request = request.with_lifetime(tokens.lifetime().min(rest));
        match &session.client_id {
            Some(client_id) => request.with_client_id(client_id),
            None => request,
        }
    }

    /// Returns whether a client with this key may exchange the token, as far as the token tells.
    #[cfg(feature = "sign-in")]
    pub(in crate::server) fn recognises(
        &self,
        token: &str,
        key_thumbprint: Option<&str>,
    ) -> Result<(), SessionError> {
        self.recognised(token, key_thumbprint).map(drop)
    }

    /// Reads a token of this server that a client with this key may exchange.
    fn recognised(
        &self,
        token: &str,
        key_thumbprint: Option<&str>,
    ) -> Result<PresentedToken<'_>, SessionError> {
        let presented = PresentedToken::read(token, &self.inner.key);
        let presented = presented.ok_or(SessionError::UnknownToken)?;
        if presented.is_for(key_thumbprint) { Ok(presented) } else { Err(SessionError::WrongKey) }
    }

    /// Ends the session of a refresh token, for a sign-out. Any token of the session will do, also one that was
    /// exchanged, or that is bound to a key. Returns the session, or `None` when there is none any more.
    ///
    /// # Errors
    ///
    /// [`SessionError::UnknownToken`] when the token is not one of this server; [`SessionError::Unavailable`] and
    /// [`SessionError::NotRevoked`], after which the same call tries again.
    pub async fn end_by_token(&self, token: &str) -> Result<Option<Session>, SessionError> {
        let presented = PresentedToken::read(token, &self.inner.key);
        let presented = presented.ok_or(SessionError::UnknownToken)?;
        let ended = self.inner.store.end(&presented.secret.session_id(), None).await?;
        self.revoke(ended.as_slice()).await?;
        Ok(ended)
    }

    /// Ends a session of a subject. Returns the session, or `None` when the subject has none of this name.
    ///
    /// # Errors
    ///
    /// [`SessionError::SubjectTooLong`]; [`SessionError::Unavailable`] and [`SessionError::NotRevoked`], after which the
    /// same call tries again.
    pub async fn end(&self, id: &str, subject: &str) -> Result<Option<Session>, SessionError> {
        check_length(subject)?;
        let ended = self.inner.store.end(id, Some(subject)).await?;
        self.revoke(ended.as_slice()).await?;
        Ok(ended)
    }

    /// Ends all sessions of a subject, and refuses sign-ins that have begun already. Returns their number.
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end).
    pub async fn end_all(&self, subject: &str) -> Result<usize, SessionError> {
        self.end_but(subject, None).await
    }

    /// Ends all sessions of a subject but one: call it after a password was changed. Returns their number.
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end).
    pub async fn end_others(&self, subject: &str, keep: &str) -> Result<usize, SessionError> {
        self.end_but(subject, Some(keep)).await
    }

    async fn end_but(&self, subject: &str, keep: Option<&str>) -> Result<usize, SessionError> {
        check_length(subject)?;
        let inner = &*self.inner;
        let moment = milliseconds(self.now()).max(inner.begun.load(Ordering::SeqCst));
        let ended = inner.store.end_all(subject, keep, from_milliseconds(moment)).await?;
        inner.ended.fetch_max(moment, Ordering::SeqCst);
        self.revoke(&ended).await?;
        Ok(ended.len())
    }

    /// Returns the live sessions of a subject, oldest first.
    ///
    /// # Errors
    ///
    /// [`SessionError::SubjectTooLong`], and [`SessionError::Unavailable`] when the store does not answer.
    pub async fn list(&self, subject: &str) -> Result<Vec<Session>, SessionError> {
        check_length(subject)?;
        Ok(self.inner.store.of_subject(subject, self.now()).await?)
    }

    /// Removes sessions that have expired, and revokes again what an interrupted call may have left: all of them, in
    /// steps of about a thousand.
    ///
    /// Once a minute, a sign-in or a refresh starts this as a task of its own, and does not wait for it. Outside of a
    /// tokio runtime, it does not.
    ///
    /// # Errors
    ///
    /// [`SessionError::Unavailable`] and [`SessionError::NotRevoked`].
    pub async fn sweep(&self) -> Result<(), SessionError> {
        for _ in 0..MOST_STEPS {
            let swept = self.inner.store.sweep(self.now()).await?;
            let is_removed = self.revoke(&swept.ended).await?;
            // The same sessions would be found again.
            if !swept.has_more || !is_removed {
                break;
            }
            // Other tasks of this thread go first, also if the store never waits.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    fn sweep_now_and_then(&self, now: SystemTime) {
        let sessions = self.clone();
        self.inner.sweeps.start(now, || async move {
            if let Err(error) = sessions.sweep().await {
                trace::sessions_not_swept(&error, &sessions.inner.pace);
            }
        });
    }

    /// Revokes the access tokens of sessions that are marked as ended, and removes the sessions. Returns whether they are
    /// removed.
    async fn revoke(&self, ended: &[Session]) -> Result<bool, SessionError> {
        if ended.is_empty() {
            return Ok(true);
        }
        let issuer = self.inner.tokens.issuer();
        let revocations = ended.iter().map(|session| Revocation::session(issuer, &session.id));
        self.inner.revocations.add_all(revocations.collect()).await?;
        let ids: Vec<&str> = ended.iter().map(|session| session.id.as_str()).collect();
        // A session that stays is only revoked again.
        if let Err(error) = self.inner.store.remove(&ids).await {
            trace::sessions_not_swept(&error, &self.inner.pace);
            return Ok(false);
        }
        Ok(true)
    }

    /// Returns the moment of a sign-in that begins now: later than any at which this program has ended all sessions of
    /// a subject, though the clock may say the same millisecond.
    pub(in crate::server) fn sign_in_begins(&self) -> SystemTime {
        let inner = &*self.inner;
        let moment = milliseconds(self.now()).max(inner.ended.load(Ordering::SeqCst) + 1);
        inner.begun.fetch_max(moment, Ordering::SeqCst);
        from_milliseconds(moment)
    }

    /// Returns the name of the issuer.
    #[cfg(feature = "sign-in")]
    pub(in crate::server) fn issuer(&self) -> &str {
        self.inner.tokens.issuer()
    }

    /// Returns the time by the clock of the sessions.
    pub(in crate::server) fn now(&self) -> SystemTime {
        in_milliseconds(self.inner.clock.now())
    }
}

impl Inner {
    fn copy(&self) -> Self {
        Self {
            tokens: self.tokens.clone(),
            store: self.store.clone(),
            revocations: Arc::clone(&self.revocations),
            key: self.key.clone(),
            idle: self.idle,
            lifetime: self.lifetime,
            max_per_subject: self.max_per_subject,
            on_reuse: self.on_reuse.clone(),
            clock: self.clock.clone(),
            sweeps: Sweeps::every(SWEEP_SECONDS),
            begun: AtomicI64::new(self.begun.load(Ordering::SeqCst)),
            ended: AtomicI64::new(self.ended.load(Ordering::SeqCst)),
            pace: Pace::default(),
        }
    }
}

/// Refuses a subject that a store may not be able to keep.
fn check_length(subject: &str) -> Result<(), SessionError> {
    match subject.len() {
        ..=MAX_SUBJECT => Ok(()),
        bytes => Err(SessionError::SubjectTooLong { bytes }),
    }
}

/// Returns the moment without its fraction of a millisecond, as stores keep it.
fn in_milliseconds(moment: SystemTime) -> SystemTime {
    from_milliseconds(milliseconds(moment))
}

fn milliseconds(moment: SystemTime) -> i64 {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX / 2)
}

fn from_milliseconds(moment: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(moment.unsigned_abs())
}

fn later(now: SystemTime, by: Duration) -> SystemTime {
    let by = Duration::from_millis(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
    now + by.min(LONGEST)
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions")
            .field("issuer", &self.inner.tokens.issuer())
            .field("idle_lifetime", &self.inner.idle)
            .field("max_lifetime", &self.inner.lifetime)
            .field("max_per_subject", &self.inner.max_per_subject)
            .finish_non_exhaustive()
    }
}

const DEFAULT_IDLE: Duration = Duration::from_secs(7 * DAY);
const DEFAULT_LIFETIME: Duration = Duration::from_secs(30 * DAY);
/// A hundred years, so that no sum overflows.
const LONGEST: Duration = Duration::from_secs(36_500 * DAY);
const DAY: u64 = 24 * 60 * 60;
const MAX_DEVICE_CHARS: usize = 128;
const SWEEP_SECONDS: u64 = 60;
/// The steps of one sweep: some millions of sessions. The next one goes on.
const MOST_STEPS: usize = 10_000;
