//! Renders the bodies of refusals.
//!
//! [`BearerLayer::with_rejection`](crate::BearerLayer::with_rejection) takes a renderer. Renderers
//! have a module of their own because their names are common: `render::Json` does not collide with
//! `axum::Json`.

mod any_body;
mod problem;
mod with_request;

use std::fmt;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderValue, Response};
use serde::Serialize;

pub use any_body::{AnyBody, AnyBodyFuture, AnyBodyLayer, AnyBodyService, any_body};
pub use problem::{ProblemJson, ProblemJsonWithInstance};
pub use with_request::{FromFnWithRequest, from_fn_with_request};

pub use super::empty_body::EmptyBody;
pub use crate::request_head::RequestHead;

use super::grpc;
use super::rejection::{Rejection, take_refused};

/// Creates the body of a refusal.
///
/// `parts` already holds the status, the challenges, and the headers that inner services have added
/// (cookies, CORS). A renderer adds the headers of its body. It may change the rest at its own
/// risk. [`from_fn`] turns a closure into a renderer.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not render refusals with a body of type `{B}`",
    label = "this renderer does not make a body of that type",
    note = "renderers are `Empty`, `Json`, `ProblemJson`, `Grpc` and `from_fn(closure)` in `tower_bearer::render`; \
            `axum::Json` is another type",
    note = "if the body cannot be made of bytes, put `tower_bearer::render::any_body()` between the layer and \
            the service; in a `ServiceBuilder`: `.layer(bearer).layer(any_body())`"
)]
pub trait Render<B>: Send + Sync + 'static {
    /// Returns the body, and sets the headers that describe it.
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B;

    /// Reads the request before the decision about it. Each request has its own clone of the
    /// renderer, which may store what it will write: the path, a request id.
    ///
    /// The default stores nothing. [`from_fn_with_request`] stores the whole head.
    fn see(&mut self, request: RequestHead<'_>) {
        _ = request;
    }
}

/// Creates a renderer from a closure that returns the body.
///
/// ```
/// # use axum::body::Body;
/// use http::header::{CONTENT_TYPE, HeaderValue};
/// use tower_bearer::render;
///
/// let html = render::from_fn(|rejection, parts| {
///     parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
///     Body::from(format!("<h1>{}</h1><p>{}</p>", rejection.status(), rejection.description()))
/// });
/// # fn check<R: render::Render<Body>>(_: R) {}
/// # check(html);
/// ```
pub const fn from_fn<F, B>(render: F) -> FromFn<F>
where
    F: Fn(&Rejection, &mut Parts) -> B,
{
    FromFn(render)
}

/// The renderer that [`from_fn`] returns.
#[derive(Clone, Copy)]
pub struct FromFn<F>(F);

#[diagnostic::do_not_recommend]
impl<B, F> Render<B> for FromFn<F>
where
    F: Fn(&Rejection, &mut Parts) -> B + Send + Sync + 'static,
{
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        (self.0)(rejection, parts)
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFn").finish_non_exhaustive()
    }
}

/// Returns the complete answer to a request that the layer itself refuses.
pub(crate) fn answer_refused<B: EmptyBody>(
    rejection: &Rejection,
    renderer: &impl Render<B>,
    is_head: bool,
) -> Response<B> {
    let (mut parts, ()) = rejection.to_response_with(()).into_parts();
    let body = body_of(rejection, renderer, &mut parts, is_head);
    Response::from_parts(parts, body)
}

/// Adds the body to the refusal of a guard. Other responses stay as they are.
pub(crate) fn finish<B: EmptyBody>(
    response: &mut Response<B>,
    renderer: &impl Render<B>,
    is_head: bool,
) {
    let Some(rejection) = take_refused(response) else { return };
    let (mut parts, _) = std::mem::replace(response, Response::new(B::empty())).into_parts();
    // Inner services have described the empty body and not this one. A router, for example, has set
    // its length to 0.
    for header in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG] {
        parts.headers.remove(header);
    }
    let body = body_of(&rejection, renderer, &mut parts, is_head);
    *response = Response::from_parts(parts, body);
}

