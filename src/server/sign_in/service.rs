use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::desk::{Desk, Operation};
use super::input::receive;
use crate::server::carried_out::carried_out;
use crate::server::endpoints::answer::{EndpointFuture, endpoint};

/// One of the services of [`SignInEndpoints`](super::SignInEndpoints).
#[derive(Clone)]
pub struct SignInService {
    pub(super) desk: Arc<Desk>,
    pub(super) operation: Operation,
}

endpoint!(SignInService, |service, request| {
    let (desk, operation) = (Arc::clone(&service.desk), service.operation);
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
});

impl fmt::Debug for SignInService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInService").field("operation", &self.operation).finish_non_exhaustive()
    }
}
