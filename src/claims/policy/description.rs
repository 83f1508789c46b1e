use std::fmt::{self, Display as _};

use crate::claims::ConfirmationMethod;

/// A permission as data, for logs and for documents about an API.
///
/// `Display` writes it as a phrase: `(role `admin` or scope `orders:write`)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyDescription {
    /// Requires a role.
    Role(String),
    /// Requires a scope, or all scopes of a list separated by spaces.
    Scope(String),
    /// Requires all of these permissions.
    AllOf(Vec<PolicyDescription>),
    /// Requires one of these permissions.
    AnyOf(Vec<PolicyDescription>),
    /// Requires a token that is bound to a key, by this method or by any.
    Bound(Option<ConfirmationMethod>),
    /// Requires another condition, described in words.
    Custom(String),
}

impl PolicyDescription {
    /// Returns the scopes that a client should ask for before it is known: all that the permission needs in any case.
    /// Of alternatives, those of the one with the fewest scopes.
    pub(crate) fn scopes_for_strangers(&self) -> Vec<&str> {
        match self {
            Self::Scope(names) => names.split(' ').filter(|name| !name.is_empty()).collect(),
            Self::AllOf(parts) => {
                let mut scopes = Vec::new();
                for scope in parts.iter().flat_map(Self::scopes_for_strangers) {
                    if !scopes.contains(&scope) {
                        scopes.push(scope);
                    }
                }
                scopes
            }
            Self::AnyOf(parts) => {
                let scopes = parts.iter().map(Self::scopes_for_strangers);
                scopes.filter(|scopes| !scopes.is_empty()).min_by_key(Vec::len).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

impl fmt::Display for PolicyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) => write!(f, "role `{name}`"),
            Self::Scope(names) => write!(f, "scope `{names}`"),
            Self::AllOf(parts) => joined(f, parts, " and "),
            Self::AnyOf(parts) => joined(f, parts, " or "),
            Self::Bound(None) => f.write_str("a token that is bound to a key"),
            Self::Bound(Some(method)) => write!(f, "a token that is bound by {method}"),
            Self::Custom(words) => f.write_str(words),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, parts: &[PolicyDescription], by: &str) -> fmt::Result {
    if parts.is_empty() {
        return f.write_str("an empty list, which allows nothing");
    }
    f.write_str("(")?;
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(by)?;
        }
        part.fmt(f)?;
    }
    f.write_str(")")
}
