//! Authenticates requests by API keys.
//!
//! A key is refused by its prefix and checksum first, which costs no look-up. Keys with a right checksum are looked up,
//! and anyone can compute a checksum, so look-ups of keys that were never right have a narrow lane of their own: a flood of
//! them does not delay a key that was right before.

mod last_used;
mod lane;
mod known;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use self::known::KnownKeys;
use self::lane::Lane;
use self::last_used::LastUsed;
use crate::challenge::AuthScheme;
use crate::claims::{API_KEY, NumericDate};
use crate::clock::{Clock, Time};
use crate::config_error::{ConfigError, KeyProblem};
use crate::error::{AuthError, Reason};
use crate::state::api_key::{
    ApiKeyFault, ApiKeyHash, ApiKeyPrefix, ApiKeyRecord, ApiKeySource, ErasedSource, KeyParts,
};
use crate::verify::authenticator::{Authenticated, Authenticator};
use crate::verify::presented::Presented;

/// Authenticates requests by API keys, as an [`Authenticator`] of a [`BearerLayer`](crate::BearerLayer).
///
/// ```
/// use http::HeaderName;
/// use tower_bearer::api_key::{ApiKeyPrefix, ApiKeys, MemoryApiKeys};
/// use tower_bearer::challenge::AuthScheme;
/// use tower_bearer::source::HeaderToken;
/// use tower_bearer::{BearerLayer, Validation};
///
/// # fn add(layer: BearerLayer<serde_json::Value>) -> Result<(), tower_bearer::ConfigError> {
/// let store = MemoryApiKeys::new(); // or a file, SQLite, PostgreSQL
/// let scheme = AuthScheme::new("ApiKey")?;
/// let keys = ApiKeys::new(ApiKeyPrefix::new("acme")?, store)?.with_scheme(scheme);
/// let x_api_key = HeaderToken::new(HeaderName::from_static("x-api-key")).with_scheme(scheme);
///
/// let validation = Validation::new("https://api.example.com", "https://api.example.com");
/// let layer = layer.with_authenticator(keys, validation)?.with_source(x_api_key);
/// # Ok(())
/// # }
/// ```
///
/// A token that begins with the prefix and `_` is an API key, under `Bearer` as well. All tokens under the
/// [scheme of its own](Self::with_scheme) are, so nothing else is accepted there. Keys in query parameters are not read.
///
/// # Claims
///
/// | claim | |
/// |---|---|
/// | `sub` | the owner |
/// | `jti` | the id of the key |
/// | `roles`, `scope` | the grants |
/// | `iat`, `exp` | the moments from which and until which the key is good |
/// | `typ` | `api_key`; see [`Principal::is_api_key`](crate::Principal::is_api_key) |
/// | `api_key_label` | the label, unless it is empty |
/// | `iss`, `aud` | those of the validation |
///
/// # Refusals
///
/// | the key | [`Reason`] |
/// |---|---|
/// | has another form or prefix, or a wrong checksum | [`Malformed`](Reason::Malformed) |
/// | is not known, or its secret is wrong | [`UnknownKey`](Reason::UnknownKey) |
/// | has ended; has expired; is disabled | [`Revoked`](Reason::Revoked); [`Expired`](Reason::Expired); [`Inactive`](Reason::Inactive) |
/// | cannot be looked up, or too many are at once | [`AuthenticatorFailed`](Reason::AuthenticatorFailed): 503 |
///
/// # How long an answer counts
///
/// A layer keeps an answer for [30 seconds](Self::with_freshness), and no longer than the key is good. A change in
/// memory counts at once, and one in a file within 5 seconds. A change in a database counts at once on nodes whose layer sees the
/// [revocations](crate::api_key::ApiKeyManager::with_revocations), else when the answer is too old.
#[derive(Clone)]
pub struct ApiKeys {
    /// `None` for any.
    prefix: Option<ApiKeyPrefix>,
    scheme: Option<AuthScheme>,
    fresh_for: Duration,
    clock: Time,
    shared: Arc<Shared>,
}

