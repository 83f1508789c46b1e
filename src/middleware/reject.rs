//! Turns a reason into an answer: status, challenge and body, each in one place.

mod answer;
mod empty_body;
mod grpc_protocol;
mod invitation;
mod rejection;
mod grpc;
mod guard;
pub(crate) mod render;

pub(crate) use invitation::Invitation;
pub use rejection::Rejection;

#[cfg(feature = "tonic")]
pub(crate) use grpc::{code as grpc_code, details as grpc_details};
#[cfg(any(feature = "axum", feature = "mcp"))]
pub(crate) use guard::known;
pub(crate) use guard::{admit, admit_anonymous, check_in};
#[cfg(feature = "axum")]
pub(crate) use guard::{claims_in, is_anonymous, verified_in};
#[cfg(feature = "endpoints")]
pub(crate) use rejection::whole_seconds;
pub(crate) use render::{Empty, EmptyBody, Render, answer_refused, finish};
