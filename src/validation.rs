//! What a token must say to be accepted.

use std::time::Duration;

use crate::claims::{GrantPaths, NumericDate, Registered};
use crate::config_error::ConfigError;
use crate::error::{AuthError, Reason};
use crate::jose::{Algorithm, Header};

/// The claims a token must carry, and where its roles and scopes are.
///
/// Issuer and audience are arguments, because a verifier without them accepts tokens that were made
/// by or for somebody else. Both are compared to the letter: no trailing slash comes or goes.
///
/// ```
/// use tower_bearer::Validation;
///
/// let keycloak = Validation::new("https://id.example.com/realms/shop", "orders-api")
///     .with_roles_at(["/realm_access/roles", "/resource_access/orders-api/roles"]);
/// ```
#[derive(Clone, Debug)]
pub struct Validation {
    issuer: String,
    audiences: Vec<String>,
    algorithms: Option<Vec<Algorithm>>,
    leeway: Duration,
    roles_at: Vec<String>,
    scopes_at: Vec<String>,
}

impl Validation {
    /// Accepts tokens of this issuer for this audience.
    ///
    /// An empty one is reported by [`Verifier::new`](crate::Verifier::new).
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            algorithms: None,
            leeway: DEFAULT_LEEWAY,
            roles_at: owned(["roles", "role"]),
            scopes_at: owned(["scope", "scp"]),
        }
    }

    /// Accepts tokens for this audience too.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Allows these algorithms only. The default is whatever the keys are for.
    ///
    /// This narrows and never widens: a key verifies the one algorithm it was loaded for.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Sets by how much clocks may differ: `exp` and `nbf` are that much milder. The default is 60
    /// seconds; at most 5 minutes are possible (RFC 9068 §4: "no more than a few minutes").
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets where roles are found, in place of the default `roles` and `role`.
    ///
    /// A path that starts with `/` is a JSON Pointer (`/realm_access/roles`); any other is the name
    /// of a claim, whatever it looks like (`https://example.com/roles`). What is found may be a list
    /// of strings, each taken whole, or one string, taken as a list separated by spaces.
    ///
    /// Claims such as `groups` or `permissions` count only when they are named here: whoever may
    /// name a group must not be able to name a role.
    #[must_use]
    pub fn with_roles_at<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.roles_at = owned(paths);
        self
    }

    /// Sets where scopes are found, in place of the default `scope` and `scp`. Paths and values are
    /// those of [`with_roles_at`](Self::with_roles_at).
    #[must_use]
    pub fn with_scopes_at<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.scopes_at = owned(paths);
        self
    }

    /// Checks the configuration itself.
    pub(crate) fn grant_paths(&self) -> Result<GrantPaths, ConfigError> {
        if self.issuer.is_empty() {
            return Err(ConfigError::EmptyIssuer);
        }
        if self.audiences.iter().any(String::is_empty) {
            return Err(ConfigError::EmptyAudience);
        }
        if self.algorithms.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::NoAlgorithms);
        }
        if self.leeway > MAX_LEEWAY {
            return Err(ConfigError::LeewayTooLarge {
                seconds: self.leeway.as_secs(),
                most: MAX_LEEWAY.as_secs(),
            });
        }
        GrantPaths::new(
            self.roles_at.iter().map(String::as_str),
            self.scopes_at.iter().map(String::as_str),
        )
    }

    /// Checks what can be known before the signature.
    pub(crate) fn check_header(&self, header: &Header) -> Result<(), AuthError> {
        let allowed = self.algorithms.as_ref().is_none_or(|algorithms| {
            let wanted = header.algorithm().canonical();
            algorithms.iter().any(|algorithm| algorithm.canonical() == wanted)
        });
        if !allowed {
            return Err(Reason::AlgorithmNotAllowed.into());
        }
        check_type(header)
    }

    /// Checks the claims of a token whose signature was good.
    pub(crate) fn check(&self, claims: &Registered, now: NumericDate) -> Result<(), AuthError> {
        let missing = |name| AuthError::with_detail(Reason::MissingClaim, format!("no `{name}`"));
        let issuer = claims.issuer().ok_or_else(|| missing("iss"))?;
        if issuer != self.issuer {
            return Err(AuthError::with_detail(
                Reason::WrongIssuer,
                format!("`iss` is {issuer:?} instead of {:?}", self.issuer),
            ));
        }
        let audience = claims.audience().ok_or_else(|| missing("aud"))?;
        if !self.audiences.iter().any(|own| audience.contains(own)) {
            let sent: Vec<&str> = audience.iter().collect();
            return Err(AuthError::with_detail(
                Reason::WrongAudience,
                format!("`aud` is {sent:?} and holds none of {:?}", self.audiences),
            ));
        }
        // RFC 7519 §4.1.4: "on or after" the moment the token must not be accepted.
        let expires_at = claims.expires_at().ok_or_else(|| missing("exp"))?;
        if now >= expires_at.saturating_add(self.leeway) {
            return Err(AuthError::with_detail(
                Reason::Expired,
                format!("`exp` is {} and it is {}", expires_at.as_seconds(), now.as_seconds()),
            ));
        }
        match claims.not_before() {
            Some(not_before) if now.saturating_add(self.leeway) < not_before => {
                Err(AuthError::with_detail(
                    Reason::NotYetValid,
                    format!("`nbf` is {} and it is {}", not_before.as_seconds(), now.as_seconds()),
                ))
            }
            _ => Ok(()),
        }
    }
}

// RFC 8725bis §3.11: a `typ` that is there must be the expected one. Compared as a media type
// (RFC 7515 §4.1.9): in any case, and `application/` may be left out.
fn check_type(header: &Header) -> Result<(), AuthError> {
    let Some(written) = header.token_type() else { return Ok(()) };
    let plain = match written.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => written,
    };
    if ["jwt", "at+jwt"].iter().any(|expected| plain.eq_ignore_ascii_case(expected)) {
        Ok(())
    } else {
        Err(AuthError::with_detail(Reason::WrongTokenType, "`typ` is neither JWT nor at+jwt"))
    }
}

fn owned<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Vec<String> {
    paths.into_iter().map(Into::into).collect()
}

const PREFIX: &str = "application/";
const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);
const MAX_LEEWAY: Duration = Duration::from_secs(300);
