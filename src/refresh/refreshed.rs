use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::budget::FetchBudget;
use super::load::Load;
use super::refresher::Refresher;
use super::settings::Settings;
use super::status::Status;
use super::unavailable::Unavailable;
use super::view::Latest;

/// Keeps a document fresh: loads it in the background, before it is too old.
///
/// ```
/// use tower_bearer::refresh::{Loaded, Refreshed, Unavailable};
///
/// # async fn read_plans() -> std::io::Result<Vec<String>> { Ok(vec!["free".to_owned()]) }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Unavailable> {
/// let plans = Refreshed::new(async || std::io::Result::Ok(Loaded::from(read_plans().await?)));
///
/// // The first reader waits, and starts the task that loads the document from now on.
/// assert_eq!(*plans.get().await?, ["free"]);
/// // From then on there is a document.
/// assert!(plans.current().is_some());
/// # Ok(())
/// # }
/// ```
///
/// - **Reads never wait** while there is a document: they see the document of the last load, also while the next
///   one is under way.
/// - **Single flight.** One load runs at a time, in a task of its own: a reader that goes away cancels nothing,
///   and all readers that need the load share it.
/// - **Stale if error.** A document that should have been replaced stays in use
///   [for a while](Self::with_stale_if_error), and failed loads are repeated with growing pauses
///   ([backoff](Self::with_backoff)). Then it expires: [`current`](Self::current) is `None`.
///
/// It can be made anywhere. The first use starts a task in the tokio runtime it is called from, whose timers must be
/// enabled. The task ends when the value is dropped. Elsewhere the current document can be used, and no other is
/// loaded. To share it, put it into an [`Arc`].
///
/// # Defaults
///
/// | | |
/// |---|---|
/// | a document is fresh for | the time that its [`Loaded`](super::Loaded) states, 1 minute to 24 hours; 10 minutes if it states none |
/// | it is loaded again after | 80 % of that, ± 5 % |
/// | after a failed load | 1 second, then twice as long up to a minute, with jitter |
/// | a stale document is used for | 4 hours |
/// | a document is waited for | 5 seconds, by 256 readers at the most |
/// | [`refresh`](Self::refresh) causes | 3 loads, and one more every 10 seconds |
/// | a load may take | 30 seconds |
pub struct Refreshed<L: Load> {
    refresher: Refresher<L, Latest<L::Document>>,
}

impl<L: Load> Refreshed<L> {
    /// Keeps the document that `load` brings. Nothing is loaded yet.
    pub fn new(load: L) -> Self {
        Self { refresher: Refresher::new(load, Latest(None)) }
    }

    /// Starts with this document instead of none, and loads another one at once.
    ///
    /// It counts as stale: if loads fail, it is used for as long as [stale ones](Self::with_stale_if_error) are.
    #[must_use]
    pub fn with_initial(self, document: L::Document) -> Self {
        let initial = Latest(Some(Arc::new(document)));
        Self { refresher: self.refresher.change(|_, view| *view = initial) }
    }

    /// Sets how long a document stays in use after it should have been replaced. The default is 4 hours.
    #[must_use]
    pub fn with_stale_if_error(self, stale_for: Duration) -> Self {
        self.change(|settings| settings.timing.stale_for = stale_for)
    }

    /// Sets the bounds of the time for which a document can say that it is fresh. The default is 1 minute to 24 hours.
    #[must_use]
    pub fn with_freshness_between(self, bounds: RangeInclusive<Duration>) -> Self {
        self.change(|settings| {
            (settings.timing.fresh_at_least, settings.timing.fresh_at_most) = bounds.into_inner();
        })
    }

    /// Sets how long a document is fresh if it states no time. The default is 10 minutes. The
    /// [bounds](Self::with_freshness_between) hold for it too.
    #[must_use]
    pub fn with_default_freshness(self, fresh_for: Duration) -> Self {
        self.change(|settings| settings.timing.fresh_by_default = fresh_for)
    }

    /// Sets the pauses after failed loads: the first one, which doubles with each further failure, and the
    /// longest. The default is 1 second to a minute.
    #[must_use]
    pub fn with_backoff(self, pauses: RangeInclusive<Duration>) -> Self {
        self.change(|settings| {
            (settings.timing.first_retry, settings.timing.last_retry) = pauses.into_inner();
        })
    }

    /// Sets how many loads [`refresh`](Self::refresh), and readers between failed loads, can cause at once,
    /// and after how much time there is one more. The default is 3, and one more every 10 seconds.
    #[must_use]
    pub fn with_fetch_budget(self, loads: u32, refill_every: Duration) -> Self {
        self.change(|settings| settings.set_budget(loads, refill_every))
    }

    /// Sets the budget that this source shares with others. The default is one for the whole program.
    #[must_use]
    pub fn with_shared_budget(self, budget: FetchBudget) -> Self {
        self.change(|settings| settings.shared_budget = budget)
    }

    /// Sets how long a reader waits for a document. The default is 5 seconds.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        self.change(|settings| settings.wait = wait)
    }

    /// Sets how many readers may wait at once. The default is 256.
    #[must_use]
    pub fn with_max_waiting(self, readers: usize) -> Self {
        self.change(|settings| settings.most_waiting = readers)
    }

    /// Returns the current document: the last one that was loaded, unless it is too old. Never waits.
    pub fn current(&self) -> Option<Arc<L::Document>> {
        self.refresher.start();
        self.refresher.store().read(|document| Some(Arc::clone(document?)))
    }

    /// Returns the current document, or waits for one.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when there is no document, and the load fails, does not end in time, or cannot be waited
    /// for.
    pub async fn get(&self) -> Result<Arc<L::Document>, Unavailable> {
        if let Some(document) = self.current() {
            return Ok(document);
        }
        self.refresher.start_to_wait()?;
        let ended = self.refresher.waiting().next().await;
        ended.map_err(|no_load| self.refresher.explain(no_load))?;
        self.current().ok_or_else(|| self.refresher.store().unavailable())
    }

    /// Loads the document again, within the [budget](Self::with_fetch_budget), and returns it: for a reader that
    /// knows that the current one is not the newest.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] when the load fails or does not end in time, and when the budget is spent. The current
    /// document stays in use.
    pub async fn refresh(&self) -> Result<Arc<L::Document>, Unavailable> {
        self.refresher.start_to_wait()?;
        let (mut waiting, store) = (self.refresher.waiting(), self.refresher.store());
        loop {
            let ended = waiting.next().await;
            let ended = ended.map_err(|no_load| self.refresher.explain(no_load))?;
            if !store.has_brought(ended.load) {
                return Err(store.unavailable());
            }
            // A load that began before this call may have been answered before the document changed.
            if !ended.began_before {
                return self.current().ok_or_else(|| store.unavailable());
            }
        }
    }

    /// Waits until there is a document, for programs that should not start without.
    ///
    /// # Errors
    ///
    /// [`Unavailable`] with the last failure, when there is still none after `at_most`. Loads go on.
    pub async fn await_ready(&self, at_most: Duration) -> Result<(), Unavailable> {
        self.refresher.await_ready(at_most).await
    }

    /// Returns how old the document is, and how the last loads went. Starts loading as
    /// [`current`](Self::current) does.
    pub fn status(&self) -> Status {
        self.refresher.status(|_| ()).0
    }

    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        Self { refresher: self.refresher.change(|settings, _| change(settings)) }
    }
}

impl<L: Load> fmt::Debug for Refreshed<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refreshed")
            .field("source", &self.refresher.describe())
            .field("settings", self.refresher.settings())
            .finish_non_exhaustive()
    }
}
