use std::borrow::Borrow;
use std::fmt;
use std::future::{Future, ready};
use std::hash::{BuildHasher as _, RandomState};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use super::name::{HashedName, NameKey};
use super::recent::{Dates, RecentDates};
use super::table::{NEVER, RevocationTable, TableValue};
use super::{
    Revocable, Revocation, RevocationKind, RevocationKinds, RevocationStore, Revocations, Revoked,
};
use crate::claims::NumericDate;
use crate::claims::validation::MAX_LEEWAY;
use crate::clock::{Clock, SystemClock};
use crate::config_error::ConfigError;
use crate::error::{RevocationsUnavailable, shown};
use crate::observe::trace;

/// Keeps revocations in the memory of this program.
///
/// ```
/// use axum::extract::State;
/// use tower_bearer::revocation::{MemoryRevocations, MissingTokenId, Revocation};
/// use tower_bearer::Principal;
/// # use tower_bearer::keys::VerifyingKey;
/// # use tower_bearer::{Algorithm, Validation, Verifier};
///
/// # let key = VerifyingKey::from_secret(Algorithm::HS256, "at least 32 bytes of randomness, please")?;
/// # let rules = Validation::new("https://id.example.com", "https://api.example.com");
/// let revocations = MemoryRevocations::new();
/// let verifier = Verifier::<serde_json::Value>::new(key, rules)?
///     .with_revocations(revocations.clone());
///
/// /// Revokes the token of this request. The next request with it is refused.
/// async fn log_out(
///     State(revocations): State<MemoryRevocations>,
///     principal: Principal,
/// ) -> Result<(), String> {
///     let token = Revocation::of(&principal).map_err(|error: MissingTokenId| error.to_string())?;
///     revocations.revoke(token);
///     Ok(())
/// }
/// # let app: axum::Router = axum::Router::new()
/// #     .route("/logout", axum::routing::post(log_out)).with_state(revocations);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Clones share the same revocations, so several verifiers can use them. They are lost when the
/// program ends, unless they are [saved](Self::save) and [opened](Self::open) again; the file is
/// [created](Self::create) once.
///
/// # Memory and expiry
///
/// Each name is kept as 128 bits that depend on a random key, so an attacker cannot find two names
/// with the same bits. A revoked token takes 21 bytes and the free room of a hash map. It is
/// forgotten when the token has expired and the largest possible leeway is over. Sessions, subjects
/// and clients are kept for ever, unless the [longest lifetime of tokens](Self::with_max_lifetime)
/// is set.
///
/// Each addition forgets a few expired revocations; [`forget_expired`](Self::forget_expired)
/// forgets all of them at once.
#[derive(Clone)]
pub struct MemoryRevocations {
    pub(super) entries: Arc<Entries>,
    kinds: RevocationKinds,
    clock: Arc<dyn Clock>,
}

pub(super) struct Entries {
    pub(super) key: NameKey,
    pub(super) tokens: RevocationTable<KeptUntil>,
    pub(super) sessions: RevocationTable<KeptUntil>,
    pub(super) subjects: RevocationTable<IssuedUpTo>,
    pub(super) clients: RevocationTable<IssuedUpTo>,
    pub(super) recent: RecentDates,
    /// The issuers that heed these revocations.
    heeded: RwLock<Vec<Box<str>>>,
    /// The longest lifetime of tokens, in seconds; [`UNKNOWN`] at first.
    longest: AtomicU64,
    epoch: AtomicU64,
}

impl MemoryRevocations {
    /// Creates an empty view.
    pub fn new() -> Self {
        Self::with_key(NameKey::random())
    }

    pub(super) fn with_key(key: NameKey) -> Self {
        let entries = Entries {
            key,
            tokens: RevocationTable::new(),
            sessions: RevocationTable::new(),
            subjects: RevocationTable::new(),
            clients: RevocationTable::new(),
            recent: RecentDates::default(),
            heeded: RwLock::default(),
            longest: AtomicU64::new(UNKNOWN),
            // Starts at a random number. A view that holds first these and then other revocations,
            // and forwards their epoch, must not return the same number twice.
            epoch: AtomicU64::new(RandomState::new().hash_one(0_u64)),
        };
        Self {
            entries: Arc::new(entries),
            kinds: RevocationKinds::default(),
            clock: Arc::new(SystemClock),
        }
    }

