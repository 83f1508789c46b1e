//! Issues tokens and API keys, serves the endpoints that belong to them, and hashes the passwords of users.

#[cfg(any(feature = "issue", feature = "endpoints", feature = "metadata"))]
pub(crate) mod body;
#[cfg(any(feature = "issue", feature = "endpoints", feature = "metadata"))]
mod service;
#[cfg(feature = "passwords")]
pub mod password;
#[cfg(feature = "issue")]
pub mod issue;
#[cfg(any(feature = "endpoints", feature = "sessions"))]
mod erased_store;
#[cfg(any(feature = "issue", feature = "endpoints", feature = "metadata"))]
pub mod endpoints;
#[cfg(any(feature = "api-keys", feature = "sign-in"))]
mod carried_out;
#[cfg(any(feature = "api-keys", feature = "sessions"))]
mod sweeps;
#[cfg(feature = "api-keys")]
pub(crate) mod api_key;
#[cfg(feature = "sessions")]
pub(crate) mod session;
#[cfg(feature = "sign-in")]
pub mod sign_in;
