//! Whether whom a token speaks for is still active: asked of a database, say, and remembered for a
//! while if that is wanted.
//!
//! The last thing that is asked about a token. What is wrong with the token itself is found out before,
//! so a stranger cannot cause a call.

#[cfg(feature = "active")]
mod ask;
#[cfg(feature = "active")]
mod check;
#[cfg(feature = "active")]
mod known;
#[cfg(feature = "active")]
mod outage;
#[cfg(feature = "active")]
mod still_active;
mod hook;

#[cfg(feature = "active")]
pub use check::ActiveCheck;
#[cfg(feature = "active")]
pub use still_active::StillActive;

pub(crate) use hook::Hook;