    /// Sets the kinds of revocation that must be possible for every token. Other tokens are
    /// refused. The default is [`Token`](RevocationKind::Token) and
    /// [`Subject`](RevocationKind::Subject), which needs `jti` and `iat`.
    ///
    /// A kind that is not named still applies to tokens that carry its claim: without
    /// [`Session`](RevocationKind::Session) here, a revoked session refuses the tokens with that
    /// `sid`, and tokens without `sid` pass.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoRevocationKinds`] when no kind is named. Only
    /// [`accept_unrevocable_tokens`](crate::Dangerous::accept_unrevocable_tokens) accepts tokens
    /// that cannot be revoked at all.
    pub fn with_kinds(
        mut self,
        kinds: impl IntoIterator<Item = RevocationKind>,
    ) -> Result<Self, ConfigError> {
        self.kinds = RevocationKinds::of(kinds).ok_or(ConfigError::NoRevocationKinds)?;
        Ok(self)
    }

    /// Sets the longest lifetime of a token, after which revoked sessions, subjects and clients are
    /// forgotten. Tokens that live longer are refused. By default these revocations are kept for
    /// ever.
    ///
    /// Counted in whole seconds. Applies to all clones, as they share what they forget. Of several
    /// values, the shortest counts.
    #[must_use]
    pub fn with_max_lifetime(self, longest: Duration) -> Self {
        self.entries.longest.fetch_min(longest.as_secs(), Ordering::AcqRel);
        self.changed();
        self
    }

    /// Replaces the clock, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Revokes the tokens that the revocation names. They are refused from the next look-up on.
    ///
    /// Of several moments for one name the latest counts, so repeating a revocation changes
    /// nothing.
    pub fn revoke(&self, revocation: impl Borrow<Revocation>) {
        let revocation = revocation.borrow();
        let later = self.covering_dated_ahead(revocation);
        let revocation = later.as_ref().unwrap_or(revocation);
        self.insert(revocation, self.kept_until(revocation));
    }

    /// Returns the same revocation up to a later moment, if a token that it must cover is dated
    /// later; see [`MAX_DATED_AHEAD`].
    pub(super) fn covering_dated_ahead(&self, revocation: &Revocation) -> Option<Revocation> {
        let Revoked::IssuedUpTo(moment) = revocation.revoked() else { return None };
        let (issuer, name) = (revocation.issuer(), revocation.name());
        let first = second(moment.rounded_up());
        let most = second(moment.rounded_up().saturating_add(MAX_DATED_AHEAD));
        let entries = &*self.entries;
        let recent = entries.recent.lock();
        let hashed = entries.key.name(issuer, name);
        let dated =
            recent.last_own(hashed, moment, first.saturating_add(1)..most.saturating_add(1));
        let other = self.last_of_others(&recent, revocation, moment, &(first..most));
        let last = dated.max(other.map(|moment| moment.saturating_add(1)))?;
        Some(Revocation::new(issuer, name, Some(NumericDate::from_seconds(last.into()))))
    }

    /// Returns the last moment by which an issuer in another program may have dated a token that
    /// this revokes.
    fn last_of_others(
        &self,
        recent: &Dates,
        revocation: &Revocation,
        moment: NumericDate,
        within: &Range<u32>,
    ) -> Option<u32> {
        // Up to a moment in the future, tokens are revoked by their dates.
        if moment > NumericDate::from(self.clock.now()) {
            return None;
        }
        let (issuer, name) = (revocation.issuer(), revocation.name());
        if name.kind() == RevocationKind::Client {
            return recent.last_for_client(moment, within);
        }
        let own = match self.lookup(issuer, name) {
            Some(Revoked::IssuedUpTo(last)) => Some(second(last)),
            Some(Revoked::Entirely) | None => None,
        };
        recent.last_for_subject(own, moment, within)
    }

