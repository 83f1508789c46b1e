//! What was revoked: tokens that are refused although everything else about them is good.
//!
//! A view of the revocations is asked about every token, after its signature and claims and before
//! anything else, and answers from memory. How it comes to know what was revoked elsewhere is its own
//! business, and happens beside requests.
//!
//! Nothing here knows a token by its text: an ECDSA signature has a second good spelling, so a hash of
//! the token would name only one of two.

mod kind;
mod view;
mod check;
mod name;
mod recent;
mod store;
mod table;
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod snapshot;

pub use crate::error::RevocationsUnavailable;
pub use kind::{RevocationKind, RevocationKinds};
pub use memory::MemoryRevocations;
#[cfg(feature = "redis")]
pub use redis::{RedisRevocations, RedisStatus};
pub use store::{MissingTokenId, Revocation, RevocationStore};
pub use view::{Revocable, Revocations, Revoked};

pub(crate) use check::check;
#[cfg(feature = "issue")]
pub(crate) use memory::MAX_DATED_AHEAD;
