use std::sync::atomic::{AtomicBool, Ordering};

use super::problem::Problem;
use crate::error::chain;
use crate::observe::trace::{self, Pace};

/// Logs when introspection starts to fail and when it works again: each at most once a minute, for any number of
/// requests.
#[derive(Default)]
pub(super) struct FailureLog {
    told: AtomicBool,
    pace: Pace,
}

impl FailureLog {
    pub(super) fn failed(&self, endpoint: &str, problem: &Problem) {
        let topic = if problem.is_flood() { "introspection_spent" } else { "introspection_failed" };
        let Some(suppressed) = self.pace.ask(topic, "") else { return };
        let text = chain(problem);
        if problem.is_flood() {
            trace::introspection_spent(endpoint, &text, suppressed);
        } else {
            self.told.store(true, Ordering::Relaxed);
            trace::introspection_failed(endpoint, &text, suppressed);
        }
    }

    pub(super) fn works(&self, endpoint: &str) {
        // A read is cheaper, and there is hardly ever anything to write.
        if self.told.load(Ordering::Relaxed) && self.told.swap(false, Ordering::Relaxed) {
            trace::introspection_works_again(endpoint);
        }
    }
}
