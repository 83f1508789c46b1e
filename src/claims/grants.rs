/// The roles and scopes a token grants.
///
/// Where they are found is configured with
/// [`Validation::with_roles_at`](crate::Validation::with_roles_at) and
/// [`Validation::with_scopes_at`](crate::Validation::with_scopes_at). Both are compared to the
/// letter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    roles: Vec<Box<str>>,
    scopes: Vec<Box<str>>,
}

impl Grants {
    /// Whether the role is granted.
    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|one| **one == *role)
    }

    /// Whether the scope is granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scopes.iter().any(|one| **one == *scope)
    }

    /// The roles in the order of the token.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.roles.iter().map(|one| &**one)
    }

    /// The scopes in the order of the token.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scopes.iter().map(|one| &**one)
    }

    /// Adds one entry, whole.
    pub(super) fn add(&mut self, kinds: Kinds, entry: &str) {
        if kinds.roles {
            self.roles.push(entry.into());
        }
        if kinds.scopes {
            self.scopes.push(entry.into());
        }
    }

    /// Adds the entries of a list that is written as one string.
    pub(super) fn add_list(&mut self, kinds: Kinds, list: &str) {
        list.split(' ').filter(|entry| !entry.is_empty()).for_each(|entry| self.add(kinds, entry));
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
