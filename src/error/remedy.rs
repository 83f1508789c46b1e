use std::time::Duration;

/// A change of the token that would admit a request: more scopes, another sign-in, or a key that it is bound to.
///
/// [`Policy::remedy`](crate::policy::Policy::remedy) returns the remedy, and challenges name it to
/// clients (RFC 6750 §3.1, RFC 9470 §3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remedy {
    scopes: Vec<String>,
    acr_values: Vec<String>,
    max_age: Option<Duration>,
    needs_binding: bool,
}

impl Remedy {
    /// Requires all of these scopes. List the scopes that the token already has as well.
    pub fn scopes<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        Self::default().with_scopes(names.into_iter().map(Into::into))
    }

    /// Requires a sign-in of one of these authentication context classes (`acr`), the preferred
    /// class first.
    pub fn authentication<S: Into<String>>(acr_values: impl IntoIterator<Item = S>) -> Self {
        let acr_values = acr_values.into_iter().map(Into::into).collect();
        Self { acr_values, ..Self::default() }
    }

    /// Requires a sign-in that is no older than this (`auth_time`). Challenges name the age in
    /// whole seconds, rounded down.
    pub fn recent_authentication(max_age: Duration) -> Self {
        Self { max_age: Some(max_age), ..Self::default() }
    }

    /// Requires a token that is bound to a key (`cnf`, RFC 7800).
    pub fn bound_token() -> Self {
        Self { needs_binding: true, ..Self::default() }
    }

    /// Adds the requirements of another remedy.
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
        self.needs_binding |= other.needs_binding;
        self.with_scopes(other.scopes)
    }

    /// Returns all required scopes.
    pub fn needed_scopes(&self) -> &[String] {
        &self.scopes
    }

    /// Returns the authentication context classes, of which one is required.
    pub fn acr_values(&self) -> &[String] {
        &self.acr_values
    }

    /// Returns the largest age of the sign-in that is allowed.
    pub fn max_age(&self) -> Option<Duration> {
        self.max_age
    }

    /// Returns whether the token has to be bound to a key.
    pub fn needs_binding(&self) -> bool {
        self.needs_binding
    }

    /// Returns whether the user has to sign in again.
    pub(crate) fn needs_sign_in(&self) -> bool {
        self.max_age.is_some() || !self.acr_values.is_empty()
    }

    /// Returns the scopes alone.
    pub(crate) fn only_scopes(self) -> Self {
        Self { scopes: self.scopes, ..Self::default() }
    }

    /// Returns all but the key.
    pub(crate) fn without_binding(self) -> Self {
        Self { needs_binding: false, ..self }
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
