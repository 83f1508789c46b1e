use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Says whether a delayed answer occupies a connection.
#[derive(Clone, Default)]
pub(super) struct BusyFlag(Arc<AtomicBool>);

/// Marks the connection as occupied while it lives. HTTP/1 has one answer at a time.
pub(super) struct BusyGuard(BusyFlag);

impl BusyFlag {
    pub(super) fn hold(&self) -> BusyGuard {
        self.0.store(true, Ordering::SeqCst);
        BusyGuard(self.clone())
    }

    pub(super) fn is_held(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::SeqCst);
    }
}
