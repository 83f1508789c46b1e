use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use tokio::runtime::Handle;
use tower_service::Service;
use zeroize::Zeroizing;

use super::desk::{Desk, Operation};
use super::input::receive;
use crate::server::body::ServiceBody;
use crate::server::endpoints::answer::{Answer, EndpointFuture, Refusal};

/// One of the services of [`SignInEndpoints`](super::SignInEndpoints).
#[derive(Clone)]
pub struct SignInService {
    pub(super) desk: Arc<Desk>,
    pub(super) operation: Operation,
}

impl<B> Service<Request<B>> for SignInService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = EndpointFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> EndpointFuture {
        let (desk, operation) = (Arc::clone(&self.desk), self.operation);
        let pace = Arc::clone(&desk.pace);
        let answer = async move {
            let (parts, body) = request.into_parts();
            let (methods, _) = operation.methods();
            let is_read = operation.reads_body() && methods.contains(&parts.method);
            // Not in the task: a time limit of the application ends the reading.
            let sent = if is_read { receive(body).await } else { Ok(Zeroizing::default()) };
            carried_out(async move { desk.answer(operation, &parts, sent).await }).await
        };
        EndpointFuture::new(answer, pace)
    }
}

/// Carries an operation out in a task of its own. A client that disconnects drops the future of its request, and that must
/// not leave a password changed and the sessions of a thief alive.
pub(super) async fn carried_out(
    operation: impl Future<Output = Answer> + Send + 'static,
) -> Answer {
    match Handle::try_current() {
        Ok(runtime) => runtime.spawn(operation).await.unwrap_or_else(|_| Err(Refusal::internal())),
        Err(_) => operation.await,
    }
}

impl fmt::Debug for SignInService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInService").field("operation", &self.operation).finish_non_exhaustive()
    }
}
