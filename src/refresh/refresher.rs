use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::SemaphorePermit;
use tokio::time::{Instant, timeout, timeout_at};

use super::load::Load;
use super::schedule::RefreshDecision;
use super::settings::Settings;
use super::status::Status;
use super::store::Store;
use super::unavailable::{Cause, Unavailable};
use super::view::View;
use super::worker::RefreshWorker;
use crate::task::{NotHere, Worker};

/// Keeps the documents of a [`Load`] in a [`View`]: the part that [`Refreshed`](super::Refreshed) and
/// [`CachedKeys`](crate::keys::CachedKeys) share.
pub(crate) struct Refresher<L, V: View> {
    load: Arc<L>,
    settings: Settings,
    /// The view before the first load.
    initial: V,
    worker: OnceLock<Worker<RefreshWorker<L, V>>>,
}

impl<L, V: View> Refresher<L, V> {
    pub(crate) fn new(load: L, initial: V) -> Self {
        let (load, settings) = (Arc::new(load), Settings::default());
        Self { load, settings, initial, worker: OnceLock::new() }
    }

    #[cfg(feature = "config")]
    pub(crate) fn load(&self) -> &L {
        &self.load
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }
}

impl<L: Load, V: View<Document = L::Document>> Refresher<L, V> {
    /// Changes settings and the initial view. A worker with the old settings ends, and the next use starts a new one.
    pub(crate) fn change(mut self, change: impl FnOnce(&mut Settings, &mut V)) -> Self {
        change(&mut self.settings, &mut self.initial);
        if let Some(worker) = self.worker.take() {
            worker.job().store.with_view(|view, _| self.initial.carry_over(view));
        }
        self
    }

    pub(crate) fn store(&self) -> &Store<V> {
        &self.worker().job().store
    }

    /// Returns the store while the worker runs.
    pub(crate) fn running(&self) -> Option<&Store<V>> {
        let worker = self.worker.get()?;
        // Without a worker that runs, a reader has to start one.
        worker.is_running().then(|| &worker.job().store)
    }

    fn worker(&self) -> &Worker<RefreshWorker<L, V>> {
        self.worker.get_or_init(|| {
            let store = Store::new(&self.settings, self.initial.clone());
            Worker::new(RefreshWorker { load: Arc::clone(&self.load), store })
        })
    }

    /// Starts loading if that can be done here. If not, the current document can be used all the same.
    pub(crate) fn start(&self) {
        _ = self.worker().ensure();
    }

    /// Starts loading, and checks that the caller can wait for it.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] where nothing can be loaded or waited for.
    pub(crate) fn start_to_wait(&self) -> Result<(), Unavailable> {
        let worker = self.worker();
        // To wait takes a runtime, even if the worker has one.
        let ready = worker.runtime().and_then(|_| worker.ensure());
        ready.map_err(Unavailable::not_here)
    }

    /// Waits until there is a document.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] with the last failure, when there is still none after `at_most`.
    pub(crate) async fn await_ready(&self, at_most: Duration) -> Result<(), Unavailable> {
        let store = self.store();
        let mut ended = store.ended.subscribe();
        self.start_to_wait()?;
        let ready = async {
            while !store.is_usable() {
                // The store holds the sender, so this cannot fail.
                _ = ended.changed().await;
                self.worker().ensure().map_err(Unavailable::not_here)?;
            }
            Ok(())
        };
        timeout(at_most, ready).await.unwrap_or_else(|_| Err(store.unavailable()))
    }

    /// Returns whether a request that the document does not serve is a reason to load another one.
    pub(crate) fn is_outdated(&self) -> bool {
        let started = self.worker.get();
        started.is_some_and(|worker| worker.job().store.is_outdated(&self.settings.shared_budget))
    }

    /// Returns whether the caller can wait for a load.
    pub(crate) fn can_wait(&self) -> bool {
        self.worker().runtime().is_ok()
    }

    /// Begins to wait for loads, as one request does, until a deadline for all of them.
    pub(crate) fn waiting(&self) -> Waiting<'_, L, V> {
        let deadline = Instant::now() + self.settings.wait.min(A_LONG_TIME);
        Waiting { refresher: self, deadline, permit: None, first: None }
    }

    /// Returns the error for a request that must not wait, or has waited long enough.
    pub(crate) fn explain(&self, no_load: NoLoad) -> Unavailable {
        let store = self.store();
        match no_load {
            NoLoad::Spent => store.spent(|| self.load.describe()),
            NoLoad::Failed => store.unavailable(),
            NoLoad::Full => store.without_load(Cause::Full),
            NoLoad::TimedOut => store.without_load(Cause::TimedOut),
            NoLoad::NotHere(problem) => Unavailable::not_here(problem),
        }
    }

    /// Returns the status, and the result of `look`. Starts loading as readers do.
    pub(crate) fn status<R>(&self, look: impl FnOnce(&V) -> R) -> (Status, R) {
        self.start();
        self.store().status(self.load.describe(), look)
    }

    pub(crate) fn describe(&self) -> String {
        self.load.describe()
    }

    /// Waits until a load has ended.
    async fn ended(&self, load: u64) -> Result<(), NotHere> {
        let mut ended = self.store().ended.subscribe();
        loop {
            if *ended.borrow_and_update() >= load {
                return Ok(());
            }
            // Again and again: a worker ends with its runtime, of which there may be several. Not
            // before the line above, or one that ends in between would not be noticed.
            self.worker().ensure()?;
            _ = ended.changed().await;
        }
    }
}

/// A request that waits for loads.
pub(crate) struct Waiting<'r, L, V: View> {
    refresher: &'r Refresher<L, V>,
    deadline: Instant,
    permit: Option<SemaphorePermit<'r>>,
    /// The first load that was waited for.
    first: Option<u64>,
}

/// A load that was waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) load: u64,
    /// Whether the load began before the request came. Then it may have been answered before the document changed.
    pub(crate) began_before: bool,
}

/// The reason why a request does not wait for a load.
#[derive(Clone, Copy, Debug)]
pub(crate) enum NoLoad {
    /// The budget is spent.
    Spent,
    /// The last load failed, and there is no budget for another one.
    Failed,
    /// The largest number of requests waits already.
    Full,
    /// The deadline of this request has passed.
    TimedOut,
    NotHere(NotHere),
}

impl<L: Load, V: View<Document = L::Document>> Waiting<'_, L, V> {
    /// Waits for the end of the load that runs, or else of the next one.
    pub(crate) async fn next(&mut self) -> Result<Ended, NoLoad> {
        let (refresher, store) = (self.refresher, self.refresher.store());
        let (load, began_before) = match store.ask(&refresher.settings.shared_budget) {
            RefreshDecision::Wait { load, began_before } => (load, began_before),
            RefreshDecision::Spent => return Err(NoLoad::Spent),
            RefreshDecision::Failed => return Err(NoLoad::Failed),
        };
        if self.permit.is_none() {
            let permit = store.waiting.try_acquire().map_err(|_| NoLoad::Full)?;
            self.permit = Some(permit);
        }
        let ended = timeout_at(self.deadline, refresher.ended(load)).await;
        ended.map_err(|_| NoLoad::TimedOut)?.map_err(NoLoad::NotHere)?;
        // A load that began before this request came may bring a document without the change that it needs.
        let began_before = began_before && self.first.is_none_or(|first| load <= first);
        self.first.get_or_insert(load);
        Ok(Ended { load, began_before })
    }
}

/// Longer than any request waits, and short enough to be added to any moment.
const A_LONG_TIME: Duration = Duration::from_secs(24 * 60 * 60);
