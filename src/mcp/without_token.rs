use std::fmt;
use std::task::{Context, Poll};

use http::Request;
use http::header::AUTHORIZATION;
use tower_layer::Layer;
use tower_service::Service;

/// Removes the `Authorization` field from requests whose token was accepted, so that the server cannot pass the token on.
///
/// This is a layer for the inside of a [`BearerLayer`](crate::BearerLayer). MCP forbids servers to pass tokens on that
/// they have received: another API would take the server for the client.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct WithoutToken;

impl WithoutToken {
    /// Creates the layer.
    pub const fn new() -> Self {
        Self
    }
}

/// The service of [`WithoutToken`].
#[derive(Clone)]
pub struct WithoutTokenService<S> {
    inner: S,
}

impl<S> Layer<S> for WithoutToken {
    type Service = WithoutTokenService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WithoutTokenService { inner }
    }
}

impl<S, B> Service<Request<B>> for WithoutTokenService<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.headers_mut().remove(AUTHORIZATION);
        self.inner.call(request)
    }
}

impl<S: fmt::Debug> fmt::Debug for WithoutTokenService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithoutTokenService").field("inner", &self.inner).finish()
    }
}
