use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::admission::{Admission, Deferral, ResponseHook, Vetted};
use crate::binding::PendingProof;
use crate::middleware::reject::{EmptyBody, Rejection, Render, answer_refused, finish};
use crate::request_head::RequestHead;

pin_project! {
    /// The response of a [`Bearer`](super::Bearer) service.
    ///
    /// Nothing is boxed unless the request has to wait: for a key, or for the answer whether a
    /// subject is still active.
    pub struct ResponseFuture<S, ReqBody, ResBody, C, R>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: ResponseState<S::Future, ResBody, Deferred<S, ReqBody, C>>,
        responder: Responder<R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum ResponseState<F, ResBody, K> {
        Refused { response: Option<Box<Response<ResBody>>> },
        Running { #[pin] future: F, pass: ResponseHook },
        Deferred { cold: Box<K> },
    }
}

impl<F, S, ReqBody, ResBody, C> ResponseState<F, ResBody, Deferred<S, ReqBody, C>> {
    fn of(early_exit: EarlyExit<S, ReqBody, ResBody, C>) -> Self {
        match early_exit {
            EarlyExit::Refused(response) => Self::Refused { response: Some(response) },
            EarlyExit::Waits(cold) => Self::Deferred { cold },
        }
    }
}

/// A request that waits for keys, or for an answer about its token.
pub(super) struct Deferred<S, ReqBody, C> {
    admission: Arc<Admission<C>>,
    stage: Stage<C>,
    request: Option<Request<ReqBody>>,
    service: S,
}

/// The outcome of a request that is refused or waits.
///
/// It is small, and not yet the future itself: the future would be built in two places, and moved
/// from both.
pub(super) enum EarlyExit<S, ReqBody, ResBody, C> {
    Refused(Box<Response<ResBody>>),
    Waits(Box<Deferred<S, ReqBody, C>>),
}

/// Builds the answer to a request, whether it is refused or admitted.
pub(super) struct Responder<R> {
    pub(super) renderer: R,
    pub(super) is_head: bool,
}

impl<R> Responder<R> {
    #[cold]
    pub(super) fn early_exit<S, ReqBody, ResBody: EmptyBody, C>(
        &self,
        rejection: &Rejection,
    ) -> EarlyExit<S, ReqBody, ResBody, C>
    where
        R: Render<ResBody>,
    {
        EarlyExit::Refused(Box::new(answer_refused(rejection, &self.renderer, self.is_head)))
    }

    /// Polls the inner service with an admitted request.
    #[inline]
    fn run<ResBody: EmptyBody, E>(
        &self,
        future: Pin<&mut impl Future<Output = Result<Response<ResBody>, E>>>,
        pass: &mut ResponseHook,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<ResBody>, E>>
    where
        R: Render<ResBody>,
    {
        let mut polled = future.poll(cx);
        // The response stays where it is: to move it costs time.
        if let Poll::Ready(Ok(response)) = &mut polled
            && pass.wants(response)
        {
            if !response.extensions().is_empty() {
                self.finish(response);
            }
            pass.complete(response);
        }
        polled
    }

    /// Finishes a response that may be the refusal of a guard.
    #[cold]
    fn finish<ResBody: EmptyBody>(&self, response: &mut Response<ResBody>)
    where
        R: Render<ResBody>,
    {
        finish(response, &self.renderer, self.is_head);
    }
}

enum Stage<C> {
    /// Keys or an answer have been requested.
    Pending(Pin<Box<dyn Future<Output = Result<Vetted<C>, Rejection>> + Send>>),
    /// A binding's proof is being checked.
    Proving { proof: PendingProof, vetted: Option<Vetted<C>> },
    /// The token was accepted. The inner service has to be ready before it is called.
    Accepted { vetted: Option<Vetted<C>>, has_waited: bool },
}

impl<C> Stage<C> {
    fn accepted(vetted: Vetted<C>, has_waited: bool) -> Self {
        Self::Accepted { vetted: Some(vetted), has_waited }
    }
}

impl<S, ReqBody, ResBody, C, R> ResponseFuture<S, ReqBody, ResBody, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: DeserializeOwned + Send + Sync + 'static,
    ResBody: EmptyBody,
    R: Render<ResBody>,
{
    pub(super) fn running(responder: Responder<R>, future: S::Future, pass: ResponseHook) -> Self {
        Self { state: ResponseState::Running { future, pass }, responder }
    }

    pub(super) fn exited(
        responder: Responder<R>,
        early_exit: EarlyExit<S, ReqBody, ResBody, C>,
    ) -> Self {
        Self { state: ResponseState::of(early_exit), responder }
    }
}

impl<S, ReqBody, ResBody, C, R> Future for ResponseFuture<S, ReqBody, ResBody, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: DeserializeOwned + Send + Sync + 'static,
    ResBody: EmptyBody,
    R: Render<ResBody>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Running { future, pass } => return this.responder.run(future, pass, cx),
                StateProj::Refused { response } => {
                    return Poll::Ready(Ok(*response.take().expect(AFTER_COMPLETION)));
                }
                StateProj::Deferred { cold } => {
                    let next = match ready!(cold.poll(cx))? {
                        Ok((future, pass)) => ResponseState::Running { future, pass },
                        Err(rejection) => ResponseState::of(this.responder.early_exit(&rejection)),
                    };
                    this.state.set(next);
                }
            }
        }
    }
}

