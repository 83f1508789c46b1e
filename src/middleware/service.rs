//! Calls the inner service with admitted requests, and answers the others.
//!
//! The future carries the renderer and not the shared part of the layer: every request would write
//! its reference count, and all cores would contend for that cache line. The renderer is empty by
//! default, so it is cloned.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::admission::{Admission, Decision, Deferral};
use super::future::{Deferred, EarlyExit, Responder, ResponseFuture};
use super::readiness::release;
use crate::middleware::reject::{Empty, EmptyBody, Render};
use crate::request_head::RequestHead;

/// The service of a [`BearerLayer`](super::BearerLayer).
pub struct Bearer<S, C, R = Empty> {
    inner: S,
    admission: Arc<Admission<C>>,
    renderer: R,
}

impl<S, C, R> Bearer<S, C, R> {
    pub(super) fn new(inner: S, admission: Arc<Admission<C>>, renderer: R) -> Self {
        Self { inner, admission, renderer }
    }

    /// Returns the inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, C, R, ReqBody, ResBody> Service<Request<ReqBody>> for Bearer<S, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    C: DeserializeOwned + Send + Sync + 'static,
    ResBody: EmptyBody,
    R: Render<ResBody> + Clone,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody, ResBody, C, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let is_head = *request.method() == Method::HEAD;
        let mut renderer = self.renderer.clone();
        renderer.see(RequestHead::of(&request));
        let responder = Responder { renderer, is_head };
        match self.admission.decide(&mut request) {
            Decision::Admit(admitted) => {
                let pass = self.admission.enter(admitted, &mut request);
                // The call goes to the instance that was made ready.
                ResponseFuture::running(responder, self.inner.call(request), pass)
            }
            Decision::AdmitWith(admitted, fields) => {
                let pass = self.admission.enter_with(admitted, fields, &mut request);
                ResponseFuture::running(responder, self.inner.call(request), pass)
            }
            Decision::Refuse(rejection) => {
                release(&mut self.inner);
                #[cfg(feature = "metadata")]
                self.admission.notice_metadata(&request, &rejection);
                let early_exit = responder
                    .early_exit(&rejection.asked_with(request.method(), request.headers()));
                ResponseFuture::exited(responder, early_exit)
            }
            Decision::Wait(deferral) => {
                ResponseFuture::exited(responder, self.wait(deferral, request))
            }
        }
    }
}

impl<S: Clone, C, R> Bearer<S, C, R> {
    /// Starts the wait of a request. It holds no reservation meanwhile: once admitted, it calls a
    /// clone of the inner service.
    #[cold]
    fn wait<ReqBody, ResBody>(
        &mut self,
        deferral: Box<Deferral<C>>,
        request: Request<ReqBody>,
    ) -> EarlyExit<S, ReqBody, ResBody, C>
    where
        S: Service<Request<ReqBody>>,
        C: DeserializeOwned + Send + Sync + 'static,
    {
        release(&mut self.inner);
        let (admission, inner) = (Arc::clone(&self.admission), self.inner.clone());
        EarlyExit::Waits(Box::new(Deferred::new(admission, deferral, request, inner)))
    }
}

impl<S: Clone, C, R: Clone> Clone for Bearer<S, C, R> {
    fn clone(&self) -> Self {
        Self::new(self.inner.clone(), Arc::clone(&self.admission), self.renderer.clone())
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for Bearer<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bearer")
            .field("inner", &self.inner)
            .field("admission", &self.admission)
            .finish_non_exhaustive()
    }
}
