use std::fmt;

use crate::claims::policy::PolicyDescription;

/// Tells which requests a route accepts.
///
/// `Display` writes it as a phrase: `open`, `a token`, "role `admin`".
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RouteAccess {
    /// Accepts every request. The layer is not asked.
    Open,
    /// Accepts requests without a token, and requests with a good token whose principal the permission
    /// of the layer allows, if it has one.
    OptionalToken(Option<PolicyDescription>),
    /// Accepts requests with a good token.
    SignedIn,
    /// Accepts requests with a good token whose principal this permission allows.
    Requires(PolicyDescription),
    /// Accepts requests with a good token, because the program declares nothing about the route.
    Undeclared,
}

impl RouteAccess {
    /// Returns whether a request without a token is refused.
    pub fn needs_token(&self) -> bool {
        !matches!(self, Self::Open | Self::OptionalToken(_))
    }

    /// Returns the name of the variant in JSON.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::OptionalToken(_) => "optional_token",
            Self::SignedIn => "signed_in",
            Self::Requires(_) => "requires",
            Self::Undeclared => "undeclared",
        }
    }

    /// Returns the permission that is required, if there is one.
    pub(super) fn policy(&self) -> Option<&PolicyDescription> {
        match self {
            Self::Requires(policy) | Self::OptionalToken(Some(policy)) => Some(policy),
            Self::Open | Self::OptionalToken(None) | Self::SignedIn | Self::Undeclared => None,
        }
    }

    /// Returns the permission as a phrase.
    pub(super) fn policy_in_words(&self) -> Option<String> {
        let phrase = self.policy()?.to_string();
        Some(without_parentheses(&phrase).to_owned())
    }

    /// Adds the permission that the layer requires of every token.
    pub(super) fn behind(self, policy: &PolicyDescription) -> Self {
        match self {
            Self::SignedIn => Self::Requires(policy.clone()),
            Self::Requires(own) => {
                Self::Requires(PolicyDescription::AllOf(vec![policy.clone(), own]))
            }
            Self::OptionalToken(_) => Self::OptionalToken(Some(policy.clone())),
            // An undeclared route stays one: the permission of the layer says nothing about it.
            Self::Open | Self::Undeclared => self,
        }
    }
}

impl fmt::Display for RouteAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.policy_in_words()) {
            (Self::OptionalToken(_), Some(policy)) => {
                write!(f, "open without a token, or with one and {policy}")
            }
            (_, Some(policy)) => f.write_str(&policy),
            (Self::OptionalToken(_), None) => f.write_str("open, with or without a token"),
            (Self::Open, None) => f.write_str("open"),
            (Self::SignedIn | Self::Requires(_), None) => f.write_str("a token"),
            (Self::Undeclared, None) => f.write_str("UNDECLARED: a token"),
        }
    }
}

/// Removes the parentheses around a list of permissions, which stands alone here.
fn without_parentheses(phrase: &str) -> &str {
    let Some(inner) = phrase.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) else {
        return phrase;
    };
    let mut depth = 0_usize;
    for c in inner.chars() {
        match c {
            '(' => depth += 1,
            // The first one is closed before the end: the two are no pair.
            ')' if depth == 0 => return phrase,
            ')' => depth -= 1,
            _ => {}
        }
    }
    inner
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parentheses_are_removed_only_if_they_are_a_pair_around_all() {
        for (phrase, expected) in [
            ("(a or b)", "a or b"),
            ("((a or b) and (c or d))", "(a or b) and (c or d)"),
            ("(a) or (b)", "(a) or (b)"),
            ("((a) or b) and (c)", "((a) or b) and (c)"),
            ("a", "a"),
            ("(a", "(a"),
            ("a)", "a)"),
        ] {
            assert_eq!(without_parentheses(phrase), expected);
        }
    }
}
