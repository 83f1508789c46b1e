//! Turns a refusal into an answer.
//!
//! A rejection is logged when it is answered, and not when it is made: a handler may ask for what it can do
//! without (`principal.check(…).is_ok()`), and the log holds refusals only.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::answer::{Answer, answer};
use super::empty_body::EmptyBody;
use super::flavour::Flavour;
use crate::challenge::{Challenge, ChallengeConfig, is_token_char};
use crate::error::{AuthError, Reason, ReasonClass};
use crate::observe::trace;

/// A refused request with its answer: status and challenge are decided, the body is not.
///
/// Extractors, [`Principal::check`](crate::Principal::check) and
/// [`Principal::from_extensions`](crate::Principal::from_extensions) return it. Send it as it is
/// ([`IntoResponse`](axum_core::response::IntoResponse) with axum,
/// [`into_response`](Self::into_response) elsewhere) and the layer gives it the body it gives its
/// own refusals.
///
/// The log hears of a rejection when it becomes an answer, once. One that is dropped, because the handler
/// can do without the permission, was no refusal and is not logged.
#[derive(Clone)]
pub struct Rejection {
    error: AuthError,
    config: Arc<ChallengeConfig>,
    /// How the request was sent, if it was gRPC and that is known.
    pub(super) grpc: Option<Flavour>,
    /// The place among the offered schemes of the one that the request used, where that is known.
    used_scheme: Option<usize>,
}

impl Rejection {
    pub(crate) fn new(error: AuthError, config: Arc<ChallengeConfig>) -> Self {
        Self { error, config, grpc: None, used_scheme: None }
    }

    /// The same as the answer to a request of this method with these headers.
    #[must_use]
    pub(crate) fn asked_with(mut self, method: &Method, headers: &HeaderMap) -> Self {
        // All of gRPC is POST: a GET that says to be gRPC must not get a 200, which caches would keep.
        self.grpc = Flavour::of(headers).filter(|_| method == Method::POST);
        // With one scheme there is no question in whose challenge an error stands.
        if self.config.offered.len() > 1 {
            self.used_scheme =
                scheme_in(headers).and_then(|scheme| self.config.position_of(scheme));
        }
        self
    }

    pub(super) fn realm(&self) -> &str {
        self.config.realm.as_str()
    }

    /// Why the request was refused.
    pub fn reason(&self) -> Reason {
        self.error.reason()
    }

    /// The reason with what the log may know besides.
    pub fn error(&self) -> &AuthError {
        &self.error
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.answer().status
    }

    /// What the challenge says in `error`, or a word of the same kind where it has none:
    /// `unauthorized`, `forbidden`, `temporarily_unavailable`, `server_error`.
    pub fn code(&self) -> &'static str {
        self.answer().error
    }

    /// A sentence for people. It says nothing of what this server expects, and is the same for all that is
    /// found out before the signature was verified. Its words may change in any version: match on the
    /// [`reason`](Self::reason), let clients match on the [`code`](Self::code).
    pub fn description(&self) -> &'static str {
        self.answer().description
    }

    /// The scopes that would let the request through, separated by spaces, when scopes alone can.
    pub fn needed_scopes(&self) -> Option<&str> {
        self.error.needed_scopes()
    }

    /// Returns the values of `WWW-Authenticate`: a challenge for each scheme that the layer offers, or none where
    /// no token would help.
    ///
    /// The error stands in the challenge of the scheme that the request used, or of the first one. A malformed
    /// request that used none of them has it in all (RFC 9449 §7.2).
    pub fn challenges(&self) -> Vec<HeaderValue> {
        let Answer { has_challenge, code, description, .. } = self.answer();
        if !has_challenge {
            return Vec::new();
        }
        let is_ambiguous =
            self.used_scheme.is_none() && self.reason().class() == ReasonClass::BadRequest;
        let told_in = self.used_scheme.unwrap_or(0);
        let complete = |place: usize, challenge: Challenge| match code {
            Some(code) if is_ambiguous || place == told_in => {
                self.with_remedy(challenge.with_error(code, description))
            }
            _ => challenge,
        };
        self.config.challenges(complete).collect()
    }

    fn with_remedy(&self, challenge: Challenge) -> Challenge {
        let Some(remedy) = self.error.remedy() else { return challenge };
        let mut challenge = challenge.with_scope(self.needed_scopes().unwrap_or_default());
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

    /// The answer, with an empty body that the layer will replace.
    ///
    /// Status and headers are final, also if something on the way takes the response apart.
    pub fn into_response<B: EmptyBody>(self) -> Response<B> {
        let mut response = self.to_response_with(B::empty());
        response.extensions_mut().insert(Refused(self));
        response
    }

    /// The one place where a refusal becomes an answer of HTTP, and is reported.
    pub(super) fn to_response_with<B>(&self, body: B) -> Response<B> {
        self.report();
        let mut response = Response::new(body);
        *response.status_mut() = self.status();
        self.add_headers(response.headers_mut());
        response.extensions_mut().insert(self.reason());
        response
    }

    /// The headers of an answer that is not HTTP's, and is reported here.
    #[cfg(feature = "tonic")]
    pub(crate) fn into_headers(self) -> HeaderMap {
        self.report();
        let mut headers = HeaderMap::new();
        self.add_headers(&mut headers);
        headers
    }

    fn add_headers(&self, headers: &mut HeaderMap) {
        for challenge in self.challenges() {
            headers.append(WWW_AUTHENTICATE, challenge);
        }
        if let Some(after) = self.error.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
    }

    /// Tells the log.
    fn report(&self) {
        trace::refused(&self.error, &self.config.pace);
    }

    fn answer(&self) -> Answer {
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

/// What travels back to the layer in a response's extensions. Private, so nobody can forge one.
#[derive(Clone)]
struct Refused(Rejection);

/// Takes out what a guard left for the layer, unless a handler has made another answer of it.
pub(crate) fn take_refused<B>(response: &mut Response<B>) -> Option<Rejection> {
    let Refused(rejection) = response.extensions_mut().remove()?;
    (response.status() == rejection.status()).then_some(rejection)
}

/// The scheme of the one `Authorization` field.
fn scheme_in(headers: &HeaderMap) -> Option<&[u8]> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (field, None) = (fields.next()?.as_bytes(), fields.next()) else { return None };
    field.split(|&byte| !is_token_char(byte)).next()
}

// Rounded up, and never 0: that would ask for a storm.
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
