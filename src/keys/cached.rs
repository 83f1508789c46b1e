//! Fetches keys, keeps them, and fetches them again in time.
//!
//! The schedule and the task are those of every document that is kept fresh ([`refresh`](crate::refresh)). This module
//! adds the rules for keys: a token with an unknown key waits for a fetch; names of keys that were withdrawn, or that a
//! fetch did not bring, are remembered; operators can block a key.

mod absent;
mod fetch;
mod withdrawn;
mod view;

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

pub use fetch::{Fetch, Fetched};

use self::fetch::KeyLoad;
use self::view::{KeysSnapshot, KeysView};
use super::{KeySet, KeySource, KeysStatus, Lookup};
use crate::error::KeysUnavailable;
use crate::jose::Header;
#[cfg(feature = "config")]
use crate::refresh::EffectiveRefresh;
use crate::refresh::{Cause, Ended, FetchBudget, NoLoad, Refresher, Settings, Unavailable};
use crate::task::NotHere;

/// Keeps the keys that a [`Fetch`] brings, and fetches them again before they are too old.
///
/// [`RemoteKeys`](crate::RemoteKeys) and [`FileKeys`](crate::keys::FileKeys) are built on this type. With a `Fetch`
/// of your own, the keys can come from anywhere.
///
/// - **Look-ups never wait.** They read the keys of the last fetch, also while the next one is
///   under way.
/// - **One fetch at a time**, in a task of its own: a client that hangs up cancels nothing, and all
///   requests that need the fetch share it.
/// - **Rotation.** A token that names an unknown key waits for a fetch, so the first token of a new
///   key is accepted. Strangers can name keys that do not exist: [a budget](Self::with_fetch_budget) limits the
///   fetches that they can cause.
/// - **Keys without a name, or replaced under their name.** A token that none of the keys verifies, or
///   that none is for, waits for a fetch as well if the keys are older than a second, or 10 seconds when
///   some of the budget is spent. The verdict of the fetched keys is final.
/// - **Outages.** Keys that should have been replaced stay in use [for a while](Self::with_stale_if_error),
///   and failed fetches are repeated with growing pauses. An unusable answer replaces nothing. A key
///   that is missing from a good answer is gone at once.
///
/// A source can be made anywhere. The first look-up (or [`await_ready`](Self::await_ready)) starts a
/// task in the tokio runtime it is called from, whose I/O and timers must be enabled; the task ends
/// with the source. Elsewhere the current keys can be used, and no others are fetched. (In a program
/// that is built with `panic = "abort"`, a runtime without timers ends the process instead: tokio panics
/// when it is asked for a timer, and its message says how to enable them.)
///
/// # Defaults
///
/// | | |
/// |---|---|
/// | keys are fresh for | the time that the provider states, 1 minute to 24 hours; 10 minutes if it states none |
/// | they are fetched again after | 80 % of that, ± 5 % |
/// | after a failed fetch | 1 second, then twice as long up to a minute, with jitter |
/// | stale keys are used for | 4 hours |
/// | an unknown key is waited for | 5 seconds, by 256 requests at the most |
/// | unknown keys and bad signatures cause | 3 fetches, and one more every 10 seconds |
/// | a fetch may take | 30 seconds |
pub struct CachedKeys<F> {
    refresher: Refresher<KeyLoad<F>, KeysView>,
}

impl<F: Fetch> CachedKeys<F> {
    /// Keeps the keys that `fetch` brings.
    pub fn new(fetch: F) -> Self {
        Self { refresher: Refresher::new(KeyLoad(fetch), KeysView::default()) }
    }

    /// Starts with these keys instead of none, and fetches others at once.
    ///
    /// They count as stale: if the provider cannot be reached, they are used for as long as
    /// [stale keys](Self::with_stale_if_error) are. A set without a key is the same as none.
    #[must_use]
    pub fn with_initial_keys(self, keys: KeySet) -> Self {
        Self { refresher: self.refresher.change(|_, view| view.set_initial(keys)) }
    }

    /// Sets how long keys stay in use after they should have been replaced. The default is 4 hours.
    ///
    /// An outage of up to that length has no effect on requests. In return, a key that the provider
    /// withdraws while it cannot be reached stays in use for as long
    /// ([`block_key`](Self::block_key) ends that). After that time requests are answered 503 until
    /// the provider is back.
    #[must_use]
    pub fn with_stale_if_error(self, stale_for: Duration) -> Self {
        self.change(|settings| settings.timing.stale_for = stale_for)
    }

    /// Sets the bounds of the time for which a provider can say that its keys are fresh. The default is
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
    /// Failed fetches count like others. When none is left, no request waits: a token of an unknown key is
    /// answered 503, so that its client tries again. It is answered 401 if its key was looked for within the
    /// last minute and was not there, or if the provider has withdrawn the key.
    #[must_use]
    pub fn with_fetch_budget(self, fetches: u32, refill_every: Duration) -> Self {
        self.change(|settings| settings.set_budget(fetches, refill_every))
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

    /// Waits until there are keys, for programs that should not start without.
    ///
    /// # Errors
    ///
    /// [`KeysUnavailable`] with the last failure, when there are still none after `at_most`. The
    /// source goes on trying.
    pub async fn await_ready(&self, at_most: Duration) -> Result<(), KeysUnavailable> {
        self.refresher.await_ready(at_most).await.map_err(|error| keys_unavailable(&error))
    }

    /// Stops using the keys of this name, from the next request on, until
    /// [`unblock_key`](Self::unblock_key), whatever the provider publishes. It is for operators who know of a
    /// stolen key before the provider does.
    ///
    /// Only this source forgets the key: call it in other processes as well.
    pub fn block_key(&self, key_id: &str) {
        self.refresher.store().change_view(|view| view.block(key_id));
    }

    /// Uses keys of this name again.
    pub fn unblock_key(&self, key_id: &str) {
        self.refresher.store().change_view(|view| view.unblock(key_id));
    }

    /// Returns the state of the keys, and the results of the last fetches.
    ///
    /// Starts fetching as a look-up does, so that a program becomes ready although its first request is a
    /// readiness probe.
    pub fn status(&self) -> KeysStatus {
        let look = |view: &KeysView| (view.len(), view.skipped());
        let (status, (keys, skipped)) = self.refresher.status(look);
        KeysStatus::of_refreshed(status, keys, skipped)
    }

    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        Self { refresher: self.refresher.change(|settings, _| change(settings)) }
    }

