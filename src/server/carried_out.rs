use std::future::Future;

use tokio::runtime::Handle;

use crate::server::endpoints::answer::{Answer, Refusal};

/// Carries an operation out in a task of its own. A client that disconnects drops the future of its request, and that must
/// not leave a password changed and the sessions of a thief alive, or an API key ended and not revoked.
pub(in crate::server) async fn carried_out(
    operation: impl Future<Output = Answer> + Send + 'static,
) -> Answer {
    match Handle::try_current() {
        Ok(runtime) => runtime.spawn(operation).await.unwrap_or_else(|_| Err(Refusal::internal())),
        Err(_) => operation.await,
    }
}
