use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::future::{ResponseFuture, Setup};
use super::gate::{Decision, Gate};
use crate::reject::{self, Empty, Render};

/// The service of a [`BearerLayer`](super::BearerLayer).
pub struct Bearer<S, C, R = Empty> {
    inner: S,
    gate: Arc<Gate<C>>,
    renderer: Arc<R>,
}

impl<S, C, R> Bearer<S, C, R> {
    pub(super) fn new(inner: S, gate: Arc<Gate<C>>, renderer: Arc<R>) -> Self {
        Self { inner, gate, renderer }
    }

    /// The service inside.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, C, R, ReqBody, ResBody> Service<Request<ReqBody>> for Bearer<S, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: DeserializeOwned + Send + Sync + 'static,
    R: Render<ResBody>,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, ResBody, C, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        reject::clear::<C>(&mut parts.extensions);
        let setup = Setup {
            gate: Arc::clone(&self.gate),
            renderer: Arc::clone(&self.renderer),
            is_head: parts.method == Method::HEAD,
        };
        match setup.gate.decide(&parts) {
            Decision::Pass(admitted) => {
                let pass = setup.gate.enter(admitted, &mut parts);
                // The very service that was made ready takes the call.
                let future = self.inner.call(Request::from_parts(parts, body));
                ResponseFuture::running(setup, future, pass)
            }
            Decision::Refuse(rejection) => ResponseFuture::refused(setup, &rejection),
            // While the request waits it holds a clone that has promised nothing, so the readiness
            // of this one (a concurrency permit, say) stays with this one.
            Decision::Wait(waiting, origin) => {
                let request = Request::from_parts(parts, body);
                let waiting = (waiting, origin);
                ResponseFuture::waiting(setup, waiting, request, self.inner.clone())
            }
        }
    }
}

impl<S: Clone, C, R> Clone for Bearer<S, C, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.gate), Arc::clone(&self.renderer))
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for Bearer<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("inner", &self.inner)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}
