use std::fmt::{self, Display as _};
use std::time::Duration;

use super::Remedy;
use super::request_part::RequestPart;
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
    /// Requires a sign-in of one of these classes (`acr`), the preferred class first.
    Acr(Vec<String>),
    /// Requires a sign-in that is no older than this (`auth_time`).
    SignedInWithin(Duration),
    /// Requires all of these authentication methods (`amr`).
    Amr {
        /// The methods.
        methods: Vec<String>,
        /// The classes that a client is told to ask for. Empty if it is told nothing.
        by_acr: Vec<String>,
    },
    /// Requires an entry of this `type` in `authorization_details` (RFC 9396), and something of its contents.
    AuthorizationDetails(String),
    /// Requires that the subject acts itself (`act`, RFC 8693).
    NoDelegation,
    /// Requires that another party acts for a user.
    ActingForUser,
    /// Requires that this party acts for the subject.
    Actor(String),
    /// Requires that a part of the request equals a claim.
    Equals {
        /// The part of the request.
        part: RequestPart,
        /// The name of the claim, or a JSON Pointer to it.
        claim: String,
    },
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

    /// Returns the scopes that are named anywhere in it.
    pub(crate) fn all_scopes(&self) -> Vec<String> {
        match self {
            Self::Scope(names) => names.split_whitespace().map(str::to_owned).collect(),
            Self::AllOf(parts) | Self::AnyOf(parts) => {
                parts.iter().flat_map(Self::all_scopes).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the sign-in without which no token is enough. `None` if a token may be enough after any sign-in.
    pub(crate) fn sign_in(&self) -> Option<Remedy> {
        match self {
            Self::Acr(classes) => Some(Remedy::authentication(classes)),
            Self::SignedInWithin(max_age) => Some(Remedy::recent_authentication(*max_age)),
            Self::Amr { by_acr, .. } => {
                Some(by_acr).filter(|classes| !classes.is_empty()).map(Remedy::authentication)
            }
            Self::AllOf(parts) => parts.iter().filter_map(Self::sign_in).reduce(Remedy::and),
            // The first of the choices, if each of them needs one.
            Self::AnyOf(parts) => {
                let all: Option<Vec<_>> = parts.iter().map(Self::sign_in).collect();
                all?.into_iter().next()
            }
            Self::Role(_)
            | Self::Scope(_)
            | Self::Bound(_)
            | Self::AuthorizationDetails(_)
            | Self::NoDelegation
            | Self::ActingForUser
            | Self::Actor(_)
            | Self::Equals { .. }
            | Self::Custom(_) => None,
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
            Self::Acr(classes) => {
                write!(f, "a sign-in of class `{}`", classes.join("` or `"))
            }
            Self::SignedInWithin(max_age) => {
                write!(f, "a sign-in within the last {} seconds", max_age.as_secs())
            }
            Self::Amr { methods, .. } => write!(f, "a sign-in by `{}`", methods.join("` and `")),
            Self::AuthorizationDetails(kind) => {
                write!(f, "an entry of type `{kind}` in `authorization_details` that allows it")
            }
            Self::NoDelegation => f.write_str("no party that acts for the subject"),
            Self::ActingForUser => f.write_str("a party that acts for a user"),
            Self::Actor(name) => write!(f, "`{name}` as the party that acts for the subject"),
            Self::Equals { part, claim } => write!(f, "{part} that equals the claim `{claim}`"),
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
