use std::future::Future;

use sqlx::Database;

use super::value::Value;
use crate::state::session::Session;

/// The differences between databases.
pub(super) trait Dialect: Database {
    /// Begins a transaction in which each statement sees what other transactions have committed before it.
    const BEGIN: &'static str;
    /// Returns whether the table of versions is there, as 0 or 1.
    const HAS_VERSIONS: &'static str;
    /// The versions of the tables, oldest first. Each only adds to the one before it: a program of an older version
    /// goes on beside one of a newer version.
    const MIGRATIONS: &'static [&'static [&'static str]];
    /// Returns the session of a name, which no other transaction then changes.
    const FIND_TO_CHANGE: &'static str;
    /// Removes sessions that have expired among those that are due.
    const REMOVE_EXPIRED: &'static str;
    /// Puts off those that are due and have not expired.
    const PUT_OFF: &'static str;
    /// Whether a connection is closed when its statement did not answer in time.
    const CLOSES_SILENT_CONNECTIONS: bool;

    /// Makes all other transactions that lock the same name wait until this one ends.
    fn lock(
        connection: &mut Self::Connection,
        name: Lock<'_>,
    ) -> impl Future<Output = Result<(), sqlx::Error>> + Send;

    /// Runs a statement that returns sessions.
    fn sessions(
        connection: &mut Self::Connection,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<Vec<Session>, sqlx::Error>> + Send;

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

/// Something that one transaction at a time may change.
#[derive(Clone, Copy)]
pub(super) enum Lock<'l> {
    /// The number of a subject's sessions.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "SQLite locks the whole file"))]
    Subject(&'l str),
    /// The tables themselves.
    Tables,
}

/// The kind of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Another transaction was in the way.
    Conflict,
    /// The connection cannot be used any more.
    Broken,
    /// A repetition would not help.
    Other,
}
