use std::convert::Infallible;
#[cfg(any(feature = "api-keys", feature = "sign-in"))]
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use crate::error::{AuthError, RevocationsUnavailable};
#[cfg(any(feature = "api-keys", feature = "sign-in"))]
use crate::middleware::reject::Rejection;
use crate::middleware::reject::whole_seconds;
use crate::observe::trace::{self, Pace};
use crate::server::body::ServiceBody;

/// An error response. The request has changed nothing, unless a store failed.
pub(in crate::server) struct Refusal {
    status: StatusCode,
    /// A code of RFC 6749 §5.2 or RFC 7009 §2.2.1.
    error: &'static str,
    description: &'static str,
    retry_after: Option<Duration>,
    /// The methods that are allowed, for 405.
    allow: &'static str,
    /// The reason for refusing the token, when the token is at fault.
    cause: Option<Box<AuthError>>,
    /// Fields of the response in place of those that follow from the status.
    headers: Option<Box<HeaderMap>>,
    /// The failure of a partner, for the log.
    #[cfg(any(feature = "api-keys", feature = "sign-in"))]
    failure: Option<Box<dyn Error + Send + Sync>>,
    /// The refusal of the layer, which has its own status and challenges.
    #[cfg(any(feature = "api-keys", feature = "sign-in"))]
    rejection: Option<Box<Rejection>>,
}

impl Refusal {
    pub(in crate::server) fn new(
        status: StatusCode,
        error: &'static str,
        description: &'static str,
    ) -> Self {
        Self {
            status,
            error,
            description,
            retry_after: None,
            allow: "POST",
            cause: None,
            headers: None,
            #[cfg(any(feature = "api-keys", feature = "sign-in"))]
            failure: None,
            #[cfg(any(feature = "api-keys", feature = "sign-in"))]
            rejection: None,
        }
    }

    pub(in crate::server) fn bad_request(error: &'static str, description: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, description)
    }

    pub(in crate::server) fn invalid_request(description: &'static str) -> Self {
        Self::bad_request("invalid_request", description)
    }

    /// Refuses a method. `allow` is a list of those that are allowed.
    pub(in crate::server) fn method_not_allowed(allow: &'static str) -> Self {
        let description = "This method is not allowed";
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", description);
        Self { allow, ..refusal }
    }

    pub(in crate::server) fn invalid_client(description: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_client", description)
    }

    pub(in crate::server) fn unavailable(retry_after: Duration) -> Self {
        let (status, error) = (StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable");
        let retry_after = Some(retry_after);
        Self { retry_after, ..Self::new(status, error, "This cannot be done right now") }
    }

    /// Refuses a token. A token that cannot be verified because a partner is away gets 503 instead.
    pub(in crate::server) fn of(
        cause: AuthError,
        error: &'static str,
        description: &'static str,
    ) -> Self {
        let refusal = match cause.retry_after() {
            None => Self::bad_request(error, description),
            Some(after) => Self::unavailable(after),
        };
        Self { cause: Some(Box::new(cause)), ..refusal }
    }

    fn report(&self, pace: &Pace) {
        #[cfg(any(feature = "api-keys", feature = "sign-in"))]
        if let Some(rejection) = &self.rejection {
            return trace::refused(rejection.error(), pace);
        } else if let Some(failure) = &self.failure {
            return trace::endpoint_failed(&**failure, self.status.is_server_error(), pace);
        }
        match &self.cause {
            Some(cause) => trace::refused(cause, pace),
            None => trace::route_refused(self.error, self.description),
        }
    }

    pub(in crate::server) fn into_response(self, pace: &Pace) -> Response<ServiceBody> {
        self.report(pace);
        #[cfg(any(feature = "api-keys", feature = "sign-in"))]
        if let Some(rejection) = self.rejection {
            return rejected(&rejection);
        }
        let mut response = answer(self.status);
        if let Some(cause) = &self.cause {
            response.extensions_mut().insert(cause.reason());
        }
        let headers = response.headers_mut();
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(ALLOW, HeaderValue::from_static(self.allow));
            // The request may be a HEAD, so the response has no body.
            return response;
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, CHALLENGE);
        }
        headers.extend(self.headers.into_iter().flat_map(|headers| *headers));
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

#[cfg(any(feature = "api-keys", feature = "sign-in"))]
impl Refusal {
    /// Adds fields to the response, in place of those that follow from the status.
    #[cfg(feature = "sign-in")]
    pub(in crate::server) fn with_headers(mut self, add: impl FnOnce(&mut HeaderMap)) -> Self {
        add(self.headers.get_or_insert_default());
        self
    }

