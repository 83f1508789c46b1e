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
