use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

use crate::error::{AuthError, RevocationsUnavailable};
use crate::middleware::reject::whole_seconds;
use crate::observe::trace::{self, Pace};
use crate::server::body::ServiceBody;

/// An error response. The request has revoked nothing, unless the store failed.
pub(super) struct Refusal {
    status: StatusCode,
    /// A code of RFC 6749 §5.2 or RFC 7009 §2.2.1.
    error: &'static str,
    description: &'static str,
    retry_after: Option<Duration>,
    /// The reason for refusing the token, when the token is at fault.
    cause: Option<AuthError>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, error: &'static str, description: &'static str) -> Self {
        Self { status, error, description, retry_after: None, cause: None }
    }

    pub(super) fn bad_request(error: &'static str, description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, description)
    }

    pub(super) fn invalid_request(description: &'static str) -> Self {
        Self::bad_request("invalid_request", description)
    }

    pub(super) fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", "Only POST is allowed")
    }

    pub(super) fn invalid_client(description: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    pub(super) fn unavailable(retry_after: Duration) -> Self {
        let (status, error) = (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        let retry_after = Some(retry_after);
        Self { retry_after, ..Self::new(status, error, "This cannot be done right now") }
    }

    /// Refuses a token. A token that cannot be verified because a partner is away gets 503 instead.
    pub(super) fn of(cause: AuthError, error: &'static str, description: &'static str) -> Self {
        let refusal = match cause.retry_after() {
            None => Self::bad_request(error, description),
            Some(after) => Self::unavailable(after),
        };
        Self { cause: Some(cause), ..refusal }
    }

    fn report(&self, pace: &Pace) {
        match &self.cause {
            Some(cause) => trace::refused(cause, pace),
            None => trace::route_refused(self.error, self.description),
        }
    }

    fn into_response(self, pace: &Pace) -> Response<ServiceBody> {
        self.report(pace);
        let mut response = answer(self.status);
        if let Some(cause) = &self.cause {
            response.extensions_mut().insert(cause.reason());
        }
        let headers = response.headers_mut();
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static("POST"));
            // The request may be a HEAD, so the response has no body.
            return response;
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        if let Some(after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(after)));
        }
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let Self { error, description, .. } = self;
        // Both texts are constants of this crate and need no escaping.
        let json = format!(r#"{{"error":"{error}","error_description":"{description}"}}"#);
        *response.body_mut() = ServiceBody::new(json);
        response
    }
}

impl From<RevocationsUnavailable> for Refusal {
    fn from(error: RevocationsUnavailable) -> Self {
        let cause = AuthError::from(error);
        let after = cause.retry_after().unwrap_or_default();
        // The revocation may hold all the same: on this node, or everywhere when only the answer
        // was lost.
        let description = "It is not known whether all is revoked; send the same request again";
        Self { cause: Some(cause), description, ..Self::unavailable(after) }
    }
}

// RFC 7009 §2.2 and OpenID Connect Back-Channel Logout §2.8: no cache keeps an answer.
fn answer(status: StatusCode) -> Response<ServiceBody> {
    let mut response = Response::new(ServiceBody::EMPTY);
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The response of a [`RevocationService`](crate::endpoints::RevocationService) or
/// [`LogoutService`](crate::endpoints::LogoutService).
pub struct EndpointFuture {
    answer: Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>,
    /// Limits how often the log repeats itself for this endpoint.
    pace: Arc<Pace>,
}

impl EndpointFuture {
    pub(super) fn new(
        answer: impl Future<Output = Result<(), Refusal>> + Send + 'static,
        pace: Arc<Pace>,
    ) -> Self {
        Self { answer: Box::pin(answer), pace }
    }
}

impl Future for EndpointFuture {
    type Output = Result<Response<ServiceBody>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answered = self.answer.as_mut().poll(cx);
        answered.map(|result| match result {
            Ok(()) => Ok(answer(StatusCode::OK)),
            Err(refusal) => Ok(refusal.into_response(&self.pace)),
        })
    }
}

impl fmt::Debug for EndpointFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointFuture").finish_non_exhaustive()
    }
}

const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"clients\", charset=\"UTF-8\"");
