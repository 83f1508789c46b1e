//! Keys: loading them, and finding the one that verifies a token.

#[cfg(feature = "refresh")]
mod cached;
mod decoding;
mod der;
mod epoch;
#[cfg(feature = "refresh")]
mod file;
#[cfg(feature = "jwks")]
mod http;
mod identity;
mod jwk;
mod set;
mod source;
mod status;
mod text;
mod verifying;

#[cfg(feature = "jwks")]
pub use self::http::{DangerousFetch, HttpClient, HttpFetch, RemoteKeys};
#[cfg(feature = "refresh")]
pub use cached::{CachedKeys, Fetch, FetchBudget, Fetched};
#[cfg(feature = "refresh")]
pub use file::{FileKeys, KeyFile};
pub use set::KeySet;
pub use source::{Candidates, KeySource, Lookup};
pub use status::{FetchFailure, KeysState, KeysStatus};
pub use verifying::VerifyingKey;

#[cfg(feature = "config")]
pub(crate) use self::http::FetchInForce;
#[cfg(feature = "config")]
pub(crate) use cached::FETCH_AT_MOST;
pub(crate) use identity::KeyIdentity;
#[cfg(feature = "issue")]
pub(crate) use jwk::PublicJwk;
pub(crate) use source::ErasedKeySource;
#[cfg(feature = "config")]
pub(crate) use text::{instead_of_text, without_mark};
