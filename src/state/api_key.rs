//! Keeps API keys: for each, a hash of its text, its owner and its grants.
//!
//! A [source](ApiKeySource) finds keys, which is all that requests need. A [store](ApiKeyStore) changes them as well. A
//! file that a person writes is a source and no store.

mod checksum;
mod record;
mod format;
mod store;
mod boxed;
mod memory;
mod file;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;

pub use crate::error::ApiKeysUnavailable;
pub use boxed::BoxApiKeyStore;
pub(crate) use boxed::ErasedSource;
pub use file::FileApiKeys;
pub(crate) use format::KeyParts;
pub use format::{ApiKey, ApiKeyFault, ApiKeyPrefix};
pub use memory::MemoryApiKeys;
pub use record::{ApiKeyHash, ApiKeyRecord};
#[cfg(feature = "postgres")]
pub use sql::PostgresApiKeys;
#[cfg(feature = "sqlite")]
pub use sql::SqliteApiKeys;
pub(crate) use store::MAX_OWNER;
pub use store::{
    ApiKeyChange, ApiKeyCreation, ApiKeyRotation, ApiKeyRotationOutcome, ApiKeySource, ApiKeyStore,
    NewApiKeyRecord,
};
