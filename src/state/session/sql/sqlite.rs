use std::time::{Duration, SystemTime};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite};

use super::dialect::{Dialect, Lock, Trouble};
use super::end::{End, EndAll, OfSubject, Remove};
use super::migrate::Migrate;
use super::problem::Problem;
use super::run::{Runner, TIMEOUT, store};
use super::statements::{columns, find, put_off, remove_expired};
use super::sweep::{BATCH, SomeEnded, Sweep};
use super::value::{Value, bound, session};
use crate::error::SessionsUnavailable;
use crate::state::session::{
    CreationOutcome, NewSession, Rotation, RotationOutcome, Session, SessionStore, Swept,
};

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
        let options: SqliteConnectOptions = url.parse().map_err(Problem::from)?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT);
        // One connection, for ever: a database in memory is gone when its connection is closed.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .acquire_timeout(TIMEOUT)
            .connect_lazy_with(options);
        Self::from_pool(pool).await
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
        let runner = Runner::new(pool);
        runner.run(Migrate).await?;
        Ok(Self { runner })
    }
}

store!(SqliteSessions);

impl Dialect for Sqlite {
    // It locks the file, and so every subject and session.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const HAS_VERSIONS: &'static str =
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'bearer_schema'";
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
    const FIND_TO_CHANGE: &'static str = find!("");
    const REMOVE_EXPIRED: &'static str = remove_expired!("");
    const PUT_OFF: &'static str = put_off!("");
    // The thread behind a connection comes back by itself, and a database in memory ends with its connection.
    const CLOSES_SILENT_CONNECTIONS: bool = false;

    async fn lock(_: &mut SqliteConnection, _: Lock<'_>) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn sessions(
        connection: &mut SqliteConnection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Session>, sqlx::Error> {
        let rows = bound::<Sqlite>(sql, values, str::to_owned).fetch_all(connection).await?;
        rows.iter().map(|row| session(row, |text| text)).collect()
    }

    async fn number(
        connection: &mut SqliteConnection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<i64>, sqlx::Error> {
        let row = bound::<Sqlite>(sql, values, str::to_owned).fetch_optional(connection).await?;
        row.map(|row| row.try_get(0)).transpose()
    }

    async fn execute(
        connection: &mut SqliteConnection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        let done = bound::<Sqlite>(sql, values, str::to_owned).execute(connection).await?;
        Ok(done.rows_affected())
    }

    fn trouble(error: &sqlx::Error) -> Trouble {
        match error {
            sqlx::Error::Database(error) => {
                let code = error.code().and_then(|code| code.parse::<u32>().ok());
                match code.map(|code| code & 0xff) {
                    Some(SQLITE_BUSY | SQLITE_LOCKED) => Trouble::Conflict,
                    _ => Trouble::Other,
                }
            }
            sqlx::Error::WorkerCrashed => Trouble::Broken,
            _ => Trouble::Other,
        }
    }
}

/// The longest wait for another program that writes. Less than [`TIMEOUT`], so that SQLite itself tells the reason.
const BUSY_TIMEOUT: Duration = Duration::from_secs(4);
const SQLITE_BUSY: u32 = 5;
const SQLITE_LOCKED: u32 = 6;