// RFC 9110 §9.3.2: HEAD is answered with the headers of GET and no body. Not every server removes
// the body.
fn body_of<B: EmptyBody>(
    rejection: &Rejection,
    renderer: &impl Render<B>,
    parts: &mut Parts,
    is_head: bool,
) -> B {
    let body = renderer.render(rejection, parts);
    if is_head { B::empty() } else { body }
}

/// Answers with an empty body. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl<B: EmptyBody> Render<B> for Empty {
    fn render(&self, _: &Rejection, _: &mut Parts) -> B {
        B::empty()
    }
}

/// Answers gRPC requests in gRPC, and all other requests as the renderer `R` does.
///
/// A gRPC client cannot read the statuses of HTTP and takes a 401 for a broken server. This
/// renderer answers it with the statuses of its own protocol:
///
/// | refusal | status over HTTP | `grpc-status` |
/// |---|---|---|
/// | no token, a bad token, a malformed `authorization` | 401, 400 | 16 `UNAUTHENTICATED` |
/// | a good token that does not allow this | 403 | 7 `PERMISSION_DENIED` |
/// | a session that is not the principal's | 404 | 5 `NOT_FOUND` |
/// | keys, revocations or the active check are not available | 503 | 14 `UNAVAILABLE` |
/// | the layer is missing, or its claims have another type | 500 | 13 `INTERNAL` |
///
/// `grpc-message` is the [description](Rejection::description). `WWW-Authenticate` and
/// `Retry-After` stay, as metadata. `grpc-status-details-bin` holds an `ErrorInfo` (its reason is
/// the [code](Rejection::code) in capitals, its domain the realm, and its metadata the required
/// `scope`) and, with `UNAVAILABLE`, a `RetryInfo`. The HTTP status becomes 200. Access logs still
/// find the [`Reason`](crate::Reason) in the response's extensions.
///
/// A request is gRPC if it is a `POST` whose `Content-Type` begins with `application/grpc`,
/// gRPC-Web included. This renderer is therefore not for a server that answers other proxies with a
/// status alone (forward authentication). A service that refuses a request itself returns a
/// `tonic::Status`, which a [`Rejection`] converts into (feature `tonic`).
///
/// ```
/// # fn check(verifier: tower_bearer::Verifier<serde_json::Value>) {
/// use tower_bearer::{BearerLayer, render};
///
/// // The body of HTTP refusals is empty, or another renderer creates it.
/// let layer = BearerLayer::new(verifier).with_rejection(render::Grpc::new());
/// let layer = layer.with_rejection(render::Grpc::new().with_http(render::Json));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Grpc<R = Empty> {
    http: R,
}

impl Grpc {
    /// Creates a renderer that answers requests other than gRPC with an empty body.
    pub const fn new() -> Self {
        Self { http: Empty }
    }
}

impl<R> Grpc<R> {
    /// Sets the renderer for requests other than gRPC.
    #[must_use]
    pub fn with_http<R2>(self, renderer: R2) -> Grpc<R2> {
        Grpc { http: renderer }
    }
}

impl<B: EmptyBody, R: Render<B>> Render<B> for Grpc<R> {
    fn see(&mut self, request: RequestHead<'_>) {
        self.http.see(request);
    }

    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        match rejection.grpc {
            None => self.http.render(rejection, parts),
            Some(protocol) => {
                grpc::answer(rejection, protocol, parts);
                B::empty()
            }
        }
    }
}

/// Answers with `{"error": …, "error_description": …}`, and `scope` where scopes are missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

#[diagnostic::do_not_recommend]
impl<B: From<Bytes>> Render<B> for Json {
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        #[derive(Serialize)]
        struct Body<'r> {
            error: &'static str,
            error_description: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<&'r str>,
        }
        let body = Body {
            error: rejection.code(),
            error_description: rejection.description(),
            scope: rejection.needed_scopes(),
        };
        json_body(parts, "application/json", &body)
    }
}

pub(super) fn json_body<B: From<Bytes>>(
    parts: &mut Parts,
    mime: &'static str,
    body: &impl Serialize,
) -> B {
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    B::from(Bytes::from(serde_json::to_vec(body).expect("strings and numbers serialise")))
}
