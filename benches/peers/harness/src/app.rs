use std::convert::Infallible;
use std::error::Error;
use std::future::poll_fn;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use hyper::body::Bytes;
use tower_service::Service;

/// A router of any version of axum, whose request bodies are `B`.
pub trait App<B>:
    Service<Request<B>, Response = Response<Self::Answer>, Error = Infallible> + Clone + 'static
{
    type Answer: http_body::Body<Data = Bytes, Error: Error + Send + Sync> + 'static;
}

impl<B, R, S> App<B> for S
where
    R: http_body::Body<Data = Bytes, Error: Error + Send + Sync> + 'static,
    S: Service<Request<B>, Response = Response<R>, Error = Infallible> + Clone + 'static,
{
    type Answer = R;
}

/// Waits until the application is ready, and asks it.
pub(crate) async fn get<B, A: App<B>>(app: &mut A, request: Request<B>) -> Response<A::Answer> {
    let Ok(()) = poll_fn(|context| app.poll_ready(context)).await;
    let Ok(response) = app.call(request).await;
    response
}

pub(crate) fn request<B: Default>(token: Option<&str>) -> Request<B> {
    let mut request = Request::new(B::default());
    if let Some(token) = token {
        request.headers_mut().insert(AUTHORIZATION, authorization(token));
    }
    request
}

pub(crate) fn authorization(token: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Bearer {token}")).expect("ASCII")
}
