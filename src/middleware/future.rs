use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;
use tower_service::Service;

use super::gate::{Admitted, Gate, Origin, Pass, Setup, Waiting};
use crate::reject::{Rejection, Render, answer_refused, finish};

pin_project! {
    /// The response of a [`Bearer`](super::Bearer) service.
    ///
    /// Nothing is boxed unless a key, or the answer whether a subject is still active, has to be waited for.
    pub struct ResponseFuture<S, ReqBody, ResBody, C, R>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S::Future, ResBody, Cold<S, ReqBody>>,
        setup: Arc<Setup<C, R>>,
        is_head: bool,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, ResBody, K> {
        Refused { response: Option<Response<ResBody>> },
        Running { #[pin] future: F, pass: Pass },
        Cold { cold: Box<K> },
    }
}

/// A request whose token needs what is not here yet: keys, or an answer.
struct Cold<S, ReqBody> {
    stage: Stage,
    request: Option<Request<ReqBody>>,
    service: S,
}

/// How a request is to be answered, whatever becomes of it.
pub(super) struct Asked<C, R> {
    pub(super) setup: Arc<Setup<C, R>>,
    pub(super) is_head: bool,
}

enum Stage {
    /// The keys or the answer are on their way.
    Waiting(Pin<Box<dyn Future<Output = Result<Admitted, Rejection>> + Send>>),
    /// The token was accepted; the inner service is not ready yet.
    Accepted(Option<Admitted>),
}

impl<S, ReqBody, ResBody, C, R> ResponseFuture<S, ReqBody, ResBody, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: DeserializeOwned + Send + Sync + 'static,
    R: Render<ResBody>,
    ResBody: Default,
{
    pub(super) fn refused(asked: Asked<C, R>, rejection: &Rejection) -> Self {
        let response = answer_refused(rejection, &*asked.setup.renderer, asked.is_head);
        Self::new(State::Refused { response: Some(response) }, asked)
    }

    pub(super) fn running(asked: Asked<C, R>, future: S::Future, pass: Pass) -> Self {
        let Asked { setup, is_head } = asked;
        Self { state: State::Running { future, pass }, setup, is_head }
    }

    pub(super) fn waiting(
        asked: Asked<C, R>,
        (waiting, origin): (Waiting<C>, Origin),
        request: Request<ReqBody>,
        service: S,
    ) -> Self {
        let gate = Arc::clone(&asked.setup.gate);
        let stage = Stage::Waiting(Box::pin(async move {
            let principal = gate.decide_after(waiting).await?;
            Ok(Admitted { principal, origin })
        }));
        let cold = Box::new(Cold { stage, request: Some(request), service });
        Self::new(State::Cold { cold }, asked)
    }

    fn new(
        state: State<S::Future, ResBody, Cold<S, ReqBody>>,
        Asked { setup, is_head }: Asked<C, R>,
    ) -> Self {
        Self { state, setup, is_head }
    }
}

impl<S, ReqBody, ResBody, C, R> Future for ResponseFuture<S, ReqBody, ResBody, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: DeserializeOwned + Send + Sync + 'static,
    R: Render<ResBody>,
    ResBody: Default,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Refused { response } => {
                    return Poll::Ready(Ok(response.take().expect(AFTER_COMPLETION)));
                }
                StateProj::Running { future, pass } => {
                    // Stays where it is: to move a response is not for nothing.
                    let mut polled = future.poll(cx);
                    if let Poll::Ready(Ok(response)) = &mut polled {
                        finish(response, &*this.setup.renderer, *this.is_head);
                        this.setup.gate.leave(pass, response);
                    }
                    return polled;
                }
                StateProj::Cold { cold } => {
                    let next = match ready!(cold.poll(&this.setup.gate, cx))? {
                        Ok((future, pass)) => State::Running { future, pass },
                        Err(rejection) => {
                            let response =
                                answer_refused(&rejection, &*this.setup.renderer, *this.is_head);
                            State::Refused { response: Some(response) }
                        }
                    };
                    this.state.set(next);
                }
            }
        }
    }
}

/// The inner call once it has begun; or the refusal.
type Begun<F> = Result<(F, Pass), Rejection>;

impl<S, ReqBody> Cold<S, ReqBody>
where
    S: Service<Request<ReqBody>>,
{
    fn poll<C: DeserializeOwned + Send + Sync + 'static>(
        &mut self,
        gate: &Gate<C>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Begun<S::Future>, S::Error>> {
        loop {
            match &mut self.stage {
                Stage::Waiting(waiting) => match ready!(waiting.as_mut().poll(cx)) {
                    Ok(admitted) => self.stage = Stage::Accepted(Some(admitted)),
                    Err(rejection) => return Poll::Ready(Ok(Err(rejection))),
                },
                Stage::Accepted(admitted) => {
                    ready!(self.service.poll_ready(cx))?;
                    let mut request = self.request.take().expect(AFTER_COMPLETION);
                    let pass = gate.enter(admitted.take(), &mut request);
                    return Poll::Ready(Ok(Ok((self.service.call(request), pass))));
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
