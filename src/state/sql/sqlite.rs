//! SQLite: the file is locked as a whole.

use std::time::Duration;

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePool, SqlitePoolOptions,
    SqliteSynchronous,
};
use sqlx::{Row as _, Sqlite};

use super::dialect::{Dialect, Lock, Schema, Trouble};
use super::migrate::Migrate;
use super::problem::Problem;
use super::run::{Runner, TIMEOUT};
use super::value::{RowColumns, Stored, Value, bound};

/// Opens a database by its URL, and creates the file if it is not there.
pub(in crate::state) fn connect(url: &str) -> Result<SqlitePool, Problem> {
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
    Ok(pool)
}

/// Runs operations on the connections of a pool, and creates the tables of a store if they are not there.
pub(in crate::state) async fn runner<S: Schema<Sqlite>>(
    pool: SqlitePool,
    schema: Migrate<S>,
) -> Result<Runner<Sqlite>, Problem> {
    let runner = Runner::new(pool);
    runner.run(schema).await?;
    Ok(runner)
}

impl Dialect for Sqlite {
    // It locks the file, and so every row.
    const BEGIN: &'static str = "BEGIN IMMEDIATE";
    const HAS_TABLE: &'static str =
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = $1";
    // The thread behind a connection comes back by itself, and a database in memory ends with its connection.
    const CLOSES_SILENT_CONNECTIONS: bool = false;

    async fn lock(_: &mut SqliteConnection, _: Lock<'_>) -> Result<(), sqlx::Error> {
        Ok(())
    }

    async fn rows<T: Stored>(
        connection: &mut SqliteConnection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, sqlx::Error> {
        let rows = bound::<Sqlite>(sql, values, str::to_owned).fetch_all(connection).await?;
        rows.iter().map(|row| T::read(&RowColumns { row, read: |text| text })).collect()
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
