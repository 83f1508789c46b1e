use std::fmt;

use http::Request;
use http::response::Parts;

use super::{Render, RequestHead};
use crate::middleware::reject::rejection::Rejection;

/// Creates a renderer from a closure that also reads the request. The renderer copies the head of
/// each request, without its extensions, which costs about a microsecond for each. A [`Render`] of your own can store less.
///
/// ```
/// # use axum::body::Body;
/// use tower_bearer::render;
///
/// let text = render::from_fn_with_request(|rejection, request, _parts| {
///     Body::from(format!("{} {}: {}", request.method(), request.uri().path(), rejection.description()))
/// });
/// # fn check<R: render::Render<Body>>(_: R) {}
/// # check(text);
/// ```
pub fn from_fn_with_request<F, B>(render: F) -> FromFnWithRequest<F>
where
    F: Fn(&Rejection, RequestHead<'_>, &mut Parts) -> B,
{
    FromFnWithRequest { render, request: Request::default() }
}

/// The renderer that [`from_fn_with_request`] returns.
#[derive(Clone)]
pub struct FromFnWithRequest<F> {
    render: F,
    request: Request<()>,
}

#[diagnostic::do_not_recommend]
impl<B, F> Render<B> for FromFnWithRequest<F>
where
    F: Fn(&Rejection, RequestHead<'_>, &mut Parts) -> B + Send + Sync + 'static,
{
    fn render(&self, rejection: &Rejection, parts: &mut Parts) -> B {
        (self.render)(rejection, RequestHead::of(&self.request), parts)
    }

    fn see(&mut self, request: RequestHead<'_>) {
        *self.request.method_mut() = request.method().clone();
        *self.request.uri_mut() = request.uri().clone();
        *self.request.headers_mut() = request.headers().clone();
    }
}

impl<F> fmt::Debug for FromFnWithRequest<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromFnWithRequest").finish_non_exhaustive()
    }
}
