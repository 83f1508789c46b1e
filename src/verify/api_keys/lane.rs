use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use crate::task::Runtimes;

/// Bounds the look-ups that run at once, and the requests that wait for their turn.
pub(super) struct Lane {
    running: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    runtimes: Runtimes,
}

/// A place among the look-ups that run, until it is dropped.
pub(super) struct Place<'l> {
    _permit: SemaphorePermit<'l>,
}

impl Lane {
    pub(super) fn new(at_once: usize, most_waiting: usize) -> Self {
        Self {
            running: Semaphore::new(at_once),
            waiting: AtomicUsize::new(0),
            most_waiting,
            runtimes: Runtimes::default(),
        }
    }

    /// Waits for a place. `None` when too many others wait, or for too long.
    pub(super) async fn enter(&self) -> Option<Place<'_>> {
        if let Ok(permit) = self.running.try_acquire() {
            return Some(Place { _permit: permit });
        }
        let _waiting = Waiting::new(self)?;
        let permit = match self.runtimes.current() {
            Ok(_) => timeout(LONGEST_WAIT, self.running.acquire()).await.ok()?.ok()?,
            Err(_) => self.running.acquire().await.ok()?,
        };
        Some(Place { _permit: permit })
    }
}

/// As long as a look-up may take.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A request that waits, until it is dropped: also when its client goes away.
struct Waiting<'l>(&'l AtomicUsize);

impl<'l> Waiting<'l> {
    fn new(lane: &'l Lane) -> Option<Self> {
        let waiting = Self(&lane.waiting);
        // Counted before it is compared, and dropped if it is one too many.
        let others = lane.waiting.fetch_add(1, Ordering::Relaxed);
        (others < lane.most_waiting).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

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
