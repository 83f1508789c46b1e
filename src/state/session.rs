//! Keeps sessions: the sign-ins whose refresh tokens are good.
//!
//! A store keeps one row for each sign-in, and of its refresh tokens the hashes of the last two. The rule by which a
//! refresh token is exchanged stands once, in [`Rotation::apply`]; a store makes it atomic. What a store cannot do
//! in the same step, to revoke the access tokens of a session that ended, can be repeated: an ended session keeps
//! its row, marked, until that is done.

mod record;
mod rotation;
mod store;
mod boxed;
mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod sql;

pub use crate::error::SessionsUnavailable;
pub use boxed::BoxSessionStore;
pub use memory::MemorySessions;
pub use record::{Session, TokenHash};
#[cfg(feature = "redis")]
pub use redis::RedisSessions;
pub use rotation::{Rotation, RotationOutcome, RotationVerdict};
#[cfg(feature = "postgres")]
pub use sql::PostgresSessions;
#[cfg(feature = "sqlite")]
pub use sql::SqliteSessions;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) use store::SUPERSEDED_FOR;
pub use store::{CreationOutcome, NewSession, SessionStore, Swept};
pub(crate) use store::{MAX_SIGN_IN, MAX_SUBJECT};
