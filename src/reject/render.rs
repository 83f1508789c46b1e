use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, TRANSFER_ENCODING};
use http::response::Parts;
use http::{HeaderValue, Response};
use serde::Serialize;

use super::rejection::{Rejection, take_refused};

/// Makes the body of a refusal.
///
/// Status and challenge stand in `parts` already, together with whatever inner services have added
/// (cookies, CORS). A renderer adds the headers of its body; it may change the rest, at its own
/// risk. A closure is one too:
///
/// ```
/// # use axum::body::Body;
/// use http::header::{CONTENT_TYPE, HeaderValue};
/// use http::response::Parts;
/// use tower_bearer::Rejection;
///
/// let html = |rejection: &Rejection, parts: &mut Parts| {
///     parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
///     Body::from(format!("<h1>{}</h1><p>{}</p>", rejection.status(), rejection.description()))
/// };
/// # fn check<R: tower_bearer::Render<Body>>(_: R) {}
/// # check(html);
/// ```
pub trait Render<B>: Send + Sync + 'static {
    /// Makes the body, and sets the headers that describe it.
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B;
}

impl<B, F> Render<B> for F
where
    F: Fn(&Rejection, &mut Parts) -> B + Send + Sync + 'static,
{
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        self(rejection, parts)
    }
}

/// A finished answer to a request the layer itself refuses.
pub(crate) fn answer_refused<B: Default>(
    rejection: &Rejection,
    renderer: &impl Render<B>,
    is_head: bool,
) -> Response<B> {
    let (mut parts, ()) = rejection.to_response_with(()).into_parts();
    let body = body_of(rejection, renderer, &mut parts, is_head);
    Response::from_parts(parts, body)
}

/// Gives a guard's refusal its body. Other responses stay as they are.
pub(crate) fn finish<B: Default>(
    response: &mut Response<B>,
    renderer: &impl Render<B>,
    is_head: bool,
) {
    let Some(rejection) = take_refused(response) else { return };
    let (mut parts, _) = std::mem::take(response).into_parts();
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
fn body_of<B: Default>(
    rejection: &Rejection,
    renderer: &impl Render<B>,
    parts: &mut Parts,
    is_head: bool,
) -> B {
    let body = renderer.render(rejection, parts);
    if is_head { B::default() } else { body }
}

/// Answers with an empty body. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct Empty;

impl<B: Default> Render<B> for Empty {
    fn render(&self, _: &Rejection, _: &mut Parts) -> B {
        B::default()
    }
}

/// Answers with `{"error": …, "error_description": …}`, and `scope` where scopes are missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Json;

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

/// Answers with a problem document (RFC 9457): `title`, `status`, `detail`, and as extension
/// members `error` and, where scopes are missing, `scope`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProblemJson;

impl<B: From<Bytes>> Render<B> for ProblemJson {
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        // `type` is left out, which means `about:blank`; then `title` is the status phrase.
        #[derive(Serialize)]
        struct Body<'r> {
            title: Option<&'static str>,
            status: u16,
            detail: &'static str,
            error: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            scope: Option<&'r str>,
        }
        let body = Body {
            title: rejection.status().canonical_reason(),
            status: rejection.status().as_u16(),
            detail: rejection.description(),
            error: rejection.code(),
            scope: rejection.needed_scopes(),
        };
        json_body(parts, "application/problem+json", &body)
    }
}

fn json_body<B: From<Bytes>>(parts: &mut Parts, mime: &'static str, body: &impl Serialize) -> B {
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static(mime));
    B::from(Bytes::from(serde_json::to_vec(body).expect("strings and numbers serialise")))
}
