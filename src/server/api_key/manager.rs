//! Makes, rotates and ends API keys.
//!
//! Ending takes two steps that no transaction joins: the store marks the key, then the answers that layers keep are
//! revoked by the id of the key. A program that stops in between leaves a key that is refused when those answers are too
//! old, after half a minute.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::error::ApiKeyError;
use super::request::ApiKeyRequest;
use crate::clock::{Clock, Time};
use crate::observe::trace::{self, Pace};
use crate::server::erased_store::ErasedStore;
use crate::server::sweeps::Sweeps;
use crate::state::api_key::{
    ApiKey, ApiKeyChange, ApiKeyCreation, ApiKeyPrefix, ApiKeyRecord, ApiKeyRotation,
    ApiKeyRotationOutcome, ApiKeySource as _, ApiKeyStore, BoxApiKeyStore, MAX_OWNER,
    NewApiKeyRecord,
};
use crate::state::revocation::{Revocation, RevocationStore};
use crate::verify::api_keys::MOST_FRESH_FOR;

/// Makes, lists, rotates and ends API keys in a store.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::api_key::{ApiKeyManager, ApiKeyPrefix, ApiKeyRequest, MemoryApiKeys};
///
/// # let run = async {
/// let store = MemoryApiKeys::new(); // the same as `ApiKeys` has
/// let manager = ApiKeyManager::new(ApiKeyPrefix::new("acme")?, store);
///
/// let request = ApiKeyRequest::for_owner("alice")
///     .with_label("nightly builds")
///     .with_scopes(["images:read"])
///     .with_lifetime(Duration::from_secs(90 * 24 * 60 * 60));
/// let issued = manager.create(request).await?;
/// // Shown once: the store has only a hash.
/// println!("{}", issued.key.as_str());
///
/// // The old key is good for another day.
/// let next = manager.rotate(&issued.record.id, "alice").await?;
/// manager.end(&next.record.id, Some("alice")).await?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # };
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(run)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ApiKeyManager {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Settings {
    prefix: ApiKeyPrefix,
    store: BoxApiKeyStore,
    revocations: Option<(String, Arc<dyn ErasedStore>)>,
    max_per_owner: Option<usize>,
    overlap: Duration,
    kept_for: Duration,
    clock: Time,
}

struct Inner {
    settings: Settings,
    sweeps: Sweeps,
    /// Limits how often the log repeats itself.
    pace: Pace,
}

/// A new API key, with its record.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuedApiKey {
    /// The key. The store has only a hash, so show it to its user now.
    pub key: ApiKey,
    /// The record that the store keeps.
    pub record: ApiKeyRecord,
    /// The key that this one replaces, with the moment from which it is refused.
    pub replaced: Option<ApiKeyRecord>,
}

impl ApiKeyManager {
    /// Makes keys with this prefix, and keeps them in this store.
    pub fn new(prefix: ApiKeyPrefix, store: impl ApiKeyStore) -> Self {
        let settings = Settings {
            prefix,
            store: BoxApiKeyStore::new(store),
            revocations: None,
            max_per_owner: Some(MAX_PER_OWNER),
            overlap: OVERLAP,
            kept_for: KEPT_FOR,
            clock: Time::OfSystem,
        };
        Self::of(settings)
    }

