//! Tests fetches over real sockets, and documents that are kept fresh.

pub mod https;
pub mod inner_networks;
mod forms;
mod refreshed;
