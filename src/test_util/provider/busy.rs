use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a connection is held up by an answer that takes its time.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

/// Such an answer. There is one at a time, as HTTP/1 has it.
pub(super) struct Held(Busy);

impl Busy {
    pub(super) fn hold(&self) -> Held {
        self.0.store(true, Ordering::SeqCst);
        Held(self.clone())
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::SeqCst);
    }
}
