//! Loads keys, and finds the key that verifies a token.

mod pem;
mod der;
mod epoch;
mod identity;
mod jwk;
mod public_jwk;
mod status;
mod verifying;
#[cfg(feature = "dpop")]
mod public_key;
mod lookup;
mod public_keys;
#[cfg(feature = "issue")]
mod key_id;
#[cfg(feature = "issue")]
mod private_der;
#[cfg(feature = "issue")]
mod private_jwk;
#[cfg(all(feature = "issue", feature = "jsonwebtoken"))]
pub(crate) mod to_pkcs8;
#[cfg(feature = "issue")]
mod signer;
#[cfg(feature = "issue")]
mod signing;
#[cfg(feature = "jwe")]
mod decryption;
#[cfg(feature = "jwe")]
mod encryption;
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
#[cfg(feature = "jwe")]
pub use decryption::{DecryptionKey, DecryptionKeys};
#[cfg(feature = "jwe")]
pub use encryption::EncryptionKey;
#[cfg(feature = "refresh")]
pub use file::{FileKeys, KeyFile};
pub use lookup::{Candidates, Lookup};
#[cfg(feature = "issue")]
pub use private_jwk::PrivateJwk;
pub use public_keys::PublicKeys;
#[cfg(feature = "jwks")]
pub use remote::{DangerousFetch, HttpFetch, RemoteKeys};
pub use set::KeySet;
#[cfg(feature = "issue")]
pub use signer::{BoxSigner, SignError, Signer, ecdsa_from_der};
#[cfg(feature = "issue")]
pub use signing::SigningKey;
pub use source::{BoxKeySource, KeySource};
pub use status::{FetchFailure, KeysState, KeysStatus};
pub use verifying::VerifyingKey;

pub use crate::config_error::{KeyProblem, SkippedKey};
pub use crate::error::KeysUnavailable;
#[cfg(feature = "refresh")]
pub use crate::refresh::FetchBudget;

#[cfg(feature = "issue")]
pub use crate::jose::crypto::RsaSize;

#[cfg(feature = "jsonwebtoken")]
pub(crate) use der::{read_pkcs1, read_spki};
pub(crate) use identity::KeyIdentity;
#[cfg(feature = "issue")]
pub(crate) use key_id::check_key_id;
#[cfg(feature = "test-util")]
pub(crate) use public_jwk::PublicJwk;
#[cfg(feature = "dpop")]
pub(crate) use public_key::PublicKey;
#[cfg(feature = "config")]
pub(crate) use remote::EffectiveFetch;
