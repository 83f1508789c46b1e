//! What requests, the keeper and operators share.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;

use super::absent::Absent;
use super::budget::FetchBudget;
use super::fetch::Fetched;
use super::schedule::{Ask, Schedule, Span};
use super::settings::Settings;
use super::withdrawn::Withdrawn;
use crate::clock::{Clock as _, Moment, SystemClock};
use crate::config_error::ConfigError;
use crate::error::{KeysUnavailable, chain};
use crate::jose::Header;
use crate::keys::epoch::next_epoch;
use crate::keys::{FetchFailure, KeySet, KeySource as _, KeysState, KeysStatus, Lookup};
use crate::observe::trace::{self, Pace};

pub(super) struct Store {
    began: Moment,
    /// What look-ups read, and all that they read.
    held: ArcSwapOption<Held>,
    state: Mutex<State>,
    /// The number of the last fetch that has ended.
    pub(super) ended: watch::Sender<u64>,
    /// Wakes the keeper.
    wake: Notify,
    /// A permit for each request that may wait.
    pub(super) waiting: Semaphore,
    kept: AtomicBool,
    /// What the log has heard of requests.
    pace: Pace,
}

struct Held {
    keys: KeySet,
    epoch: u64,
    dropped: HashSet<Box<str>>,
    /// When the store began, and until how long after that these can be used.
    began: Moment,
    usable_until: Duration,
}

struct State {
    schedule: Schedule,
    /// As they were fetched, the dropped ones among them.
    keys: KeySet,
    dropped: HashSet<Box<str>>,
    absent: Absent,
    withdrawn: Withdrawn,
    last_success: Option<Duration>,
    last_failure: Option<Failure>,
    fetches: u64,
    failures: u64,
    /// The number of the last fetch that has brought keys; 0 is none.
    succeeded: u64,
}

struct Failure {
    at: Duration,
    message: Arc<str>,
    /// Whether there were keys to use all the same.
    harmless: bool,
    logged: Duration,
}

impl Store {
    pub(super) fn new(settings: &Settings) -> Self {
        let schedule = Schedule::new(settings.timing.clone());
        let schedule = match settings.initial_keys {
            Some(_) => schedule.with_initial_keys(),
            None => schedule,
        };
        let state = State {
            schedule,
            keys: settings.initial_keys.clone().unwrap_or_default(),
            dropped: HashSet::new(),
            absent: Absent::default(),
            withdrawn: Withdrawn::default(),
            last_success: None,
            last_failure: None,
            fetches: 0,
            failures: 0,
            succeeded: 0,
        };
        let store = Self {
            began: Moment::now(),
            held: ArcSwapOption::empty(),
            state: Mutex::new(state),
            ended: watch::Sender::new(0),
            wake: Notify::new(),
            waiting: Semaphore::new(settings.most_waiting.min(Semaphore::MAX_PERMITS)),
            kept: AtomicBool::new(false),
            pace: Pace::default(),
        };
        store.publish(&store.state());
        store
    }

    pub(super) fn lookup(&self, header: &Header) -> Lookup {
        let held = self.held.load();
        let held = held.as_deref().filter(|held| held.is_usable());
        held.and_then(|held| held.lookup(header)).unwrap_or(Lookup::Refresh)
    }

    /// What there is for a request that has waited for a fetch; `None` if there may be more than the fetch
    /// has brought.
    ///
    /// # Errors
    ///
    /// When that fetch and all since have brought nothing.
    pub(super) fn lookup_after(
        &self,
        fetch: u64,
        began_before: bool,
        header: &Header,
        shared: &FetchBudget,
    ) -> Result<Option<Lookup>, KeysUnavailable> {
        match self.lookup(header) {
            Lookup::Refresh => {}
            _ if self.state().succeeded < fetch => return Err(self.unavailable()),
            // It may have been replaced under its name since the provider was asked.
            _ if began_before && self.is_outdated(shared) => return Ok(None),
            answer => return Ok(Some(answer)),
        }
        let now = self.now();
        let mut state = self.state();
        if state.succeeded < fetch || !self.has_keys() {
            drop(state);
            return Err(self.unavailable());
        }
        if began_before {
            return Ok(None);
        }
        state.absent.note(header.key_id(), now);
        Ok(Some(Lookup::Unknown))
    }

    /// Whether a token that none of the keys has verified is a reason to look for others.
    pub(super) fn is_outdated(&self, shared: &FetchBudget) -> bool {
        // Without any budget, its own or a shared one, tokens cause nothing.
        !shared.is_nothing() && self.state().schedule.is_outdated(self.now())
    }

