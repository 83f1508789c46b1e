//! Asks the application, in time.
//!
//! A shared call is a task: it goes on when the request that began it goes away. Without sharing, the call ends
//! with its request, which is what a busy database needs. Calls are shared only where answers are cached: a
//! call that is under way may know less than one that begins now. Failures are not remembered.

use std::error::Error;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

/// The answer of a check, or the reason why there is none.
pub(super) type CheckAnswer = Result<bool, CheckFailure>;

/// The reason why there is no answer. All requests that waited for it share it.
pub(super) type CheckFailure = Arc<dyn Error + Send + Sync>;

/// Waits for an answer up to a time limit. A panic in the check is a failure and no more.
pub(super) async fn bounded(
    at_most: Duration,
    asking: impl Future<Output = CheckAnswer>,
) -> CheckAnswer {
    if Handle::try_current().is_err() {
        return Err(failure("a check can be waited for in a tokio runtime only"));
    }
    // The timeout is created in here too: a runtime may lack timers, and there is no way to ask.
    let mut asking = pin!(async { timeout(at_most, asking).await });
    let asked = poll_fn(|cx| {
        let poll = catch_unwind(AssertUnwindSafe(|| asking.as_mut().poll(cx)));
        poll.map_or(Poll::Ready(None), |poll| poll.map(Some))
    });
    match asked.await {
        Some(Ok(answer)) => answer,
        Some(Err(_)) => Err(failure(format!("the check took longer than {at_most:?}"))),
        None => Err(failure("the check panicked, or the runtime has no timers")),
    }
}

pub(super) fn failure(problem: impl Into<Box<dyn Error + Send + Sync>>) -> CheckFailure {
    CheckFailure::from(problem.into())
}