    /// Inserts a revocation that other programs know, too, so that their issuers may date tokens by
    /// it.
    #[cfg(feature = "redis")]
    pub(super) fn insert_shared(&self, revocation: &Revocation, until: u32) {
        if let Revoked::IssuedUpTo(moment) = revocation.revoked() {
            let (moment, since) = (second(moment.rounded_up()), self.clock.now().into());
            let (mut recent, now) = (self.entries.recent.lock(), self.now());
            // Noted before an issuer can see the revocation.
            match revocation.name().kind() {
                RevocationKind::Client => recent.note_client(moment, since, now),
                _ => recent.note_subject(moment, since, now),
            }
        }
        self.insert(revocation, until);
    }

    /// Inserts a revocation that may be forgotten at this second, whatever the revocation says.
    fn insert(&self, revocation: &Revocation, until: u32) {
        let entries = &*self.entries;
        let name = entries.key.name(revocation.issuer(), revocation.name());
        let now = self.now();
        let issued = IssuedUpTo::new(revocation.revoked(), until);
        let changed = || self.changed();
        match revocation.name() {
            Revocable::Token(_) => entries.tokens.insert(name, KeptUntil(until), now, changed),
            Revocable::Session(_) => entries.sessions.insert(name, KeptUntil(until), now, changed),
            Revocable::Subject(_) => entries.subjects.insert(name, issued, now, changed),
            Revocable::Client(_) => entries.clients.insert(name, issued, now, changed),
        }
    }

    /// Returns the second from which no token is left that this revokes.
    pub(super) fn kept_until(&self, revocation: &Revocation) -> u32 {
        match (revocation.name(), revocation.revoked()) {
            (Revocable::Token(_), _) => revocation.expires_at().map_or(NEVER, kept_after),
            // Its last token may be from a clock that is ahead, as those of subjects.
            (Revocable::Session(_), _) => {
                self.outlived(NumericDate::from(self.clock.now()).saturating_add(MAX_LEEWAY))
            }
            (_, Revoked::Entirely) => NEVER,
            (_, Revoked::IssuedUpTo(moment)) => {
                self.outlived(moment.rounded_up().saturating_add(MAX_LEEWAY))
            }
        }
    }

    /// Takes back the revocations of a name, whatever their moment, and logs a warning. Returns
    /// `false` if there were none.
    pub fn restore(&self, issuer: &str, name: Revocable<'_>) -> bool {
        let was_here = self.forget(issuer, name);
        if was_here {
            trace::restored(name.kind().as_str(), &shown(issuer), &shown(name.as_str()));
        }
        was_here
    }

    /// Forgets all expired revocations at once, and frees their memory.
    ///
    /// Not needed where revocations are added now and then: each addition makes room for others.
    pub fn forget_expired(&self) {
        let (entries, now) = (&*self.entries, self.now());
        entries.tokens.forget_expired(now);
        entries.sessions.forget_expired(now);
        entries.subjects.forget_expired(now);
        entries.clients.forget_expired(now);
    }

    /// Returns the number of revocations.
    pub fn len(&self) -> usize {
        let entries = &*self.entries;
        let whole = entries.tokens.len() + entries.sessions.len();
        whole + entries.subjects.len() + entries.clients.len()
    }

    /// Returns whether there are no revocations.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns an estimate of the memory that the revocations take, in bytes.
    pub fn memory_bytes(&self) -> usize {
        let entries = &*self.entries;
        let whole = entries.tokens.bytes() + entries.sessions.bytes();
        whole + entries.subjects.bytes() + entries.clients.bytes()
    }

    pub(super) fn forget(&self, issuer: &str, name: Revocable<'_>) -> bool {
        let entries = &*self.entries;
        let hashed = entries.key.name(issuer, name);
        let was_here = match name.kind() {
            RevocationKind::Token => entries.tokens.remove(hashed).is_some(),
            RevocationKind::Session => entries.sessions.remove(hashed).is_some(),
            RevocationKind::Subject => self.forget_moment(&entries.subjects, hashed),
            RevocationKind::Client => self.forget_moment(&entries.clients, hashed),
        };
        if was_here {
            self.changed();
        }
        was_here
    }

    fn forget_moment(&self, table: &RevocationTable<IssuedUpTo>, name: HashedName) -> bool {
        let now = self.now();
        // Under the lock: a concurrent revocation finds the moment in one place or in the other.
        let mut recent = self.entries.recent.lock();
        let removed = table.remove(name);
        if let Some(IssuedUpTo { moment, .. }) = removed {
            recent.note_taken_back(moment, now);
        }
        removed.is_some()
    }

