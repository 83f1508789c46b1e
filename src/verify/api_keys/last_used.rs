//! Records when keys were last used, coarsely and behind the requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::runtime::Handle;

use crate::observe::trace::{self, Pace};
use crate::state::api_key::{ApiKeyRecord, ErasedSource};

/// Collects uses of keys, and records them in a task of its own, one at a time.
pub(super) struct LastUsed(Arc<Shared>);

struct Shared {
    source: Arc<dyn ErasedSource>,
    pending: Mutex<Pending>,
    /// Limits how often the log repeats itself.
    pace: Pace,
}

#[derive(Default)]
struct Pending {
    uses: HashMap<String, SystemTime>,
    /// Whether a task runs that records what is added.
    is_recording: bool,
}

impl LastUsed {
    pub(super) fn new(source: Arc<dyn ErasedSource>) -> Self {
        let (pending, pace) = (Mutex::default(), Pace::default());
        Self(Arc::new(Shared { source, pending, pace }))
    }

    /// Notes a use, if the last one that is recorded is old. Outside of a tokio runtime, it does nothing.
    pub(super) fn note(&self, record: &ApiKeyRecord, now: SystemTime) {
        let is_recent = |last: SystemTime| {
            // A clock that was set back records nothing until it is there again.
            now.duration_since(last).map_or(true, |since| since < COARSENESS)
        };
        if record.last_used.is_some_and(is_recent) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let is_first = {
            let mut pending = self.0.pending.lock().unwrap_or_else(PoisonError::into_inner);
            if pending.uses.len() < MOST_PENDING || pending.uses.contains_key(&record.id) {
                pending.uses.insert(record.id.clone(), in_milliseconds(now));
            }
            !std::mem::replace(&mut pending.is_recording, true)
        };
        if is_first {
            // Without the lock: a runtime that ends drops the task at once, which takes it.
            let recording = Recording { shared: Arc::clone(&self.0), is_done: false };
            runtime.spawn(recording.run());
        }
    }
}

/// A task that records, until it is dropped: also by a panic, or with its runtime.
struct Recording {
    shared: Arc<Shared>,
    /// Whether it has ended by itself, and another may run already.
    is_done: bool,
}

impl Recording {
    async fn run(mut self) {
        while let Some(uses) = self.next() {
            // What is lost is recorded with the next use.
            if let Err(error) = self.shared.source.record_uses(&uses).await {
                trace::api_key_uses_not_recorded(&error, &self.shared.pace);
            }
        }
    }

    /// Takes all uses that wait. `None` ends the task, in the same step.
    fn next(&mut self) -> Option<Vec<(String, SystemTime)>> {
        let mut pending = self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.uses.is_empty() {
            pending.is_recording = false;
            self.is_done = true;
            return None;
        }
        Some(pending.uses.drain().collect())
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        if !self.is_done {
            let mut pending = self.shared.pending.lock().unwrap_or_else(PoisonError::into_inner);
            pending.is_recording = false;
        }
    }
}

/// Returns the moment without its fraction of a millisecond, as stores keep it.
fn in_milliseconds(moment: SystemTime) -> SystemTime {
    let since = moment.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let since = Duration::from_millis(u64::try_from(since.as_millis()).unwrap_or_default());
    SystemTime::UNIX_EPOCH + since
}

/// The time within which a further use of a key is not recorded.
const COARSENESS: Duration = Duration::from_secs(600);
/// The keys whose uses wait for the store.
const MOST_PENDING: usize = 1024;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use tokio::runtime::Builder;

    use super::*;
    use crate::state::api_key::{ApiKeyHash, ApiKeySource, ApiKeysUnavailable};

    struct Nothing;

    impl ApiKeySource for Nothing {
        async fn find(&self, _: &str) -> Result<Option<ApiKeyRecord>, ApiKeysUnavailable> {
            Ok(None)
        }
    }

    fn record() -> ApiKeyRecord {
        ApiKeyRecord {
            id: "0123456789abcdef".to_owned(),
            hash: ApiKeyHash::from_bytes([0; 32]),
            owner: "alice".to_owned(),
            label: String::new(),
            roles: Vec::new(),
            scopes: Vec::new(),
            created_at: SystemTime::UNIX_EPOCH,
            expires_at: None,
            lifetime: None,
            last_used: None,
            disabled: false,
            ended_at: None,
        }
    }

    #[test]
    fn use_that_is_noted_while_the_runtime_ends_blocks_nothing() {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let uses = LastUsed::new(Arc::new(Nothing));
            let runtime = Builder::new_current_thread().build().unwrap();
            let handle = runtime.handle().clone();
            drop(runtime);
            let _entered = handle.enter();

            uses.note(&record(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
            // The task was dropped, so the next use begins another.
            let is_recording = uses.0.pending.lock().unwrap().is_recording;
            sender.send(is_recording).unwrap();
        });

        // Without an end if the lock is held while the task is dropped.
        assert_eq!(receiver.recv_timeout(Duration::from_secs(60)), Ok(false));
    }
}
