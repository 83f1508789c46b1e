//! Keeps API keys in a database, through `sqlx`.
//!
//! A change reads the row in a transaction and asks [`ApiKeyChange::apply`](super::ApiKeyChange::apply) or
//! [`ApiKeyRotation`](super::ApiKeyRotation), so no rule stands in SQL.

mod tables;
mod statements;
mod operations;
mod store;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use postgres::PostgresApiKeys;
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteApiKeys;
