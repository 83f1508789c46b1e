//! Provides a test clock, keys, valid and broken tokens, a provider to fetch keys from, and claims
//! without a token for tests of handlers.
//!
//! ```
//! use serde_json::json;
//! use tower_bearer::test_util::{TestClock, TestKey, TestToken};
//! use tower_bearer::{Algorithm, Reason, Validation, Verifier};
//!
//! let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
//! let key = TestKey::generate(Algorithm::ES256);
//! let clock = TestClock::at(1_800_000_000);
//! let verifier = Verifier::<serde_json::Value>::new(
//!     key.verifying_key(),
//!     Validation::new(issuer, audience),
//! )?
//! .with_clock(clock.clone());
//!
//! let token = TestToken::new(issuer, audience).at(1_800_000_000).claim("roles", json!(["admin"]));
//! # let check = async {
//! assert!(verifier.verify(&token.sign(&key)).await.unwrap().principal().has_role("admin"));
//!
//! clock.set(1_800_001_000);
//! assert_eq!(verifier.verify(&token.sign(&key)).await.unwrap_err().reason(), Reason::Expired);
//! # };
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(check);
//! # Ok::<(), tower_bearer::ConfigError>(())
//! ```

mod clock;
mod key;
mod token;
mod provider;
mod trust;

pub use clock::TestClock;
pub use key::TestKey;
pub use provider::{Fault, MetadataPlace, ProviderOptions, Requests, TestProvider};
pub use token::TestToken;
#[cfg(feature = "jwe")]
pub use token::encrypted;
pub use trust::{
    DangerouslyTrustEveryone, DangerouslyTrusting, DangerouslyTrustingFuture,
    trust_without_verifying,
};
