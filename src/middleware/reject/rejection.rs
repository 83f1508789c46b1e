//! Turns a refusal into an answer.
//!
//! A rejection is logged when it is answered, and not when it is created: a handler may ask for a
//! permission that it can do without (`principal.check(…).is_ok()`), and the log holds refusals
//! only.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::answer::{AnswerParts, answer};
use super::empty_body::EmptyBody;
use super::grpc_protocol::GrpcProtocol;
use super::invitation::Invitation;
use crate::challenge::{Challenge, ChallengeConfig, is_token_char};
use crate::claims::policy::Policy;
use crate::error::{AuthError, ErrorCode, Reason, ReasonClass, ResponseFields};
use crate::observe::trace;

/// A refused request with its answer. Status and challenges are decided, the body is not.
///
/// Extractors, [`Principal::check`](crate::Principal::check) and
/// [`Principal::from_extensions`](crate::Principal::from_extensions) return it. Return it unchanged
/// ([`IntoResponse`](axum_core::response::IntoResponse) with axum,
/// [`into_response`](Self::into_response) elsewhere), and the layer adds the same body as to its
/// own refusals.
///
/// A rejection is logged once, when it becomes an answer. If it is dropped, because the handler can
/// do without the permission, it is not logged.
#[derive(Clone)]
pub struct Rejection {
    error: AuthError,
    config: Arc<ChallengeConfig>,
    /// The token that a client without a good one is told to ask for.
    invitation: Option<Arc<Invitation>>,
    /// The gRPC protocol of the request, if it is gRPC and that is known.
    pub(super) grpc: Option<GrpcProtocol>,
    /// The index of the request's scheme among the offered ones, where it is known.
    used_scheme: Option<usize>,
}

/// Answers a request that code of the application has refused, with a challenge of the realm `api`.
impl From<AuthError> for Rejection {
    fn from(error: AuthError) -> Self {
        Self::new(error, Arc::default())
    }
}

impl Rejection {
    pub(crate) fn new(error: AuthError, config: Arc<ChallengeConfig>) -> Self {
        Self { error, config, invitation: None, grpc: None, used_scheme: None }
    }

    /// Says which token a client without a good one should ask for.
    #[must_use]
    pub(crate) fn with_invitation(mut self, invitation: Option<Arc<Invitation>>) -> Self {
        self.invitation = invitation;
        self
    }

    /// Adds fields to the answer.
    #[must_use]
    pub(crate) fn with_fields(mut self, fields: ResponseFields) -> Self {
        self.error = self.error.with_response_fields(fields);
        self
    }

    /// Says in the log what the refusal is about.
    #[cfg(feature = "mcp")]
    #[must_use]
    pub(crate) fn in_context(mut self, context: &dyn fmt::Display) -> Self {
        self.error = self.error.in_context(context);
        self
    }

    /// Adds the method and the headers of the request, which influence the form of the answer.
    #[must_use]
    pub(crate) fn asked_with(mut self, method: &Method, headers: &HeaderMap) -> Self {
        // All of gRPC is POST. A GET that claims to be gRPC must not get a 200, which caches would
        // store.
        self.grpc = GrpcProtocol::of(headers).filter(|_| method == Method::POST);
        // With one scheme, its challenge carries the error.
        if self.config.offered.len() > 1 {
            self.used_scheme =
                scheme_in(headers).and_then(|scheme| self.config.position_of(scheme));
        }
        self
    }

    pub(super) fn realm(&self) -> &str {
        self.config.realm.as_str()
    }

    /// Returns the reason of the refusal.
    pub fn reason(&self) -> Reason {
        self.error.reason()
    }

    /// Returns the error: the reason with details for the log.
    pub fn error(&self) -> &AuthError {
        &self.error
    }

    /// Returns the status of the answer.
    pub fn status(&self) -> StatusCode {
        self.answer().status
    }