/// The parts that clones share.
struct Shared {
    source: Arc<dyn ErasedSource>,
    /// Compared with the hash of a key that is not known, so that the work is the same.
    nothing: ApiKeyHash,
    known: KnownKeys,
    known_lane: Lane,
    unknown_lane: Lane,
    last_used: LastUsed,
}

impl ApiKeys {
    /// Authenticates by the keys of this source that have this prefix.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the crate was built without a back end for signatures, which hashes keys.
    pub fn new(prefix: ApiKeyPrefix, source: impl ApiKeySource) -> Result<Self, ConfigError> {
        Self::of(Some(prefix), source)
    }

    /// Authenticates by the keys of this source, whatever their prefix is: for a program whose keys other programs make.
    ///
    /// Without a prefix, a token is an API key if its form and its checksum are right. A mistyped key then goes to the
    /// verifier, which refuses it too.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_any_prefix(source: impl ApiKeySource) -> Result<Self, ConfigError> {
        Self::of(None, source)
    }

    fn of(prefix: Option<ApiKeyPrefix>, source: impl ApiKeySource) -> Result<Self, ConfigError> {
        let nothing = ApiKeyHash::of("").ok_or(ConfigError::Key(KeyProblem::NoBackEnd))?;
        let source: Arc<dyn ErasedSource> = Arc::new(source);
        let shared = Shared {
            last_used: LastUsed::new(Arc::clone(&source)),
            source,
            nothing,
            known: KnownKeys::default(),
            known_lane: Lane::new(KNOWN_AT_ONCE, KNOWN_WAITING),
            unknown_lane: Lane::new(UNKNOWN_AT_ONCE, UNKNOWN_WAITING),
        };
        let shared = Arc::new(shared);
        Ok(Self { prefix, scheme: None, fresh_for: FRESH_FOR, clock: Time::OfSystem, shared })
    }

    /// Decides about all tokens under this scheme, beside those under other schemes that have the prefix. Offer the
    /// scheme with [`BearerLayer::with_schemes`](crate::BearerLayer::with_schemes) if it comes in the `Authorization`
    /// field, or give it to a [`HeaderToken`](crate::source::HeaderToken::with_scheme). The default is no scheme.
    ///
    /// `Bearer` is ignored, because other tokens come under it too.
    #[must_use]
    pub fn with_scheme(mut self, scheme: AuthScheme) -> Self {
        self.scheme = Some(scheme).filter(|scheme| *scheme != AuthScheme::BEARER);
        self
    }

    /// Sets for how long a layer may keep an answer. The default is 30 seconds, and the most 5 minutes.
    #[must_use]
    pub fn with_freshness(mut self, time: Duration) -> Self {
        self.fresh_for = time.min(MOST_FRESH_FOR);
        self
    }

    /// Replaces the clock, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Time::OfClock(Arc::new(clock));
        self
    }

    async fn decide(&self, token: &str) -> Result<Authenticated, AuthError> {
        let parts = KeyParts::parse(token);
        let parts = parts.map_err(|fault| {
            malformed(match fault {
                ApiKeyFault::Form => "the token does not have the form of an API key",
                ApiKeyFault::Checksum => "the checksum of the API key is wrong",
            })
        })?;
        if self.prefix.as_ref().is_some_and(|prefix| prefix.as_str() != parts.prefix) {
            return Err(malformed("the API key has the prefix of another application"));
        }
        let hash = ApiKeyHash::of(token).ok_or_else(|| {
            AuthError::authenticator_failed("the crate was built without a back end for signatures")
        })?;
        let record = self.look_up(parts.id, &hash).await?;
        let stored = record.as_ref().map_or(self.shared.nothing, |record| record.hash);
        let is_right = hash == stored;
        let Some(record) = record.filter(|record| is_right && record.id == parts.id) else {
            self.shared.known.remove(&hash);
            let detail = "no API key has this id and secret";
            return Err(AuthError::with_detail(Reason::UnknownKey, detail).before_signature());
        };
        let now = self.clock.now();
        if let Some((reason, state)) = refusal(&record, now) {
            self.shared.known.remove(&hash);
            let detail = format!("the API key {} {state}", record.id);
            return Err(AuthError::with_detail(reason, detail));
        }
        self.shared.known.insert(&hash);
        self.shared.last_used.note(&record, now);
        Ok(self.claims(record, now))
    }

    /// Looks a key up, in the lane of keys that were right before or in that of all others.
    async fn look_up(
        &self,
        id: &str,
        hash: &ApiKeyHash,
    ) -> Result<Option<ApiKeyRecord>, AuthError> {
        let shared = &*self.shared;
        let is_known = shared.known.contains(hash);
        let lane = if is_known { &shared.known_lane } else { &shared.unknown_lane };
        let Some(_place) = lane.enter().await else {
            return Err(AuthError::authenticator_failed(TOO_MANY));
        };
        shared.source.find(id).await.map_err(AuthError::authenticator_failed)
    }

    fn claims(&self, record: ApiKeyRecord, now: SystemTime) -> Authenticated {
        let created_at = NumericDate::from(record.created_at).as_seconds();
        // A leeway is for clocks of others, and this key is of this server.
        let rest = record.expires_at.map(|end| end.duration_since(now).unwrap_or_default());
        let fresh_for = rest.map_or(self.fresh_for, |rest| rest.min(self.fresh_for));
        let mut claims = Authenticated::subject(record.owner)
            .with_claim("jti", record.id)
            .with_claim("typ", API_KEY)
            .with_number("iat", created_at)
            .with_freshness(fresh_for);
        if !record.label.is_empty() {
            claims = claims.with_claim("api_key_label", record.label);
        }
        if !record.roles.is_empty() {
            claims = claims.with_roles(record.roles);
        }
        if !record.scopes.is_empty() {
            claims = claims.with_scopes(record.scopes);
        }
        match record.expires_at {
            Some(expires_at) => claims.with_expiry(expires_at.into()),
            None => claims,
        }
    }
}

