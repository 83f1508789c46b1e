//! Keys that are fetched, kept, and fetched again in time.
//!
//! [`schedule`] decides when, [`keeper`] is the task that does it, [`CachedKeys`] is what requests see
//! of it: a snapshot to look into, and a fetch to wait for when a key is not there.

mod absent;
mod budget;
mod fetch;
mod schedule;
mod settings;
mod withdrawn;
mod store;
mod keeper;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

pub use budget::FetchBudget;
pub use fetch::{Fetch, Fetched};
#[cfg(feature = "config")]
pub(crate) use keeper::MAX_FETCH_TIME;
#[cfg(feature = "config")]
pub(crate) use settings::InForce;

use self::budget::Bucket;
use self::schedule::Ask;
use self::settings::Settings;
use self::store::{A_LONG_TIME, Store};
use super::{KeySet, KeySource, KeysStatus, Lookup};
use crate::error::KeysUnavailable;
use crate::jose::Header;

/// Keeps the keys that a [`Fetch`] brings, and has them fetched again before they are too old.
///
/// [`RemoteKeys`](crate::RemoteKeys) and [`FileKeys`](crate::keys::FileKeys) are made of this; with a `Fetch`
/// of your own the keys can come from anywhere.
///
/// - **Look-ups never wait.** They read what the last fetch has brought, whatever the next one is
///   doing.
/// - **One fetch at a time**, in a task of its own: a client that hangs up cancels nothing, and all
///   requests that need the fetch share it.
/// - **Rotation.** A token that names an unknown key waits for a fetch, so the first token of a new
///   key is accepted. Strangers can name keys that do not exist: what they can cause is limited by
///   [a budget](Self::with_fetch_budget).
/// - **Keys without a name, or replaced under their name.** A token that none of the keys verifies, or
///   that none is for, waits for a fetch as well if the keys are older than a second, or 10 seconds when
///   something was taken out of the budget. What the keys say then is final.
/// - **Outages.** Keys that should have been replaced stay in use [for a while](Self::with_stale_if_error),
///   and failed fetches are repeated with growing pauses. An unusable answer replaces nothing. A key
///   that is missing from a good answer is gone at once.
///
/// A source can be made anywhere. The first look-up (or [`await_ready`](Self::await_ready)) starts a
/// task in the tokio runtime it is called from, whose I/O and timers must be enabled; the task ends
/// with the source. Elsewhere the keys that are here can be used, and no others are fetched. (In a program
/// that is built with `panic = "abort"`, a runtime without timers ends the process instead: tokio panics
/// when it is asked for some, and its message says how to enable them.)
///
/// # Defaults
///
/// | | |
/// |---|---|
/// | keys are fresh for | what the provider says, 1 minute to 24 hours; 10 minutes if it says nothing |
/// | they are fetched again after | 80 % of that, ± 5 % |
/// | after a failed fetch | 1 second, then twice as long up to a minute, with jitter |
/// | stale keys are used for | 4 hours |
/// | an unknown key is waited for | 5 seconds, by 256 requests at the most |
/// | unknown keys and bad signatures cause | 3 fetches, and one more every 10 seconds |
/// | a fetch may take | 30 seconds |
pub struct CachedKeys<F> {
    fetch: Arc<F>,
    settings: Settings,
    store: OnceLock<Arc<Store>>,
    keeper: Mutex<Option<AbortHandle>>,
    /// The runtime without timers that was looked at last.
    without_timers: Mutex<Option<Id>>,
}

impl<F: Fetch> CachedKeys<F> {
    /// Keeps the keys that `fetch` brings.
    pub fn new(fetch: F) -> Self {
        Self {
            fetch: Arc::new(fetch),
            settings: Settings::default(),
            store: OnceLock::new(),
            keeper: Mutex::new(None),
            without_timers: Mutex::new(None),
        }
    }

    /// Starts with these keys instead of none, and has others fetched at once.
    ///
    /// They count as stale: if the provider cannot be reached, they are used for as long as
    /// [stale keys](Self::with_stale_if_error) are. A set without a key is the same as none.
    #[must_use]
    pub fn with_initial_keys(self, keys: KeySet) -> Self {
        let keys = Some(keys).filter(|keys| !keys.keys().is_empty());
        self.change(|settings| settings.initial_keys = keys)
    }

    /// Sets how long keys stay in use after they should have been replaced. The default is 4 hours.
    ///
    /// Through an outage of that length nobody notices anything. The price: while the provider cannot
    /// be reached, a key that it has withdrawn lives as long ([`block_key`](Self::block_key) ends it).
    /// Afterwards requests are answered 503 until the provider is back.
    #[must_use]
    pub fn with_stale_if_error(self, stale_for: Duration) -> Self {
        self.change(|settings| settings.timing.stale_for = stale_for)
    }

