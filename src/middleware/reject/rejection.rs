use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::answer::{Answer, ChallengeKind, answer};
use super::empty_body::EmptyBody;
use super::flavour::Flavour;
use crate::challenge::{Challenge, ChallengeConfig};
use crate::error::{AuthError, Reason};
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
}

impl Rejection {
    pub(crate) fn new(error: AuthError, config: Arc<ChallengeConfig>) -> Self {
        Self { error, config, grpc: None }
    }

    /// The same as the answer to a request of this method with these headers.
    #[must_use]
    pub(crate) fn asked_with(mut self, method: &Method, headers: &HeaderMap) -> Self {
        // All of gRPC is POST: a GET that says to be gRPC must not get a 200, which caches would keep.
        self.grpc = Flavour::of(headers).filter(|_| method == Method::POST);
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

    /// The value of `WWW-Authenticate`, for all refusals that a token could mend.
    pub fn challenge(&self) -> Option<HeaderValue> {
        let Answer { challenge, description, .. } = self.answer();
        let bearer = || Challenge::bearer(&self.config.realm);
        let challenge = match challenge {
            ChallengeKind::None => return None,
            ChallengeKind::Plain => bearer(),
            ChallengeKind::Error(code) => bearer().with_error(code, description),
        };
        let challenge = match self.needed_scopes() {
            Some(scopes) => challenge.with_scope(scopes),
            None => challenge,
        };
        Some(challenge.to_header_value())
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
        if let Some(challenge) = self.challenge() {
            headers.insert(WWW_AUTHENTICATE, challenge);
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
