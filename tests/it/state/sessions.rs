//! What every store of sessions must do. Each store has a file here that makes it and runs [`contract`] with it.

pub mod contract;
mod memory;
