use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use super::{
    ApiKeyChange, ApiKeyCreation, ApiKeyRecord, ApiKeyRotation, ApiKeyRotationOutcome,
    ApiKeySource, ApiKeyStore, NewApiKeyRecord,
};
use crate::error::ApiKeysUnavailable;

/// An [`ApiKeyStore`] that is chosen at run time. Cloning is cheap.
///
/// ```
/// use tower_bearer::api_key::{BoxApiKeyStore, MemoryApiKeys};
///
/// let store = BoxApiKeyStore::new(MemoryApiKeys::new());
/// ```
#[derive(Clone)]
pub struct BoxApiKeyStore(Arc<dyn ErasedStore>);

impl BoxApiKeyStore {
    /// Puts a store behind a pointer.
    pub fn new(store: impl ApiKeyStore) -> Self {
        Self(Arc::new(store))
    }
}

impl ApiKeySource for BoxApiKeyStore {
    async fn find(&self, id: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
        self.0.find(id).await
    }

    async fn record_uses(&self, uses: &[(String, SystemTime)]) -> Result<(), ApiKeysUnavailable> {
        self.0.record_uses(uses).await
    }

    fn generation(&self) -> u64 {
        self.0.generation()
    }
}

impl ApiKeyStore for BoxApiKeyStore {
    async fn create(&self, new: NewApiKeyRecord) -> Result<ApiKeyCreation, ApiKeysUnavailable> {
        self.0.create(new).await
    }

    async fn of_owner(&self, owner: &str) -> Result<Vec<ApiKeyRecord>, ApiKeysUnavailable> {
        self.0.of_owner(owner).await
    }

    async fn change(
        &self,
        id: &str,
        owner: Option<&str>,
        change: ApiKeyChange,
    ) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
        self.0.change(id, owner, change).await
    }

    async fn rotate(
        &self,
        rotation: ApiKeyRotation<'_>,
    ) -> Result<ApiKeyRotationOutcome, ApiKeysUnavailable> {
        self.0.rotate(rotation).await
    }

    async fn sweep(&self, before: SystemTime) -> Result<bool, ApiKeysUnavailable> {
        self.0.sweep(before).await
    }
}

impl fmt::Debug for BoxApiKeyStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoxApiKeyStore").finish_non_exhaustive()
    }
}

type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiKeysUnavailable>> + Send + 'a>>;

/// Erases the type of an [`ApiKeySource`].
pub(crate) trait ErasedSource: Send + Sync {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<ApiKeyRecord>>;
    fn record_uses<'a>(&'a self, uses: &'a [(String, SystemTime)]) -> Answer<'a, ()>;
    fn generation(&self) -> u64;
}

impl<S: ApiKeySource> ErasedSource for S {
    fn find<'a>(&'a self, id: &'a str) -> Answer<'a, Option<ApiKeyRecord>> {
        Box::pin(ApiKeySource::find(self, id))
    }

    fn record_uses<'a>(&'a self, uses: &'a [(String, SystemTime)]) -> Answer<'a, ()> {
        Box::pin(ApiKeySource::record_uses(self, uses))
    }

    fn generation(&self) -> u64 {
        ApiKeySource::generation(self)
    }
}

/// Erases the type of an [`ApiKeyStore`].
trait ErasedStore: ErasedSource {
    fn create(&self, new: NewApiKeyRecord) -> Answer<'_, ApiKeyCreation>;
    fn of_owner<'a>(&'a self, owner: &'a str) -> Answer<'a, Vec<ApiKeyRecord>>;
    fn change<'a>(
        &'a self,
        id: &'a str,
        owner: Option<&'a str>,
        change: ApiKeyChange,
    ) -> Answer<'a, Option<ApiKeyRecord>>;
    fn rotate<'a>(&'a self, rotation: ApiKeyRotation<'a>) -> Answer<'a, ApiKeyRotationOutcome>;
    fn sweep(&self, before: SystemTime) -> Answer<'_, bool>;
}

impl<S: ApiKeyStore> ErasedStore for S {
    fn create(&self, new: NewApiKeyRecord) -> Answer<'_, ApiKeyCreation> {
        Box::pin(ApiKeyStore::create(self, new))
    }

    fn of_owner<'a>(&'a self, owner: &'a str) -> Answer<'a, Vec<ApiKeyRecord>> {
        Box::pin(ApiKeyStore::of_owner(self, owner))
    }

    fn change<'a>(
        &'a self,
        id: &'a str,
        owner: Option<&'a str>,
        change: ApiKeyChange,
    ) -> Answer<'a, Option<ApiKeyRecord>> {
        Box::pin(ApiKeyStore::change(self, id, owner, change))
    }

    fn rotate<'a>(&'a self, rotation: ApiKeyRotation<'a>) -> Answer<'a, ApiKeyRotationOutcome> {
        Box::pin(ApiKeyStore::rotate(self, rotation))
    }

    fn sweep(&self, before: SystemTime) -> Answer<'_, bool> {
        Box::pin(ApiKeyStore::sweep(self, before))
    }
}
