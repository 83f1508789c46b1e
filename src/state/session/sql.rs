//! Keeps sessions in a database, through `sqlx`.
//!
//! All stores share their operations and most of their SQL; [`SessionTables`](tables::SessionTables) holds the
//! differences. A refresh is one statement in the usual case. Every other case reads the row in a transaction and asks
//! [`Rotation::apply`](super::Rotation::apply), so the rule stands in SQL only as far as "this is the current token".

mod tables;
mod statements;
mod rotate;
mod create;
mod end;
mod sweep;
mod store;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::PostgresSessions;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteSessions;
