//! Notices when a client that has used bound tokens comes with a bearer token, or with many keys.
//!
//! An attacker with a stolen bearer token needs an API that accepts tokens without a key. The alarm knows for
//! each user and client whether the API has seen a proof of theirs. It keeps hashes. Two users have
//! the same one by a chance of 2⁻⁶⁴, which raises an alarm at the worst.

use std::fmt;
use std::hash::{BuildHasher as _, Hash, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arrayvec::ArrayVec;
use foldhash::fast::RandomState;

use crate::claims::{ConfirmationMethod, Principal};
use crate::clock::Moment;
use crate::error::{AuthError, Reason};
use crate::observe::trace::{self, Pace};
use crate::verify::generations::Generations;

/// Notices when a user or client that has used a token bound to a key comes with a bearer token, or
/// uses more new keys than an honest one does. Clones share their memory.
///
/// For an API that [allows](crate::dpop::Dpop::with_bearer_allowed) bearer tokens beside bound ones. It
/// notices tokens that were stolen where they were issued unbound: from an old session, a log, a backup. It
/// does not notice an attacker who can sign in: that one makes a key.
///
/// A user may have both honestly: a telephone that proves a key, and a browser with tokens in cookies. Give
/// the two clients different `client_id`s, or do not [refuse](Self::with_refusal).
///
/// ```
/// use tower_bearer::binding::DowngradeAlarm;
/// use tower_bearer::dpop::Dpop;
/// # use tower_bearer::{BearerLayer, ConfigError};
///
/// # fn add(layer: BearerLayer<()>) -> Result<BearerLayer<()>, ConfigError> {
/// let alarm = DowngradeAlarm::new().on_alarm(|alarm| eprintln!("{}: {:?}", alarm.issuer(), alarm.kind()));
/// let layer = layer
///     .with_dpop(Dpop::new("https://api.example.com")?.with_bearer_allowed())
///     .with_downgrade_alarm(alarm);
/// # Ok(layer)
/// # }
/// ```
///
/// An alarm is an event of level `WARN` (the first, and then one a minute), a [count](Self::counts), and a
/// call of [`on_alarm`](Self::on_alarm). The request is admitted, unless the alarm
/// [refuses](Self::with_refusal).
///
/// A user with one client is known by `iss`, `client_id` or `azp`, and `sub`. The memory is that of one
/// node, and empty when a program starts.
#[derive(Clone)]
pub struct DowngradeAlarm(Arc<Inner>);

#[derive(Clone)]
struct Settings {
    max_clients: usize,
    max_new_keys: u16,
    per: Duration,
    memory: Duration,
    refuses: bool,
    hook: Option<Arc<Hook>>,
}

type Hook = dyn Fn(&Alarm<'_>) + Send + Sync;

struct Inner {
    settings: Settings,
    /// Its keys are random, so that no client can take the place of another.
    hasher: RandomState,
    shards: Box<[Mutex<Generations<u64, Seen>>]>,
    bearer_tokens: AtomicU64,
    too_many_keys: AtomicU64,
    pace: Pace,
}

/// The proofs of a user with one client that the API has seen.
struct Seen {
    last: Moment,
    /// The keys that were used last, the newest at the end.
    keys: ArrayVec<u32, KEYS>,
    /// The keys that were new since `since`.
    new_keys: u16,
    since: Moment,
}

/// An alarm of a [`DowngradeAlarm`].
pub struct Alarm<'p> {
    kind: AlarmKind,
    principal: &'p Principal,
}

/// The kind of an [`Alarm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AlarmKind {
    /// A bearer token of a user and client that have used a bound token before.
    BearerToken,
    /// More new keys than [`with_max_new_keys`](DowngradeAlarm::with_max_new_keys) allows.
    TooManyKeys,
}

/// The numbers of alarms since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AlarmCounts {
    /// Alarms of [`AlarmKind::BearerToken`].
    pub bearer_tokens: u64,
    /// Alarms of [`AlarmKind::TooManyKeys`].
    pub too_many_keys: u64,
}

impl DowngradeAlarm {
    /// Creates an alarm that admits the request, remembers a million users for seven days, and takes 20 new
    /// keys in an hour as honest.
    pub fn new() -> Self {
        Self::with(Settings {
            max_clients: 1_000_000,
            max_new_keys: 20,
            per: Duration::from_secs(3600),
            memory: Duration::from_secs(7 * 24 * 3600),
            refuses: false,
            hook: None,
        })
    }

