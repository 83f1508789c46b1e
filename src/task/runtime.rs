use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::time::sleep;

/// The reason why a task cannot be started, or waited for, in the runtime of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotHere {
    /// There is no tokio runtime.
    NoRuntime,
    /// The timers of this tokio runtime are not enabled.
    NoTimers,
    /// The task has panicked less than a second ago, so it is not started again yet.
    Panicked,
}

/// Finds the runtime of the caller, and keeps the id of the last runtime without timers.
#[derive(Debug, Default)]
pub(crate) struct Runtimes {
    without_timers: Mutex<Option<Id>>,
}

impl Runtimes {
    /// Returns the current runtime, if tasks can sleep there.
    pub(crate) fn current(&self) -> Result<Handle, NotHere> {
        let runtime = Handle::try_current().map_err(|_| NotHere::NoRuntime)?;
        let mut without_timers = self.without_timers.lock().unwrap_or_else(PoisonError::into_inner);
        // A runtime without timers is tried once only, because each try is a panic.
        if *without_timers != Some(runtime.id()) {
            if has_timers() {
                return Ok(runtime);
            }
            *without_timers = Some(runtime.id());
        }
        Err(NotHere::NoTimers)
    }
}

/// Returns whether the current runtime has timers.
fn has_timers() -> bool {
    // Tokio has no other way to ask.
    std::panic::catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;

    #[test]
    fn runtime_with_timers_is_found_whichever_were_looked_at_before() {
        let (runtimes, with) =
            (Runtimes::default(), Builder::new_current_thread().enable_time().build());
        let without = Builder::new_current_thread().build().unwrap();

        without.block_on(async {
            assert_eq!(runtimes.current().unwrap_err(), NotHere::NoTimers);
            assert_eq!(runtimes.current().unwrap_err(), NotHere::NoTimers);
        });

        with.unwrap().block_on(async { assert!(runtimes.current().is_ok()) });
        assert_eq!(runtimes.current().unwrap_err(), NotHere::NoRuntime);
    }
}