    /// Sets the bounds to what a provider can say about how long its keys are fresh. The default is
    /// 1 minute to 24 hours.
    #[must_use]
    pub fn with_freshness_between(self, bounds: RangeInclusive<Duration>) -> Self {
        self.change(|settings| {
            (settings.timing.fresh_at_least, settings.timing.fresh_at_most) = bounds.into_inner();
        })
    }

    /// Sets how long keys are fresh if the provider does not say. The default is 10 minutes. The
    /// [bounds](Self::with_freshness_between) hold for it too.
    #[must_use]
    pub fn with_default_freshness(self, fresh_for: Duration) -> Self {
        self.change(|settings| settings.timing.fresh_by_default = fresh_for)
    }

    /// Sets the pauses after failed fetches: the first one, which doubles with each further failure, and
    /// the longest. The default is 1 second to a minute.
    #[must_use]
    pub fn with_backoff(self, pauses: RangeInclusive<Duration>) -> Self {
        self.change(|settings| {
            (settings.timing.first_retry, settings.timing.last_retry) = pauses.into_inner();
        })
    }

    /// Sets how many fetches tokens with unknown keys can cause at once, and after how much time
    /// there is one more. The default is 3, and one more every 10 seconds.
    ///
    /// Failed fetches count like others. When none is left, no request waits: tokens of unknown keys are
    /// answered 503, so that their clients come again, except that a key which was looked for within the
    /// last minute, and was not there, or which the provider has withdrawn, is answered 401.
    #[must_use]
    pub fn with_fetch_budget(self, fetches: u32, one_more_every: Duration) -> Self {
        self.change(|settings| settings.timing.budget = Bucket::new(fetches, one_more_every))
    }

    /// Sets the budget that this source shares with others. The default is one for the whole program.
    #[must_use]
    pub fn with_shared_budget(self, budget: FetchBudget) -> Self {
        self.change(|settings| settings.shared_budget = budget)
    }

    /// Sets how long a request waits for an unknown key. The default is 5 seconds; afterwards it is
    /// answered 503.
    #[must_use]
    pub fn with_wait(self, wait: Duration) -> Self {
        self.change(|settings| settings.wait = wait)
    }

    /// Sets how many requests may wait for keys at once. The default is 256; the others are answered
    /// 503 at once.
    #[must_use]
    pub fn with_max_waiting(self, requests: usize) -> Self {
        self.change(|settings| settings.most_waiting = requests)
    }

    /// Waits until there are keys. For programs that would rather not start without.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`] with what went wrong last, when there are still none after `at_most`. The
    /// source goes on trying.
    pub async fn await_ready(&self, at_most: Duration) -> Result<(), KeysUnavailable> {
        let store = self.store();
        let mut ended = store.ended.subscribe();
        drop(self.runtime()?);
        self.ensure_keeper(store)?;
        let ready = async {
            while !store.has_keys() {
                // The store holds the sender, so this cannot fail.
                _ = ended.changed().await;
                self.ensure_keeper(store)?;
            }
            Ok(())
        };
        timeout(at_most, ready).await.unwrap_or_else(|_| Err(store.unavailable()))
    }

    /// Stops using the keys of this name, from the next request on, until
    /// [`unblock_key`](Self::unblock_key), whatever the provider publishes. For operators who know of a
    /// stolen key before the provider does.
    ///
    /// Only this source forgets the key: other processes have to be told as well.
    pub fn block_key(&self, key_id: &str) {
        self.store().change_dropped(|dropped| _ = dropped.insert(key_id.into()));
    }

    /// Uses keys of this name again.
    pub fn unblock_key(&self, key_id: &str) {
        self.store().change_dropped(|dropped| _ = dropped.remove(key_id));
    }

    /// What the keys are like, and how the last fetches went.
    ///
    /// Starts fetching as a look-up does, so that a program that is asked for its readiness first becomes
    /// ready.
    pub fn status(&self) -> KeysStatus {
        self.start();
        self.store().status(self.fetch.describe())
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        // What may have begun with other settings begins anew. What was dropped stays so.
        self.stop();
        let dropped = self.store.take().map(|store| store.dropped()).unwrap_or_default();
        if !dropped.is_empty() {
            self.store().change_dropped(|all| *all = dropped);
        }
        self
    }

    fn store(&self) -> &Arc<Store> {
        self.store.get_or_init(|| Arc::new(Store::new(&self.settings)))
    }

    /// Starts fetching if that can be done here. If not, what is here can be used all the same.
    fn start(&self) {
        drop(self.ensure_keeper(self.store()));
    }