/// The started call of the inner service, or the refusal.
type StartedCall<F> = Result<(F, ResponseHook), Rejection>;

impl<S, ReqBody, C> Deferred<S, ReqBody, C>
where
    S: Service<Request<ReqBody>>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn new(
        admission: Arc<Admission<C>>,
        deferral: Box<Deferral<C>>,
        request: Request<ReqBody>,
        service: S,
    ) -> Self {
        let decider = Arc::clone(&admission);
        let decision = async move { decider.decide_after(deferral).await };
        let stage = Stage::Pending(Box::pin(decision));
        Self { admission, stage, request: Some(request), service }
    }

    #[inline(never)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<StartedCall<S::Future>, S::Error>> {
        let begun = ready!(self.poll_begun(cx))?;
        Poll::Ready(Ok(begun.map_err(|rejection| match &self.request {
            Some(request) => rejection.asked_with(request.method(), request.headers()),
            None => rejection,
        })))
    }

    /// Returns the stage of a token after all answers about it have arrived.
    fn prove(&mut self, mut vetted: Vetted<C>) -> Result<Stage<C>, Rejection> {
        let request = self.request.as_mut().expect(AFTER_COMPLETION);
        if let Some(proof) = self.admission.prove(&mut vetted, request)? {
            return Ok(Stage::Proving { proof, vetted: Some(vetted) });
        }
        self.admission.check(&vetted, RequestHead::of(request))?;
        Ok(Stage::accepted(vetted, false))
    }

    fn poll_begun(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StartedCall<S::Future>, S::Error>> {
        loop {
            match &mut self.stage {
                Stage::Pending(waiting) => match ready!(waiting.as_mut().poll(cx)) {
                    Ok(vetted) => match self.prove(vetted) {
                        Ok(stage) => self.stage = stage,
                        Err(rejection) => return Poll::Ready(Ok(Err(rejection))),
                    },
                    Err(rejection) => return Poll::Ready(Ok(Err(rejection))),
                },
                Stage::Proving { proof, vetted } => {
                    let proved = ready!(proof.as_mut().poll(cx));
                    let vetted = vetted.take().expect(AFTER_COMPLETION);
                    let proved = proved.map_err(|error| self.admission.refuse_proof(error));
                    let request = self.request.as_ref().expect(AFTER_COMPLETION);
                    let head = RequestHead::of(request);
                    match proved.and_then(|()| self.admission.check(&vetted, head)) {
                        // A proof takes time, in which the token may be revoked.
                        Ok(()) => self.stage = Stage::accepted(vetted, true),
                        Err(rejection) => return Poll::Ready(Ok(Err(rejection))),
                    }
                }
                Stage::Accepted { vetted, has_waited } => {
                    let Poll::Ready(ready) = self.service.poll_ready(cx) else {
                        *has_waited = true;
                        return Poll::Pending;
                    };
                    ready?;
                    let vetted = vetted.take().expect(AFTER_COMPLETION);
                    let admitted = if *has_waited {
                        let request = self.request.as_ref().expect(AFTER_COMPLETION);
                        self.admission.decide_again(vetted, RequestHead::of(request))
                    } else {
                        Ok(vetted.admitted())
                    };
                    let begun = admitted.map(|(admitted, fields)| {
                        let mut request = self.request.take().expect(AFTER_COMPLETION);
                        let pass = self.admission.enter_with(admitted, fields, &mut request);
                        (self.service.call(request), pass)
                    });
                    return Poll::Ready(Ok(begun));
                }
            }
        }
    }
}

impl<S, ReqBody, ResBody, C, R> fmt::Debug for ResponseFuture<S, ReqBody, ResBody, C, R>
where
    S: Service<Request<ReqBody>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

const AFTER_COMPLETION: &str = "a future is not polled after it has completed";
