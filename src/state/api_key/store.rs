use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use super::ApiKeyRecord;
use crate::error::ApiKeysUnavailable;

/// Finds API keys. [`FileApiKeys`](super::FileApiKeys) is a source, and each [`ApiKeyStore`] is one.
pub trait ApiKeySource: Send + Sync + 'static {
    /// Returns the key of an id, also one that is disabled, has expired or has ended. `None` when there is none.
    ///
    /// A request waits for it, so it must end: after some seconds at the most.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when the source does not answer.
    fn find(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<ApiKeyRecord>, ApiKeysUnavailable>> + Send;

    /// Records when keys were used. A moment before the last that was recorded changes nothing, and neither does an id
    /// that does not exist. The default records nothing.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when some may not be recorded.
    fn record_uses(
        &self,
        uses: &[(String, SystemTime)],
    ) -> impl Future<Output = Result<(), ApiKeysUnavailable>> + Send {
        _ = uses;
        std::future::ready(Ok(()))
    }

    /// Returns a number that changes as soon as a key is disabled, ended, changed or removed: answers that were kept are
    /// then forgotten. It must be cheap.
    ///
    /// The default is always the same number, for sources that other programs change.
    fn generation(&self) -> u64 {
        0
    }
}

/// Stores API keys. [`MemoryApiKeys`](super::MemoryApiKeys) is a store.
///
/// Each call is atomic, also among several programs that share the store. A call that fails may have happened all the
/// same; every call can be repeated, except that a repeated [`rotate`](Self::rotate) needs another id.
///
/// A store is asked about owners of up to 1 KiB; [`ApiKeyManager`](crate::api_key::ApiKeyManager) refuses longer ones.
pub trait ApiKeyStore: ApiKeySource {
    /// Stores a key, unless its owner has [`max_per_owner`](NewApiKeyRecord::max_per_owner) other live keys. A key whose
    /// id is there already is left as it is.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when it is not known whether the key is stored.
    fn create(
        &self,
        new: NewApiKeyRecord,
    ) -> impl Future<Output = Result<ApiKeyCreation, ApiKeysUnavailable>> + Send;

    /// Returns the keys of an owner, oldest first, with those that have expired or ended and are not removed yet.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when the store does not answer.
    fn of_owner(
        &self,
        owner: &str,
    ) -> impl Future<Output = Result<Vec<ApiKeyRecord>, ApiKeysUnavailable>> + Send;

    /// Changes a key by [`ApiKeyChange::apply`], and returns it as it is then. `None` when there is none of this id, or
    /// it is not of this owner.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when it is not known whether the key is changed.
    fn change(
        &self,
        id: &str,
        owner: Option<&str>,
        change: ApiKeyChange,
    ) -> impl Future<Output = Result<Option<ApiKeyRecord>, ApiKeysUnavailable>> + Send;

    /// Stores a key in place of another, which then expires [soon](ApiKeyRotation::old_until), in one step.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when it is not known whether the key is stored.
    fn rotate(
        &self,
        rotation: ApiKeyRotation<'_>,
    ) -> impl Future<Output = Result<ApiKeyRotationOutcome, ApiKeysUnavailable>> + Send;

    /// Removes some keys that have ended or expired at this moment or before. Returns whether there may be more.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when the store does not answer.
    fn sweep(
        &self,
        before: SystemTime,
    ) -> impl Future<Output = Result<bool, ApiKeysUnavailable>> + Send;
}

/// A key to be stored.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NewApiKeyRecord {
    /// The key.
    pub record: ApiKeyRecord,
    /// The number of live keys that the owner may then have.
    pub max_per_owner: Option<usize>,
}

impl NewApiKeyRecord {
    /// Creates the order to store a key.
    pub const fn new(record: ApiKeyRecord, max_per_owner: Option<usize>) -> Self {
        Self { record, max_per_owner }
    }
}

/// The answer of [`ApiKeyStore::create`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiKeyCreation {
    /// The key is stored.
    Created,
    /// The owner has as many live keys as it may have. Nothing was stored.
    TooMany,
}

