//! Runs work in the background: a task that starts when it is needed and ends with its owner.
//!
//! A [`Worker`] is one such task. It survives its runtime: where a task has ended with a runtime, the next use
//! starts another one in the runtime that is there. [`Backoff`] is the pause between its attempts.

mod backoff;
mod guard;
mod runtime;
mod worker;

#[cfg(feature = "refresh")]
pub(crate) use backoff::part_of;
pub(crate) use backoff::{Backoff, jitter};
#[cfg(feature = "redis")]
pub(crate) use guard::AbortOnDrop;
pub(crate) use runtime::NotHere;
#[cfg(any(feature = "api-keys", feature = "introspection"))]
pub(crate) use runtime::Runtimes;
pub(crate) use worker::{Job, Worker};
