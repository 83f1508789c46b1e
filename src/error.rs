//! Why a request was refused.
//!
//! [`Reason`] is what code matches on; [`AuthError`] carries it together with what only the log may
//! see. Neither ever holds a token or a part of one, except that the detail of an unknown key names its
//! `kid`. The answer to a client is decided by the reason alone, never by text that a token could influence.

mod unavailable;

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "endpoints")]
pub use unavailable::ClientsUnavailable;
pub use unavailable::{KeysUnavailable, RevocationsUnavailable};

/// Why a request was refused, in one word.
///
/// What the client is told follows from the reason: see the table in the [crate documentation](crate#answers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No bearer token was sent.
    MissingToken,

    /// The `Authorization` field does not follow the grammar of RFC 6750 §2.1.
    MalformedAuthorization,
    /// There is more than one `Authorization` field.
    RepeatedAuthorization,
    /// The `Sec-WebSocket-Protocol` field says `bearer` but is not followed by one token.
    MalformedSubprotocol,
    /// A token was sent in more than one place (RFC 6750 §2).
    SeveralTokens,

    /// The token is longer than the verifier reads.
    TokenTooLarge,
    /// The token is not a signed JWT in compact form, or its header or payload is not what RFC 7515
    /// and RFC 7519 ask for.
    Malformed,
    /// The token has five parts: it is encrypted (RFC 7516), and this crate reads signed ones.
    Encrypted,
    /// The header names an algorithm this crate does not verify, `none` among them.
    UnsupportedAlgorithm,
    /// The header names an algorithm that neither the configuration nor the key is for.
    AlgorithmNotAllowed,
    /// The header asks for an extension to be understood (`crit`, `b64`), and none is.
    CriticalHeader,
    /// The token was signed with a key that the key source does not know.
    UnknownKey,
    /// No candidate key verifies the signature.
    InvalidSignature,
    /// The token is of another kind, an ID token for example.
    WrongTokenType,
    /// The token is bound to a key (`cnf`, RFC 7800) and was sent as a plain bearer token.
    BoundToken,
    /// A claim that must be there is not.
    MissingClaim,
    /// A claim has the wrong JSON type or an impossible value.
    InvalidClaim,
    /// `exp` has passed, leeway included.
    Expired,
    /// The token was made longer ago than the configured maximum age, leeway included.
    TooOld,
    /// `nbf` or `iat` has not come yet, leeway included.
    NotYetValid,
    /// `iss` is not the configured issuer, to the letter.
    WrongIssuer,
    /// `aud` holds none of the configured audiences.
    WrongAudience,
    /// The token, its session, or everything of its subject or client was revoked.
    Revoked,
    /// Whom the token speaks for is not active any more, says the check that was asked.
    Inactive,

    /// A scope is missing that would let the request through.
    InsufficientScope,
    /// A role or another claim is missing; scopes alone would not help.
    Forbidden,
    /// The token is good, but its claims do not fit the application's claims type.
    ClaimsMismatch,

    /// The keys for this token cannot be had, or whether its key exists could not be looked up.
    KeysUnavailable,
    /// Whether the token was revoked cannot be told right now.
    RevocationsUnavailable,
    /// Whether whom the token speaks for is still active cannot be told right now.
    ActiveCheckFailed,

    /// A guard or extractor runs where no [`BearerLayer`](crate::BearerLayer) has been.
    LayerMissing,
    /// An extractor asks for another claims type than the layer produces.
    ClaimsTypeMissing,
}

/// What kind of refusal a [`Reason`] is, for code that has to decide about each.
///
/// Reasons are added in minor versions; each of them falls into one of these classes, and a class is added
/// in a major version only. So a `match` on the class needs no `_ =>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonClass {
    /// The request has no token. A layer answers 401.
    NoCredentials,
    /// The request is malformed, whatever the token in it is like. A layer answers 400.
    BadRequest,
    /// The token is not accepted; another one might be. A layer answers 401.
    BadToken,
    /// The token is good and does not allow this. A layer answers 403.
    NotAllowed,
    /// The decision needs keys or answers that cannot be had right now. A layer answers 503.
    Unavailable,
    /// The application is put together wrongly. A layer answers 500.
    Misconfigured,
}

