//! Decides whether a [`Principal`](crate::Principal) has a permission. A policy decides at once and changes nothing.
//!
//! There is no `not`. A policy that passes because a claim is absent would also pass for a misspelt
//! claim name.

mod access;
#[cfg(feature = "axum-router")]
mod path_parameter;
mod request_part;
mod description;
mod tree;
mod list;
mod bound;
mod sign_in;
mod details;
mod delegation;
mod ownership;
mod leaf;

pub use crate::error::Remedy;
use std::any::type_name;
use std::borrow::Cow;
use std::fmt::Write as _;

use crate::error::{AuthError, Reason, shown};
pub use crate::request_head::RequestHead;

pub use access::Access;
pub use bound::{Bound, bound, bound_by};
pub use delegation::{ActingForUser, ActorIs, NoDelegation, acting_for_user, actor, no_delegation};
pub use description::PolicyDescription;
pub use details::{Details, details};
pub use leaf::{ClaimsWhere, Role, Scope, When, claims_where, role, scope, when};
pub use list::{AllOf, AnyOf, all_of, any_of};
#[cfg(feature = "axum-router")]
pub use ownership::path;
pub use ownership::{Equals, EqualsText, header_field, host_label, path_segment};
pub use request_part::RequestPart;
pub use sign_in::{Acr, Amr, SignedInWithin, acr, amr, signed_in_within};
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

/// Checks a permission. The error holds everything that the answer to the client needs: beside the remedy the scopes
/// that the policy of the layer names, as far as the principal has them.
#[inline]
pub(crate) fn check(
    policy: &dyn Policy,
    access: &Access<'_>,
    of_layer: &[String],
) -> Result<(), AuthError> {
    if policy.allows(access) { Ok(()) } else { Err(refusal(policy, access, of_layer)) }
}

#[cold]
fn refusal(policy: &dyn Policy, access: &Access<'_>, of_layer: &[String]) -> AuthError {
    if let Some(mistake) = policy.misuse(access) {
        return AuthError::with_detail(Reason::MisusedPolicy, mistake);
    }
    let mut detail = format!("needs {}", policy.describe());
    if let Some(actor) = access.principal().actor() {
        // An audit of a refusal has to know both parties.
        _ = write!(detail, "; `{}` acts for the subject", shown(actor.subject()));
        let earlier = access.principal().actors().skip(1);
        earlier.for_each(|actor| _ = write!(detail, ", after `{}`", shown(actor.subject())));
    }
    let remedy = policy.remedy(access).filter(|remedy| *remedy != Remedy::default());
    // The next token has to pass the policy of the layer, too.
    let held = of_layer.iter().filter(|name| access.principal().has_scope(name));
    let remedy = remedy.map(|remedy| Remedy::scopes(held.cloned()).and(remedy));
    AuthError::not_allowed(remedy, detail)
}

/// Returns the mistake of a policy that asks for claims of another type than the layer's.
fn wrong_claims_type<C: 'static>(access: &Access<'_>, policy: &str) -> Option<Cow<'static, str>> {
    let is_wrong = access.principal().claims::<C>().is_none();
    is_wrong.then(|| {
        let claims = type_name::<C>();
        format!("`{policy}` asks for {claims}; build the layer's `Verifier` for it").into()
    })
}
