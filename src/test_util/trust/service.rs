use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::challenge::ChallengeConfig;
use crate::claims::Verified;
use crate::middleware::reject::{self, Empty, EmptyBody, Render};
use crate::middleware::source::AuthorizationHeader;

/// The service of a [`DangerouslyTrustEveryone`](super::DangerouslyTrustEveryone).
pub struct DangerouslyTrusting<S, C, R = Empty> {
    inner: S,
    verified: Verified<C>,
    /// Set where requests without a token pass without claims.
    visitors: Option<Arc<ChallengeConfig>>,
    renderer: Arc<R>,
}

impl<S, C, R> DangerouslyTrusting<S, C, R> {
    pub(super) fn new(
        inner: S,
        verified: Verified<C>,
        visitors: Option<Arc<ChallengeConfig>>,
        renderer: Arc<R>,
    ) -> Self {
        Self { inner, verified, visitors, renderer }
    }

    /// Adds the extensions that the layer would add.
    fn admit<B>(&self, request: &mut Request<B>) {
        match &self.visitors {
            Some(config) if !has_token(request) => {
                reject::admit_anonymous(request.extensions_mut(), Arc::clone(config), None);
            }
            _ => reject::admit(request.extensions_mut(), self.verified.principal().clone()),
        }
    }
}

impl<S, C, R, ReqBody, ResBody> Service<Request<ReqBody>> for DangerouslyTrusting<S, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: Send + Sync + 'static,
    ResBody: EmptyBody,
    R: Render<ResBody>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = DangerouslyTrustingFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        self.admit(&mut request);
        DangerouslyTrustingFuture {
            is_head: request.method() == Method::HEAD,
            future: self.inner.call(request),
            renderer: Arc::clone(&self.renderer),
        }
    }
}

fn has_token<B>(request: &mut Request<B>) -> bool {
    // A request with a malformed field tried to send a token.
    !matches!(AuthorizationHeader::find_and_mark(request.headers_mut()), Ok(None))
}

pin_project! {
    /// The response of a [`DangerouslyTrusting`] service.
    pub struct DangerouslyTrustingFuture<F, R> {
        #[pin]
        future: F,
        renderer: Arc<R>,
        is_head: bool,
    }
}

impl<F, R, ResBody, E> Future for DangerouslyTrustingFuture<F, R>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
    ResBody: EmptyBody,
    R: Render<ResBody>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.future.poll(cx))?;
        reject::finish(&mut response, &**this.renderer, *this.is_head);
        Poll::Ready(Ok(response))
    }
}

impl<S: Clone, C, R> Clone for DangerouslyTrusting<S, C, R> {
    fn clone(&self) -> Self {
        let (visitors, renderer) = (self.visitors.clone(), Arc::clone(&self.renderer));
        Self::new(self.inner.clone(), self.verified.clone(), visitors, renderer)
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for DangerouslyTrusting<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DangerouslyTrusting")
            .field("inner", &self.inner)
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}

impl<F, R> fmt::Debug for DangerouslyTrustingFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DangerouslyTrustingFuture").finish_non_exhaustive()
    }
}
