//! Tests stores of sessions. Each store has a file here that makes it and runs [`contract`] with it.

mod at_once;
pub mod contract;
mod killed;
mod memory;
mod redis;
mod needs_postgres;
mod same;
pub mod sqlite;