    fn with(settings: Settings) -> Self {
        let most = settings.max_clients.div_ceil(SHARDS);
        let shards = (0..SHARDS).map(|_| Mutex::new(Generations::new(most))).collect();
        Self(Arc::new(Inner {
            settings,
            hasher: RandomState::default(),
            shards,
            bearer_tokens: AtomicU64::new(0),
            too_many_keys: AtomicU64::new(0),
            pace: Pace::default(),
        }))
    }

    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.0.settings.clone();
        change(&mut settings);
        Self::with(settings)
    }

    /// Refuses the request too: 401 `invalid_token` with [`Reason::DowngradedToken`].
    #[must_use]
    pub fn with_refusal(self) -> Self {
        self.change(|settings| settings.refuses = true)
    }

    /// Sets how many keys of a user may be new within a time, beside the 16 that were used last. A
    /// browser makes a new key at each sign-in, and a user may have several devices. A service whose many
    /// instances have one `client_id` and a key each needs a large number.
    #[must_use]
    pub fn with_max_new_keys(self, keys: u16, per: Duration) -> Self {
        self.change(|settings| (settings.max_new_keys, settings.per) = (keys, per))
    }

    /// Sets how long the last proof of a user is remembered.
    #[must_use]
    pub fn with_memory(self, memory: Duration) -> Self {
        self.change(|settings| settings.memory = memory)
    }

    /// Sets how many users are remembered at the most. Each takes about 150 bytes. Those that were not seen
    /// for the longest time are forgotten first.
    #[must_use]
    pub fn with_max_clients(self, clients: usize) -> Self {
        self.change(|settings| settings.max_clients = clients)
    }

    /// Calls a function for every alarm. It must not wait.
    #[must_use]
    pub fn on_alarm(self, call: impl Fn(&Alarm<'_>) + Send + Sync + 'static) -> Self {
        self.change(|settings| settings.hook = Some(Arc::new(call)))
    }

    /// Returns the numbers of alarms.
    pub fn counts(&self) -> AlarmCounts {
        AlarmCounts {
            bearer_tokens: self.0.bearer_tokens.load(Ordering::Relaxed),
            too_many_keys: self.0.too_many_keys.load(Ordering::Relaxed),
        }
    }

    /// Looks at an accepted token, whose proof was checked if it is bound.
    pub(crate) fn see(&self, principal: &Principal) -> Result<(), AuthError> {
        let Inner { settings, hasher, shards, .. } = &*self.0;
        let name = name(hasher, principal);
        let key = key(hasher, principal);
        let shard = &shards[(name >> 32) as usize % shards.len()];
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Moment::now();
        let before = shard.remove(&name).filter(|seen| now.since(seen.last) < settings.memory);
        let kind = match (key, before) {
            (None, None) => return Ok(()),
            (None, Some(seen)) => {
                shard.insert(name, seen);
                AlarmKind::BearerToken
            }
            (Some(key), before) => {
                let mut seen = before.unwrap_or_else(|| Seen::new(now));
                let is_honest = seen.uses(key, now, settings);
                shard.insert(name, seen);
                if is_honest {
                    return Ok(());
                }
                AlarmKind::TooManyKeys
            }
        };
        drop(shard);
        self.raise(kind, principal)
    }

    #[cold]
    fn raise(&self, kind: AlarmKind, principal: &Principal) -> Result<(), AuthError> {
        let Inner { settings, pace, .. } = &*self.0;
        let count = match kind {
            AlarmKind::BearerToken => &self.0.bearer_tokens,
            AlarmKind::TooManyKeys => &self.0.too_many_keys,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let client_id = principal.registered().client_id();
        trace::downgrade(pace, kind.as_str(), principal.issuer(), client_id);
        if let Some(hook) = &settings.hook {
            hook(&Alarm { kind, principal });
        }
        if settings.refuses {
            return Err(AuthError::with_detail(Reason::DowngradedToken, kind.as_str()));
        }
        Ok(())
    }
}

impl Seen {
    fn new(now: Moment) -> Self {
        Self { last: now, keys: ArrayVec::new(), new_keys: 0, since: now }
    }

    /// Notes the use of a key, and returns whether that is honest.
    fn uses(&mut self, key: u32, now: Moment, settings: &Settings) -> bool {
        self.last = now;
        if let Some(place) = self.keys.iter().position(|known| *known == key) {
            let key = self.keys.remove(place);
            self.keys.push(key);
            return true;
        }
        if now.since(self.since) >= settings.per {
            (self.since, self.new_keys) = (now, 0);
        }
        // A key that is one too many is not known the next time either.
        if self.new_keys >= settings.max_new_keys {
            return false;
        }
        self.new_keys += 1;
        if self.keys.is_full() {
            self.keys.remove(0);
        }
        self.keys.push(key);
        true
    }
}

impl Alarm<'_> {
    /// Returns the kind.
    pub fn kind(&self) -> AlarmKind {
        self.kind
    }

    /// Returns the user or client.
    pub fn principal(&self) -> &Principal {
        self.principal
    }

    /// Returns the issuer of the token.
    pub fn issuer(&self) -> &str {
        self.principal.issuer()
    }
}

impl AlarmKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::BearerToken => "a bearer token of a user whose tokens were bound to a key before",
            Self::TooManyKeys => "a user uses many new keys",
        }
    }
}

/// Names a user with one client.
fn name(hasher: &RandomState, principal: &Principal) -> u64 {
    let mut name = hasher.build_hasher();
    principal.issuer().hash(&mut name);
    principal.registered().client_id().hash(&mut name);
    principal.subject().hash(&mut name);
    name.finish()
}

/// Names the keys that a token is bound to. `None` for a bearer token.
fn key(hasher: &RandomState, principal: &Principal) -> Option<u32> {
    let confirmation = principal.confirmation().filter(|_| principal.is_bound())?;
    let mut key = hasher.build_hasher();
    confirmation.jwk_thumbprint().hash(&mut key);
    confirmation.certificate_thumbprint().hash(&mut key);
    confirmation.names(ConfirmationMethod::Other).hash(&mut key);
    Some((key.finish() >> 32) as u32)
}

impl Default for DowngradeAlarm {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DowngradeAlarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DowngradeAlarm")
            .field("refuses", &self.0.settings.refuses)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Alarm<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm").field("kind", &self.kind).finish_non_exhaustive()
    }
}

const SHARDS: usize = 16;
/// The keys that are known of a user, for several devices.
const KEYS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_alarm_has_a_sentence_of_its_own_for_the_log() {
        assert!(AlarmKind::BearerToken.as_str().starts_with("a bearer token of a user"));
        assert!(AlarmKind::TooManyKeys.as_str().contains("many new keys"));
    }
}
