//! Refuses tokens that were revoked, although everything else about them is valid.
//!
//! A view of the revocations is looked up for every token, after its signature and claims and
//! before any other check, and answers from memory. A view that learns of revocations elsewhere
//! does so in the background, never during a request.
//!
//! No revocation names a token by its text: an ECDSA signature has a second valid spelling, so a
//! hash of the token would name only one of two.

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
