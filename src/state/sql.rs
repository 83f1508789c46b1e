//! Runs operations of stores in a database, through `sqlx`.
//!
//! Each operation is one transaction that can be repeated. So a program that is killed leaves whole rows, and a
//! connection that breaks costs a repetition. A [`Dialect`](dialect::Dialect) holds the differences between databases.
//! A store has tables of its own, and a table of their versions.

pub(super) mod value;
pub(super) mod dialect;
pub(super) mod operation;
pub(super) mod migrate;
pub(super) mod problem;
pub(super) mod run;
#[cfg(feature = "postgres")]
pub(super) mod postgres;
#[cfg(feature = "sqlite")]
pub(super) mod sqlite;