    /// Whether a key of this name was looked for, or was there once, and is not there.
    pub(super) fn is_absent(&self, header: &Header) -> bool {
        let (now, state) = (self.now(), self.state());
        let name = header.key_id();
        state.schedule.last_succeeded()
            && (state.withdrawn.knows(name) || state.absent.knows(name, now))
            && self.has_keys()
            && matches!(self.lookup(header), Lookup::Refresh)
    }

    /// Another one each time what look-ups read was replaced. `None` when time alone may change what they
    /// answer: there are no keys, or they are too old.
    pub(super) fn epoch(&self) -> Option<u64> {
        let held = self.held.load();
        held.as_deref().filter(|held| held.is_usable()).map(|held| held.epoch)
    }

    pub(super) fn has_keys(&self) -> bool {
        self.held.load().as_deref().is_some_and(Held::is_usable)
    }

    pub(super) fn ask(&self, shared: &FetchBudget) -> Ask {
        let now = self.now();
        let answer = self.state().schedule.ask(now, || shared.take());
        // Here, so that a fetch that was paid for begins even if nobody may wait for it.
        if let Ask::Wait { .. } = answer {
            self.wake.notify_one();
        }
        answer
    }

    /// Whether a keeper is at work.
    pub(super) fn is_kept(&self) -> bool {
        self.kept.load(Ordering::Acquire)
    }

    /// The names of the keys that are not to be used.
    pub(super) fn dropped(&self) -> HashSet<Box<str>> {
        self.state().dropped.clone()
    }

    pub(super) fn change_dropped(&self, change: impl FnOnce(&mut HashSet<Box<str>>)) {
        let mut state = self.state();
        change(&mut state.dropped);
        self.publish(&state);
    }

    /// The last failure, as requests are answered with it.
    pub(super) fn unavailable(&self) -> KeysUnavailable {
        let state = self.state();
        let after = self.until_next(&state);
        let Some(failure) = &state.last_failure else {
            return KeysUnavailable::new("the keys have not come yet").with_retry_after(after);
        };
        KeysUnavailable::new(failure.message.to_string()).with_retry_after(after).reported()
    }

    pub(super) fn out_of_time(&self) -> KeysUnavailable {
        KeysUnavailable::new("the keys did not come in time")
            .with_retry_after(self.until_next(&self.state()))
    }

    /// The budget for unknown keys is spent. The log hears of it once a minute.
    pub(super) fn spent(&self, source: impl FnOnce() -> String) -> KeysUnavailable {
        if let Some(suppressed) = self.pace.ask("fetches_spent", "") {
            trace::fetches_spent(&source(), suppressed);
        }
        let after = self.state().schedule.until_affordable(self.now());
        KeysUnavailable::new("too many unknown keys were asked for to look for this one")
            .with_retry_after(after.clamp(SOON, LATE))
            .reported()
    }

    pub(super) fn overrun(&self) -> KeysUnavailable {
        KeysUnavailable::new("too many requests wait for keys already")
            .with_retry_after(self.until_next(&self.state()))
    }