impl Reason {
    /// Returns the class of the reason.
    ///
    /// ```
    /// use tower_bearer::error::ReasonClass;
    /// use tower_bearer::AuthError;
    ///
    /// fn exit_code(error: &AuthError) -> i32 {
    ///     match error.reason().class() {
    ///         ReasonClass::NoCredentials | ReasonClass::BadRequest | ReasonClass::BadToken => 77,
    ///         ReasonClass::NotAllowed => 78,
    ///         ReasonClass::Unavailable => 75,
    ///         ReasonClass::Misconfigured => 70,
    ///     }
    /// }
    /// ```
    pub const fn class(self) -> ReasonClass {
        match self {
            Self::MissingToken => ReasonClass::NoCredentials,
            Self::MalformedAuthorization
            | Self::RepeatedAuthorization
            | Self::MalformedSubprotocol
            | Self::SeveralTokens => ReasonClass::BadRequest,
            Self::TokenTooLarge
            | Self::Malformed
            | Self::Encrypted
            | Self::UnsupportedAlgorithm
            | Self::AlgorithmNotAllowed
            | Self::CriticalHeader
            | Self::UnknownKey
            | Self::InvalidSignature
            | Self::WrongTokenType
            | Self::BoundToken
            | Self::MissingClaim
            | Self::InvalidClaim
            | Self::Expired
            | Self::TooOld
            | Self::NotYetValid
            | Self::WrongIssuer
            | Self::WrongAudience
            | Self::Revoked
            | Self::Inactive => ReasonClass::BadToken,
            Self::InsufficientScope | Self::Forbidden | Self::ClaimsMismatch => {
                ReasonClass::NotAllowed
            }
            Self::KeysUnavailable | Self::RevocationsUnavailable | Self::ActiveCheckFailed => {
                ReasonClass::Unavailable
            }
            Self::LayerMissing | Self::ClaimsTypeMissing => ReasonClass::Misconfigured,
        }
    }

    /// The reason as a stable `snake_case` word, for logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingToken => "missing_token",
            Self::MalformedAuthorization => "malformed_authorization",
            Self::RepeatedAuthorization => "repeated_authorization",
            Self::MalformedSubprotocol => "malformed_subprotocol",
            Self::SeveralTokens => "several_tokens",
            Self::TokenTooLarge => "token_too_large",
            Self::Malformed => "malformed",
            Self::Encrypted => "encrypted",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::CriticalHeader => "critical_header",
            Self::UnknownKey => "unknown_key",
            Self::InvalidSignature => "invalid_signature",
            Self::WrongTokenType => "wrong_token_type",
            Self::BoundToken => "bound_token",
            Self::MissingClaim => "missing_claim",
            Self::InvalidClaim => "invalid_claim",
            Self::Expired => "expired",
            Self::TooOld => "too_old",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Revoked => "revoked",
            Self::Inactive => "inactive",
            Self::InsufficientScope => "insufficient_scope",
            Self::Forbidden => "forbidden",
            Self::ClaimsMismatch => "claims_mismatch",
            Self::KeysUnavailable => "keys_unavailable",
            Self::RevocationsUnavailable => "revocations_unavailable",
            Self::ActiveCheckFailed => "active_check_failed",
            Self::LayerMissing => "layer_missing",
            Self::ClaimsTypeMissing => "claims_type_missing",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

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

    pub(crate) fn insufficient_scope(needed: String, detail: String) -> Self {
        Self::with_extra(
            Reason::InsufficientScope,
            Extra { detail: Some(detail.into()), needed_scopes: Some(needed), ..Extra::default() },
        )
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
        let sentence = match self.reason {
            Reason::MissingToken => "no bearer token was sent",
            Reason::MalformedAuthorization => "the authorization field is malformed",
            Reason::RepeatedAuthorization => "there are several authorization fields",
            Reason::MalformedSubprotocol => "the web socket protocol field is malformed",
            Reason::SeveralTokens => "tokens were sent in several places",
            Reason::TokenTooLarge => "the token is too large",
            Reason::Malformed => "the token is malformed",
            Reason::Encrypted => "the token is encrypted",
            Reason::UnsupportedAlgorithm => "the token's algorithm is not supported",
            Reason::AlgorithmNotAllowed => "the token's algorithm is not allowed",
            Reason::CriticalHeader => "the token asks for an extension that is not understood",
            Reason::UnknownKey => "the token's key is unknown",
            Reason::InvalidSignature => "the token's signature is invalid",
            Reason::WrongTokenType => "the token is of another kind",
            Reason::BoundToken => "the token is bound to a key",
            Reason::MissingClaim => "the token lacks a claim",
            Reason::InvalidClaim => "a claim of the token is invalid",
            Reason::Expired => "the token has expired",
            Reason::TooOld => "the token is too old",
            Reason::NotYetValid => "the token is not valid yet",
            Reason::WrongIssuer => "the token is from another issuer",
            Reason::WrongAudience => "the token is for another audience",
            Reason::Revoked => "the token was revoked",
            Reason::Inactive => "whom the token speaks for is not active any more",
            Reason::InsufficientScope => "the token lacks a scope",
            Reason::Forbidden => "the token does not allow this",
            Reason::ClaimsMismatch => "the token's claims do not fit the claims type",
            Reason::KeysUnavailable => "the keys to verify the token cannot be had",
            Reason::RevocationsUnavailable => "whether the token was revoked cannot be told",
            Reason::ActiveCheckFailed => "whether the token is still active cannot be told",
            Reason::LayerMissing => "no BearerLayer has seen this request",
            Reason::ClaimsTypeMissing => "the BearerLayer produces another claims type",
        };
        f.write_str(sentence)?;
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
