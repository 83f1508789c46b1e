use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Response;
use pin_project_lite::pin_project;

pin_project! {
    /// The response of a service that guards another one: the inner response, or an answer without it.
    pub struct GuardFuture<F, ResBody> {
        #[pin]
        state: GuardState<F, ResBody>,
    }
}

pin_project! {
    #[project = StateProj]
    enum GuardState<F, ResBody> {
        Allowed { #[pin] future: F },
        Answered { response: Option<Response<ResBody>> },
    }
}

impl<F, ResBody> GuardFuture<F, ResBody> {
    /// Waits for the inner response.
    pub(crate) fn allowed(future: F) -> Self {
        Self { state: GuardState::Allowed { future } }
    }

    /// Answers in place of the inner service.
    pub(crate) fn answered(response: Response<ResBody>) -> Self {
        Self { state: GuardState::Answered { response: Some(response) } }
    }
}

impl<F, ResBody, E> Future for GuardFuture<F, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Allowed { future } => future.poll(cx),
            StateProj::Answered { response } => Poll::Ready(Ok(response
                .take()
                .expect("a future is not polled after it has completed"))),
        }
    }
}

impl<F, ResBody> fmt::Debug for GuardFuture<F, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
