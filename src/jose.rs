//! The vocabulary of JOSE: algorithms and the header of a token.
//!
//! Ours rather than jsonwebtoken's, because that one lacks ES512 and Ed25519, and because its header
//! lets through what RFC 7515 wants refused.

mod algorithm;
pub(crate) mod base64url;
pub(crate) mod crypto;
pub(crate) mod json;
mod header;
mod header_cache;

pub(crate) use algorithm::Family;
pub use algorithm::{Algorithm, ParseAlgorithmError};
pub use header::Header;
#[cfg(feature = "issue")]
pub(crate) use header::MAX_KEY_ID;
pub(crate) use header_cache::HeaderCache;
