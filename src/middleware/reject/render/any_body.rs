use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

/// Adapts a service to a [`BearerLayer`](crate::BearerLayer) if the layer cannot create a body of
/// its type.
///
/// To refuse a request, a layer creates a body of the type that the inner service answers with. It
/// cannot create a `hyper::body::Incoming`, which only a connection creates, nor a body of
/// `tower_http::trace`. [`Json`](super::Json) needs a body that can be created from [`Bytes`], and
/// the boxed bodies of `http_body_util` and the bodies of tonic cannot. This layer turns all of
/// them into [`AnyBody`], at the cost of one branch for each frame. Put it directly inside the
/// bearer layer and its guards:
///
/// ```
/// # use std::convert::Infallible;
/// use http::{Request, Response};
/// use hyper::body::Incoming;
/// use tower::ServiceBuilder;
/// use tower_bearer::policy::role;
/// use tower_bearer::{BearerLayer, Verifier, render, require};
///
/// # async fn forward(_: Request<Incoming>) -> Result<Response<Incoming>, Infallible> { unimplemented!() }
/// # fn proxy(verifier: Verifier<serde_json::Value>) {
/// let proxy = ServiceBuilder::new()
///     .layer(BearerLayer::new(verifier).with_rejection(render::Json))
///     .layer(require(role("user")))
///     .layer(render::any_body())
///     .service_fn(forward); // answers with `Response<Incoming>`
/// # fn serves<S: tower::Service<Request<Incoming>>>(_: S) {}
/// # serves(proxy);
/// # }
/// ```
///
/// axum's routers do not need it, because their bodies can be created.
pub const fn any_body() -> AnyBodyLayer {
    AnyBodyLayer(())
}

/// The layer that [`any_body`] returns.
#[derive(Clone, Copy, Debug)]
pub struct AnyBodyLayer(());

/// The service of an [`AnyBodyLayer`].
#[derive(Clone, Copy, Debug)]
pub struct AnyBodyService<S> {
    inner: S,
}

pin_project! {
    /// The response of an [`AnyBodyService`].
    pub struct AnyBodyFuture<F> {
        #[pin]
        future: F,
    }
}

pin_project! {
    /// The body of an inner service, or a body that was created from bytes or empty.
    pub struct AnyBody<B> {
        #[pin]
        origin: BodyOrigin<B>,
    }
}

pin_project! {
    #[project = OriginProj]
    enum BodyOrigin<B> {
        Service { #[pin] body: B },
        Made { text: Option<Bytes> },
    }
}

impl<S> Layer<S> for AnyBodyLayer {
    type Service = AnyBodyService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AnyBodyService { inner }
    }
}

impl<S, ReqBody, B> Service<Request<ReqBody>> for AnyBodyService<S>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
{
    type Response = Response<AnyBody<B>>;
    type Error = S::Error;
    type Future = AnyBodyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        AnyBodyFuture { future: self.inner.call(request) }
    }
}

impl<F, B, E> Future for AnyBodyFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AnyBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().future.poll(cx))?;
        Poll::Ready(Ok(response.map(|body| AnyBody { origin: BodyOrigin::Service { body } })))
    }
}

impl<B> Default for AnyBody<B> {
    fn default() -> Self {
        Self { origin: BodyOrigin::Made { text: None } }
    }
}

impl<B> From<Bytes> for AnyBody<B> {
    fn from(text: Bytes) -> Self {
        let text = (!text.is_empty()).then_some(text);
        Self { origin: BodyOrigin::Made { text } }
    }
}

impl<B: Body> Body for AnyBody<B>
where
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().origin.project() {
            OriginProj::Service { body } => body.poll_frame(cx),
            OriginProj::Made { text } => {
                Poll::Ready(text.take().map(|text| Ok(Frame::data(text.into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.origin {
            BodyOrigin::Service { body } => body.is_end_stream(),
            BodyOrigin::Made { text } => text.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.origin {
            BodyOrigin::Service { body } => body.size_hint(),
            BodyOrigin::Made { text } => {
                SizeHint::with_exact(text.as_ref().map_or(0, |text| text.len() as u64))
            }
        }
    }
}

impl<B> fmt::Debug for AnyBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyBody").finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for AnyBodyFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyBodyFuture").finish_non_exhaustive()
    }
}
