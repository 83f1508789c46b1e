use std::future::Future;

use sqlx::Database;

use super::value::{Stored, Value};

/// The differences between databases.
pub(in crate::state) trait Dialect: Database {
    /// Begins a transaction in which each statement sees what other transactions have committed before it.
    const BEGIN: &'static str;
    /// Returns whether a table is there, as 0 or 1: `$1` its name.
    const HAS_TABLE: &'static str;
    /// Whether a connection is closed when its statement did not answer in time.
    const CLOSES_SILENT_CONNECTIONS: bool;

    /// Makes all other transactions that lock the same name wait until this one ends.
    fn lock(
        connection: &mut Self::Connection,
        name: Lock<'_>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement that returns rows.
    fn rows<T: Stored>(
        connection: &mut Self::Connection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<Vec<T>, sqlx::Error>> + Send;

    /// Runs a statement that returns one number, or none.
    fn number(
        connection: &mut Self::Connection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<Option<i64>, sqlx::Error>> + Send;

    /// Runs a statement and returns the number of rows that it changed.
    fn execute(
        connection: &mut Self::Connection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<u64, sqlx::Error>> + Send;

    /// Returns whether the operation may succeed when it is repeated.
    fn trouble(error: &sqlx::Error) -> Trouble;
}

/// The tables of one store in one kind of database.
pub(in crate::state) trait Schema<D: Dialect>: Sync {
    /// The table of versions, created when it is not there.
    const VERSIONS: Versions;
    /// The versions of the tables, oldest first. Each only adds to the one before it: a program of an older version
    /// goes on beside one of a newer version.
    const MIGRATIONS: &'static [&'static [&'static str]];
}

/// The statements about a table of versions.
#[derive(Clone, Copy)]
pub(in crate::state) struct Versions {
    pub(in crate::state) table: &'static str,
    pub(in crate::state) create: &'static str,
    pub(in crate::state) last: &'static str,
    pub(in crate::state) add: &'static str,
}

/// Writes the statements about a table of versions.
macro_rules! versions {
    ($table:literal) => {
        $crate::state::sql::dialect::Versions {
            table: $table,
            create: concat!("CREATE TABLE IF NOT EXISTS ", $table, " (version BIGINT PRIMARY KEY)"),
            last: concat!("SELECT version FROM ", $table, " ORDER BY version DESC LIMIT 1"),
            add: concat!("INSERT INTO ", $table, " (version) VALUES ($1)"),
        }
    };
}

pub(in crate::state) use versions;

/// Something that one transaction at a time may change.
#[derive(Clone, Copy)]
pub(in crate::state) enum Lock<'l> {
    /// The number of a subject's sessions.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite locks the whole file"))]
    Subject(&'l str),
    /// The number of an owner's API keys.
    #[cfg(feature = "api-keys")]
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite locks the whole file"))]
    Owner(&'l str),
    /// The tables themselves.
    Tables,
}

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) enum Trouble {
    /// Another transaction was in the way.
    Conflict,
    /// The connection cannot be used any more.
    Broken,
    /// A repetition would not help.
    Other,
}