    fn of(settings: Settings) -> Self {
        let sweeps = Sweeps::every(SWEEP_SECONDS);
        let inner = Inner { settings, sweeps, pace: Pace::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Revokes a key that is disabled or ended by its id, so that every node refuses it at once. `issuer` is that of the
    /// [`Validation`](crate::Validation) of the API keys, and the verifiers of the nodes see the same revocations.
    ///
    /// Without it, a node may use an answer that it has kept, for as long as
    /// [`ApiKeys::with_freshness`](crate::api_key::ApiKeys::with_freshness) says. The revocation is kept for 5
    /// minutes, after which no layer has an older answer. A key that is enabled again before that stays refused until then.
    #[must_use]
    pub fn with_revocations(
        self,
        issuer: impl Into<String>,
        revocations: impl RevocationStore,
    ) -> Self {
        let revocations: Arc<dyn ErasedStore> = Arc::new(revocations);
        self.with(|settings| settings.revocations = Some((issuer.into(), revocations)))
    }

    /// Sets the number of live keys that an owner may have, `None` for any number. The default is 50. A key that was
    /// replaced counts until it expires.
    #[must_use]
    pub fn with_max_per_owner(self, max: Option<usize>) -> Self {
        self.with(|settings| settings.max_per_owner = max)
    }

    /// Sets for how long a key is good after it was replaced. The default is 24 hours.
    #[must_use]
    pub fn with_rotation_overlap(self, overlap: Duration) -> Self {
        self.with(|settings| settings.overlap = overlap)
    }

    /// Sets for how long the record of a key is kept after the key has ended or expired, for the question which owner had a
    /// key. The default is 30 days.
    #[must_use]
    pub fn with_retention(self, time: Duration) -> Self {
        self.with(|settings| settings.kept_for = time)
    }

    /// Replaces the clock, for tests.
    #[must_use]
    pub fn with_clock(self, clock: impl Clock) -> Self {
        self.with(|settings| settings.clock = Time::OfClock(Arc::new(clock)))
    }

    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.inner.settings.clone();
        change(&mut settings);
        Self::of(settings)
    }

    /// Makes a key and stores it.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Invalid`], [`ApiKeyError::TooMany`], [`ApiKeyError::NotMade`] and [`ApiKeyError::Unavailable`].
    pub async fn create(&self, request: ApiKeyRequest) -> Result<IssuedApiKey, ApiKeyError> {
        request.check()?;
        let settings = &self.inner.settings;
        let now = self.now();
        let ApiKeyRequest { owner, label, roles, scopes, lifetime } = request;
        let (key, mut record) = self.new_key(owner, now)?;
        record.label = label;
        record.roles = roles;
        record.scopes = scopes;
        set_lifetime(&mut record, lifetime);
        let new = NewApiKeyRecord::new(record.clone(), settings.max_per_owner);
        match settings.store.create(new).await? {
            ApiKeyCreation::Created => {
                self.sweep_now_and_then(now);
                Ok(IssuedApiKey { key, record, replaced: None })
            }
            ApiKeyCreation::TooMany => Err(ApiKeyError::TooMany),
        }
    }

    /// Returns the keys of an owner, oldest first, with those that have expired or ended lately.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Invalid`] for an owner longer than 1 KiB, and [`ApiKeyError::Unavailable`].
    pub async fn list(&self, owner: &str) -> Result<Vec<ApiKeyRecord>, ApiKeyError> {
        check_owner(Some(owner))?;
        Ok(self.inner.settings.store.of_owner(owner).await?)
    }

    /// Returns the key of an id and of any owner, also one that is not good any more. `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Unavailable`].
    pub async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeyError> {
        Ok(self.inner.settings.store.find(id).await?)
    }

    /// Makes a key with the owner, label, grants and lifetime of another one, which is then good for
    /// [some time](Self::with_rotation_overlap) more.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Unknown`] when the owner has no such key, or it is not good any more; [`ApiKeyError::TooMany`],
    /// [`ApiKeyError::NotMade`] and [`ApiKeyError::Unavailable`].
    pub async fn rotate(&self, id: &str, owner: &str) -> Result<IssuedApiKey, ApiKeyError> {
        check_owner(Some(owner))?;
        let old = self.find_of(id, owner).await?;
        self.replace(old, None).await
    }

    /// Returns a key of this owner.
    pub(super) async fn find_of(&self, id: &str, owner: &str) -> Result<ApiKeyRecord, ApiKeyError> {
        let found = self.inner.settings.store.find(id).await?;
        found.filter(|found| found.owner == owner).ok_or(ApiKeyError::Unknown)
    }

    /// Makes the successor of a key, which is good for `most` at the longest.
    pub(super) async fn replace(
        &self,
        old: ApiKeyRecord,
        most: Option<Duration>,
    ) -> Result<IssuedApiKey, ApiKeyError> {
        let settings = &self.inner.settings;
        let now = self.now();
        let (key, mut record) = self.new_key(old.owner, now)?;
        record.label = old.label;
        record.roles = old.roles;
        record.scopes = old.scopes;
        let lifetime = match (old.lifetime, most) {
            (Some(lifetime), Some(most)) => Some(lifetime.min(most)),
            (lifetime, most) => lifetime.or(most),
        };
        set_lifetime(&mut record, lifetime);
        let old_until = later(now, settings.overlap);
        let max = settings.max_per_owner;
        let rotation = ApiKeyRotation::new(&old.id, record.clone(), old_until, now, max);
        match settings.store.rotate(rotation).await? {
            ApiKeyRotationOutcome::Rotated(old) => {
                self.sweep_now_and_then(now);
                Ok(IssuedApiKey { key, record, replaced: Some(*old) })
            }
            ApiKeyRotationOutcome::TooMany => Err(ApiKeyError::TooMany),
            ApiKeyRotationOutcome::Unknown => Err(ApiKeyError::Unknown),
        }
    }

    /// Ends a key for ever, and revokes it. With an owner, only if it is that owner's. A key that has ended before is
    /// revoked again.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Unknown`]; [`ApiKeyError::Unavailable`] and [`ApiKeyError::NotRevoked`], after which the same call
    /// tries again.
    pub async fn end(&self, id: &str, owner: Option<&str>) -> Result<ApiKeyRecord, ApiKeyError> {
        let ended = self.change(id, owner, ApiKeyChange::End(self.now())).await?;
        self.revoke(&ended).await?;
        Ok(ended)
    }

    /// Refuses a key until it is [enabled](Self::enable) again, and revokes it. Otherwise as [`end`](Self::end).
    ///
    /// # Errors
    ///
    /// As [`end`](Self::end).
    pub async fn disable(
        &self,
        id: &str,
        owner: Option<&str>,
    ) -> Result<ApiKeyRecord, ApiKeyError> {
        let disabled = self.change(id, owner, ApiKeyChange::Disable).await?;
        self.revoke(&disabled).await?;
        Ok(disabled)
    }

    /// Enables a key that was disabled. With [revocations](Self::with_revocations), it may stay refused for some minutes.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Unknown`] and [`ApiKeyError::Unavailable`].
    pub async fn enable(&self, id: &str, owner: Option<&str>) -> Result<ApiKeyRecord, ApiKeyError> {
        self.change(id, owner, ApiKeyChange::Enable).await
    }

    /// Removes keys that have ended or expired long ago. Once an hour, a call that makes a key starts this as a task of
    /// its own, and does not wait for it.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError::Unavailable`].
    pub async fn sweep(&self) -> Result<(), ApiKeyError> {
        let settings = &self.inner.settings;
        let Some(before) = self.now().checked_sub(settings.kept_for) else { return Ok(()) };
        for _ in 0..MOST_STEPS {
            if !settings.store.sweep(before).await? {
                break;
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn change(
        &self,
        id: &str,
        owner: Option<&str>,
        change: ApiKeyChange,
    ) -> Result<ApiKeyRecord, ApiKeyError> {
        check_owner(owner)?;
        let changed = self.inner.settings.store.change(id, owner, change).await?;
        changed.ok_or(ApiKeyError::Unknown)
    }

    /// Revokes the answers about a key that layers keep.
    async fn revoke(&self, record: &ApiKeyRecord) -> Result<(), ApiKeyError> {
        let Some((issuer, revocations)) = &self.inner.settings.revocations else { return Ok(()) };
        // An answer that is older is asked for again, and the store knows.
        let until = later(self.now(), MOST_FRESH_FOR);
        let revocation = Revocation::token(issuer, &record.id, until);
        Ok(revocations.add_all(vec![revocation]).await?)
    }

    fn new_key(
        &self,
        owner: String,
        now: SystemTime,
    ) -> Result<(ApiKey, ApiKeyRecord), ApiKeyError> {
        let key = ApiKey::generate(&self.inner.settings.prefix);
        let key = key.map_err(|_| ApiKeyError::NotMade)?;
        let hash = key.hash().map_err(|_| ApiKeyError::NotMade)?;
        let record = ApiKeyRecord::new(key.id(), hash, owner, now);
        Ok((key, record))
    }

    fn sweep_now_and_then(&self, now: SystemTime) {
        let manager = self.clone();
        self.inner.sweeps.start(now, || async move {
            if let Err(error) = manager.sweep().await {
                trace::api_keys_not_swept(&error, &manager.inner.pace);
            }
        });
    }

    /// Returns the time in whole milliseconds, as stores keep it.
    pub(super) fn now(&self) -> SystemTime {
        let now = self.inner.settings.clock.now();
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        SystemTime::UNIX_EPOCH + in_milliseconds(since)
    }
}

impl fmt::Debug for ApiKeyManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = &self.inner.settings;
        f.debug_struct("ApiKeyManager")
            .field("prefix", &settings.prefix.as_str())
            .field("max_per_owner", &settings.max_per_owner)
            .field("rotation_overlap", &settings.overlap)
            .field("retention", &settings.kept_for)
            .finish_non_exhaustive()
    }
}

/// Lets a new key end when its time is up.
fn set_lifetime(record: &mut ApiKeyRecord, lifetime: Option<Duration>) {
    record.lifetime = lifetime.map(|lifetime| in_milliseconds(lifetime).min(LONGEST));
    record.expires_at = record.lifetime.map(|lifetime| record.created_at + lifetime);
}

fn check_owner(owner: Option<&str>) -> Result<(), ApiKeyError> {
    match owner {
        Some(owner) if owner.len() > MAX_OWNER => {
            Err(ApiKeyError::Invalid("the owner is longer than 1 KiB"))
        }
        _ => Ok(()),
    }
}

fn later(now: SystemTime, by: Duration) -> SystemTime {
    now + in_milliseconds(by).min(LONGEST)
}

fn in_milliseconds(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

const MAX_PER_OWNER: usize = 50;
const OVERLAP: Duration = Duration::from_secs(DAY);
const KEPT_FOR: Duration = Duration::from_secs(30 * DAY);
/// A hundred years, so that no sum overflows.
const LONGEST: Duration = Duration::from_secs(36_500 * DAY);
const DAY: u64 = 24 * 60 * 60;
const SWEEP_SECONDS: u64 = 3600;
/// The steps of one sweep. The next one goes on.
const MOST_STEPS: usize = 10_000;
