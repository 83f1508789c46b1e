//! Issues tokens and serves the endpoints that belong to them.

pub(crate) mod body;
#[cfg(feature = "issue")]
pub mod issue;
#[cfg(any(feature = "endpoints", feature = "sessions"))]
mod erased_store;
pub mod endpoints;
#[cfg(feature = "sessions")]
pub(crate) mod session;
#[cfg(feature = "sign-in")]
pub mod sign_in;