    /// Returns the value of `error` in the challenge, or a word of the same kind where the
    /// challenge has none: `unauthorized`, `forbidden`, `cross_site`, `temporarily_unavailable`,
    /// `server_error`.
    pub fn code(&self) -> &'static str {
        self.answer().error
    }

    /// Returns a sentence for people. It does not reveal the configuration of this server, and is
    /// the same for all refusals before the signature was verified. The wording may change in any
    /// version: match on the [`reason`](Self::reason), and let clients match on the
    /// [`code`](Self::code).
    pub fn description(&self) -> &'static str {
        self.answer().description
    }

    /// Returns the scopes that would admit the request, separated by spaces. `None` when scopes
    /// alone would not.
    ///
    /// For a request without a good token: the scopes that the policy of the layer or the guard asks for.
    pub fn needed_scopes(&self) -> Option<&str> {
        let invitation = || self.invitation.as_ref().filter(|_| self.asks_for_token());
        self.error.needed_scopes().or_else(|| invitation()?.scopes())
    }

    /// Returns whether the answer asks for a token, or for another one.
    fn asks_for_token(&self) -> bool {
        self.is_about_no_token() || self.answer().code == Some(ErrorCode::InvalidToken)
    }

    /// Asks for a token that this policy allows, if there is none.
    #[cold]
    pub(crate) fn asking_for(self, policy: &dyn Policy) -> Self {
        if !self.is_about_no_token() {
            return self;
        }
        let of_layer = self.invitation.as_deref();
        let invitation = of_layer.unwrap_or(&Invitation::default()).beside(Some(policy));
        self.with_invitation(Some(Arc::new(invitation)))
    }

    /// Returns the values of `WWW-Authenticate`: one challenge for each scheme that the layer
    /// offers, or none where no token would help.
    ///
    /// The challenge of the scheme that the request used carries the error, and comes first; or else
    /// the first challenge does. If a malformed request used none of the schemes, all challenges carry it (RFC
    /// 9449 §7.2).
    pub fn challenges(&self) -> Vec<HeaderValue> {
        let AnswerParts { has_challenge, code, description, .. } = self.answer();
        if !has_challenge {
            return Vec::new();
        }
        let is_ambiguous =
            self.used_scheme.is_none() && self.reason().class() == ReasonClass::BadRequest;
        let error_place = self.used_scheme.unwrap_or(0);
        let complete = |place: usize, challenge: Challenge| match code {
            Some(code) if is_ambiguous || place == error_place => {
                self.with_remedy(challenge.with_error(code, description))
            }
            // RFC 6750 §3: a client without a token learns which scopes it needs.
            None => self.with_remedy(challenge),
            Some(_) => challenge,
        };
        let mut challenges: Vec<_> = self.config.challenges(complete).collect();
        // First, because some clients look no further.
        if error_place < challenges.len() {
            challenges[..=error_place].rotate_right(1);
        }
        challenges
    }

    /// Names the scopes that would admit the request.
    fn with_scope(&self, challenge: Challenge) -> Challenge {
        challenge.with_scope(self.needed_scopes().unwrap_or_default())
    }

    fn is_about_no_token(&self) -> bool {
        self.reason().class() == ReasonClass::NoCredentials
    }

    fn with_remedy(&self, challenge: Challenge) -> Challenge {
        let mut challenge = self.with_scope(challenge);
        let invited = self.invitation.as_ref().filter(|_| self.is_about_no_token());
        let remedy = self.error.remedy().or_else(|| Some(invited?.remedy()));
        let Some(remedy) = remedy else { return challenge };
        // RFC 9470 §3: both parameters of a challenge that asks for another sign-in.
        if !remedy.acr_values().is_empty() {
            challenge =
                challenge.with_parameter("acr_values".into(), &remedy.acr_values().join(" "));
        }
        if let Some(max_age) = remedy.max_age() {
            challenge = challenge.with_parameter("max_age".into(), &max_age.as_secs().to_string());
        }
        challenge
    }

    /// Returns the answer with an empty body, which the layer will replace.
    ///
    /// Status and headers are final, even if a layer in between takes the response apart.
    pub fn into_response<B: EmptyBody>(self) -> Response<B> {
        let mut response = self.to_response_with(B::empty());
        response.extensions_mut().insert(RefusalMarker(self));
        response
    }

    /// Builds the HTTP answer and logs the refusal. All HTTP answers to refusals are built here.
    pub(crate) fn to_response_with<B>(&self, body: B) -> Response<B> {
        self.report();
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        self.add_headers(response.headers_mut());
        response.extensions_mut().insert(self.reason());
        response
    }

    /// Returns the headers of an answer in another protocol than HTTP, and logs the refusal.
    #[cfg(feature = "tonic")]
    pub(crate) fn into_headers(self) -> HeaderMap {
        self.report();
        let mut headers = HeaderMap::new();
        self.add_headers(&mut headers);
        headers
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        self.error.add_fields(headers);
        headers.remove(WWW_AUTHENTICATE);
        for challenge in self.challenges() {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        if let Some(after) = self.error.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
    }

    /// Logs the refusal.
    fn report(&self) {
        trace::refused(&self.error, &self.config.pace);
    }

    fn answer(&self) -> AnswerParts {
        answer(&self.error)
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection").field("error", &self.error).finish_non_exhaustive()
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.error, f)
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.error)
    }
}

/// The refusal that travels back to the layer in a response's extensions. Private, so that no other
/// code can forge one.
#[derive(Clone)]
struct RefusalMarker(Rejection);

/// Removes the refusal that a guard left for the layer. `None` if a handler has changed the status
/// since.
pub(crate) fn take_refused<B>(response: &mut Response<B>) -> Option<Rejection> {
    let RefusalMarker(rejection) = response.extensions_mut().remove()?;
    (response.status() == rejection.status()).then_some(rejection)
}

/// Returns the scheme of the only `Authorization` field.
fn scheme_in(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (field, None) = (fields.next()?.as_bytes(), fields.next()) else { return None };
    field.split(|&byte| !is_token_char(byte)).next()
}

// Rounded up, and never 0: with 0 all clients would repeat their requests at once.
pub(crate) fn whole_seconds(after: Duration) -> u64 {
    after.as_secs().saturating_add(u64::from(after.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds() {
        assert_eq!(whole_seconds(Duration::ZERO), 1);
        assert_eq!(whole_seconds(Duration::from_millis(1001)), 2);
        assert_eq!(whole_seconds(Duration::from_secs(5)), 5);
    }
}
