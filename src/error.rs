//! Errors of refused requests.
//!
//! [`Reason`] is for code to match on. [`AuthError`] holds a reason together with details for the
//! log. Neither ever holds a token or a part of one, with one exception: the detail of an unknown
//! key names its `kid`. The reason alone decides the answer to the client. Text that a token could
//! influence never does.

mod reason;
mod remedy;
mod response_fields;
mod unavailable;

pub(crate) use reason::{ErrorValue, Severity};
pub(crate) use response_fields::ResponseFields;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use reason::{ErrorCode, Reason, ReasonClass};
pub use remedy::Remedy;
#[cfg(feature = "sign-in")]
pub use unavailable::AccountsUnavailable;
#[cfg(feature = "api-keys")]
pub use unavailable::ApiKeysUnavailable;
#[cfg(feature = "endpoints")]
pub use unavailable::ClientsUnavailable;
#[cfg(feature = "dpop")]
pub use unavailable::ReplaysUnavailable;
#[cfg(feature = "sessions")]
pub use unavailable::SessionsUnavailable;
pub use unavailable::{KeysUnavailable, RevocationsUnavailable};

/// A refused request: its [`Reason`], with details for the log.
///
/// `{error}` writes one sentence for each [`Reason`]. The sentence reveals nothing about the token
/// and nothing about the configuration of this server. `{error:#}` adds the [detail](Self::detail),
/// which is for logs and not for clients. Neither form writes the [source](Error::source). The
/// wording is not part of the stable API: match on the reason.
///
/// ```
/// # use tower_bearer::AuthError;
/// fn log(error: &AuthError) {
///     eprintln!("refused: {error:#}"); // refused: the token has expired: `exp` is 1, …
/// }
/// ```
#[derive(Clone)]
pub struct AuthError {
    reason: Reason,
    found: Found,
    // Behind a pointer, because most refusals have nothing but a reason.
    extra: Option<Arc<Extra>>,
    /// Fields for the answer.
    fields: ResponseFields,
}

/// When a refusal was found, where that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// At a time that the reason tells.
    AsUsual,
    /// Before the signature was verified, so any client can cause it.
    BeforeSignature,
    /// After a key that is known has verified the signature.
    AfterSignature,
}

#[derive(Default)]
struct Extra {
    detail: Option<Cow<'static, str>>,
    remedy: Option<Remedy>,
    /// The scopes of the remedy, in the form of a challenge.
    needed_scopes: Option<String>,
    retry_after: Option<Duration>,
    /// Whether the operator was told already, by the code that found the failure.
    reported: bool,
    /// The configured name of the issuer, which is not read from a token.
    issuer: Option<Box<str>>,
    /// The name of the claim, which is that of the crate or of the configuration.
    claim: Option<Box<str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AuthError {
    /// Returns the reason of the refusal.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns details for the log: the claim, the role, the expected and the actual value.
    ///
    /// The detail is not for clients. It never holds a token, but it may hold claim values of a
    /// token whose signature was valid, the actors of a delegation, and the method and URI that a DPoP proof says.
    pub fn detail(&self) -> Option<&str> {
        self.extra.as_ref()?.detail.as_deref()
    }

    /// Returns the scopes that would admit the request, separated by spaces. `None` when scopes
    /// alone would not.
    pub fn needed_scopes(&self) -> Option<&str> {
        self.extra.as_ref()?.needed_scopes.as_deref()
    }

    /// Returns the change of the token that would admit the request, if there is one.
    pub fn remedy(&self) -> Option<&Remedy> {
        self.extra.as_ref()?.remedy.as_ref()
    }

    /// Returns how long to wait before another attempt, when a partner cannot be reached.
    pub fn retry_after(&self) -> Option<Duration> {
        self.extra.as_ref()?.retry_after
    }

    /// Returns the configured issuer that the error concerns, where it is known.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.extra.as_ref()?.issuer.as_deref()
    }

    /// Returns the name of the claim that is missing, has the wrong type or is out of date. `None` for refusals that
    /// concern no claim, or several.
    pub fn claim(&self) -> Option<&str> {
        self.extra.as_ref()?.claim.as_deref()
    }

