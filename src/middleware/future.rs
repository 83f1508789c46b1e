use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use serde::de::DeserializeOwned;
use tower_service::Service;
use zeroize::Zeroizing;

use super::gate::Gate;
use crate::claims::{Principal, Verified};
use crate::reject::{self, Rejection, Render};

pin_project! {
    /// The response of a [`Bearer`](super::Bearer) service.
    ///
    /// Nothing is boxed unless a key has to be waited for.
    pub struct ResponseFuture<S, ReqBody, ResBody, C, R>
    where
        S: Service<Request<ReqBody>>,
    {
        #[pin]
        state: State<S::Future, ResBody, Cold<S, ReqBody, C>>,
        renderer: Option<Arc<R>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, ResBody, K> {
        Refused { response: Option<Response<ResBody>> },
        Running { #[pin] future: F, principal: Option<Principal> },
        Cold { cold: Box<K> },
    }
}

/// A request whose token needs keys that are not here yet.
struct Cold<S, ReqBody, C> {
    gate: Arc<Gate<C>>,
    decision: Stage<C>,
    request: Option<Request<ReqBody>>,
    service: S,
}

enum Stage<C> {
    /// The keys are on their way.
    Waiting(Pin<Box<dyn Future<Output = Result<Verified<C>, Rejection>> + Send>>),
    /// The token was accepted; the inner service is not ready yet.
    Accepted(Option<Verified<C>>),
}

impl<S, ReqBody, ResBody, C, R> ResponseFuture<S, ReqBody, ResBody, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    pub(super) fn refused(response: Response<ResBody>) -> Self {
        Self { state: State::Refused { response: Some(response) }, renderer: None }
    }

    pub(super) fn running(
        future: S::Future,
        principal: Option<Principal>,
        renderer: Arc<R>,
    ) -> Self {
        Self { state: State::Running { future, principal }, renderer: Some(renderer) }
    }

    pub(super) fn waiting(
        gate: Arc<Gate<C>>,
        token: Zeroizing<String>,
        request: Request<ReqBody>,
        service: S,
        renderer: Arc<R>,
    ) -> Self {
        let waiting_gate = Arc::clone(&gate);
        let decision =
            Stage::Waiting(Box::pin(
                async move { waiting_gate.decide_after_refresh(&token).await },
            ));
        let cold = Box::new(Cold { gate, decision, request: Some(request), service });
        Self { state: State::Cold { cold }, renderer: Some(renderer) }
    }
}

impl<S, ReqBody, ResBody, C, R> Future for ResponseFuture<S, ReqBody, ResBody, C, R>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    C: DeserializeOwned + Send + Sync + 'static,
    R: Render<ResBody>,
{
    type Output = Result<Response<ResBody>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Refused { response } => {
                    return Poll::Ready(Ok(response.take().expect(AFTER_COMPLETION)));
                }
                StateProj::Running { future, principal } => {
                    let response = ready!(future.poll(cx))?;
                    let renderer = this.renderer.as_deref().expect("set with this state");
                    return Poll::Ready(Ok(finish(response, principal.take(), renderer)));
                }
                StateProj::Cold { cold } => {
                    let next = match ready!(cold.poll(cx)) {
                        Ok(Ok((future, principal))) => State::Running { future, principal },
                        Ok(Err(rejection)) => {
                            let renderer = this.renderer.as_deref().expect("set with this state");
                            let response = reject::answer_refused(&rejection, renderer);
                            State::Refused { response: Some(response) }
                        }
                        Err(error) => return Poll::Ready(Err(error)),
                    };
                    this.state.set(next);
                }
            }
        }
    }
}

/// The inner call once it has begun, with whom it is for; or the refusal.
type Begun<F> = Result<(F, Option<Principal>), Rejection>;

impl<S, ReqBody, C> Cold<S, ReqBody, C>
where
    S: Service<Request<ReqBody>>,
    C: DeserializeOwned + Send + Sync + 'static,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Begun<S::Future>, S::Error>> {
        loop {
            match &mut self.decision {
                Stage::Waiting(waiting) => match ready!(waiting.as_mut().poll(cx)) {
                    Ok(verified) => self.decision = Stage::Accepted(Some(verified)),
                    Err(rejection) => return Poll::Ready(Ok(Err(rejection))),
                },
                Stage::Accepted(verified) => {
                    ready!(self.service.poll_ready(cx))?;
                    let mut request = self.request.take().expect(AFTER_COMPLETION);
                    let principal = self.gate.enter(verified.take(), request.extensions_mut());
                    return Poll::Ready(Ok(Ok((self.service.call(request), principal))));
                }
            }
        }
    }
}

/// Gives a guard's refusal its body, and tells access logs who asked.
fn finish<B>(
    response: Response<B>,
    principal: Option<Principal>,
    renderer: &impl Render<B>,
) -> Response<B> {
    let (mut parts, mut body) = response.into_parts();
    if let Some(rejection) = reject::take_refused(&mut parts) {
        body = renderer.render(&rejection, &mut parts);
    }
    if let Some(principal) = principal {
        parts.extensions.insert(principal);
    }
    Response::from_parts(parts, body)
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
