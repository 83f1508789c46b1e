//! Who may do what: pure decisions about a [`Principal`].
//!
//! There is no `not`. A policy that passes because a claim is absent turns a misspelt claim name
//! into an open door.

mod combine;
mod leaf;

use std::fmt;

use crate::claims::Principal;
use crate::error::{AuthError, Reason};

pub use combine::{AllOf, And, AnyOf, Or, all_of, any_of};
pub use leaf::{ClaimsWhere, Role, Scope, When, claims_where, role, scope, when};

/// A permission, built from [`role`], [`scope`], [`when`] and [`claims_where`] with `and` and `or`.
///
/// ```
/// use tower_bearer::policy::{role, scope};
///
/// let may_write = scope("orders:write").or(role("admin"));
/// ```
///
/// Implement it for a permission model of your own; a decision that must wait for something is not
/// one of these.
pub trait Policy: Send + Sync + 'static {
    /// Whether the principal may.
    fn allows(&self, principal: &Principal) -> bool;

    /// The scopes that, if the principal had them, would make [`allows`](Self::allows) true: all
    /// that are needed, held ones included. `None` when scopes alone cannot.
    ///
    /// This becomes `scope` in the challenge of a 403. The default says that scopes do not help.
    fn scopes_to_allow<'p>(&'p self, principal: &Principal) -> Option<Vec<&'p str>> {
        self.allows(principal).then(Vec::new)
    }

    /// Writes the permission as the log shall name it.
    ///
    /// # Errors
    ///
    /// Those of the formatter.
    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a permission of the application's own")
    }
}

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
    let detail = format!("needs {}", Described(policy));
    match policy.scopes_to_allow(principal) {
        Some(scopes) if !scopes.is_empty() => {
            Err(AuthError::insufficient_scope(scopes.join(" "), detail))
        }
        _ => Err(AuthError::with_detail(Reason::Forbidden, detail)),
    }
}

struct Described<'p>(&'p dyn Policy);

impl fmt::Display for Described<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.describe(f)
    }
}
