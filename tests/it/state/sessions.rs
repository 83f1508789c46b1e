//! What every store of sessions must do. Each store has a file here that makes it and runs [`contract`] with it.

mod at_once;
pub mod contract;
mod killed;
mod memory;
mod needs_postgres;
mod same;
mod sqlite;
