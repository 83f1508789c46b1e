//! Combines permissions.
//!
//! Policies are types with methods and not one enum: `Requirement::policy()` runs for every request,
//! `role("admin")` borrows its name, and `and` and `or` nest without a box.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Access, PolicyDescription, Remedy};

/// A permission, built from [`role`](super::role), [`scope`](super::scope), [`when`](super::when)
/// and [`claims_where`](super::claims_where) with `and` and `or`.
///
/// ```
/// use tower_bearer::policy::{role, scope};
///
/// let may_write = scope("orders:write").or(role("admin"));
/// ```
///
/// Implement the trait for a permission model of your own. A policy decides at once: it cannot wait
/// for an answer.
pub trait Policy: Send + Sync + 'static {
    /// Returns whether the principal has the permission, for this request if it is known.
    fn allows(&self, access: &Access<'_>) -> bool;

    /// Returns the change of the token that would make [`allows`](Self::allows) return `true`. It
    /// lists everything that is required, including scopes that the token holds. `None` when no
    /// other token would help.
    ///
    /// The remedy becomes `scope` in the challenge of a 403, or the parameters of a 401 that asks
    /// for another sign-in (RFC 9470). By default, no token helps a principal that is refused.
    ///
    /// `and` asks both policies, also the one that allows the request: of its remedy it takes the
    /// scopes, and the sign-in if the other one asks for a sign-in.
    fn remedy(&self, access: &Access<'_>) -> Option<Remedy> {
        self.allows(access).then(Remedy::default)
    }

    /// Returns the mistake in the program because of which the policy cannot decide, as a sentence
    /// for the programmer that says what to change: a guard that reads a parameter which its route
    /// does not have, for example.
    ///
    /// It is asked after a refusal only. The answer is then 500 with
    /// [`Reason::MisusedPolicy`](crate::Reason::MisusedPolicy), and the sentence is logged. By
    /// default, there is no mistake. `and`, `or`, `all_of` and `any_of` ask all their parts.
    ///
    /// The sentence must not name a claim's value, and a client must not be able to cause it.
    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        _ = access;
        None
    }

    /// Describes the permission as data, for logs and for documents about an API.
    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Custom("a permission of the application's own".into())
    }

    /// Requires both permissions.
    #[must_use]
    fn and<P: Policy>(self, other: P) -> And<Self, P>
    where
        Self: Sized,
    {
        And(self, other)
    }

    /// Requires one of the two permissions.
    #[must_use]
    fn or<P: Policy>(self, other: P) -> Or<Self, P>
    where
        Self: Sized,
    {
        Or(self, other)
    }
}

/// The policy that [`Policy::and`] returns.
#[derive(Clone, Debug)]
pub struct And<A, B>(pub(super) A, pub(super) B);

/// The policy that [`Policy::or`] returns.
#[derive(Clone, Debug)]
pub struct Or<A, B>(pub(super) A, pub(super) B);

impl<A: Policy, B: Policy> Policy for And<A, B> {
    fn allows(&self, access: &Access<'_>) -> bool {
        self.0.allows(access) && self.1.allows(access)
    }

    fn remedy(&self, access: &Access<'_>) -> Option<Remedy> {
        together([&self.0 as &dyn Policy, &self.1], access)
    }

    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        self.0.misuse(access).or_else(|| self.1.misuse(access))
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::AllOf(vec![self.0.describe(), self.1.describe()])
    }
}

impl<A: Policy, B: Policy> Policy for Or<A, B> {
    fn allows(&self, access: &Access<'_>) -> bool {
        self.0.allows(access) || self.1.allows(access)
    }

    fn remedy(&self, access: &Access<'_>) -> Option<Remedy> {
        cheapest([self.0.remedy(access), self.1.remedy(access)].into_iter().flatten(), access)
    }

    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        self.0.misuse(access).or_else(|| self.1.misuse(access))
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::AnyOf(vec![self.0.describe(), self.1.describe()])
    }
}

/// Returns the remedy of policies that are all required. The scopes of all are named, because the next token must have
/// them too, and so are the sign-ins of all if the user has to sign in again. A policy that allows the request needs
/// nothing else.
pub(super) fn together<'p>(
    policies: impl IntoIterator<Item = &'p dyn Policy>,
    access: &Access<'_>,
) -> Option<Remedy> {
    let mut parts = Vec::new();
    for policy in policies {
        let is_met = policy.allows(access);
        let remedy = policy.remedy(access);
        parts.push((is_met, if is_met { remedy.unwrap_or_default() } else { remedy? }));
    }
    let is_all_met = parts.iter().all(|(is_met, _)| *is_met);
    let signs_in = parts.iter().any(|(is_met, remedy)| !is_met && remedy.needs_sign_in());
    let needed = parts.into_iter().map(|(is_met, remedy)| match is_met && !is_all_met {
        true if signs_in => remedy.without_binding(),
        true => remedy.only_scopes(),
        false => remedy,
    });
    needed.reduce(Remedy::and)
}

/// Returns the least demanding remedy: scopes rather than another sign-in or a key, and the fewest scopes
/// that the principal does not hold.
pub(super) fn cheapest(
    remedies: impl Iterator<Item = Remedy>,
    access: &Access<'_>,
) -> Option<Remedy> {
    let lacks = |scope: &&String| !access.principal().has_scope(scope);
    remedies.min_by_key(|remedy| {
        let missing = remedy.needed_scopes().iter().filter(lacks);
        (remedy.needs_sign_in(), remedy.needs_binding(), missing.count())
    })
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<P: Policy + ?Sized> Policy for $pointer {
            fn allows(&self, access: &Access<'_>) -> bool {
                (**self).allows(access)
            }

            fn remedy(&self, access: &Access<'_>) -> Option<Remedy> {
                (**self).remedy(access)
            }

            fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
                (**self).misuse(access)
            }

            fn describe(&self) -> PolicyDescription {
                (**self).describe()
            }
        }
    )*};
}

pointers!(&'static P, Box<P>, Arc<P>);
