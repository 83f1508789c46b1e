//! Reads the claims of a token whose signature was verified.

mod date;
mod events;
mod text_range;
mod audience;
mod hierarchy;
mod grants;
mod markers;
mod actor;
mod policy_claims;
mod registered;
mod parsed;
mod values;
mod table;
mod error;
mod issuer;
pub(crate) mod paths;
mod principal_rules;
mod footprint;
mod reader;
mod confirmation;
mod principal;
pub(crate) mod policy;
pub(crate) mod validation;
mod verified;

pub use actor::Actor;
pub use audience::Audience;
pub use confirmation::{Confirmation, ConfirmationMethod};
pub use date::NumericDate;
pub(crate) use date::Span;
pub use grants::Grants;
pub use hierarchy::Hierarchy;
pub(crate) use hierarchy::{GrantKind, Hierarchies};
pub(crate) use policy_claims::PolicyClaims;
pub(crate) use principal::{Layer, PrincipalBuilder};
pub use principal::{Principal, PrincipalKind};
pub(crate) use principal_rules::PrincipalRules;
pub use registered::RegisteredClaims;
pub use verified::Verified;

pub(crate) use events::Events;
pub(crate) use footprint::Footprint;
pub(crate) use issuer::unverified_issuer;
pub(crate) use markers::{TextClaim, TypeMarkers};
pub(crate) use parsed::ParsedClaims;
pub(crate) use paths::{ClaimPaths, TextSource};

use crate::error::AuthError;

/// The value of the claim `typ` that marks an API key.
#[cfg(feature = "api-keys")]
pub(crate) const API_KEY: &str = "api_key";

/// Reads the decoded payload of a token whose signature was good into claims that are empty.
///
/// Adds to the footprint what the application's claims take.
pub(crate) fn read(
    text: &str,
    paths: &ClaimPaths,
    parsed: &mut ParsedClaims,
    footprint: &mut Footprint,
) -> Result<(), AuthError> {
    Ok(reader::read(text, paths, parsed, footprint)?)
}
