use std::fmt::{self, Display as _};

/// A permission as data, for logs and for documents about an API.
///
/// Displayed as a phrase: `(role `admin` or scope `orders:write`)`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyDescription {
    /// A role is needed.
    Role(String),
    /// A scope is needed, or all scopes of a list separated by spaces.
    Scope(String),
    /// All of these are needed.
    AllOf(Vec<PolicyDescription>),
    /// One of these is needed.
    AnyOf(Vec<PolicyDescription>),
    /// Something else is needed, in words.
    Custom(String),
}

impl fmt::Display for PolicyDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) => write!(f, "role `{name}`"),
            Self::Scope(names) => write!(f, "scope `{names}`"),
            Self::AllOf(parts) => joined(f, parts, " and "),
            Self::AnyOf(parts) => joined(f, parts, " or "),
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