/// A change of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiKeyChange {
    /// Refuses the key until it is enabled again.
    Disable,
    /// Takes [`Disable`](Self::Disable) back.
    Enable,
    /// Refuses the key for ever. The moment is that of the change.
    End(SystemTime),
}

impl ApiKeyChange {
    /// Applies the change. A key that has ended is not changed any more.
    pub fn apply(self, record: &mut ApiKeyRecord) {
        if record.ended_at.is_some() {
            return;
        }
        match self {
            Self::Disable => record.disabled = true,
            Self::Enable => record.disabled = false,
            Self::End(now) => record.ended_at = Some(now),
        }
    }
}

/// The replacement of a key by another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApiKeyRotation<'r> {
    /// The id of the old key.
    pub id: &'r str,
    /// The new key, which has the same owner.
    pub new: ApiKeyRecord,
    /// The moment from which the old key is refused, unless it expires before.
    pub old_until: SystemTime,
    /// The moment of the replacement.
    pub now: SystemTime,
    /// The number of live keys that the owner may then have, beside the old one.
    pub max_per_owner: Option<usize>,
}

impl<'r> ApiKeyRotation<'r> {
    /// Creates the order to replace a key.
    pub const fn new(
        id: &'r str,
        new: ApiKeyRecord,
        old_until: SystemTime,
        now: SystemTime,
        max_per_owner: Option<usize>,
    ) -> Self {
        Self { id, new, old_until, now, max_per_owner }
    }

    /// Returns whether the old key can be replaced: it is live, not disabled, and of the same owner.
    pub fn is_possible(&self, old: &ApiKeyRecord) -> bool {
        old.is_live(self.now) && !old.disabled && old.owner == self.new.owner
    }

    /// Lets the old key expire.
    pub fn apply(&self, old: &mut ApiKeyRecord) {
        let earlier = old.expires_at.filter(|expires_at| *expires_at < self.old_until);
        old.expires_at = earlier.or(Some(self.old_until));
    }
}

/// The answer of [`ApiKeyStore::rotate`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiKeyRotationOutcome {
    /// The new key is stored. This is the old one as it is now.
    Rotated(Box<ApiKeyRecord>),
    /// The owner has as many live keys as it may have. Nothing was stored.
    TooMany,
    /// The owner has no such key, or it cannot be replaced because it is disabled, has expired or has ended.
    Unknown,
}

/// The longest owner in bytes, so that every database can have an index of owners.
pub(crate) const MAX_OWNER: usize = 1024;

impl<S: ApiKeySource> ApiKeySource for Arc<S> {
    fn find(
        &self,
        id: &str,
    ) -> impl Future<Output = Result<Option<ApiKeyRecord>, ApiKeysUnavailable>> + Send {
        (**self).find(id)
    }

    fn record_uses(
        &self,
        uses: &[(String, SystemTime)],
    ) -> impl Future<Output = Result<(), ApiKeysUnavailable>> + Send {
        (**self).record_uses(uses)
    }

    fn generation(&self) -> u64 {
        (**self).generation()
    }
}

impl<S: ApiKeyStore> ApiKeyStore for Arc<S> {
    fn create(
        &self,
        new: NewApiKeyRecord,
    ) -> impl Future<Output = Result<ApiKeyCreation, ApiKeysUnavailable>> + Send {
        (**self).create(new)
    }

    fn of_owner(
        &self,
        owner: &str,
    ) -> impl Future<Output = Result<Vec<ApiKeyRecord>, ApiKeysUnavailable>> + Send {
        (**self).of_owner(owner)
    }

    fn change(
        &self,
        id: &str,
        owner: Option<&str>,
        change: ApiKeyChange,
    ) -> impl Future<Output = Result<Option<ApiKeyRecord>, ApiKeysUnavailable>> + Send {
        (**self).change(id, owner, change)
    }

    fn rotate(
        &self,
        rotation: ApiKeyRotation<'_>,
    ) -> impl Future<Output = Result<ApiKeyRotationOutcome, ApiKeysUnavailable>> + Send {
        (**self).rotate(rotation)
    }

    fn sweep(
        &self,
        before: SystemTime,
    ) -> impl Future<Output = Result<bool, ApiKeysUnavailable>> + Send {
        (**self).sweep(before)
    }
}
