//! The task that fetches.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::fetch::{Fetch, Fetched};
use super::store::Store;
use crate::error::KeysUnavailable;

/// Starts fetching, until it is aborted or the runtime ends.
pub(super) fn start<F: Fetch>(runtime: &Handle, fetch: Arc<F>, store: Arc<Store>) -> AbortHandle {
    store.set_kept(true);
    // Made here, since a task that the runtime ends before its first poll runs no line of its own.
    let kept = Kept(store);
    let keeper = runtime.spawn(async move {
        let store = &*kept.0;
        loop {
            store.woken().await;
            if store.begin() {
                let result = run(Arc::clone(&fetch)).await;
                store.end(&fetch.describe(), result);
            }
        }
    });
    keeper.abort_handle()
}

/// Whether the runtime that this is called in has timers, without which neither a keeper nor a request
/// can wait.
pub(super) fn has_timers() -> bool {
    // Tokio has no other way to ask.
    std::panic::catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
}

/// Runs one fetch, in a task of its own so that a panic in it is a failure and no more.
async fn run<F: Fetch>(fetch: Arc<F>) -> Result<Fetched, KeysUnavailable> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { fetch.fetch().await });
    match timeout(MAX_FETCH_TIME, tasks.join_next()).await {
        Ok(Some(Ok(result))) => result,
        Ok(_) => Err(KeysUnavailable::new("the fetch panicked")),
        Err(_) => Err(KeysUnavailable::new("the fetch took longer than 30 seconds")),
    }
}

/// Says that nobody keeps the store any more, however the task ends.
struct Kept(Arc<Store>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// How long a fetch may take.
pub(crate) const MAX_FETCH_TIME: Duration = Duration::from_secs(30);