impl Authenticator for ApiKeys {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        let token = presented.token();
        self.scheme == Some(presented.scheme())
            || match &self.prefix {
                Some(prefix) => prefix.begins(token),
                None => str::from_utf8(token).is_ok_and(|text| KeyParts::parse(text).is_ok()),
            }
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        self.decide(token).await
    }

    fn generation(&self) -> u64 {
        self.shared.source.generation()
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys")
            .field("prefix", &self.prefix.as_ref().map(ApiKeyPrefix::as_str))
            .field("scheme", &self.scheme)
            .field("freshness", &self.fresh_for)
            .finish_non_exhaustive()
    }
}

/// Returns the reason why a key whose secret is right is refused, and its state in words.
fn refusal(record: &ApiKeyRecord, now: SystemTime) -> Option<(Reason, &'static str)> {
    if record.ended_at.is_some() {
        Some((Reason::Revoked, "has ended"))
    } else if !record.is_live(now) {
        Some((Reason::Expired, "has expired"))
    } else if record.disabled {
        Some((Reason::Inactive, "is disabled"))
    } else {
        None
    }
}

fn malformed(detail: &'static str) -> AuthError {
    AuthError::with_detail(Reason::Malformed, detail).before_signature()
}

const TOO_MANY: &str = "too many API keys are looked up at once";
/// The longest time for which a layer keeps an answer, and so the shortest for which a revocation is kept.
pub(crate) const MOST_FRESH_FOR: Duration = Duration::from_secs(300);
const FRESH_FOR: Duration = Duration::from_secs(30);
const KNOWN_AT_ONCE: usize = 64;
const KNOWN_WAITING: usize = 1024;
/// Fewer than a pool has connections, so that some are left for keys that are known.
const UNKNOWN_AT_ONCE: usize = 8;
const UNKNOWN_WAITING: usize = 512;
