//! Serves tokens and what belongs to them: issuing, and endpoints.

pub(crate) mod body;
#[cfg(feature = "endpoints")]
pub(crate) mod endpoints;
#[cfg(feature = "issue")]
pub(crate) mod issue;
