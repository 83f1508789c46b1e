use std::time::{Duration, SystemTime};

use sqlx::Postgres;
use sqlx::postgres::PgPool;

use super::end::{End, EndAll, OfSubject, Remove};
use super::statements::{columns, find, put_off, remove_expired};
use super::store::store;
use super::sweep::{BATCH, SomeEnded, Sweep};
use super::tables::{SessionTables, Tables};
use crate::error::SessionsUnavailable;
use crate::state::session::{
    CreationOutcome, NewSession, Rotation, RotationOutcome, Session, SessionStore, Swept,
};
use crate::state::sql::dialect::{Schema, Versions};
use crate::state::sql::migrate::Migrate;
use crate::state::sql::postgres;
use crate::state::sql::run::Runner;

/// Keeps sessions in PostgreSQL, version 11 or newer, and shares them between nodes. Clones share the connections.
///
/// ```no_run
/// # async fn open() -> Result<(), tower_bearer::session::SessionsUnavailable> {
/// use tower_bearer::session::PostgresSessions;
///
/// let url = "postgres://shop:password@db.example.com/shop?sslmode=verify-full";
/// let store = PostgresSessions::connect(url).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PostgresSessions {
    runner: Runner<Postgres>,
}

impl PostgresSessions {
    /// Connects to a database by its URL, and creates the tables if they are not there.
    ///
    /// `?sslmode=verify-full` verifies the server's certificate by the roots that browsers trust, or by those of
    /// `&sslrootcert=<file>`; without it, nothing proves whose server it is, and the connection may be unencrypted.
    /// There are up to 10 connections. The server ends statements after 4 seconds. Connections that break are replaced.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when the URL cannot be read or the database does not answer, with the reason as its
    /// source.
    pub async fn connect(url: &str) -> Result<Self, SessionsUnavailable> {
        Self::from_pool(postgres::connect(url).await?).await
    }

    /// Takes connections from a pool of the application, and creates the tables if they are not there:
    /// `bearer_sessions`, `bearer_subjects` and `bearer_schema`, in the first schema of the `search_path`. The
    /// migrations of the application are left alone.
    ///
    /// Set a `statement_timeout`. The user of the database needs the right to create tables only while they are missing
    /// or older than this version of the crate.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when the tables cannot be created, or the database does not store text in UTF-8.
    pub async fn from_pool(pool: PgPool) -> Result<Self, SessionsUnavailable> {
        Ok(Self { runner: postgres::runner(pool, Migrate::<Tables>::new()).await? })
    }
}

store!(PostgresSessions);

impl Schema<Postgres> for Tables {
    const VERSIONS: Versions = Self::TABLE_OF_VERSIONS;
    // Space in each page lets a refresh stay in its page.
    const MIGRATIONS: &'static [&'static [&'static str]] = &[&[
        "CREATE TABLE bearer_sessions (\
         id TEXT COLLATE \"C\" PRIMARY KEY, subject TEXT COLLATE \"C\" NOT NULL, client_id TEXT, \
         device TEXT, created_at BIGINT NOT NULL, last_seen BIGINT NOT NULL, \
         idle_until BIGINT NOT NULL, expires_at BIGINT NOT NULL, check_at BIGINT NOT NULL, \
         current_hash BYTEA NOT NULL, previous_hash BYTEA, ended BOOLEAN NOT NULL) \
         WITH (fillfactor = 80)",
        "CREATE INDEX bearer_sessions_subject ON bearer_sessions (subject)",
        "CREATE INDEX bearer_sessions_check_at ON bearer_sessions (check_at)",
        "CREATE INDEX bearer_sessions_ended ON bearer_sessions (id) WHERE ended",
        "CREATE TABLE bearer_subjects (\
         subject TEXT COLLATE \"C\" PRIMARY KEY, ended_up_to BIGINT NOT NULL)",
    ]];
}

impl SessionTables for Postgres {
    const FIND_TO_CHANGE: &'static str = find!(" FOR UPDATE");
    // Two nodes that sweep at once take different rows.
    const REMOVE_EXPIRED: &'static str = remove_expired!(" FOR UPDATE SKIP LOCKED");
    const PUT_OFF: &'static str = put_off!(" FOR UPDATE SKIP LOCKED");
}
