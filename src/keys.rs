//! Keys: loading them, and finding the one that verifies a token.

mod der;
mod decoding;
mod epoch;
mod identity;
mod jwk;
mod status;
mod verifying;
mod lookup;
mod source;
mod set;
#[cfg(feature = "refresh")]
mod cached;
#[cfg(feature = "refresh")]
mod file;
#[cfg(feature = "jwks")]
mod remote;

#[cfg(feature = "refresh")]
pub use cached::{CachedKeys, Fetch, Fetched};
#[cfg(feature = "refresh")]
pub use file::{FileKeys, KeyFile};
pub use lookup::{Candidates, Lookup};
#[cfg(feature = "jwks")]
pub use remote::{DangerousFetch, HttpFetch, RemoteKeys};
pub use set::KeySet;
pub use source::{BoxKeySource, KeySource};
pub use status::{FetchFailure, KeysState, KeysStatus};
pub use verifying::VerifyingKey;

pub use crate::config_error::{KeyProblem, SkippedKey};
pub use crate::error::KeysUnavailable;
#[cfg(feature = "refresh")]
pub use crate::refresh::FetchBudget;

pub(crate) use identity::KeyIdentity;
#[cfg(feature = "issue")]
pub(crate) use jwk::PublicJwk;
#[cfg(feature = "config")]
pub(crate) use remote::EffectiveFetch;
