use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::task::Runtimes;

/// Bounds the look-ups that run at once, and the requests that wait for their turn.
pub(super) struct Lane {
    /// Those that run and those that wait.
    admitted: Semaphore,
    running: Semaphore,
    runtimes: Runtimes,
}

/// A place among the look-ups that run, until it is dropped.
pub(super) struct Place<'l> {
    _permits: [SemaphorePermit<'l>; 2],
}

impl Lane {
    pub(super) fn new(at_once: usize, most_waiting: usize) -> Self {
        Self {
            admitted: Semaphore::new(at_once + most_waiting),
            running: Semaphore::new(at_once),
            runtimes: Runtimes::default(),
        }
    }

    /// Waits for a place. `None` when too many others wait, or for too long.
    pub(super) async fn enter(&self) -> Option<Place<'_>> {
        let admitted = self.admitted.try_acquire().ok()?;
        let running = match self.running.try_acquire() {
            Ok(running) => running,
            Err(_) => self.wait().await?,
        };
        Some(Place { _permits: [running, admitted] })
    }

    async fn wait(&self) -> Option<SemaphorePermit<'_>> {
        let running = self.running.acquire();
        match self.runtimes.current() {
            Ok(_) => timeout(LONGEST_WAIT, running).await.ok()?.ok(),
            Err(_) => running.await.ok(),
        }
    }
}

/// As long as a look-up may take.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn some_run_some_wait_and_the_rest_is_turned_away() {
        let lane = Lane::new(1, 1);
        let Poll::Ready(Some(first)) = poll(pin!(lane.enter())) else { panic!("first") };
        {
            let mut second = pin!(lane.enter());
            assert!(poll(second.as_mut()).is_pending());
            assert!(matches!(poll(pin!(lane.enter())), Poll::Ready(None)));

            drop(first);

            assert!(matches!(poll(second), Poll::Ready(Some(_))));
        }
        // A request that went away while it waited has left its place too.
        let Poll::Ready(Some(_first)) = poll(pin!(lane.enter())) else { panic!("third") };
        for _ in 0..3 {
            assert!(poll(pin!(lane.enter())).is_pending());
        }
    }
}
