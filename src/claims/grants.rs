use std::fmt;
use std::ops::Range;

use arrayvec::ArrayVec;

use super::hierarchy::Hierarchies;
use super::text_range::TextRange;

/// The roles and scopes that a token grants.
///
/// [`Validation::with_roles_at`](crate::Validation::with_roles_at) and
/// [`Validation::with_scopes_at`](crate::Validation::with_scopes_at) configure the claims that they
/// are read from. Both are compared to the letter. An empty string is neither a role nor a scope.
///
/// A role or scope that a [`Hierarchy`](super::Hierarchy) of the issuer implies is granted like one
/// that the token names. The lists hold those that the token names.
#[derive(Clone, Copy)]
pub struct Grants<'a> {
    text: &'a str,
    list: &'a GrantList,
    /// `None` without a hierarchy.
    hierarchies: Option<&'a Hierarchies>,
}

impl<'a> Grants<'a> {
    pub(super) fn new(text: &'a str, list: &'a GrantList) -> Self {
        Self { text, list, hierarchies: None }
    }

    pub(super) fn with_hierarchies(self, hierarchies: Option<&'a Hierarchies>) -> Self {
        Self { hierarchies, ..self }
    }

    /// Returns whether the token grants the role, or one that implies it.
    pub fn has_role(self, role: &str) -> bool {
        self.roles().any(|one| one == role)
            || self.hierarchies.is_some_and(|all| all.roles.imply(self.roles(), role))
    }

    /// Returns whether the token grants the scope, or one that implies it.
    pub fn has_scope(self, scope: &str) -> bool {
        self.scopes().any(|one| one == scope)
            || self.hierarchies.is_some_and(|all| all.scopes.imply(self.scopes(), scope))
    }

    /// Returns the roles in the order of the token.
    pub fn roles(self) -> impl Iterator<Item = &'a str> {
        self.of(|kinds| kinds.roles)
    }

    /// Returns the scopes in the order of the token.
    pub fn scopes(self) -> impl Iterator<Item = &'a str> {
        self.of(|kinds| kinds.scopes)
    }

    fn of(self, is_wanted: impl Fn(GrantKinds) -> bool) -> impl Iterator<Item = &'a str> {
        let Self { text, list, .. } = self;
        let all = list.few.iter().chain(&list.more);
        all.filter(move |(kinds, _)| is_wanted(*kinds)).map(|(_, range)| range.of(text))
    }
}

/// The positions of the grants in the text of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GrantList {
    // A token grants about a dozen entries, which need no allocation. More entries need one.
    few: ArrayVec<(GrantKinds, TextRange), FEW>,
    more: Vec<(GrantKinds, TextRange)>,
}

const FEW: usize = 12;

impl GrantList {
    pub(super) fn heap_bytes(&self) -> usize {
        self.more.capacity() * size_of::<(GrantKinds, TextRange)>()
    }

    pub(super) fn push(&mut self, kinds: GrantKinds, entry: TextRange) {
        if let Err(one_more) = self.few.try_push((kinds, entry)) {
            self.more.push(one_more.element());
        }
    }
}

/// Returns the positions of the entries in a list that is written as one string, separated by
/// spaces.
pub(super) fn entries(list: &str) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    memchr::memchr_iter(b' ', list.as_bytes()).chain([list.len()]).filter_map(move |end| {
        let entry = std::mem::replace(&mut start, end + 1)..end;
        (!entry.is_empty()).then_some(entry)
    })
}

impl PartialEq for Grants<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.roles().eq(other.roles()) && self.scopes().eq(other.scopes())
    }
}

impl Eq for Grants<'_> {}

impl fmt::Debug for Grants<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("roles", &self.roles().collect::<Vec<_>>())
            .field("scopes", &self.scopes().collect::<Vec<_>>())
            .finish()
    }
}

/// The kinds of grants that a place in the claims holds: roles, scopes, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct GrantKinds {
    pub(super) roles: bool,
    pub(super) scopes: bool,
}

impl GrantKinds {
    pub(super) fn any(self) -> bool {
        self.roles || self.scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ParsedClaims;

    const ROLES: GrantKinds = GrantKinds { roles: true, scopes: false };
    const SCOPES: GrantKinds = GrantKinds { roles: false, scopes: true };

    #[test]
    fn every_entry_is_found_as_what_it_is_and_no_other() {
        let mut parsed = ParsedClaims::default();
        parsed.grant(ROLES, "a b");
        parsed.grant_list(SCOPES, " c  d ");
        parsed.grant(GrantKinds { roles: true, scopes: true }, "é");
        parsed.grant(GrantKinds::default(), "nothing");
        parsed.grant_list(GrantKinds::default(), "nothing at all");
        parsed.grant(ROLES, "");
        let grants = parsed.grants();

        assert_eq!(grants.roles().collect::<Vec<_>>(), ["a b", "é"]);
        assert_eq!(grants.scopes().collect::<Vec<_>>(), ["c", "d", "é"]);
        assert!(grants.has_role("a b") && grants.has_scope("d") && !grants.has_role(""));
        // Text that lies across two of them grants nothing either.
        for other in ["a", "b", "c", "cd", "c  d", "a bc", "nothing"] {
            assert!(!grants.has_role(other), "{other}");
        }
        assert!(!grants.has_scope("a b") && !grants.has_scope(""));
        assert_eq!(
            format!("{grants:?}"),
            r#"Grants { roles: ["a b", "é"], scopes: ["c", "d", "é"] }"#
        );
    }

    #[test]
    fn there_may_be_more_than_a_few() {
        let names: Vec<String> = (0..3 * FEW).map(|number| format!("role{number}")).collect();
        let mut one_by_one = ParsedClaims::default();
        for name in &names {
            one_by_one.grant(ROLES, name);
        }
        let mut at_once = ParsedClaims::default();
        at_once.grant_list(ROLES, &names.join(" "));

        for parsed in [one_by_one, at_once] {
            let grants = parsed.grants();
            assert_eq!(grants.roles().collect::<Vec<_>>(), names);
            assert!(names.iter().all(|name| grants.has_role(name)) && !grants.has_role("role"));
        }
    }

    #[test]
    fn grants_are_the_same_whatever_stands_between_them() {
        let (mut one, mut other) = (ParsedClaims::default(), ParsedClaims::default());
        one.grant(ROLES, "a");
        one.grant(SCOPES, "b");
        other.grant(SCOPES, "b");
        other.grant(ROLES, "a");

        assert_eq!(one.grants(), other.grants());
        other.grant(ROLES, "b");
        assert_ne!(one.grants(), other.grants());
    }
}
