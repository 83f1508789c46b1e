//! Keys: loading them, and finding the one that verifies a token.

mod decoding;
mod der;
mod jwk;
mod set;
mod source;
mod verifying;

pub use set::KeySet;
pub use source::{Candidates, KeySource, Lookup};
pub use verifying::VerifyingKey;

#[cfg(feature = "issue")]
pub(crate) use jwk::PublicJwk;
pub(crate) use source::ErasedKeySource;
