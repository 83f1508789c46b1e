use std::time::Duration;

/// A change of the token that would let a request in: more scopes, or another sign-in.
///
/// [`Policy::remedy`](crate::policy::Policy::remedy) returns it; challenges tell clients of it (RFC 6750 §3.1,
/// RFC 9470 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    scopes: Vec<String>,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
}

impl Remedy {
    /// Needs all of these scopes. Scopes that the token has already belong into the list.
    pub fn scopes<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::default().with_scopes(names.into_iter().map(Into::into))
    }

    /// Needs a sign-in of one of these authentication context classes (`acr`), the preferred one first.
    pub fn authentication<S: Into<String>>(acr_values: impl IntoIterator<Item = S>) -> Self {
        let acr_values = acr_values.into_iter().map(Into::into).collect();
        Self { acr_values, ..Self::default() }
    }

    /// Needs a sign-in that is no older than this (`auth_time`). Challenges name it in whole seconds, rounded
    /// down.
    pub fn recent_authentication(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..Self::default() }
    }

    /// Needs what the other one needs too.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        for acr in other.acr_values {
            if !self.acr_values.contains(&acr) {
                self.acr_values.push(acr);
            }
        }
        self.max_age = match (self.max_age, other.max_age) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.with_scopes(other.scopes)
    }

    /// Returns all scopes that are needed.
    pub fn needed_scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns the authentication context classes of which one is needed.
    pub fn acr_values(&self) -> &[String] {
        &self.acr_values
    }

    /// Returns the greatest age of the sign-in.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// Whether the user has to sign in again.
    pub(crate) fn needs_sign_in(&self) -> bool {
        self.max_age.is_some() || !self.acr_values.is_empty()
    }

    fn with_scopes(mut self, names: impl IntoIterator<Item = String>) -> Self {
        for name in names {
            if !self.scopes.contains(&name) {
                self.scopes.push(name);
            }
        }
        self
    }
}
