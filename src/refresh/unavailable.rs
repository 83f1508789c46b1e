use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::task::NotHere;

/// A [`Refreshed`](super::Refreshed) document that is not available now.
///
/// It is for logs, because it may name internal addresses. Answer a request that needs the document with 503.
#[derive(Clone)]
pub struct Unavailable {
    cause: Cause,
    retry_after: Duration,
}

#[derive(Clone, Debug)]
pub(crate) enum Cause {
    /// No load has ended yet.
    NotLoaded,
    /// The last load has failed.
    Failed(Arc<str>),
    /// The load takes longer than a request may wait.
    TimedOut,
    /// Too many requests wait already.
    Full,
    /// The budget for loads is spent.
    Spent,
    /// Nothing can be loaded or waited for where the caller is.
    NotHere(NotHere),
}

impl Unavailable {
    pub(super) fn new(cause: Cause, retry_after: Duration) -> Self {
        Self { cause, retry_after }
    }

    pub(super) fn not_here(problem: NotHere) -> Self {
        Self::new(Cause::NotHere(problem), Duration::from_secs(5))
    }

    pub(crate) fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Returns the time after which another attempt makes sense, for `Retry-After`.
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::NotLoaded => f.write_str("the document has not come yet"),
            Cause::Failed(problem) => write!(f, "the document cannot be loaded: {problem}"),
            Cause::TimedOut => f.write_str("the document did not come in time"),
            Cause::Full => f.write_str("too many requests wait for the document already"),
            Cause::Spent => f.write_str("the document was loaded too often to load it once more"),
            Cause::NotHere(NotHere::NoRuntime) => {
                f.write_str("the document is loaded by tokio, and no runtime is here")
            }
            Cause::NotHere(NotHere::NoTimers) => {
                f.write_str("the timers of this tokio runtime are not enabled")
            }
            Cause::NotHere(NotHere::Panicked) => {
                f.write_str("the task that loads the document has panicked")
            }
        }
    }
}

impl fmt::Debug for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unavailable")
            .field("cause", &self.cause)
            .field("retry_after", &self.retry_after)
            .finish()
    }
}

impl Error for Unavailable {}
