//! Decides whether a [`Principal`] has a permission. A policy decides at once and changes nothing.
//!
//! There is no `not`. A policy that passes because a claim is absent would also pass for a misspelt
//! claim name.

mod description;
mod tree;
mod list;
mod bound;
mod leaf;

use crate::claims::Principal;
use crate::error::AuthError;
pub use crate::error::Remedy;

pub use bound::{Bound, bound, bound_by};
pub use description::PolicyDescription;
pub use leaf::{ClaimsWhere, Role, Scope, When, claims_where, role, scope, when};
pub use list::{AllOf, AnyOf, all_of, any_of};
pub use tree::{And, Or, Policy};

/// A [`Policy`] that a type names, for the extractor [`Require`](crate::Require).
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
    /// Returns the permission. Each request calls this function, so it should be cheap: the
    /// policies of this module borrow static names.
    fn policy() -> impl Policy;
}

/// Checks a permission. The error holds everything that the answer to the client needs.
pub(crate) fn check(policy: &dyn Policy, principal: &Principal) -> Result<(), AuthError> {
    if policy.allows(principal) {
        return Ok(());
    }
    let detail = format!("needs {}", policy.describe());
    Err(AuthError::not_allowed(policy.remedy(principal), detail))
}
