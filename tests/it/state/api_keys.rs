//! Tests stores of API keys. Each store has a file here that makes it and runs [`contract`] with it.

pub mod contract;
mod file;
mod memory;
mod needs_postgres;
mod sqlite;
