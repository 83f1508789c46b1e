use std::time::{Duration, SystemTime};

use sqlx::Sqlite;
use sqlx::sqlite::SqlitePool;

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
use crate::state::sql::run::Runner;
use crate::state::sql::sqlite;

/// Keeps API keys in a SQLite database. Clones share the connection.
///
/// The file may be open in several programs of one machine, and hold sessions too. It must not be on a network drive.
///
/// ```no_run
/// # async fn open() -> Result<(), tower_bearer::api_key::ApiKeysUnavailable> {
/// use tower_bearer::api_key::SqliteApiKeys;
///
/// let store = SqliteApiKeys::connect("sqlite:///var/lib/shop/keys.db").await?;
/// # Ok(())
/// # }
/// ```
///
/// URL, pool and time limits are as in [`SqliteSessions`](crate::session::SqliteSessions).
#[derive(Clone, Debug)]
pub struct SqliteApiKeys {
    runner: Runner<Sqlite>,
}

impl SqliteApiKeys {
    /// Opens a database by its URL, and creates the file and the tables if they are not there.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when the URL cannot be read or the file cannot be used, with the reason as its source.
    pub async fn connect(url: &str) -> Result<Self, ApiKeysUnavailable> {
        Self::from_pool(sqlite::connect(url)?).await
    }

    /// Takes connections from a pool of the application, and creates the tables if they are not there:
    /// `bearer_api_keys` and `bearer_api_keys_schema`. The migrations of the application are left alone.
    ///
    /// # Errors
    ///
    /// [`ApiKeysUnavailable`] when the tables cannot be created.
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, ApiKeysUnavailable> {
        Ok(Self { runner: sqlite::runner(pool, Migrate::<Tables>::new()).await? })
    }
}

store!(SqliteApiKeys);

impl Schema<Sqlite> for Tables {
    const VERSIONS: Versions = Self::TABLE_OF_VERSIONS;
    const MIGRATIONS: &'static [&'static [&'static str]] = &[&[
        "CREATE TABLE bearer_api_keys (\
         id TEXT NOT NULL PRIMARY KEY, hash BLOB NOT NULL, owner TEXT NOT NULL, \
         label TEXT NOT NULL, roles TEXT NOT NULL, scopes TEXT NOT NULL, \
         created_at INTEGER NOT NULL, expires_at INTEGER, last_used INTEGER, \
         disabled INTEGER NOT NULL, ended_at INTEGER, lifetime INTEGER) WITHOUT ROWID",
        "CREATE INDEX bearer_api_keys_owner ON bearer_api_keys (owner)",
        "CREATE INDEX bearer_api_keys_expires_at ON bearer_api_keys (expires_at) \
         WHERE expires_at IS NOT NULL",
        "CREATE INDEX bearer_api_keys_ended_at ON bearer_api_keys (ended_at) \
         WHERE ended_at IS NOT NULL",
    ]];
}

impl ApiKeyTables for Sqlite {
    const FIND_TO_CHANGE: &'static str = find!("");
    const REMOVE_GONE: &'static str = remove_gone!("");
}
