use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::error::PasswordError;

/// Runs work on the blocking threads of tokio: some at once, some waiting, and no more.
///
/// Clones share both limits.
#[derive(Clone)]
pub(super) struct Threads {
    max_concurrent: usize,
    max_waiting: usize,
    /// Has a permit for all work that runs or waits.
    admitted: Arc<Semaphore>,
    /// Has a permit for all work that runs.
    running: Arc<Semaphore>,
}

impl Threads {
    pub(super) fn new(max_concurrent: usize, max_waiting: usize) -> Self {
        let max_concurrent = max_concurrent.clamp(1, Semaphore::MAX_PERMITS);
        let both = max_concurrent.saturating_add(max_waiting).min(Semaphore::MAX_PERMITS);
        Self {
            max_concurrent,
            max_waiting,
            admitted: Arc::new(Semaphore::new(both)),
            running: Arc::new(Semaphore::new(max_concurrent)),
        }
    }

    pub(super) fn with_max_concurrent(&self, max_concurrent: usize) -> Self {
        Self::new(max_concurrent, self.max_waiting)
    }

    pub(super) fn with_max_waiting(&self, max_waiting: usize) -> Self {
        Self::new(self.max_concurrent, max_waiting)
    }

    /// Runs the work in its turn. A caller that is dropped while it waits frees its place at once.
    /// Work that has begun is finished, and counts until then.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let runtime = Handle::try_current()
            .map_err(|_| PasswordError::Unavailable { problem: "there is no tokio runtime" })?;
        let admitted = Arc::clone(&self.admitted)
            .try_acquire_owned()
            .map_err(|_| PasswordError::Busy { retry_after: RETRY_AFTER })?;
        let running = Arc::clone(&self.running).acquire_owned().await.map_err(|_| STOPPED)?;
        // The permits go with the work and not with the caller: a caller that is dropped stops no
        // thread, and the memory is in use until the work ends.
        let task = runtime.spawn_blocking(move || {
            let _permits = (admitted, running);
            work()
        });
        task.await.map_err(|error| match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => STOPPED,
        })
    }
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("max_concurrent", &self.max_concurrent)
            .field("max_waiting", &self.max_waiting)
            .finish_non_exhaustive()
    }
}

// A full waiting room of the default size is empty after one second if two cores hash.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const STOPPED: PasswordError =
    PasswordError::Unavailable { problem: "the tokio runtime is shutting down" };
