use std::time::{Duration, SystemTime};

use sqlx::Postgres;
use sqlx::postgres::PgPool;

use super::operations::{Change, Find, OfOwner, RecordUses, Sweep};
use super::statements::{columns, find, remove_gone};
use super::store::store;
use super::tables::{ApiKeyTables, Tables};
use crate::error::ApiKeysUnavailable;
use crate::state::api_key::{
    ApiKeyChange, ApiKeyCreation, ApiKeyRecord, ApiKeyRotation, ApiKeyRotationOutcome,
    ApiKeySource, ApiKeyStore, NewApiKeyRecord,
};
use crate::state::sql::dialect::{Schema, Versions};
use crate::state::sql::migrate::Migrate;
use crate::state::sql::postgres;
use crate::state::sql::run::Runner;

/// Keeps API keys in PostgreSQL, version 11 or newer, and shares them between nodes. Clones share the connections.
///
/// ```no_run
/// # async fn open() -> Result<(), tower_bearer::api_key::ApiKeysUnavailable> {
/// use tower_bearer::api_key::PostgresApiKeys;
///
/// let url = "postgres://shop:password@db.example.com/shop?sslmode=verify-full";
/// let store = PostgresApiKeys::connect(url).await?;
/// # Ok(())
/// # }
/// ```
///
/// URL, pool and time limits are as in [`PostgresSessions`](crate::session::PostgresSessions).
#[derive(Clone, Debug)]
pub struct PostgresApiKeys {
    runner: Runner<Postgres>,
}

impl PostgresApiKeys {
    /// Connects to a database by its URL, and creates the tables if they are not there.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when the URL cannot be read or the database does not answer, with the reason as its
    /// source.
    pub async fn connect(url: &str) -> Result<Self, ApiKeysUnavailable> {
        Self::from_pool(postgres::connect(url).await?).await
    }

    /// Takes connections from a pool of the application, and creates the tables if they are not there:
    /// `bearer_api_keys` and `bearer_api_keys_schema`, in the first schema of the `search_path`. The migrations of the
    /// application are left alone.
    ///
    /// Set a `statement_timeout`. The user of the database needs the right to create tables only while they are missing
    /// or older than this version of the crate.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when the tables cannot be created, or the database does not store text in UTF-8.
    pub async fn from_pool(pool: PgPool) -> Result<Self, ApiKeysUnavailable> {
        Ok(Self { runner: postgres::runner(pool, Migrate::<Tables>::new()).await? })
    }
}

store!(PostgresApiKeys);

impl Schema<Postgres> for Tables {
    const VERSIONS: Versions = Self::TABLE_OF_VERSIONS;
    const MIGRATIONS: &'static [&'static [&'static str]] = &[&[
        "CREATE TABLE bearer_api_keys (\
         id TEXT COLLATE \"C\" PRIMARY KEY, hash BYTEA NOT NULL, owner TEXT COLLATE \"C\" NOT NULL, \
         label TEXT NOT NULL, roles TEXT NOT NULL, scopes TEXT NOT NULL, \
         created_at BIGINT NOT NULL, expires_at BIGINT, last_used BIGINT, \
         disabled BOOLEAN NOT NULL, ended_at BIGINT, lifetime BIGINT)",
        "CREATE INDEX bearer_api_keys_owner ON bearer_api_keys (owner)",
        "CREATE INDEX bearer_api_keys_expires_at ON bearer_api_keys (expires_at) \
         WHERE expires_at IS NOT NULL",
        "CREATE INDEX bearer_api_keys_ended_at ON bearer_api_keys (ended_at) \
         WHERE ended_at IS NOT NULL",
    ]];
}

impl ApiKeyTables for Postgres {
    const FIND_TO_CHANGE: &'static str = find!(" FOR UPDATE");
    const REMOVE_GONE: &'static str = remove_gone!(" FOR UPDATE SKIP LOCKED");
}
