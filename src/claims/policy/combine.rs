use std::fmt;
use std::sync::Arc;

use super::Policy;
use crate::claims::Principal;

/// Needs two permissions.
#[derive(Clone, Debug)]
pub struct And<A, B>(pub(super) A, pub(super) B);

/// Needs one of two permissions.
#[derive(Clone, Debug)]
pub struct Or<A, B>(pub(super) A, pub(super) B);

impl<A: Policy, B: Policy> Policy for And<A, B> {
    fn allows(&self, principal: &Principal) -> bool {
        self.0.allows(principal) && self.1.allows(principal)
    }

    fn scopes_to_allow<'p>(&'p self, principal: &Principal) -> Option<Vec<&'p str>> {
        let mut scopes = self.0.scopes_to_allow(principal)?;
        merge(&mut scopes, self.1.scopes_to_allow(principal)?);
        Some(scopes)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        self.0.describe(f)?;
        f.write_str(" and ")?;
        self.1.describe(f)?;
        f.write_str(")")
    }
}

impl<A: Policy, B: Policy> Policy for Or<A, B> {
    fn allows(&self, principal: &Principal) -> bool {
        self.0.allows(principal) || self.1.allows(principal)
    }

    // The branch that asks for the fewest scopes the principal does not have yet.
    fn scopes_to_allow<'p>(&'p self, principal: &Principal) -> Option<Vec<&'p str>> {
        match (self.0.scopes_to_allow(principal), self.1.scopes_to_allow(principal)) {
            (Some(left), Some(right)) if missing(&right, principal) < missing(&left, principal) => {
                Some(right)
            }
            (Some(left), _) => Some(left),
            (None, right) => right,
        }
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(")?;
        self.0.describe(f)?;
        f.write_str(" or ")?;
        self.1.describe(f)?;
        f.write_str(")")
    }
}

/// Needs one of several permissions, read from a configuration for example. Of none at all it
/// allows nobody.
///
/// ```
/// use tower_bearer::policy::{any_of, role};
///
/// let editors: Vec<String> = vec!["author".into(), "editor".into()];
/// let may_edit = any_of(editors.into_iter().map(role));
/// ```
pub fn any_of<P: Policy>(policies: impl IntoIterator<Item = P>) -> AnyOf<P> {
    AnyOf(policies.into_iter().collect())
}

/// Needs all of several permissions. Of none at all it allows nobody, since an empty list is more
/// often a mistake than a wish.
pub fn all_of<P: Policy>(policies: impl IntoIterator<Item = P>) -> AllOf<P> {
    AllOf(policies.into_iter().collect())
}

/// See [`any_of`].
#[derive(Clone, Debug)]
pub struct AnyOf<P>(Vec<P>);

/// See [`all_of`].
#[derive(Clone, Debug)]
pub struct AllOf<P>(Vec<P>);

impl<P: Policy> Policy for AnyOf<P> {
    fn allows(&self, principal: &Principal) -> bool {
        self.0.iter().any(|policy| policy.allows(principal))
    }

    fn scopes_to_allow<'p>(&'p self, principal: &Principal) -> Option<Vec<&'p str>> {
        let branches = self.0.iter().filter_map(|policy| policy.scopes_to_allow(principal));
        branches.min_by_key(|scopes| missing(scopes, principal))
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe_list(f, "any of", &self.0)
    }
}

impl<P: Policy> Policy for AllOf<P> {
    fn allows(&self, principal: &Principal) -> bool {
        !self.0.is_empty() && self.0.iter().all(|policy| policy.allows(principal))
    }

    fn scopes_to_allow<'p>(&'p self, principal: &Principal) -> Option<Vec<&'p str>> {
        let mut all = Vec::new();
        for policy in &self.0 {
            merge(&mut all, policy.scopes_to_allow(principal)?);
        }
        (!self.0.is_empty()).then_some(all)
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        describe_list(f, "all of", &self.0)
    }
}

fn describe_list<P: Policy>(f: &mut fmt::Formatter<'_>, kind: &str, policies: &[P]) -> fmt::Result {
    write!(f, "{kind} (")?;
    for (index, policy) in policies.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        policy.describe(f)?;
    }
    f.write_str(")")
}

/// How many of the scopes the principal does not have yet.
fn missing(scopes: &[&str], principal: &Principal) -> usize {
    scopes.iter().filter(|scope| !principal.has_scope(scope)).count()
}

fn merge<'p>(scopes: &mut Vec<&'p str>, more: Vec<&'p str>) {
    for scope in more {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
}

macro_rules! pointers {
    ($($pointer:ty),*) => {$(
        impl<P: Policy + ?Sized> Policy for $pointer {
            fn allows(&self, principal: &Principal) -> bool {
                (**self).allows(principal)
            }

            fn scopes_to_allow<'p>(&'p self, principal: &Principal) -> Option<Vec<&'p str>> {
                (**self).scopes_to_allow(principal)
            }

            fn describe(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).describe(f)
            }
        }
    )*};
}

pointers!(&'static P, Box<P>, Arc<P>);
