use std::fmt;

/// The roles and scopes a token grants.
///
/// Where they are found is configured with
/// [`Validation::with_roles_at`](crate::Validation::with_roles_at) and
/// [`Validation::with_scopes_at`](crate::Validation::with_scopes_at). Both are compared to the
/// letter.
#[derive(Clone, Default)]
pub struct Grants {
    // One allocation for the dozen that a token may grant, and one more where it grants more.
    text: String,
    few: [Entry; FEW],
    count: usize,
    more: Vec<Entry>,
}

const FEW: usize = 12;

#[derive(Clone, Copy, Default)]
struct Entry {
    /// Where it ends in the text; it begins where the one before it ends.
    end: u32,
    kinds: Kinds,
}

impl Grants {
    /// Whether the role is granted.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles().any(|one| one == role)
    }

    /// Whether the scope is granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes().any(|one| one == scope)
    }

    /// The roles in the order of the token.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.of(|kinds| kinds.roles)
    }

    /// The scopes in the order of the token.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.of(|kinds| kinds.scopes)
    }

    fn of(&self, is_wanted: impl Fn(Kinds) -> bool) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.few[..self.count].iter().chain(&self.more).filter_map(move |entry| {
            let end = entry.end as usize;
            let text = std::mem::replace(&mut start, end)..end;
            is_wanted(entry.kinds).then(|| &self.text[text])
        })
    }

    /// Adds one entry, whole.
    pub(super) fn add(&mut self, kinds: Kinds, entry: &str) {
        // No token has that many, and to grant less is always safe.
        let Ok(end) = u32::try_from(self.text.len() + entry.len()) else { return };
        if !kinds.any() {
            return;
        }
        if self.count == 0 {
            self.text.reserve(entry.len().max(64));
        }
        self.text.push_str(entry);
        let entry = Entry { end, kinds };
        match self.few.get_mut(self.count) {
            Some(place) => {
                *place = entry;
                self.count += 1;
            }
            None => self.more.push(entry),
        }
    }

    /// Adds the entries of a list that is written as one string.
    pub(super) fn add_list(&mut self, kinds: Kinds, list: &str) {
        let mut rest = list;
        while !rest.is_empty() {
            // A loop over a dozen bytes; a search that is quick in long texts takes longer to begin.
            let end = rest.bytes().position(|byte| byte == b' ').unwrap_or(rest.len());
            let (entry, after) = rest.split_at(end);
            if !entry.is_empty() {
                self.add(kinds, entry);
            }
            rest = after.get(1..).unwrap_or_default();
        }
    }
}

impl PartialEq for Grants {
    fn eq(&self, other: &Self) -> bool {
        self.roles().eq(other.roles()) && self.scopes().eq(other.scopes())
    }
}

impl Eq for Grants {}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("roles", &self.roles().collect::<Vec<_>>())
            .field("scopes", &self.scopes().collect::<Vec<_>>())
            .finish()
    }
}

/// What a place in the claims holds.
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

    #[test]
    fn every_entry_is_found_as_what_it_is_and_no_other() {
        let (roles, scopes) =
            (Kinds { roles: true, scopes: false }, Kinds { roles: false, scopes: true });
        let mut grants = Grants::default();
        grants.add(roles, "a b");
        grants.add_list(scopes, " c  d ");
        grants.add(Kinds { roles: true, scopes: true }, "é");
        grants.add(Kinds::default(), "nothing");
        grants.add(roles, "");

        assert_eq!(grants.roles().collect::<Vec<_>>(), ["a b", "é", ""]);
        assert_eq!(grants.scopes().collect::<Vec<_>>(), ["c", "d", "é"]);
        assert!(grants.has_role("a b") && grants.has_scope("d") && grants.has_role(""));
        // Nor what lies across two of them.
        for other in ["a", "b", "c", "cd", "a bc", "nothing"] {
            assert!(!grants.has_role(other), "{other}");
        }
        assert!(!grants.has_scope("a b") && !grants.has_scope(""));
        assert_eq!(
            format!("{grants:?}"),
            r#"Grants { roles: ["a b", "é", ""], scopes: ["c", "d", "é"] }"#
        );
    }

    #[test]
    fn there_may_be_more_than_a_few() {
        let names: Vec<String> = (0..3 * FEW).map(|number| format!("role {number}")).collect();
        let mut grants = Grants::default();
        for name in &names {
            grants.add(Kinds { roles: true, scopes: false }, name);
        }

        assert_eq!(grants.roles().collect::<Vec<_>>(), names);
        assert!(names.iter().all(|name| grants.has_role(name)) && !grants.has_role("role"));
    }

    #[test]
    fn grants_are_the_same_whatever_stands_between_them() {
        let (roles, scopes) =
            (Kinds { roles: true, scopes: false }, Kinds { roles: false, scopes: true });
        let (mut one, mut other) = (Grants::default(), Grants::default());
        one.add(roles, "a");
        one.add(scopes, "b");
        other.add(scopes, "b");
        other.add(roles, "a");

        assert_eq!(one, other);
        other.add(roles, "b");
        assert_ne!(one, other);
    }
}