    /// Adds a field to the answer, for example the nonce for the next proof. It replaces a field of this name that
    /// the answer has. `Vary` and `Access-Control-Expose-Headers` are added to.
    ///
    /// `WWW-Authenticate` and `Retry-After` are the crate's own and not replaced.
    #[must_use]
    pub fn with_response_field(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.fields.set(name, value);
        self
    }

    /// Returns the fields that [`with_response_field`](Self::with_response_field) has added, for code that answers
    /// itself. A [`Rejection`](crate::Rejection) has them already.
    pub fn response_fields(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        self.fields.add_to(&mut headers);
        headers
    }

    /// Adds fields to the answer.
    pub(crate) fn with_response_fields(mut self, fields: ResponseFields) -> Self {
        self.fields.extend(fields);
        self
    }

    /// Adds the error's own fields to an answer.
    pub(crate) fn add_fields(&self, headers: &mut HeaderMap) {
        self.fields.add_to(headers);
    }

    /// Adds the claim that the error concerns.
    pub(crate) fn about_claim(mut self, claim: &str) -> Self {
        if let Some(extra) = Arc::get_mut(self.extra.get_or_insert_default()) {
            extra.claim = Some(claim.into());
        }
        self
    }

    /// Adds the configured issuer that the error concerns.
    pub(crate) fn about_issuer(mut self, issuer: &str) -> Self {
        if let Some(extra) = Arc::get_mut(self.extra.get_or_insert_default()) {
            extra.issuer = Some(issuer.into());
        }
        self
    }

    /// Puts these words in front of the detail.
    #[cfg(feature = "mcp")]
    pub(crate) fn in_context(mut self, context: &dyn fmt::Display) -> Self {
        if let Some(extra) = self.extra.as_mut().and_then(Arc::get_mut) {
            extra.detail = extra.detail.take().map(|detail| format!("{context} {detail}").into());
        }
        self
    }

    /// Marks the refusal as found before the signature was verified. Clients are then not told its
    /// reason.
    pub(crate) fn before_signature(mut self) -> Self {
        self.found = Found::BeforeSignature;
        self
    }

    /// Returns whether the refusal was found before the signature was verified.
    pub(crate) fn is_before_signature(&self) -> bool {
        self.found == Found::BeforeSignature
    }

    /// Marks the refusal as found after a key that is known has verified the signature.
    pub(crate) fn after_signature(mut self) -> Self {
        self.found = Found::AfterSignature;
        self
    }

    /// Returns whether a key that is known has verified the signature of the refused token.
    pub(crate) fn is_after_signature(&self) -> bool {
        self.found == Found::AfterSignature
    }

    /// Returns whether the operator was told already.
    pub(crate) fn was_reported(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.reported)
    }

    pub(crate) fn with_detail(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::with_extra(reason, Extra { detail: Some(detail.into()), ..Extra::default() })
    }

    /// Refuses a proof that breaks a rule.
    #[cfg(feature = "dpop")]
    pub(crate) fn bad_proof(detail: String) -> Self {
        Self::with_detail(Reason::InvalidProof, detail)
    }

    /// Refuses a good token because a policy does not allow the request.
    pub(crate) fn not_allowed(remedy: Option<Remedy>, detail: String) -> Self {
        let needed_scopes = remedy.as_ref().map(|remedy| remedy.needed_scopes().join(" "));
        let needed_scopes = needed_scopes.filter(|scopes| !scopes.is_empty());
        let reason = match &remedy {
            Some(remedy) if remedy.needs_sign_in() => Reason::InsufficientAuthentication,
            Some(remedy) if remedy.needs_binding() => Reason::UnboundToken,
            Some(_) if needed_scopes.is_some() => Reason::InsufficientScope,
            _ => Reason::Forbidden,
        };
        let detail = Some(detail.into());
        Self::with_extra(reason, Extra { detail, remedy, needed_scopes, ..Extra::default() })
    }

    /// Refuses a token because an authenticator, or a service that it asks, could not decide about
    /// the token. The answer is 503 with `Retry-After`, and the cause is logged.
    pub fn authenticator_failed(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = Some(cause.into());
        Self::unavailable(Reason::AuthenticatorFailed, AUTHENTICATOR_RETRY, false, source)
    }

    /// Refuses a token because the introspection endpoint gave no answer. The failure itself was logged before.
    #[cfg(feature = "introspection")]
    pub(crate) fn introspection_failed(
        failure: Arc<dyn Error + Send + Sync>,
        retry_after: Duration,
    ) -> Self {
        let source = Some(Box::new(failure) as _);
        Self::unavailable(Reason::AuthenticatorFailed, retry_after, true, source)
    }

    /// Refuses a token because the active check failed. The failure itself was logged before.
    #[cfg(feature = "active-check")]
    pub(crate) fn active_check_failed(failure: Arc<dyn Error + Send + Sync>) -> Self {
        let source = Some(Box::new(failure) as _);
        Self::unavailable(Reason::ActiveCheckFailed, ACTIVE_CHECK_RETRY, true, source)
    }

    fn unavailable(
        reason: Reason,
        retry_after: Duration,
        reported: bool,
        source: Option<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        let retry_after = Some(retry_after);
        let extra = Extra { retry_after, reported, source, ..Extra::default() };
        Self::with_extra(reason, extra)
    }

    fn with_extra(reason: Reason, extra: Extra) -> Self {
        let fields = ResponseFields::default();
        Self { reason, found: Found::AsUsual, extra: Some(Arc::new(extra)), fields }
    }
}

