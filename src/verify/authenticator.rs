use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::claims::NumericDate;
use crate::claims::validation::{Rules, Validation};
use crate::config_error::ConfigError;
use crate::error::{AuthError, Reason};
use crate::verify::presented::Presented;

/// Authenticates callers by tokens other than signed JWTs: an API key that is looked up, or an
/// opaque token that its issuer is asked about.
///
/// A layer asks its authenticators in the order in which they were added. Its
/// [`Verifier`](crate::Verifier) decides about the tokens that none of them accepts.
///
/// ```
/// use tower_bearer::middleware::{Authenticated, Authenticator};
/// use tower_bearer::source::Presented;
/// use tower_bearer::{AuthError, Reason};
///
/// struct ApiKeys;
///
/// impl Authenticator for ApiKeys {
///     fn accepts(&self, presented: Presented<'_>) -> bool {
///         presented.token().starts_with(b"key_")
///     }
///
///     async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
///         match token {
///             // Look up a hash of the key in a table instead.
///             "key_1" => Ok(Authenticated::subject("build server").with_scopes(["orders:read"])),
///             _ => Err(Reason::UnknownKey.into()),
///         }
///     }
/// }
/// ```
pub trait Authenticator: Send + Sync + 'static {
    /// Returns whether this authenticator decides about the token. It must tell by the scheme and
    /// the shape of the token, without waiting.
    fn accepts(&self, presented: Presented<'_>) -> bool;

    /// Authenticates the caller. The request waits for the result.
    ///
    /// # Errors
    ///
    /// An [`AuthError`] made of a [`Reason`](crate::Reason) when the token is not good, or
    /// [`AuthError::authenticator_failed`] when no decision is possible.
    fn authenticate(
        &self,
        token: &str,
    ) -> impl Future<Output = Result<Authenticated, AuthError>> + Send;

    /// Returns a number that changes as soon as an earlier answer may no longer be right: a key was
    /// withdrawn, say. The layer then forgets the answers that it keeps.
    ///
    /// It is called for every request with a token whose answer is kept, so it must be cheap. The
    /// default is always the same number.
    fn generation(&self) -> u64 {
        0
    }
}

/// The claims of an authenticated caller, under their names in JWTs (RFC 7519, RFC 7662).
///
/// The layer checks the claims by the [`Validation`](crate::Validation) of the authenticator, as if
/// they stood in a signed token: `exp` and `nbf`, and `iss` and `aud` if they are present. Guards
/// and `C` read the same claims.
#[derive(Clone)]
pub struct Authenticated {
    claims: Map<String, Value>,
    /// How long the layer may keep the answer.
    pub(super) fresh_for: Duration,
}

impl Authenticated {
    /// Creates the claims of a caller with this subject.
    pub fn subject(subject: impl Into<String>) -> Self {
        let mut claims = Map::new();
        claims.insert("sub".into(), Value::String(subject.into()));
        Self { claims, fresh_for: Duration::ZERO }
    }

    /// Reads the claims from a JSON object, for example an introspection response.
    ///
    /// # Errors
    ///
    /// [`Reason::InvalidClaim`](crate::Reason::InvalidClaim) when the text is not a JSON object, and
    /// [`Reason::Inactive`](crate::Reason::Inactive) when it has a member `active` that is not `true`
    /// (RFC 7662 §2.2).
    pub fn from_json(claims: &str) -> Result<Self, AuthError> {
        let claims: Map<String, Value> = serde_json::from_str(claims).map_err(|error| {
            let detail = format!("the claims are no JSON object: {:?}", error.classify());
            AuthError::with_detail(Reason::InvalidClaim, detail)
        })?;
        match claims.get("active") {
            None | Some(Value::Bool(true)) => Ok(Self { claims, fresh_for: Duration::ZERO }),
            Some(_) => Err(AuthError::with_detail(Reason::Inactive, "`active` is not `true`")),
        }
    }

    /// Sets the scopes.
    #[must_use]
    pub fn with_scopes<S: AsRef<str>>(self, scopes: impl IntoIterator<Item = S>) -> Self {
        let scopes: Vec<_> = scopes.into_iter().map(|scope| scope.as_ref().to_owned()).collect();
        self.with("scope", Value::String(scopes.join(" ")))
    }