    /// Sees to it that somebody fetches.
    fn ensure_keeper(&self, store: &Arc<Store>) -> Result<(), KeysUnavailable> {
        if store.is_kept() {
            return Ok(());
        }
        let runtime = self.runtime()?;
        let mut keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        if !store.is_kept() {
            *keeper = Some(keeper::start(&runtime, Arc::clone(&self.fetch), Arc::clone(store)));
        }
        Ok(())
    }

    /// The runtime to fetch and to wait in.
    fn runtime(&self) -> Result<Handle, KeysUnavailable> {
        let Ok(runtime) = Handle::try_current() else {
            return Err(KeysUnavailable::new("keys are fetched by tokio, and no runtime is here"));
        };
        let mut without_timers = self.without_timers.lock().unwrap_or_else(PoisonError::into_inner);
        // A runtime without timers is not tried again and again, as each time is a panic.
        if *without_timers != Some(runtime.id()) {
            if keeper::has_timers() {
                return Ok(runtime);
            }
            *without_timers = Some(runtime.id());
        }
        Err(KeysUnavailable::new("the timers of this tokio runtime are not enabled"))
    }

    /// Waits until a fetch has ended.
    async fn ended(&self, store: &Arc<Store>, fetch: u64) -> Result<(), KeysUnavailable> {
        let mut ended = store.ended.subscribe();
        loop {
            if *ended.borrow_and_update() >= fetch {
                return Ok(());
            }
            // Again and again: a keeper ends with its runtime, of which there may be several. Not
            // before the line above, or one that ends in between would not be noticed.
            self.ensure_keeper(store)?;
            _ = ended.changed().await;
        }
    }
}

#[cfg(feature = "config")]
impl<F> CachedKeys<F> {
    pub(crate) fn effective(&self) -> InForce {
        self.settings.effective()
    }

    pub(crate) fn fetcher(&self) -> &F {
        &self.fetch
    }
}

impl<F> CachedKeys<F> {
    fn stop(&mut self) {
        let keeper = self.keeper.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        keeper.iter().for_each(AbortHandle::abort);
    }
}

impl<F: Fetch> KeySource for CachedKeys<F> {
    fn lookup(&self, header: &Header) -> Lookup {
        self.start();
        self.store().lookup(header)
    }

    fn epoch(&self) -> Option<u64> {
        let store = self.store.get()?;
        // Without a keeper a look-up has to start one.
        store.epoch().filter(|_| store.is_kept())
    }

    fn may_be_outdated(&self) -> bool {
        let store = self.store.get();
        // Where nothing can be waited for, nothing newer can be had.
        store.is_some_and(|store| store.is_outdated(&self.settings.shared_budget))
            && self.runtime().is_ok()
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        let (store, shared) = (self.store(), &self.settings.shared_budget);
        // To wait takes a runtime, even if the keeper has one.
        drop(self.runtime()?);
        self.ensure_keeper(store)?;
        let answer = store.lookup(header);
        let was_unknown = matches!(answer, Lookup::Refresh);
        if !was_unknown && !store.is_outdated(shared) {
            // Others have come in the meantime.
            return Ok(answer);
        }
        let deadline = Instant::now() + self.settings.wait.min(A_LONG_TIME);
        let (mut waiting, mut first) = (None, None);
        loop {
            let (fetch, began_before) = match store.ask(shared) {
                Ask::Wait { fetch, began_before } => (fetch, began_before),
                Ask::Spent if store.is_absent(header) => return Ok(Lookup::Unknown),
                Ask::Spent => return Err(store.spent(|| self.fetch.describe())),
                Ask::Failed => return Err(store.unavailable()),
            };
            if waiting.is_none() {
                match store.waiting.try_acquire() {
                    Ok(permit) => waiting = Some(permit),
                    Err(_) if store.is_absent(header) => return Ok(Lookup::Unknown),
                    Err(_) => return Err(store.overrun()),
                }
            }
            let ended = timeout_at(deadline, self.ended(store, fetch)).await;
            ended.unwrap_or_else(|_| Err(store.out_of_time()))?;
            // What was asked for before this request came may not know its key yet.
            let began_before = began_before && first.is_none_or(|first| fetch <= first);
            let answer = store.lookup(header);
            if was_unknown && !matches!(answer, Lookup::Refresh) {
                return Ok(answer);
            }
            if let Some(answer) = store.lookup_after(fetch, began_before, header, shared)? {
                return Ok(answer);
            }
            first.get_or_insert(fetch);
        }
    }

    fn keys_status(&self) -> Option<KeysStatus> {
        Some(self.status())
    }
}

impl<F> Drop for CachedKeys<F> {
    fn drop(&mut self) {
        self.stop();
    }
}

impl<F: Fetch> fmt::Debug for CachedKeys<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedKeys")
            .field("source", &self.fetch.describe())
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
