//! Serves tokens and what belongs to them: issuing, and endpoints.

pub(crate) mod body;
#[cfg(feature = "issue")]
pub mod issue;
pub mod endpoints;
