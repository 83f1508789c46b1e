//! Keeps state that requests share: revocations, answers of the active check, API keys, used proofs, and sessions.

#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;
#[cfg_attr(
    not(feature = "active-check"),
    expect(unreachable_pub, reason = "public with the feature")
)]
pub mod active_check;
pub mod revocation;
#[cfg(feature = "api-keys")]
pub(crate) mod api_key;
#[cfg(feature = "dpop")]
pub(crate) mod replay;
#[cfg(feature = "sessions")]
pub(crate) mod session;
