//! Whether whom a token speaks for is still active: asked of a database, say, and remembered for a
//! while if that is wanted.
//!
//! The last thing that is asked about a token. What is wrong with the token itself is found out before,
//! so a stranger cannot cause a call.

#[cfg(feature = "active-check")]
mod ask;
#[cfg(feature = "active-check")]
mod check;
#[cfg(feature = "active-check")]
mod known;
#[cfg(feature = "active-check")]
mod outage;
#[cfg(feature = "active-check")]
mod active_check;
mod hook;

#[cfg(feature = "active-check")]
pub use active_check::ActiveCheck;
#[cfg(feature = "active-check")]
pub use check::{ActiveVerdict, CheckActive};

pub(crate) use hook::Hook;
