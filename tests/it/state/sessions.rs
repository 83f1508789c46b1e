//! Tests stores of sessions. Each store has a file here that makes it and runs [`contract`] with it.

pub mod contract;
mod memory;
mod redis;