    /// Sets the roles, in the claim `roles`.
    #[must_use]
    pub fn with_roles<S: Into<String>>(self, roles: impl IntoIterator<Item = S>) -> Self {
        let roles = roles.into_iter().map(|role| Value::String(role.into())).collect();
        self.with("roles", Value::Array(roles))
    }

    /// Sets the expiry of the token.
    #[must_use]
    pub fn with_expiry(self, expires_at: NumericDate) -> Self {
        self.with("exp", Value::from(expires_at.as_seconds()))
    }

    /// Sets another claim to a string.
    #[must_use]
    pub fn with_claim(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(name, Value::String(value.into()))
    }

    /// Lets the layer keep the answer for this time, and no longer than the `exp` of the claims.
    /// Requests with the same token are then decided without another question, as those with a JWT
    /// that was verified before: dates, revocations and the active check count for each of them.
    ///
    /// The default is not to keep it.
    #[must_use]
    pub fn with_freshness(mut self, time: Duration) -> Self {
        self.fresh_for = time;
        self
    }

    /// Sets another claim to a number.
    #[cfg(feature = "api-keys")]
    pub(crate) fn with_number(self, name: &'static str, value: i64) -> Self {
        self.with(name, Value::from(value))
    }

    fn with(mut self, name: impl Into<String>, value: Value) -> Self {
        self.claims.insert(name.into(), value);
        self
    }

    /// Returns the claims as JSON. If `iss` or `aud` is absent, it becomes that of the validation.
    pub(super) fn into_text(mut self, (issuer, audience): (&str, &str)) -> String {
        // There is no audience where tokens need none.
        let usual = [("iss", issuer), ("aud", audience)];
        for (name, value) in usual.into_iter().filter(|(_, value)| !value.is_empty()) {
            self.claims.entry(name).or_insert_with(|| Value::String(value.to_owned()));
        }
        Value::Object(self.claims).to_string()
    }
}

// Claims are personal data.
impl fmt::Debug for Authenticated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticated").finish_non_exhaustive()
    }
}

impl<T: Authenticator + ?Sized> Authenticator for Arc<T> {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        (**self).accepts(presented)
    }

    fn authenticate(
        &self,
        token: &str,
    ) -> impl Future<Output = Result<Authenticated, AuthError>> + Send {
        (**self).authenticate(token)
    }

    fn generation(&self) -> u64 {
        (**self).generation()
    }
}

/// An [`Authenticator`] behind a trait object.
pub(crate) trait ErasedAuthenticator: Send + Sync {
    fn accepts(&self, presented: Presented<'_>) -> bool;
    fn authenticate<'a>(&'a self, token: &'a str) -> Authenticating<'a>;
    fn generation(&self) -> u64;
}

type Authenticating<'a> =
    Pin<Box<dyn Future<Output = Result<Authenticated, AuthError>> + Send + 'a>>;

impl<A: Authenticator> ErasedAuthenticator for A {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        Authenticator::accepts(self, presented)
    }

    fn authenticate<'a>(&'a self, token: &'a str) -> Authenticating<'a> {
        Box::pin(Authenticator::authenticate(self, token))
    }

    fn generation(&self) -> u64 {
        Authenticator::generation(self)
    }
}

/// An authenticator with the rules for its claims.
#[derive(Clone)]
pub(crate) struct ConfiguredAuthenticator {
    pub(super) authenticator: Arc<dyn ErasedAuthenticator>,
    pub(super) rules: Arc<Rules>,
}

impl ConfiguredAuthenticator {
    /// # Errors
    ///
    /// [`ConfigError`] when a rule of the validation is invalid.
    pub(crate) fn new(
        authenticator: impl Authenticator,
        validation: Validation,
    ) -> Result<Self, ConfigError> {
        let rules = Arc::new(validation.into_rules()?.for_answers());
        Ok(Self { authenticator: Arc::new(authenticator), rules })
    }

    pub(crate) fn accepts(&self, presented: Presented<'_>) -> bool {
        self.authenticator.accepts(presented)
    }

    /// Returns whether its rules accept tokens for these audiences, and for no others.
    #[cfg(feature = "mcp")]
    pub(crate) fn is_for(&self, audiences: &[String]) -> bool {
        self.rules.is_for(audiences)
    }

    /// Returns whether its rules are those of FAPI 2.0.
    pub(crate) fn is_fapi2(&self) -> bool {
        self.rules.is_fapi2()
    }
}
