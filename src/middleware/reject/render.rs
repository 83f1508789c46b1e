//! What refusals look like: renderers, and the trait that they implement.
//!
//! Give one to [`BearerLayer::with_rejection`](crate::BearerLayer::with_rejection). They are in a module of
//! their own because their names are common: `render::Json` stands beside `axum::Json` without confusion.

mod any_body;
mod request_head;
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
pub use request_head::RequestHead;
pub use with_request::{FromFnWithRequest, from_fn_with_request};

pub use super::empty_body::EmptyBody;
use super::grpc;
use super::rejection::{Rejection, take_refused};

/// Makes the body of a refusal.
///
/// Status and challenge stand in `parts` already, together with whatever inner services have added
/// (cookies, CORS). A renderer adds the headers of its body; it may change the rest, at its own
/// risk. [`from_fn`] makes one of a closure.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not render refusals with a body of type `{B}`",
    label = "this renderer does not make a body of that type",
    note = "renderers are `Empty`, `Json`, `ProblemJson`, `Grpc` and `from_fn(closure)` in `tower_bearer::render`; \
            `axum::Json` is another type",
    note = "if the body cannot be made of bytes, put `tower_bearer::render::any_body()` between the layer and \
            the service; in a `ServiceBuilder`: `.layer(bearer).layer(any_body())`"
)]
pub trait Render<B>: Send + Sync + 'static {
    /// Makes the body, and sets the headers that describe it.
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B;

    /// Sees the request, before it is decided about. The renderer is a copy of its own for each request, so it
    /// may keep what it will write: the path, a request id.
    ///
    /// The default keeps nothing. [`from_fn_with_request`] keeps the whole head.
    fn see(&mut self, request: RequestHead<'_>) {
        _ = request;
    }
}

/// Makes a renderer of a closure that returns the body.
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

/// The renderer that [`from_fn`] makes.
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

/// A finished answer to a request the layer itself refuses.
pub(crate) fn answer_refused<B: EmptyBody>(
    rejection: &Rejection,
    renderer: &impl Render<B>,
    is_head: bool,
) -> Response<B> {
    let (mut parts, ()) = rejection.to_response_with(()).into_parts();
    let body = body_of(rejection, renderer, &mut parts, is_head);
    Response::from_parts(parts, body)
}

/// Gives a guard's refusal its body. Other responses stay as they are.
pub(crate) fn finish<B: EmptyBody>(
    response: &mut Response<B>,
    renderer: &impl Render<B>,
    is_head: bool,
) {
    let Some(rejection) = take_refused(response) else { return };
    let (mut parts, _) = std::mem::replace(response, Response::new(B::empty())).into_parts();
    // What inner services have said of the empty body is not true of this one. A router, for example,
    // has said that its length is 0.
    for header in [CONTENT_LENGTH, TRANSFER_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG] {
        parts.headers.remove(header);
    }
    let body = body_of(&rejection, renderer, &mut parts, is_head);
    *response = Response::from_parts(parts, body);
}

// RFC 9110 §9.3.2: HEAD is answered with the headers of GET and no body. Not every server takes it
// out by itself.
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

/// Answers requests of gRPC in the words of gRPC, and all others as the renderer `R` does.
///
/// A gRPC client cannot read HTTP's statuses: to it, a 401 is a broken server. With this renderer it gets
/// what servers of its own protocol say:
///
/// | refusal | status over HTTP | `grpc-status` |
/// |---|---|---|
/// | no token, a bad token, a malformed `authorization` | 401, 400 | 16 `UNAUTHENTICATED` |
/// | a good token that does not allow this | 403 | 7 `PERMISSION_DENIED` |
/// | keys, revocations or the active check are away | 503 | 14 `UNAVAILABLE` |
/// | the layer is missing, or its claims have another type | 500 | 13 `INTERNAL` |
///
/// `grpc-message` is the [description](Rejection::description). `WWW-Authenticate` and `Retry-After` stay, as
/// metadata; `grpc-status-details-bin` holds an `ErrorInfo` (the reason is the [code](Rejection::code) in
/// capitals, the domain is the realm, the metadata holds the needed `scope`) and, with `UNAVAILABLE`, a
/// `RetryInfo`. The status over HTTP becomes 200; access logs find the [`Reason`](crate::Reason) in the
/// response's extensions as ever.
///
/// A request is gRPC if it is a `POST` whose `Content-Type` begins with `application/grpc`, gRPC-Web included. So
/// this renderer is not for a server that answers other proxies with a status alone (forward authentication). A service that
/// wants to refuse a request itself returns a `tonic::Status`, which a [`Rejection`] turns into (feature
/// `tonic`).
///
/// ```
/// # fn check(verifier: tower_bearer::Verifier<serde_json::Value>) {
/// use tower_bearer::{BearerLayer, render};
///
/// // The body of HTTP's refusals is empty, or made by another renderer.
/// let layer = BearerLayer::new(verifier).with_rejection(render::Grpc::new());
/// let layer = layer.with_rejection(render::Grpc::new().with_http(render::Json));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Grpc<R = Empty> {
    http: R,
}

impl Grpc {
    /// Answers other requests than gRPC with an empty body.
    pub const fn new() -> Self {
        Self { http: Empty }
    }
}

impl<R> Grpc<R> {
    /// Answers other requests than gRPC as this renderer does.
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
            Some(flavour) => {
                grpc::answer(rejection, flavour, parts);
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
