use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says whether a delayed answer occupies a connection.
#[derive(Clone, Default)]
pub(super) struct Busy(Arc<AtomicBool>);

/// Marks the connection as occupied while it lives. HTTP/1 has one answer at a time.
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
