use std::fmt;
use std::ops::Range;

use arrayvec::ArrayVec;

use super::piece::Piece;

/// The roles and scopes that a token grants.
///
/// [`Validation::with_roles_at`](crate::Validation::with_roles_at) and
/// [`Validation::with_scopes_at`](crate::Validation::with_scopes_at) configure the claims that they
/// are read from. Both are compared to the letter. An empty string is neither a role nor a scope.
#[derive(Clone, Copy)]
pub struct Grants<'a> {
    text: &'a str,
    list: &'a GrantList,
}

impl<'a> Grants<'a> {
    pub(super) fn new(text: &'a str, list: &'a GrantList) -> Self {
        Self { text, list }
    }

    /// Returns whether the token grants the role.
    pub fn has_role(self, role: &str) -> bool {
        self.roles().any(|one| one == role)
    }

    /// Returns whether the token grants the scope.
    pub fn has_scope(self, scope: &str) -> bool {
        self.scopes().any(|one| one == scope)
    }

    /// Returns the roles in the order of the token.
    pub fn roles(self) -> impl Iterator<Item = &'a str> {
        self.of(|kinds| kinds.roles)
    }

    /// Returns the scopes in the order of the token.
    pub fn scopes(self) -> impl Iterator<Item = &'a str> {
        self.of(|kinds| kinds.scopes)
    }

    fn of(self, is_wanted: impl Fn(Kinds) -> bool) -> impl Iterator<Item = &'a str> {
        let Self { text, list } = self;
        let all = list.few.iter().chain(&list.more);
        all.filter(move |(kinds, _)| is_wanted(*kinds)).map(|(_, piece)| piece.of(text))
    }
}

/// The positions of the grants in the text of a token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GrantList {
    // Inline for the dozen grants of a usual token. More of them are allocated.
    few: ArrayVec<(Kinds, Piece), FEW>,
    more: Vec<(Kinds, Piece)>,
}

const FEW: usize = 12;

impl GrantList {
    pub(super) fn heap_bytes(&self) -> usize {
        self.more.capacity() * size_of::<(Kinds, Piece)>()
    }

    pub(super) fn push(&mut self, kinds: Kinds, entry: Piece) {
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

/// Says whether a place in the claims holds roles, scopes, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    pub(super) roles: bool,
    pub(super) scopes: bool,
}

impl Kinds {
    pub(super) fn any(self) -> bool {
        self.roles || self.scopes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Statement;

    const ROLES: Kinds = Kinds { roles: true, scopes: false };
    const SCOPES: Kinds = Kinds { roles: false, scopes: true };

    #[test]
    fn every_entry_is_found_as_what_it_is_and_no_other() {
        let mut statement = Statement::default();
        statement.grant(ROLES, "a b");
        statement.grant_list(SCOPES, " c  d ");
        statement.grant(Kinds { roles: true, scopes: true }, "é");
        statement.grant(Kinds::default(), "nothing");
        statement.grant_list(Kinds::default(), "nothing at all");
        statement.grant(ROLES, "");
        let grants = statement.grants();

        assert_eq!(grants.roles().collect::<Vec<_>>(), ["a b", "é"]);
        assert_eq!(grants.scopes().collect::<Vec<_>>(), ["c", "d", "é"]);
        assert!(grants.has_role("a b") && grants.has_scope("d") && !grants.has_role(""));
        // Nor text that lies across two of them.
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
        let mut one_by_one = Statement::default();
        for name in &names {
            one_by_one.grant(ROLES, name);
        }
        let mut at_once = Statement::default();
        at_once.grant_list(ROLES, &names.join(" "));

        for statement in [one_by_one, at_once] {
            let grants = statement.grants();
            assert_eq!(grants.roles().collect::<Vec<_>>(), names);
            assert!(names.iter().all(|name| grants.has_role(name)) && !grants.has_role("role"));
        }
    }

    #[test]
    fn grants_are_the_same_whatever_stands_between_them() {
        let (mut one, mut other) = (Statement::default(), Statement::default());
        one.grant(ROLES, "a");
        one.grant(SCOPES, "b");
        other.grant(SCOPES, "b");
        other.grant(ROLES, "a");

        assert_eq!(one.grants(), other.grants());
        other.grant(ROLES, "b");
        assert_ne!(one.grants(), other.grants());
    }
}
