use std::sync::atomic::{AtomicBool, Ordering};

use super::ask::CheckAnswer;
use crate::error::{Reason, chain};
use crate::observe::trace::{self, Pace};

/// Logs when a check starts to fail and when it answers again: each at most once a minute, for any
/// number of requests.
#[derive(Default)]
pub(super) struct FailureLog {
    told: AtomicBool,
    pace: Pace,
}

impl FailureLog {
    pub(super) fn watch(&self, answer: &CheckAnswer, lets_in: bool) {
        match answer {
            Ok(_) => self.is_over(),
            Err(failure) => {
                if let Some(suppressed) = self.pace.ask(Reason::ActiveCheckFailed.as_str(), "") {
                    self.told.store(true, Ordering::Relaxed);
                    trace::active_check_failed(&chain(failure), lets_in, suppressed);
                }
            }
        }
    }

    fn is_over(&self) {
        // A read is cheaper, and there is hardly ever anything to write.
        if self.told.load(Ordering::Relaxed) && self.told.swap(false, Ordering::Relaxed) {
            trace::active_check_answers_again();
        }
    }
}
