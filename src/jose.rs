//! The vocabulary of JOSE: algorithms and the header of a token.
//!
//! Other crates' types are converted in `adapters`: jsonwebtoken, for one, lacks ES512 and Ed25519.

mod algorithm;
pub(crate) mod base64url;
pub(crate) mod crypto;
pub(crate) mod json;
mod header;
mod header_cache;
#[cfg(feature = "issue")]
pub(crate) mod unsigned;
#[cfg(feature = "jwe")]
pub(crate) mod jwe;

pub(crate) use algorithm::Family;
pub use algorithm::{Algorithm, ParseAlgorithmError};
pub(crate) use header::DEFAULT_MAX_TOKEN_BYTES;
pub use header::Header;
#[cfg(feature = "issue")]
pub(crate) use header::MAX_KEY_ID;
pub(crate) use header_cache::HeaderCache;
#[cfg(feature = "jwe")]
pub use jwe::{ContentEncryption, KeyManagement, ParseEncryptionError};