    /// Adds the failure behind the refusal, for the log.
    pub(in crate::server) fn caused_by(
        mut self,
        failure: impl Error + Send + Sync + 'static,
    ) -> Self {
        self.failure = Some(Box::new(failure));
        self
    }

    pub(in crate::server) fn internal() -> Self {
        let description = "This cannot be done; the log of the server says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", description)
    }

    /// Returns whether the client has to sign in again.
    #[cfg(feature = "sign-in")]
    pub(in crate::server) fn is_final(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }
}

#[cfg(any(feature = "api-keys", feature = "sign-in"))]
impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        let refusal = Self::new(rejection.status(), rejection.code(), rejection.description());
        Self { rejection: Some(Box::new(rejection)), ..refusal }
    }
}

#[cfg(any(feature = "api-keys", feature = "sign-in"))]
fn rejected(rejection: &Rejection) -> Response<ServiceBody> {
    let (error, description) = (rejection.code(), rejection.description());
    let json = serde_json::json!({ "error": error, "error_description": description });
    let mut response = rejection.to_response_with(ServiceBody::new(json.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl From<RevocationsUnavailable> for Refusal {
    fn from(error: RevocationsUnavailable) -> Self {
        let cause = AuthError::from(error);
        let after = cause.retry_after().unwrap_or_default();
        // The revocation may hold all the same: on this node, or everywhere when only the answer
        // was lost.
        let description = "It is not known whether all is revoked; send the same request again";
        Self { cause: Some(Box::new(cause)), description, ..Self::unavailable(after) }
    }
}

/// Answers with JSON.
#[cfg(any(feature = "api-keys", feature = "sign-in"))]
pub(in crate::server) fn json_answer(
    status: StatusCode,
    body: &impl serde::Serialize,
) -> Response<ServiceBody> {
    let mut response = answer(status);
    let json = serde_json::to_vec(body).expect("string keys and JSON values");
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *response.body_mut() = ServiceBody::new(json);
    response
}

/// The answer of an endpoint.
pub(in crate::server) type Answer = Result<Response<ServiceBody>, Refusal>;

// RFC 6749 §5.1, RFC 7009 §2.2 and OpenID Connect Back-Channel Logout §2.8: no cache keeps an answer.
pub(in crate::server) fn answer(status: StatusCode) -> Response<ServiceBody> {
    let mut response = Response::new(ServiceBody::EMPTY);
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The response of a [`RevocationService`](crate::endpoints::RevocationService),
/// [`LogoutService`](crate::endpoints::LogoutService) or another endpoint of this crate.
pub struct EndpointFuture {
    answer: Pin<Box<dyn Future<Output = Answer> + Send>>,
    /// Limits how often the log repeats itself for this endpoint.
    pace: Arc<Pace>,
}

impl EndpointFuture {
    pub(in crate::server) fn new(
        answer: impl Future<Output = Answer> + Send + 'static,
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
            Ok(response) => Ok(response),
            Err(refusal) => Ok(refusal.into_response(&self.pace)),
        })
    }
}

impl fmt::Debug for EndpointFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndpointFuture").finish_non_exhaustive()
    }
}

/// Implements `Service` for an endpoint that reads the bodies of requests.
macro_rules! endpoint {
    ($service:ty, |$this:ident, $request:ident| $answer:block) => {
        $crate::server::service::service! {
            $service,
            |$this, $request| -> $crate::server::endpoints::answer::EndpointFuture $answer
            where
                B: http_body::Body + Send + 'static,
                B::Data: Send,
                B::Error: Send,
        }
    };
}
pub(in crate::server) use endpoint;

const CHALLENGE: HeaderValue =
    HeaderValue::from_static("Basic realm=\"clients\", charset=\"UTF-8\"");