    pub(super) fn status(&self, source: String) -> KeysStatus {
        let (now, clock) = (self.now(), SystemClock.now());
        let state = self.state();
        let moment = |at: Duration| {
            let moment = match at.checked_sub(now) {
                Some(ahead) => clock.checked_add(ahead),
                None => clock.checked_sub(now.saturating_sub(at)),
            };
            moment.unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let span = state.schedule.keys();
        let used = self.held.load();
        KeysStatus {
            source,
            state: state_of(span, now),
            keys: used.as_deref().map_or(0, |held| held.keys.keys().len()),
            skipped: state.keys.skipped().to_vec(),
            age: state.last_success.map(|at| now.saturating_sub(at)),
            last_success: state.last_success.map(moment),
            last_error: state.last_failure.as_ref().map(|failure| FetchFailure {
                at: moment(failure.at),
                message: failure.message.to_string(),
            }),
            stale_since: span.map(|span| span.fresh_until).filter(|at| *at <= now).map(moment),
            next_refresh: state.schedule.next().map(|at| moment(at.max(now))),
            fetches: state.fetches,
            failures: state.failures,
        }
    }

    fn until_next(&self, state: &State) -> Duration {
        let next = state.schedule.next().unwrap_or_default().saturating_sub(self.now());
        next.clamp(SOON, LATE)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows look-ups what is there now.
    fn publish(&self, state: &State) {
        let epoch = next_epoch();
        self.held.store(state.schedule.keys().map(|span| {
            Arc::new(Held {
                keys: state.keys.without(&state.dropped),
                epoch,
                dropped: state.dropped.clone(),
                began: self.began,
                usable_until: span.usable_until,
            })
        }));
    }
}

/// What the keeper does to it.
impl Store {
    pub(super) fn set_kept(&self, kept: bool) {
        self.kept.store(kept, Ordering::Release);
    }

    /// Waits until there may be something to do.
    pub(super) async fn woken(&self) {
        let next = self.state().schedule.next().unwrap_or(Duration::MAX);
        // Timers stand still while the machine is suspended, so none runs for long.
        let until_next = next.saturating_sub(self.now()).min(LATE);
        // Elapsed or woken, the schedule knows what is to be done.
        _ = timeout(until_next, self.wake.notified()).await;
    }

    pub(super) fn begin(&self) -> bool {
        let now = self.now();
        let mut state = self.state();
        let begins = state.schedule.begin(now);
        state.fetches += u64::from(begins);
        begins
    }

    /// Keeps what a fetch has brought, and tells those who wait for it.
    pub(super) fn end(&self, source: &str, result: Result<Fetched, KeysUnavailable>) {
        let now = self.now();
        let mut state = self.state();
        match result.and_then(with_keys) {
            Ok(Fetched { keys, fresh_for }) => {
                let state = &mut *state;
                let was_failing = state.failures > 0 && !state.schedule.last_succeeded();
                state.schedule.succeeded(now, fresh_for, jitter());
                state.withdrawn.note(&state.keys, &keys);
                state.keys = keys;
                state.last_success = Some(now);
                state.succeeded = state.fetches;
                self.publish(state);
                trace::keys_fetched(source, state.keys.keys().len(), was_failing);
            }
            Err(error) => {
                state.schedule.failed(now, jitter());
                state.failures += 1;
                let message: Arc<str> = chain(error.source().unwrap_or(&error)).into();
                let keys = state_of(state.schedule.keys(), now);
                let harmless = keys_are_usable(keys);
                // The same again and again is logged once a minute.
                let known = state.last_failure.as_ref();
                let known = known.filter(|l| l.message == message && l.harmless == harmless);
                let logged =
                    known.map(|last| last.logged).filter(|at| now.saturating_sub(*at) < LOG_PAUSE);
                if logged.is_none() {
                    trace::keys_not_fetched(source, &message, keys.as_str(), harmless);
                }
                let logged = logged.unwrap_or(now);
                state.last_failure = Some(Failure { at: now, message, harmless, logged });
            }
        }
        let fetch = state.fetches;
        drop(state);
        self.ended.send_replace(fetch);
    }

    /// The keeper is gone. Who waits has to start another.
    pub(super) fn abandon(&self) {
        self.state().schedule.abandoned();
        self.set_kept(false);
        self.ended.send_modify(|_| ());
    }
}

impl Held {
    fn is_usable(&self) -> bool {
        self.began.elapsed() < self.usable_until
    }

    /// What is known of the keys for this header; `None` if there may be one somewhere else.
    fn lookup(&self, header: &Header) -> Option<Lookup> {
        if header.key_id().is_some_and(|id| self.dropped.contains(id)) {
            // Whatever the provider says: there is nothing to wait for.
            return Some(Lookup::Unknown);
        }
        Some(self.keys.lookup(header)).filter(|answer| !matches!(answer, Lookup::Unknown))
    }
}

/// No keys at all are no answer: a provider that has none can sign nothing.
fn with_keys(fetched: Fetched) -> Result<Fetched, KeysUnavailable> {
    if fetched.keys.keys().is_empty() {
        let skipped = fetched.keys.skipped().to_vec();
        return Err(KeysUnavailable::new(ConfigError::NoUsableKey { skipped }));
    }
    Ok(fetched)
}

fn state_of(span: Option<Span>, now: Duration) -> KeysState {
    match span {
        None => KeysState::Missing,
        Some(span) if now < span.fresh_until => KeysState::Fresh,
        Some(span) if now < span.usable_until => KeysState::Stale,
        Some(_) => KeysState::Expired,
    }
}

fn keys_are_usable(state: KeysState) -> bool {
    matches!(state, KeysState::Fresh | KeysState::Stale)
}

/// A number from 0 to 1. Without randomness there is no jitter, which is no reason not to fetch.
fn jitter() -> f64 {
    getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX))
}

const LOG_PAUSE: Duration = Duration::from_secs(60);
/// What clients are told to wait for, at least and at the most; and the longest that the keeper sleeps.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(60);
/// Longer than anybody waits, and no risk to a sum.
pub(super) const A_LONG_TIME: Duration = Duration::from_secs(24 * 60 * 60);
