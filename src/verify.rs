//! Verifies tokens: chooses the issuer, checks the signature and the claims, and caches tokens that
//! were good.

#[cfg(any(feature = "api-keys", feature = "dpop", feature = "introspection", feature = "mtls"))]
pub(crate) mod generations;
pub(crate) mod presented;
pub(crate) mod cache;
pub(crate) mod compact;
pub(crate) mod decryption;
pub(crate) mod issuers;
pub(crate) mod authenticator;
#[cfg(feature = "api-keys")]
pub(crate) mod api_keys;
pub(crate) mod explain;
pub(crate) mod verifier;
#[cfg(feature = "introspection")]
pub(crate) mod introspection;

pub use cache::CacheStats;
pub use issuers::Issuers;
pub use verifier::Verifier;
