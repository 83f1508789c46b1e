//! Checks the header and the claims of a token.
//!
//! [`Validation`] is the configuration that users write. [`Rules`] are a configuration whose
//! mistakes have been found, and do the checking.

mod kind;
mod logout;
#[cfg(feature = "introspection")]
mod introspection_answer;
mod preset;
mod trust_policy;
mod tenants;
mod config;
mod dangerous;
mod fapi2;
mod trust;
mod rules;
mod tenant_rules;

pub use config::Validation;
pub use preset::{ParsePresetError, Preset};
pub use trust_policy::TrustPolicy;

pub(crate) use kind::Kind;
pub(crate) use rules::{ClaimCheck, MAX_LEEWAY, Rules};
