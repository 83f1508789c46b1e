use std::time::Duration;

use super::hierarchy::Hierarchies;
use super::paths::{ClaimPointer, TextSource};

/// The rules of an issuer that count after a token was accepted, when a policy asks about its principal.
#[derive(Clone, Debug, Default)]
pub(crate) struct PrincipalRules {
    pub(crate) hierarchies: Hierarchies,
    /// The allowed difference between clocks.
    pub(crate) leeway: Duration,
    /// The places of the claims that are kept for policies.
    pub(crate) kept: Vec<(ClaimPointer, TextSource)>,
}
