use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::ask::Answer;
use crate::error::chain;
use crate::trace;

/// Tells the log when a check fails, and when it answers again: at most once a minute each, however
/// many requests meet it.
#[derive(Default)]
pub(super) struct Outage {
    told: AtomicBool,
    told_at: Mutex<Option<Instant>>,
}

impl Outage {
    pub(super) fn watch(&self, answer: &Answer, lets_in: bool) {
        match answer {
            Ok(_) => self.is_over(),
            Err(failure) if self.is_to_be_told() => {
                trace::active_check_failed(&chain(failure), lets_in);
            }
            Err(_) => {}
        }
    }

    fn is_over(&self) {
        // Read first: there is hardly ever anything to write.
        if self.told.load(Ordering::Relaxed) && self.told.swap(false, Ordering::Relaxed) {
            trace::active_check_answers_again();
        }
    }

    fn is_to_be_told(&self) -> bool {
        let mut told_at = self.told_at.lock().unwrap_or_else(PoisonError::into_inner);
        if told_at.is_some_and(|told_at| told_at.elapsed() < EVERY) {
            return false;
        }
        *told_at = Some(Instant::now());
        self.told.store(true, Ordering::Relaxed);
        true
    }
}

const EVERY: Duration = Duration::from_secs(60);