    /// Returns the second from which no token is left that was issued up to a moment.
    pub(super) fn outlived(&self, issued_up_to: NumericDate) -> u32 {
        let expired = self.max_lifetime().map(|longest| issued_up_to.saturating_add(longest));
        expired.map_or(NEVER, kept_after)
    }

    pub(super) fn now(&self) -> u32 {
        second(self.clock.now().into())
    }

    /// Counts the epoch up. Called after the change, so that a verifier that read the epoch before
    /// looks up again.
    fn changed(&self) {
        self.entries.epoch.fetch_add(1, Ordering::Release);
    }
}

impl Revocations for MemoryRevocations {
    fn lookup(&self, issuer: &str, name: Revocable<'_>) -> Option<Revoked> {
        let entries = &*self.entries;
        let hashed = || entries.key.name(issuer, name);
        let is_empty = match name.kind() {
            RevocationKind::Token => entries.tokens.is_empty(),
            RevocationKind::Session => entries.sessions.is_empty(),
            RevocationKind::Subject => entries.subjects.is_empty(),
            RevocationKind::Client => entries.clients.is_empty(),
        };
        if is_empty {
            return None;
        }
        match name.kind() {
            RevocationKind::Token => entries.tokens.get(hashed()).map(|_| Revoked::Entirely),
            RevocationKind::Session => entries.sessions.get(hashed()).map(|_| Revoked::Entirely),
            RevocationKind::Subject => entries.subjects.get(hashed()).map(IssuedUpTo::revoked),
            RevocationKind::Client => entries.clients.get(hashed()).map(IssuedUpTo::revoked),
        }
    }

    fn epoch(&self) -> u64 {
        self.entries.epoch.load(Ordering::Acquire)
    }

    fn kinds(&self) -> RevocationKinds {
        self.kinds
    }

    fn heeded_by(&self, issuer: &str) {
        if !self.is_heeded_by(issuer) {
            let heeded = &self.entries.heeded;
            heeded.write().unwrap_or_else(PoisonError::into_inner).push(issuer.into());
            self.changed();
        }
    }

    fn is_heeded_by(&self, issuer: &str) -> bool {
        let heeded = self.entries.heeded.read().unwrap_or_else(PoisonError::into_inner);
        heeded.iter().any(|one| **one == *issuer)
    }

    fn dated_ahead(&self, issuer: &str, name: Revocable<'_>, date: NumericDate) {
        let entries = &*self.entries;
        let hashed = entries.key.name(issuer, name);
        let (now, date) = (self.clock.now(), second(date.rounded_up()));
        entries.recent.lock().note_own(hashed, date, now.into(), second(now.into()));
    }

    fn max_lifetime(&self) -> Option<Duration> {
        let longest = self.entries.longest.load(Ordering::Acquire);
        (longest != UNKNOWN).then(|| Duration::from_secs(longest))
    }
}

impl RevocationStore for MemoryRevocations {
    fn add(
        &self,
        revocation: Revocation,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send {
        self.revoke(revocation);
        ready(Ok(()))
    }

    fn add_all(
        &self,
        revocations: Vec<Revocation>,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send {
        for revocation in revocations {
            self.revoke(revocation);
        }
        ready(Ok(()))
    }
}

impl Default for MemoryRevocations {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRevocations")
            .field("len", &self.len())
            .field("kinds", &self.kinds)
            .field("max_lifetime", &self.max_lifetime())
            .finish_non_exhaustive()
    }
}

/// Revoked whatever its date, and kept until this second.
#[derive(Clone, Copy)]
pub(super) struct KeptUntil(pub(super) u32);

impl TableValue for KeptUntil {
    fn until(&self) -> u32 {
        self.0
    }

    fn or(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    fn revokes_more_than(&self, _: &Self) -> bool {
        false
    }
}

/// Revoked if it was issued up to a moment.
#[derive(Clone, Copy)]
pub(super) struct IssuedUpTo {
    pub(super) moment: u32,
    pub(super) until: u32,
}

impl IssuedUpTo {
    fn new(revoked: Revoked, until: u32) -> Self {
        let moment = match revoked {
            Revoked::Entirely => NEVER,
            Revoked::IssuedUpTo(moment) => second(moment.rounded_up()),
        };
        Self { moment, until }
    }