    /// Finds keys among the current ones.
    fn find(&self, header: &Header) -> Lookup {
        let lookup = |keys: Option<&KeysSnapshot>| keys?.lookup(header);
        self.refresher.store().read(lookup).unwrap_or(Lookup::Refresh)
    }

    /// Finds keys for a request that has waited for a fetch. `None` if a later fetch may bring more.
    fn find_after(&self, ended: Ended, header: &Header) -> Result<Option<Lookup>, KeysUnavailable> {
        let (store, answer) = (self.refresher.store(), self.find(header));
        if !store.has_brought(ended.load) {
            return Err(keys_unavailable(&store.unavailable()));
        }
        if !matches!(answer, Lookup::Refresh) {
            // It may have been replaced under its name since the provider was asked.
            let may_be_old = ended.began_before && self.refresher.is_outdated();
            return Ok(Some(answer).filter(|_| !may_be_old));
        }
        if !store.is_usable() {
            return Err(keys_unavailable(&store.unavailable()));
        }
        if ended.began_before {
            return Ok(None);
        }
        store.with_view(|view, now| view.note_absent(header.key_id(), now));
        Ok(Some(Lookup::Unknown))
    }

    /// Returns whether the key of this name is known to be absent: a fetch did not bring it, or it was withdrawn.
    fn is_absent(&self, header: &Header) -> bool {
        let store = self.refresher.store();
        store.last_succeeded()
            && store.with_view(|view, now| view.lacks(header.key_id(), now))
            && store.is_usable()
            && matches!(self.find(header), Lookup::Refresh)
    }
}

#[cfg(feature = "config")]
impl<F> CachedKeys<F> {
    pub(crate) fn effective(&self) -> EffectiveRefresh {
        self.refresher.settings().effective()
    }

    pub(crate) fn fetcher(&self) -> &F {
        &self.refresher.load().0
    }
}

impl<F: Fetch> KeySource for CachedKeys<F> {
    fn lookup(&self, header: &Header) -> Lookup {
        self.refresher.start();
        self.find(header)
    }

    /// Returns a number that changes each time the keys for look-ups are replaced. `None` when time alone may change
    /// the answers, because there are no keys or they are too old. `None` too when no worker runs, so that a look-up
    /// starts one.
    fn epoch(&self) -> Option<u64> {
        self.refresher.running()?.read(|keys| keys.map(KeysSnapshot::epoch))
    }

    fn may_be_outdated(&self) -> bool {
        // A request that cannot wait cannot get newer keys.
        self.refresher.is_outdated() && self.refresher.can_wait()
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        self.refresher.start_to_wait().map_err(|error| keys_unavailable(&error))?;
        let answer = self.find(header);
        let was_unknown = matches!(answer, Lookup::Refresh);
        if !was_unknown && !self.refresher.is_outdated() {
            // Other keys have come in the meantime.
            return Ok(answer);
        }
        let mut waiting = self.refresher.waiting();
        loop {
            let ended = match waiting.next().await {
                Ok(ended) => ended,
                Err(NoLoad::Spent | NoLoad::Full) if self.is_absent(header) => {
                    return Ok(Lookup::Unknown);
                }
                Err(no_load) => return Err(keys_unavailable(&self.refresher.explain(no_load))),
            };
            let answer = self.find(header);
            if was_unknown && !matches!(answer, Lookup::Refresh) {
                return Ok(answer);
            }
            if let Some(answer) = self.find_after(ended, header)? {
                return Ok(answer);
            }
        }
    }

    fn keys_status(&self) -> Option<KeysStatus> {
        Some(self.status())
    }
}

fn keys_unavailable(error: &Unavailable) -> KeysUnavailable {
    let problem = match error.cause() {
        Cause::NotLoaded => "the keys have not come yet",
        Cause::Failed(problem) => problem,
        Cause::TimedOut => "the keys did not come in time",
        Cause::Full => "too many requests wait for keys already",
        Cause::Spent => "too many unknown keys were asked for to look for this one",
        Cause::NotHere(NotHere::NoRuntime) => "keys are fetched by tokio, and no runtime is here",
        Cause::NotHere(NotHere::NoTimers) => "the timers of this tokio runtime are not enabled",
        Cause::NotHere(NotHere::Panicked) => "the task that fetches keys has panicked",
    };
    let unavailable = KeysUnavailable::new(problem).with_retry_after(error.retry_after());
    match error.cause() {
        Cause::Failed(_) | Cause::Spent => unavailable.reported(),
        _ => unavailable,
    }
}

impl<F: Fetch> fmt::Debug for CachedKeys<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedKeys")
            .field("source", &self.refresher.describe())
            .field("settings", self.refresher.settings())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
