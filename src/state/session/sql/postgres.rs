//! PostgreSQL: rows are locked one by one, and what has no row by an advisory lock.

use std::time::{Duration, SystemTime};

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, Postgres, Row as _};

use super::dialect::{Dialect, Lock, Trouble};
use super::end::{End, EndAll, OfSubject, Remove};
use super::migrate::Migrate;
use super::operation::Operation;
use super::problem::Problem;
use super::run::{Runner, TIMEOUT, store};
use super::statements::{columns, find, put_off, remove_expired};
use super::sweep::{BATCH, SomeEnded, Sweep};
use super::value::{Value, bound, session};
use crate::error::SessionsUnavailable;
use crate::jose::crypto;
use crate::state::session::{
    CreationOutcome, NewSession, Rotation, RotationOutcome, Session, SessionStore, Swept,
};

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
        Self::from_pool(pool).await
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
        let runner = Runner::new(pool);
        if !runner.run(StoresUtf8).await? {
            return Err(Problem::Encoding.into());
        }
        runner.run(Migrate).await?;
        Ok(Self { runner })
    }
}

store!(PostgresSessions);

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
    const HAS_VERSIONS: &'static str =
        "SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('bearer_schema')";
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
    const FIND_TO_CHANGE: &'static str = find!(" FOR UPDATE");
    // Two nodes that sweep at once take different rows.
    const REMOVE_EXPIRED: &'static str = remove_expired!(" FOR UPDATE SKIP LOCKED");
    const PUT_OFF: &'static str = put_off!(" FOR UPDATE SKIP LOCKED");
    const CLOSES_SILENT_CONNECTIONS: bool = true;

    async fn lock(connection: &mut PgConnection, lock: Lock<'_>) -> Result<(), sqlx::Error> {
        let number = Value::Number(advisory_lock(lock));
        let sql = "SELECT pg_catalog.pg_advisory_xact_lock($1)";
        Self::execute(connection, sql, &[number]).await?;
        Ok(())
    }

    async fn sessions(
        connection: &mut PgConnection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Session>, sqlx::Error> {
        let rows = bound::<Postgres>(sql, values, escaped).fetch_all(connection).await?;
        rows.iter().map(|row| session(row, unescaped)).collect()
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
