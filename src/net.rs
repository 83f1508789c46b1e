//! Fetches documents and posts forms over HTTP: addresses that are allowed, one exchange within limits, and how long its
//! answer stays fresh.

pub(crate) mod address;
pub(crate) mod bearer_file;
pub(crate) mod client;
pub(crate) mod freshness;
mod network;
pub(crate) mod error;
pub(crate) mod discovery;
pub(crate) mod transport;
pub(crate) mod exchange;
pub(crate) mod form;

pub use client::HttpClient;
pub use error::ExchangeError;
pub use form::FormClient;
