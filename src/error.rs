//! Why a request was refused.
//!
//! [`Reason`] is what code matches on; [`AuthError`] carries it together with what only the log may
//! see. Neither ever holds a token or a part of one, except that the detail of an unknown key names its
//! `kid`. The answer to a client is decided by the reason alone, never by text that a token could influence.

mod reason;
mod remedy;
mod unavailable;

pub(crate) use reason::{Severity, Told};

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use reason::{ErrorCode, Reason, ReasonClass};
pub use remedy::Remedy;
#[cfg(feature = "endpoints")]
pub use unavailable::ClientsUnavailable;
pub use unavailable::{KeysUnavailable, RevocationsUnavailable};

/// A refused request: the [`Reason`] and what the log may know besides.
///
/// `{error}` writes one sentence for each [`Reason`], which holds nothing of the token and nothing of what
/// this server expects. `{error:#}` adds the [detail](Self::detail): for logs, not for clients. Neither
/// writes the [source](Error::source), and no sentence is part of the stable API: match on the reason.
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
    /// Found out before the signature was verified, so by whatever a stranger has sent.
    unverified: bool,
    // Behind a pointer because most refusals are a reason and nothing else.
    extra: Option<Arc<Extra>>,
}

#[derive(Default)]
struct Extra {
    detail: Option<Cow<'static, str>>,
    remedy: Option<Remedy>,
    /// The scopes of the remedy, as a challenge lists them.
    needed_scopes: Option<String>,
    retry_after: Option<Duration>,
    /// The operator has been told already, by whoever found it out.
    reported: bool,
    /// As it is configured, and not as a token says it.
    issuer: Option<Box<str>>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl AuthError {
    /// Which refusal this is.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// What the log should know: the claim, the role, what was expected and what came instead.
    ///
    /// Not for clients. It never holds a token, but it may hold claim values of a token whose
    /// signature was good.
    pub fn detail(&self) -> Option<&str> {
        self.extra.as_ref()?.detail.as_deref()
    }

    /// The scopes that would let the request through, separated by spaces, when scopes alone can.
    pub fn needed_scopes(&self) -> Option<&str> {
        self.extra.as_ref()?.needed_scopes.as_deref()
    }

    /// Returns the change of the token that would let the request in, if there is one.
    pub fn remedy(&self) -> Option<&Remedy> {
        self.extra.as_ref()?.remedy.as_ref()
    }

    /// How long to wait before trying again, when a partner cannot be reached.
    pub fn retry_after(&self) -> Option<Duration> {
        self.extra.as_ref()?.retry_after
    }

    /// The configured issuer that this is about, where it is known.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.extra.as_ref()?.issuer.as_deref()
    }

    /// Says which of the configured issuers this is about.
    pub(crate) fn about_issuer(mut self, issuer: &str) -> Self {
        if let Some(extra) = Arc::get_mut(self.extra.get_or_insert_default()) {
            extra.issuer = Some(issuer.into());
        }
        self
    }

    /// The same, found out before the signature was verified: clients are not told what it is.
    pub(crate) fn before_signature(mut self) -> Self {
        self.unverified = true;
        self
    }

    /// Whether it was found out before the signature was verified.
    pub(crate) fn is_before_signature(&self) -> bool {
        self.unverified
    }

    /// Whether the operator has been told already.
    pub(crate) fn was_reported(&self) -> bool {
        self.extra.as_ref().is_some_and(|extra| extra.reported)
    }

    pub(crate) fn with_detail(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::with_extra(reason, Extra { detail: Some(detail.into()), ..Extra::default() })
    }

    /// Refuses a good token that a policy does not allow this.
    pub(crate) fn not_allowed(remedy: Option<Remedy>, detail: String) -> Self {
        let needed_scopes = remedy.as_ref().map(|remedy| remedy.needed_scopes().join(" "));
        let needed_scopes = needed_scopes.filter(|scopes| !scopes.is_empty());
        let reason = match &remedy {
            Some(remedy) if remedy.needs_sign_in() => Reason::InsufficientAuthentication,
            Some(_) if needed_scopes.is_some() => Reason::InsufficientScope,
            _ => Reason::Forbidden,
        };
        let detail = Some(detail.into());
        Self::with_extra(reason, Extra { detail, remedy, needed_scopes, ..Extra::default() })
    }

    /// Refuses a token because an authenticator or its partner could not decide about it: 503 with
    /// `Retry-After`. The cause is logged.
    pub fn authenticator_failed(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let source = Some(cause.into());
        Self::unavailable(Reason::AuthenticatorFailed, AUTHENTICATOR_RETRY, false, source)
    }

    /// Why the check failed, the log has heard already.
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
        Self { reason, unverified: false, extra: Some(Arc::new(extra)) }
    }
}

/// Text from a token as a log may show it: on one line, and not too long.
pub(crate) fn shown(text: &str) -> String {
    let escaped = |text: &str| text.escape_debug().to_string();
    match text.char_indices().nth(MAX_SHOWN) {
        None => escaped(text),
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
    }
}

/// An error with its reason, and the reason of that, and so on, but not endlessly: what a provider has
/// sent may be quoted in it.
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
        Self { reason, unverified: false, extra: None }
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
        if self.unverified {
            out.field("before_signature", &true);
        }
        if let Some(extra) = &self.extra {
            extra.detail.iter().for_each(|detail| _ = out.field("detail", detail));
            extra.needed_scopes.iter().for_each(|scopes| _ = out.field("needed_scopes", scopes));
            extra.retry_after.iter().for_each(|after| _ = out.field("retry_after", after));
            extra.source.iter().for_each(|source| _ = out.field("source", source));
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
