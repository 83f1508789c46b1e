//! Starts sweeps now and then, each as a task of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::SystemTime;

use tokio::runtime::Handle;

use crate::claims::NumericDate;

/// The times of the sweeps of one store.
pub(super) struct Sweeps {
    every_seconds: u64,
    /// The second in which the last sweep began.
    last: AtomicI64,
    is_sweeping: Arc<AtomicBool>,
}

impl Sweeps {
    pub(super) fn every(seconds: u64) -> Self {
        Self { every_seconds: seconds, last: AtomicI64::new(0), is_sweeping: Arc::default() }
    }

    /// Starts a sweep, unless one runs or the last one began a short time ago. Nothing waits for it. Outside of a tokio
    /// runtime, it does nothing.
    pub(super) fn start<F>(&self, now: SystemTime, sweep: impl FnOnce() -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let now = NumericDate::from(now).as_seconds();
        let last = self.last.load(Ordering::Relaxed);
        if now.abs_diff(last) < self.every_seconds
            || self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_err()
        {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        if self.is_sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let (sweeping, sweep) = (Sweeping(Arc::clone(&self.is_sweeping)), sweep());
        runtime.spawn(async move {
            let _sweeping = sweeping;
            sweep.await;
        });
    }
}

/// A sweep that runs, until it is dropped: also by a panic, or with its runtime.
struct Sweeping(Arc<AtomicBool>);

impl Drop for Sweeping {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
