//! Tests through the real layer, real signatures and, where users would have them, real sockets.

#![allow(unreachable_pub, missing_docs, let_underscore_drop, clippy::pedantic, clippy::unwrap_used)]

mod support;

mod observe;
mod jose;
mod net;
mod keys;
mod claims;
mod state;
mod verify;
mod middleware;
mod routes;
mod mcp;
mod server;
mod config;
mod test_util;

mod conformance;
mod documents;
mod examples;
mod properties;
mod providers;
mod secrets;
mod shown;
