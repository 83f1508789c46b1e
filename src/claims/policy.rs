//! Who may do what: pure decisions about a [`Principal`].
//!
//! There is no `not`. A policy that passes because a claim is absent turns a misspelt claim name
//! into an open door.

mod description;
mod tree;
mod list;
mod leaf;

use crate::claims::Principal;
use crate::error::AuthError;
pub use crate::error::Remedy;

pub use description::PolicyDescription;
pub use leaf::{ClaimsWhere, Role, Scope, When, claims_where, role, scope, when};
pub use list::{AllOf, AnyOf, all_of, any_of};
pub use tree::{And, Or, Policy};

/// A [`Policy`] as a type, for the extractor [`Require`](crate::Require).
///
/// ```
/// use tower_bearer::Requirement;
/// use tower_bearer::policy::{Policy, role};
///
/// struct Admin;
///
/// impl Requirement for Admin {
///     fn policy() -> impl Policy {
///         role("admin")
///     }
/// }
/// ```
pub trait Requirement: Send + Sync + 'static {
    /// The permission. Called for each request, so it should be cheap: those of this module borrow
    /// their static names.
    fn policy() -> impl Policy;
}

/// Decides, with everything an answer needs if the decision is no.
pub(crate) fn check(policy: &dyn Policy, principal: &Principal) -> Result<(), AuthError> {
    if policy.allows(principal) {
        return Ok(());
    }
    let detail = format!("needs {}", policy.describe());
    Err(AuthError::not_allowed(policy.remedy(principal), detail))
}
