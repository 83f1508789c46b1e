//! Connects to Redis, for revocations, sessions and used proofs.
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
#[cfg(any(feature = "dpop", feature = "sessions"))]
mod script;
#[cfg(any(feature = "dpop", feature = "sessions"))]
mod connection;

pub(in crate::state) use connect::{ConnectSettings, Connector, KEEPS_ALL, eviction_policy};
#[cfg(any(feature = "dpop", feature = "sessions"))]
pub(in crate::state) use connection::{ConnectionSettings, RedisConnection};
pub(in crate::state) use error::RedisError;
pub(in crate::state) use link::{Link, list, text, texts};
pub(in crate::state) use namespace::Namespace;
#[cfg(any(feature = "dpop", feature = "sessions"))]
pub(in crate::state) use script::{Script, ScriptCall};
pub(in crate::state) use tls::Roots;
