use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Clock;

/// A clock that stands still until it is set. Clones show the same time.
#[derive(Clone, Debug)]
pub struct TestClock(Arc<Mutex<SystemTime>>);

impl TestClock {
    /// Creates a clock that shows this many seconds since 1970.
    pub fn at(seconds: u64) -> Self {
        Self(Arc::new(Mutex::new(UNIX_EPOCH + Duration::from_secs(seconds))))
    }

    /// Sets the clock to this many seconds since 1970.
    pub fn set(&self, seconds: u64) {
        self.change(|time| *time = UNIX_EPOCH + Duration::from_secs(seconds));
    }

    /// Moves the clock forward.
    pub fn advance(&self, duration: Duration) {
        self.change(|time| *time += duration);
    }

    fn change<T>(&self, change: impl FnOnce(&mut SystemTime) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock for TestClock {
    fn now(&self) -> SystemTime {
        self.change(|time| *time)
    }
}
