//! Decides whether a [`Principal`](crate::Principal) has a permission. A policy decides at once and changes nothing.
//!
//! There is no `not`. A policy that passes because a claim is absent would also pass for a misspelt
//! claim name.

mod access;
mod description;
mod tree;
mod list;
mod bound;
mod leaf;

pub use crate::error::Remedy;
use crate::error::{AuthError, Reason};
pub use crate::request_head::RequestHead;

pub use access::Access;
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
#[inline]
pub(crate) fn check(policy: &dyn Policy, access: &Access<'_>) -> Result<(), AuthError> {
    if policy.allows(access) { Ok(()) } else { Err(refusal(policy, access)) }
}

#[cold]
fn refusal(policy: &dyn Policy, access: &Access<'_>) -> AuthError {
    if let Some(mistake) = policy.misuse(access) {
        return AuthError::with_detail(Reason::MisusedPolicy, mistake);
    }
    let detail = format!("needs {}", policy.describe());
    AuthError::not_allowed(policy.remedy(access), detail)
}
