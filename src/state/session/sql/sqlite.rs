use std::time::{Duration, SystemTime};

use sqlx::Sqlite;
use sqlx::sqlite::SqlitePool;

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
use crate::state::sql::run::Runner;
use crate::state::sql::sqlite;

/// Keeps sessions in a SQLite database. Clones share the connection.
///
/// The file may be open in several programs of one machine. It must not be on a network drive, because SQLite cannot
/// lock it there; nodes on several machines take `PostgresSessions`.
///
/// ```no_run
/// # async fn open() -> Result<(), tower_bearer::session::SessionsUnavailable> {
/// use tower_bearer::session::SqliteSessions;
///
/// let store = SqliteSessions::connect("sqlite:///var/lib/shop/sessions.db").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteSessions {
    runner: Runner<Sqlite>,
}

impl SqliteSessions {
    /// Opens a database by its URL, and creates the file and the tables if they are not there.
    ///
    /// `sqlite://path` is relative to the working directory, `sqlite:///path` is not, and `sqlite::memory:` is lost
    /// with the last clone. There is one connection: SQLite has one writer at a time. The journal is a write-ahead
    /// log, and each change is on the disk before the call returns: a refresh that a power failure took back would
    /// look like theft.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when the URL cannot be read or the file cannot be used, with the reason as its source.
    pub async fn connect(url: &str) -> Result<Self, SessionsUnavailable> {
        Self::from_pool(sqlite::connect(url)?).await
    }

    /// Takes connections from a pool of the application, and creates the tables if they are not there:
    /// `bearer_sessions`, `bearer_subjects` and `bearer_schema`. The migrations of the application are left alone.
    ///
    /// The options of the pool decide what a power failure can undo: set `journal_mode`, `synchronous` and
    /// `busy_timeout`.
    ///
    /// # Errors
    ///
    /// [`SessionsUnavailable`] when the tables cannot be created.
    pub async fn from_pool(pool: SqlitePool) -> Result<Self, SessionsUnavailable> {
        Ok(Self { runner: sqlite::runner(pool, Migrate::<Tables>::new()).await? })
    }
}

store!(SqliteSessions);

impl Schema<Sqlite> for Tables {
    const VERSIONS: Versions = Self::TABLE_OF_VERSIONS;
    const MIGRATIONS: &'static [&'static [&'static str]] = &[&[
        "CREATE TABLE bearer_sessions (\
         id TEXT NOT NULL PRIMARY KEY, subject TEXT NOT NULL, client_id TEXT, device TEXT, \
         created_at INTEGER NOT NULL, last_seen INTEGER NOT NULL, idle_until INTEGER NOT NULL, \
         expires_at INTEGER NOT NULL, check_at INTEGER NOT NULL, current_hash BLOB NOT NULL, \
         previous_hash BLOB, ended INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE INDEX bearer_sessions_subject ON bearer_sessions (subject)",
        "CREATE INDEX bearer_sessions_check_at ON bearer_sessions (check_at)",
        "CREATE INDEX bearer_sessions_ended ON bearer_sessions (id) WHERE ended",
        "CREATE TABLE bearer_subjects (\
         subject TEXT NOT NULL PRIMARY KEY, ended_up_to INTEGER NOT NULL) WITHOUT ROWID",
    ]];
}

impl SessionTables for Sqlite {
    const FIND_TO_CHANGE: &'static str = find!("");
    const REMOVE_EXPIRED: &'static str = remove_expired!("");
    const PUT_OFF: &'static str = put_off!("");
}
