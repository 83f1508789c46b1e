use std::fmt;

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
        for scope in self.1.scopes_to_allow(principal)? {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
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
        let missing =
            |scopes: &Vec<&str>| scopes.iter().filter(|scope| !principal.has_scope(scope)).count();
        match (self.0.scopes_to_allow(principal), self.1.scopes_to_allow(principal)) {
            (Some(left), Some(right)) if missing(&right) < missing(&left) => Some(right),
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
