//! Issues tokens and serves the endpoints that belong to them.

pub(crate) mod body;
#[cfg(feature = "issue")]
pub mod issue;
pub mod endpoints;
