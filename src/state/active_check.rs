//! Asks the application whether the subject of a token is still active, and remembers the answers.
//!
//! This is the last check of a token. A token that is refused for another reason causes no call, so strangers
//! cannot cause one.

#[cfg(feature = "active-check")]
mod ask;
#[cfg(feature = "active-check")]
mod check;
#[cfg(feature = "active-check")]
mod answer_cache;
#[cfg(feature = "active-check")]
mod failure_log;
#[cfg(feature = "active-check")]
mod options;
mod optional_check;

#[cfg(feature = "active-check")]
pub use check::{ActiveVerdict, CheckActive};
#[cfg(feature = "active-check")]
pub use options::ActiveCheck;

pub(crate) use optional_check::OptionalCheck;
