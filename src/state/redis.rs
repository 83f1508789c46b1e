//! Connects to Redis, for revocations and for sessions.
//!
//! The redis crate is used for its protocol only: its cluster connection shares one socket with a blocking read,
//! its TLS asks rustls for the default provider, which panics in a program that has linked two, and its own
//! connection manager knows neither a time-out for sending nor when to give a server up. Other clients bring a TLS
//! and a cluster of their own too, and a command that they send again may have been executed.

mod address;
mod error;
mod link;
mod tls;
mod connect;
mod namespace;

pub(in crate::state) use connect::{ConnectSettings, Connector, KEEPS_ALL, eviction_policy};
pub(in crate::state) use error::RedisError;
pub(in crate::state) use link::{Link, list, text, texts};
pub(in crate::state) use namespace::Namespace;
pub(in crate::state) use tls::Roots;
