//! Loads documents in a task.
//!
//! There is one task for each source, and not one for each fetch, so that only one fetch can run at a time. The task
//! ends with its source and with its runtime. The next use starts another task in the runtime of the caller, so a
//! `static` verifier works in programs and tests with several runtimes.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::load::{Load, Loaded};
use super::store::Store;
use super::view::View;
use crate::task::Job;

/// Loads a document when the schedule says so, until it is aborted or its runtime ends.
pub(super) struct RefreshWorker<L, V: View> {
    pub(super) load: Arc<L>,
    pub(super) store: Store<V>,
}

impl<L: Load, V: View<Document = L::Document>> Job for RefreshWorker<L, V> {
    async fn run(&self) -> Infallible {
        loop {
            self.store.woken().await;
            if self.store.begin() {
                let result = run(Arc::clone(&self.load)).await;
                self.store.end(&self.load.describe(), result);
            }
        }
    }

    fn ended(&self) {
        self.store.abandoned();
    }

    fn wake_waiting(&self) {
        self.store.wake_waiting();
    }
}

/// Runs one load, in a task of its own, so that a panic in it counts as a failed load.
async fn run<L: Load>(load: Arc<L>) -> Result<Loaded<L::Document>, Box<dyn Error + Send + Sync>> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { load.load().await.map_err(Into::into) });
    match timeout(MAX_LOAD_TIME, tasks.join_next()).await {
        Ok(Some(Ok(result))) => result,
        Ok(_) => Err("the fetch panicked".into()),
        Err(_) => Err("the fetch took longer than 30 seconds".into()),
    }
}

/// The longest time that a load may take.
pub(crate) const MAX_LOAD_TIME: Duration = Duration::from_secs(30);
