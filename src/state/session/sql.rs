//! Keeps sessions in a database, through `sqlx`.
//!
//! All stores share their operations and most of their SQL; a [`Dialect`] holds the differences. A refresh is one
//! statement in the usual case. Every other case reads the row in a transaction and asks
//! [`Rotation::apply`](super::Rotation::apply), so the rule stands in SQL only as far as "this is the current token".
//!
//! Each operation is one transaction that can be repeated. So a program that is killed leaves whole sessions, and a
//! connection that breaks costs a repetition.

mod value;
mod dialect;
mod statements;
mod operation;
mod rotate;
mod create;
mod end;
mod sweep;
mod migrate;
mod problem;
mod run;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::PostgresSessions;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteSessions;
