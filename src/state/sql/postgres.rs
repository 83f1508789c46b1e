//! PostgreSQL: rows are locked one by one, and what has no row by an advisory lock.

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Row as _};

use super::dialect::{Dialect, Lock, Schema, Trouble};
use super::migrate::Migrate;
use super::operation::Operation;
use super::problem::Problem;
use super::run::{Runner, TIMEOUT};
use super::value::{RowColumns, Stored, Value, bound};
use crate::jose::crypto;

/// Connects to a database by its URL.
pub(in crate::state) async fn connect(url: &str) -> Result<PgPool, Problem> {
    let options: PgConnectOptions = url.parse().map_err(Problem::from)?;
    let options = options.options([
        // Less than `TIMEOUT`, so that the server itself tells the reason.
        ("statement_timeout", "4s"),
        // A node that was stopped in the middle of a transaction does not keep its locks.
        ("idle_in_transaction_session_timeout", "10s"),
        ("default_transaction_isolation", "read committed"),
    ]);
    // A pool would try again until it is late, and would not tell the reason.
    let first = tokio::time::timeout(TIMEOUT, options.connect()).await;
    let first = first.map_err(|_| Problem::Silent(TIMEOUT))?.map_err(Problem::from)?;
    // Its answer does not matter.
    drop(first.close().await);
    let pool = PgPoolOptions::new()
        .acquire_timeout(TIMEOUT)
        // A question and its answer for each call. What it would notice, `Runner::run` notices.
        .test_before_acquire(false)
        .connect_lazy_with(options);
    Ok(pool)
}

/// Runs operations on the connections of a pool, and creates the tables of a store if they are not there.
pub(in crate::state) async fn runner<S: Schema<Postgres>>(
    pool: PgPool,
    schema: Migrate<S>,
) -> Result<Runner<Postgres>, Problem> {
    let runner = Runner::new(pool);
    if !runner.run(StoresUtf8).await? {
        return Err(Problem::Encoding);
    }
    runner.run(schema).await?;
    Ok(runner)
}

/// Asks whether any text can be stored.
struct StoresUtf8;

impl Operation<Postgres> for StoresUtf8 {
    type Answer = bool;

    async fn run(&self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let sql = "SELECT count(*) FROM pg_catalog.pg_settings \
                   WHERE name = 'server_encoding' AND setting = 'UTF8'";
        Ok(Postgres::number(connection, sql, &[]).await? == Some(1))
    }
}

impl Dialect for Postgres {
    // A stricter level takes its view of the data before it waits for a lock.
    const BEGIN: &'static str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
    const HAS_TABLE: &'static str =
        "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass($1)";
    const CLOSES_SILENT_CONNECTIONS: bool = true;

    async fn lock(connection: &mut PgConnection, lock: Lock<'_>) -> Result<(), sqlx::Error> {
        let number = Value::Number(advisory_lock(lock));
        let sql = "SELECT pg_catalog.pg_advisory_xact_lock($1)";
        Self::execute(connection, sql, &[number]).await?;
        Ok(())
    }

    async fn rows<T: Stored>(
        connection: &mut PgConnection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<T>, sqlx::Error> {
        let rows = bound::<Postgres>(sql, values, escaped).fetch_all(connection).await?;
        rows.iter().map(|row| T::read(&RowColumns { row, read: unescaped })).collect()
    }

    async fn number(
        connection: &mut PgConnection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Option<i64>, sqlx::Error> {
        let row = bound::<Postgres>(sql, values, escaped).fetch_optional(connection).await?;
        row.map(|row| row.try_get(0)).transpose()
    }

    async fn execute(
        connection: &mut PgConnection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        let done = bound::<Postgres>(sql, values, escaped).execute(connection).await?;
        Ok(done.rows_affected())
    }

    fn trouble(error: &sqlx::Error) -> Trouble {
        match error {
            sqlx::Error::Database(error) => match error.code().as_deref() {
                // Another transaction changed the row, or both waited for each other.
                Some("40001" | "40P01") => Trouble::Conflict,
                // The server stops or starts, has become a replica, or has closed a connection that was idle.
                Some("57P01" | "57P02" | "57P03" | "57P05" | "25006" | "25P03" | "25P04") => {
                    Trouble::Broken
                }
                Some(code) if code.starts_with("08") => Trouble::Broken,
                _ => Trouble::Other,
            },
            sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => Trouble::Broken,
            _ => Trouble::Other,
        }
    }
}

/// Returns the number of an advisory lock. Two names with one number only wait for each other.
fn advisory_lock(lock: Lock<'_>) -> i64 {
    let hash = match lock {
        Lock::Subject(subject) => {
            crypto::sha256(["tower-bearer subject ", subject].concat().as_bytes())
        }
        #[cfg(feature = "api-keys")]
        Lock::Owner(owner) => crypto::sha256(["tower-bearer owner ", owner].concat().as_bytes()),
        Lock::Tables => crypto::sha256(b"tower-bearer tables"),
    };
    // Without a back end there is no session key, and so no program that shares the tables.
    hash.unwrap_or_default().iter().take(8).fold(0, |number, &byte| number << 8 | i64::from(byte))
}

/// PostgreSQL cannot store U+0000. It is stored as U+FFFF, which is no character, and a digit.
fn escaped(text: &str) -> String {
    text.replace(ESCAPE, "\u{FFFF}1").replace('\0', "\u{FFFF}0")
}

fn unescaped(text: String) -> String {
    if !text.contains(ESCAPE) {
        return text;
    }
    text.replace("\u{FFFF}0", "\0").replace("\u{FFFF}1", "\u{FFFF}")
}

const ESCAPE: char = '\u{FFFF}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_read_as_it_was_written() {
        for text in ["", "a", "\0", "\u{FFFF}", "\u{FFFF}0", "\0\u{FFFF}1\0", "\u{FFFF}\u{FFFF}01"]
        {
            assert!(!escaped(text).contains('\0'));
            assert_eq!(unescaped(escaped(text)), text);
        }
        assert_eq!(escaped(r"DOMAIN\user"), r"DOMAIN\user");
    }

    #[test]
    fn number_of_a_lock_stays_the_same_in_every_version() {
        assert_eq!(advisory_lock(Lock::Subject("alice")), advisory_lock(Lock::Subject("alice")));
        assert_ne!(advisory_lock(Lock::Subject("alice")), advisory_lock(Lock::Subject("bob")));
        assert_ne!(advisory_lock(Lock::Tables), advisory_lock(Lock::Subject("")));
    }
}
