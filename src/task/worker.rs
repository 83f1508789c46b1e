use std::convert::Infallible;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::guard::AbortOnDrop;
use super::runtime::{NotHere, Runtimes};
use crate::clock::Moment;

/// The work of a task in the background, and the state that it shares with the owner of the task.
pub(crate) trait Job: Send + Sync + 'static {
    /// Works until the task is aborted.
    fn run(&self) -> impl Future<Output = Infallible> + Send;

    /// Records that the task has ended: by an abort, by a panic, or with its runtime. It is called before another
    /// task can be started.
    fn ended(&self);

    /// Wakes callers that wait for the task, so that one of them starts another. It is called when that is possible.
    fn wake_waiting(&self) {}
}

/// A task that is started when it is needed, one at a time. It ends when this value is dropped.
pub(crate) struct Worker<J> {
    shared: Arc<Shared<J>>,
    task: Mutex<Option<AbortOnDrop>>,
    runtimes: Runtimes,
}

struct Shared<J> {
    job: J,
    is_running: AtomicBool,
    panicked_at: Mutex<Option<Moment>>,
}

impl<J: Job> Worker<J> {
    /// Makes a worker whose task is not started yet.
    pub(crate) fn new(job: J) -> Self {
        let (is_running, panicked_at) = (AtomicBool::new(false), Mutex::new(None));
        Self {
            shared: Arc::new(Shared { job, is_running, panicked_at }),
            task: Mutex::new(None),
            runtimes: Runtimes::default(),
        }
    }

    #[cfg(feature = "refresh")]
    pub(crate) fn job(&self) -> &J {
        &self.shared.job
    }

    pub(crate) fn is_running(&self) -> bool {
        self.shared.is_running.load(Ordering::Acquire)
    }

    /// Starts the task in the runtime of the caller, unless it runs already.
    ///
    /// # Errors
    ///
    /// [`NotHere`] when it does not run, and cannot be started.
    pub(crate) fn ensure(&self) -> Result<(), NotHere> {
        if self.is_running() {
            return Ok(());
        }
        let runtime = self.runtime()?;
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_running() {
            return Ok(());
        }
        if self.shared.has_just_panicked() {
            return Err(NotHere::Panicked);
        }
        self.shared.is_running.store(true, Ordering::Release);
        // Made here, because a task that ends with its runtime before the first poll runs no code.
        let guard = WorkerGuard(Arc::clone(&self.shared));
        let running = runtime.spawn(async move { guard.0.job.run().await });
        *task = Some(AbortOnDrop::new(running.abort_handle()));
        Ok(())
    }

    /// Returns the runtime of the caller, to wait in. It needs timers, even if the runtime of the task has them.
    ///
    /// # Errors
    ///
    /// [`NotHere`] when the caller cannot wait.
    pub(crate) fn runtime(&self) -> Result<Handle, NotHere> {
        self.runtimes.current()
    }
}

impl<J> Shared<J> {
    fn has_just_panicked(&self) -> bool {
        let panicked_at = *self.panicked_at.lock().unwrap_or_else(PoisonError::into_inner);
        panicked_at.is_some_and(|at| at.elapsed() < PAUSE_AFTER_PANIC)
    }
}

/// Reports the end of the task, whatever ends it.
struct WorkerGuard<J: Job>(Arc<Shared<J>>);

impl<J: Job> Drop for WorkerGuard<J> {
    fn drop(&mut self) {
        let shared = &*self.0;
        if std::thread::panicking() {
            let mut panicked_at = shared.panicked_at.lock().unwrap_or_else(PoisonError::into_inner);
            *panicked_at = Some(Moment::now());
        }
        // In this order, so that a woken caller can start another task, and that task finds that this one has ended.
        shared.job.ended();
        shared.is_running.store(false, Ordering::Release);
        shared.job.wake_waiting();
    }
}

const PAUSE_AFTER_PANIC: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::Notify;
    use tokio::task::yield_now;

    use super::*;

    #[derive(Clone, Default)]
    struct Counted(Arc<Counts>);

    #[derive(Default)]
    struct Counts {
        starts: AtomicUsize,
        ends: AtomicUsize,
        wakes: AtomicUsize,
        panic: Notify,
    }

    impl Counted {
        fn counts(&self) -> [usize; 3] {
            let Counts { starts, ends, wakes, .. } = &*self.0;
            [starts, ends, wakes].map(|count| count.load(Ordering::SeqCst))
        }
    }

    impl Job for Counted {
        async fn run(&self) -> Infallible {
            self.0.starts.fetch_add(1, Ordering::SeqCst);
            self.0.panic.notified().await;
            panic!("as the test wants it")
        }

        fn ended(&self) {
            self.0.ends.fetch_add(1, Ordering::SeqCst);
        }

        fn wake_waiting(&self) {
            self.0.wakes.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn worker() -> (Counted, Worker<Counted>) {
        let job = Counted::default();
        (job.clone(), Worker::new(job))
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
    }

    #[tokio::test]
    async fn task_is_started_once_and_ends_with_its_owner() {
        let (job, worker) = worker();
        assert!(!worker.is_running());

        worker.ensure().unwrap();
        worker.ensure().unwrap();
        yield_now().await;

        assert!(worker.is_running());
        assert_eq!(job.counts(), [1, 0, 0]);

        drop(worker);
        yield_now().await;

        assert_eq!(job.counts(), [1, 1, 1]);
    }

    #[test]
    fn task_that_ended_with_its_runtime_is_started_in_another() {
        let (job, worker) = worker();

        runtime().block_on(async { worker.ensure().unwrap() });
        assert!(!worker.is_running());
        // Whether the first one was polled at all is the runtime's business.
        assert_eq!(job.counts()[1..], [1, 1]);

        runtime().block_on(async {
            worker.ensure().unwrap();
            yield_now().await;
            assert!(worker.is_running());
        });
    }

    #[test]
    fn task_that_has_panicked_is_started_again_after_a_second() {
        let (job, worker) = worker();

        runtime().block_on(async {
            worker.ensure().unwrap();
            job.0.panic.notify_one();
            while worker.is_running() {
                yield_now().await;
            }

            assert_eq!(worker.ensure(), Err(NotHere::Panicked));
            assert_eq!(job.counts(), [1, 1, 1]);

            tokio::time::advance(PAUSE_AFTER_PANIC).await;

            assert_eq!(worker.ensure(), Ok(()));
        });
    }

    #[test]
    fn without_a_runtime_nothing_is_started() {
        let (job, worker) = worker();

        assert_eq!(worker.ensure(), Err(NotHere::NoRuntime));
        assert_eq!(job.counts(), [0, 0, 0]);
    }
}