/// Returns text from a token in a form for logs: on one line, and shortened.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && !b"\"'\\".contains(&byte);
    if text.len() <= MAX_SHOWN && text.bytes().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let escaped = |text: &str| text.escape_debug().to_string();
    Cow::Owned(match text.char_indices().nth(MAX_SHOWN) {
        None => escaped(text),
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
    })
}

/// Returns the message of an error and of all its sources. The text is shortened, because an error
/// may quote the response of a provider.
#[cfg(any(feature = "active-check", feature = "refresh"))]
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let chain = std::iter::successors(Some(error), |&error| error.source());
    let mut text = chain.map(ToString::to_string).collect::<Vec<_>>().join(": ");
    if let Some((end, _)) = text.char_indices().nth(MAX_CHAIN) {
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(any(feature = "active-check", feature = "refresh"))]
const MAX_CHAIN: usize = 2000;

#[cfg(feature = "active-check")]
const ACTIVE_CHECK_RETRY: Duration = Duration::from_secs(5);
const AUTHENTICATOR_RETRY: Duration = Duration::from_secs(5);
const MAX_SHOWN: usize = 200;

impl From<Reason> for AuthError {
    fn from(reason: Reason) -> Self {
        Self { reason, found: Found::AsUsual, extra: None, fields: ResponseFields::default() }
    }
}

impl From<KeysUnavailable> for AuthError {
    fn from(error: KeysUnavailable) -> Self {
        Self::unavailable(Reason::KeysUnavailable, error.retry_after, error.reported, error.source)
    }
}

impl From<RevocationsUnavailable> for AuthError {
    fn from(error: RevocationsUnavailable) -> Self {
        Self::unavailable(
            Reason::RevocationsUnavailable,
            error.retry_after,
            error.reported,
            error.source,
        )
    }
}

#[cfg(feature = "dpop")]
impl From<ReplaysUnavailable> for AuthError {
    fn from(error: ReplaysUnavailable) -> Self {
        Self::unavailable(
            Reason::ReplaysUnavailable,
            error.retry_after,
            error.reported,
            error.source,
        )
    }
}

impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.sentence())?;
        match self.detail() {
            Some(detail) if f.alternate() => write!(f, ": {detail}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("AuthError");
        out.field("reason", &self.reason);
        if self.found != Found::AsUsual {
            out.field("found", &self.found);
        }
        if let Some(extra) = &self.extra {
            extra.detail.iter().for_each(|detail| _ = out.field("detail", detail));
            extra.needed_scopes.iter().for_each(|scopes| _ = out.field("needed_scopes", scopes));
            extra.retry_after.iter().for_each(|after| _ = out.field("retry_after", after));
            extra.source.iter().for_each(|source| _ = out.field("source", source));
        }
        if !self.fields.is_empty() {
            out.field("fields", &self.fields);
        }
        out.finish()
    }
}

impl Error for AuthError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.extra.as_ref()?.source.as_deref()?;
        Some(source)
    }
}
