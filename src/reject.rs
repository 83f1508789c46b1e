//! From a reason to an answer: status, challenge and body, each in one place.

mod answer;
mod guard;
mod rejection;
mod render;

pub use rejection::Rejection;
pub use render::{Empty, Json, ProblemJson, Render};

#[cfg(feature = "axum")]
pub(crate) use guard::{Presence, claims_in, known, presence, verified_in};
pub(crate) use guard::{admit, admit_nobody, check_in, refuse};
#[cfg(feature = "routes")]
pub(crate) use rejection::whole_seconds;
pub(crate) use render::{answer_refused, finish};
