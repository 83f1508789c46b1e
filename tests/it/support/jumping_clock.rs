//! Moves a clock by hours, for tests of time limits over real sockets.
//!
//! A clock that stands still, as in the tests without sockets, would run ahead whenever all tasks
//! wait for a socket. This clock runs as usual between the leaps.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use tokio::time::{advance, pause, resume, sleep};

/// Lets this much time pass at once. For tests on one thread.
pub async fn leap(by: Duration) {
    pause();
    advance(by).await;
    resume();
}

/// Waits for something that takes long, in leaps.
pub async fn leaping<T>(by: Duration, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        tokio::select! {
            biased;
            output = &mut future => return output,
            () = sleep(Duration::from_millis(2)) => leap(by).await,
        }
    }
}
