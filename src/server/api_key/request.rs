use std::time::Duration;

use super::error::ApiKeyError;
use crate::challenge::is_scope_token;
use crate::state::api_key::MAX_OWNER;

/// Describes an API key to be made.
#[derive(Clone, Debug)]
pub struct ApiKeyRequest {
    pub(super) owner: String,
    pub(super) label: String,
    pub(super) roles: Vec<String>,
    pub(super) scopes: Vec<String>,
    pub(super) lifetime: Option<Duration>,
}

impl ApiKeyRequest {
    /// Creates the request for a key without grants that does not expire, and speaks for this subject.
    pub fn for_owner(owner: impl Into<String>) -> Self {
        let (roles, scopes) = (Vec::new(), Vec::new());
        Self { owner: owner.into(), label: String::new(), roles, scopes, lifetime: None }
    }

    /// Names the use of the key, for lists. At most 128 characters, none of them a control character.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets the roles. At most 64, each of at most 256 bytes.
    #[must_use]
    pub fn with_roles<S: Into<String>>(mut self, roles: impl IntoIterator<Item = S>) -> Self {
        self.roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the scopes, which are scope tokens (RFC 6749 §3.3). At most 64, each of at most 256 bytes.
    #[must_use]
    pub fn with_scopes<S: Into<String>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes = scopes.into_iter().map(Into::into).collect();
        self
    }

    /// Sets for how long the key is good. By default it does not expire.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    pub(super) fn check(&self) -> Result<(), ApiKeyError> {
        let is_grant = |grant: &String| !grant.is_empty() && grant.len() <= MAX_GRANT_BYTES;
        let is_scope = |scope: &String| scope.len() <= MAX_GRANT_BYTES && is_scope_token(scope);
        let problem = if self.owner.is_empty() || self.owner.len() > MAX_OWNER {
            "the owner is empty or longer than 1 KiB"
        } else if self.label.chars().count() > MAX_LABEL_CHARS {
            "the label is longer than 128 characters"
        } else if self.label.chars().any(char::is_control) {
            "the label has a control character"
        } else if self.roles.len() > MAX_GRANTS || self.scopes.len() > MAX_GRANTS {
            "there are more than 64 roles or scopes"
        } else if !self.roles.iter().all(is_grant) {
            "a role is empty or longer than 256 bytes"
        } else if !self.scopes.iter().all(is_scope) {
            "a scope is no scope token (RFC 6749 section 3.3) of at most 256 bytes"
        } else if self.lifetime.is_some_and(|lifetime| lifetime < MIN_LIFETIME) {
            "the lifetime is shorter than a second"
        } else {
            return Ok(());
        };
        Err(ApiKeyError::Invalid(problem))
    }
}

const MAX_LABEL_CHARS: usize = 128;
const MAX_GRANTS: usize = 64;
const MAX_GRANT_BYTES: usize = 256;
const MIN_LIFETIME: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_that_no_store_or_token_could_hold_is_refused() {
        let request = || ApiKeyRequest::for_owner("alice");
        let long = |length: usize| "a".repeat(length);
        for good in [
            request(),
            ApiKeyRequest::for_owner(long(1024)),
            request().with_label("é".repeat(128)),
            request().with_roles(vec![long(256); 64]).with_scopes(vec![long(256); 64]),
            request().with_scopes(["a:b/c.d", "!~"]).with_roles(["two words"]),
            request().with_lifetime(Duration::from_secs(1)),
        ] {
            assert!(good.check().is_ok(), "{good:?}");
        }
        for (bad, told) in [
            (ApiKeyRequest::for_owner(""), "owner"),
            (ApiKeyRequest::for_owner(long(1025)), "owner"),
            (request().with_label("é".repeat(129)), "128"),
            (request().with_label("a\nb"), "control"),
            (request().with_roles(vec!["a"; 65]), "64"),
            (request().with_scopes(vec!["a"; 65]), "64"),
            (request().with_roles([""]), "role"),
            (request().with_roles([long(257)]), "role"),
            (request().with_scopes(["a b"]), "scope token"),
            (request().with_scopes(["a\"b"]), "scope token"),
            (request().with_scopes(["a\\b"]), "scope token"),
            (request().with_scopes(["é"]), "scope token"),
            (request().with_scopes([""]), "scope token"),
            (request().with_scopes([long(257)]), "scope token"),
            (request().with_lifetime(Duration::from_millis(999)), "second"),
        ] {
            let refused = bad.check().unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
