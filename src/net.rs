//! Fetches documents over HTTP: addresses that are allowed, one exchange, and how long its answer stays fresh.

pub(crate) mod address;
pub(crate) mod bearer_file;
pub(crate) mod client;
pub(crate) mod freshness;
mod network;
pub(crate) mod problem;
pub(crate) mod transport;
pub(crate) mod exchange;

pub use client::HttpClient;
