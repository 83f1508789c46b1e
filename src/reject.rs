//! From a reason to an answer: status, challenge and body, each in one place.

mod answer;
mod guard;
mod rejection;
mod render;

pub use rejection::Rejection;
pub use render::{Empty, Json, ProblemJson, Render};

pub(crate) use guard::{admit, admit_nobody, check_in, refuse};
#[cfg(feature = "axum")]
pub(crate) use guard::{claims_in, is_anonymous, known, verified_in};
#[cfg(feature = "routes")]
pub(crate) use rejection::whole_seconds;
pub(crate) use render::{answer_refused, finish};