    fn revoked(self) -> Revoked {
        match self.moment {
            NEVER => Revoked::Entirely,
            moment => Revoked::IssuedUpTo(NumericDate::from_seconds(moment.into())),
        }
    }
}

impl TableValue for IssuedUpTo {
    fn until(&self) -> u32 {
        self.until
    }

    fn or(self, other: Self) -> Self {
        Self { moment: self.moment.max(other.moment), until: self.until.max(other.until) }
    }

    fn revokes_more_than(&self, other: &Self) -> bool {
        self.moment > other.moment
    }
}

/// Returns the second from which nothing is left of a token that expires at this moment.
fn kept_after(expires_at: NumericDate) -> u32 {
    second(expires_at.rounded_up().saturating_add(MAX_LEEWAY).saturating_add(MARGIN))
}

pub(super) fn second(date: NumericDate) -> u32 {
    match u32::try_from(date.as_seconds()) {
        Ok(second) => second,
        Err(_) if date < NumericDate::from_seconds(0) => 0,
        Err(_) => NEVER,
    }
}

/// The most by which an issuer that heeds the revocations dates a token ahead: later than the last
/// moment up to which its subject or a client was revoked, but not by more than this later than
/// now.
///
/// At any time, no token is thus dated later than one second after the last moment of one of its
/// names, or than now if that is later. So a revocation that comes within the same seconds covers
/// the token up to that second too, whichever of its names the revocation is by.
pub(crate) const MAX_DATED_AHEAD: Duration = Duration::from_secs(5);

const UNKNOWN: u64 = u64::MAX;

/// A request may be suspended between the check of `exp` and this one, and a clock may be set back.
const MARGIN: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    const ISSUER: &str = "https://id.example.com";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[derive(Clone, Default)]
    struct Seconds(Arc<AtomicU64>);

    impl Clock for Seconds {
        fn now(&self) -> SystemTime {
            at(self.0.load(Ordering::SeqCst))
        }
    }

    #[cfg(feature = "redis")]
    #[test]
    fn moment_that_other_programs_know_covers_the_tokens_that_they_have_dated_by_it() {
        let (alice, bob) = (
            |seconds| Revocation::subject(ISSUER, "alice", at(seconds)),
            |seconds| Revocation::subject(ISSUER, "bob", at(seconds)),
        );
        let client = |seconds| Revocation::client(ISSUER, "c1", at(seconds));
        let other = |seconds| Revocation::client(ISSUER, "c2", at(seconds));
        for (shared, revoked, covered) in [
            // A token has one subject, and any clients.
            (alice(1003), alice(1002), Some(1004)),
            (bob(1003), alice(1002), None),
            (client(1003), alice(1002), Some(1004)),
            (alice(1003), client(1002), Some(1004)),
            (other(1003), client(1002), Some(1004)),
            // Up to a moment that is still to come, tokens are revoked by their dates.
            (client(1004), alice(1003), None),
            // An earlier moment has dated no token later than this.
            (client(1001), alice(1002), None),
        ] {
            let clock = Seconds::default();
            let view = MemoryRevocations::new().with_clock(clock.clone());
            clock.0.store(1000, Ordering::SeqCst);
            view.insert_shared(&shared, NEVER);
            clock.0.store(1002, Ordering::SeqCst);

            let later = view.covering_dated_ahead(&revoked);

            let moment = covered.map(|at| Revoked::IssuedUpTo(NumericDate::from_seconds(at)));
            assert_eq!(later.map(|later| later.revoked()), moment, "{shared:?} {revoked:?}");
        }
    }

    #[test]
    fn seconds_that_cannot_be_said_are_the_first_or_never() {
        for (date, expected) in [
            (-1, 0),
            (i64::MIN, 0),
            (0, 0),
            (1, 1),
            (i64::from(NEVER), NEVER),
            (i64::from(NEVER) + 1, NEVER),
            (i64::MAX, NEVER),
        ] {
            assert_eq!(second(NumericDate::from_seconds(date)), expected, "{date}");
        }
    }
}
