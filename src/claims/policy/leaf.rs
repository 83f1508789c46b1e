use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::{Access, AllOf, And, AnyOf, Or, Policy, PolicyDescription, Remedy};
use crate::claims::Principal;

/// Requires a role.
///
/// [`Validation::with_roles_at`](crate::Validation::with_roles_at) configures the claims that hold
/// roles.
pub fn role(name: impl Into<Cow<'static, str>>) -> Role {
    Role(name.into())
}

/// Requires a scope, or all scopes of a list separated by spaces.
///
/// A request that lacks one is answered 403 `insufficient_scope`, and the challenge lists every
/// required scope. No token holds a name that is not a scope token (RFC 6749 §3.3).
pub fn scope(names: impl Into<Cow<'static, str>>) -> Scope {
    Scope(names.into())
}

/// Requires that a function of the principal returns `true`.
///
/// ```
/// use tower_bearer::policy::when;
/// use tower_bearer::claims::PrincipalKind;
/// use tower_bearer::Principal;
///
/// let people_only = when(|who: &Principal| who.kind() == PrincipalKind::User);
/// ```
pub fn when<F>(allows: F) -> When<F>
where
    F: Fn(&Principal) -> bool + Send + Sync + 'static,
{
    When(allows)
}

/// Requires that a function of the application's claims returns `true`.
///
/// ```
/// use tower_bearer::policy::claims_where;
///
/// struct User { email_verified: bool }
///
/// let verified = claims_where(|user: &User| user.email_verified);
/// ```
///
/// Behind a layer with another claims type it refuses every request with 500
/// [`Reason::MisusedPolicy`](crate::Reason::MisusedPolicy), and the log says what to change.
pub fn claims_where<C, F>(allows: F) -> ClaimsWhere<C, F>
where
    C: 'static,
    F: Fn(&C) -> bool + Send + Sync + 'static,
{
    ClaimsWhere { allows, claims: PhantomData }
}

/// The policy that [`role`] returns.
#[derive(Clone, Debug)]
pub struct Role(Cow<'static, str>);

/// The policy that [`scope`] returns.
#[derive(Clone, Debug)]
pub struct Scope(Cow<'static, str>);

/// The policy that [`when`] returns.
#[derive(Clone)]
pub struct When<F>(F);

/// The policy that [`claims_where`] returns.
pub struct ClaimsWhere<C, F> {
    allows: F,
    claims: PhantomData<fn(&C)>,
}

impl Scope {
    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|name| !name.is_empty())
    }
}

impl Policy for Role {
    fn allows(&self, access: &Access<'_>) -> bool {
        access.principal().has_role(&self.0)
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Role(self.0.clone().into_owned())
    }
}

impl Policy for Scope {
    fn allows(&self, access: &Access<'_>) -> bool {
        // An empty list is a mistake, and a mistake must not grant a permission.
        let mut is_empty = true;
        let grants = access.principal().grants();
        let has_all = self.names().all(|name| {
            is_empty = false;
            grants.has_scope(name)
        });
        has_all && !is_empty
    }

    fn remedy(&self, _: &Access<'_>) -> Option<Remedy> {
        let remedy = Remedy::scopes(self.names());
        (!remedy.needed_scopes().is_empty()).then_some(remedy)
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Scope(self.0.clone().into_owned())
    }
}

impl<F> Policy for When<F>
where
    F: Fn(&Principal) -> bool + Send + Sync + 'static,
{
    fn allows(&self, access: &Access<'_>) -> bool {
        (self.0)(access.principal())
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Custom(format!("the decision of {}", type_name::<F>()))
    }
}

impl<C, F> Policy for ClaimsWhere<C, F>
where
    C: 'static,
    F: Fn(&C) -> bool + Send + Sync + 'static,
{
    fn allows(&self, access: &Access<'_>) -> bool {
        access.principal().claims::<C>().is_some_and(&self.allows)
    }

    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        super::wrong_claims_type::<C>(access, "claims_where")
    }

    fn describe(&self) -> PolicyDescription {
        let (function, claims) = (type_name::<F>(), type_name::<C>());
        PolicyDescription::Custom(format!(
            "the decision of {function} about claims of type {claims}"
        ))
    }
}

impl<F> fmt::Debug for When<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("When").field(&type_name::<F>()).finish()
    }
}

impl<C, F> fmt::Debug for ClaimsWhere<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClaimsWhere").field(&type_name::<F>()).finish()
    }
}

impl<C, F: Clone> Clone for ClaimsWhere<C, F> {
    fn clone(&self) -> Self {
        Self { allows: self.allows.clone(), claims: PhantomData }
    }
}

// Methods of the types and not of the trait, so that callers need not import a trait.
macro_rules! combinators {
    ($([$($generics:tt)*] $policy:ty),* $(,)?) => {$(
        impl<$($generics)*> $policy {
            /// Requires both permissions.
            #[must_use]
            pub fn and<P: Policy>(self, other: P) -> And<Self, P> {
                And(self, other)
            }

            /// Requires one of the two permissions.
            #[must_use]
            pub fn or<P: Policy>(self, other: P) -> Or<Self, P> {
                Or(self, other)
            }
        }
    )*};
}

combinators!([] Role, [] Scope, [] super::Bound, [] super::Acr, [] super::SignedInWithin, [] super::Amr,
    [] super::NoDelegation, [] super::ActingForUser, [] super::ActorIs, [T, F] super::Details<T, F>,
    [] super::Equals, [C, F] super::EqualsText<C, F>, [F] When<F>, [C, F] ClaimsWhere<C, F>, [A, B] And<A, B>, [A, B] Or<A, B>, [A] AnyOf<A>, [A] AllOf<A>);
