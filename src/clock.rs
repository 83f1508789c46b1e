//! What time it is, in one place.

use std::sync::Arc;
use std::time::SystemTime;

/// Tells the time.
///
/// The verifier reads it once for each token. Pass another one than [`SystemClock`] to test what
/// happens around expiry.
pub trait Clock: Send + Sync + 'static {
    /// The time right now.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }
}
