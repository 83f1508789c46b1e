//! Holds the state that readers, the worker and operators share.

use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::timeout;

use super::budget::FetchBudget;
use super::load::Loaded;
use super::schedule::{RefreshDecision, Schedule, Span};
use super::settings::Settings;
use super::status::{LoadFailure, State, Status};
use super::unavailable::{Cause, Unavailable};
use super::view::{Event, View};
use crate::clock::{Clock as _, Moment, SystemClock};
use crate::error::chain;
use crate::observe::trace::Pace;
use crate::task::jitter;

pub(crate) struct Store<V: View> {
    began: Moment,
    /// The snapshot that readers use.
    snapshot: ArcSwapOption<Snapshot<V::Snapshot>>,
    shared: Mutex<Shared<V>>,
    /// The number of the last load that has ended.
    pub(super) ended: watch::Sender<u64>,
    /// Wakes the worker.
    wake: Notify,
    /// A permit for each request that may wait.
    pub(super) waiting: Semaphore,
    /// Limits how often failures of requests are logged.
    pace: Pace,
}

/// A document as readers see it, and the time until which it can be used.
struct Snapshot<S> {
    shown: S,
    /// The start of the store, from which `usable_until` counts.
    began: Moment,
    usable_until: Duration,
}

struct Shared<V> {
    schedule: Schedule,
    view: V,
    last_success: Option<Duration>,
    last_failure: Option<Failure>,
    loads: u64,
    failures: u64,
    /// The number of the last load that brought a document. 0 means none.
    succeeded: u64,
}

struct Failure {
    at: Duration,
    message: Arc<str>,
    /// Whether there was still a document to use.
    is_harmless: bool,
    logged: Duration,
}

impl<V: View> Store<V> {
    pub(super) fn new(settings: &Settings, view: V) -> Self {
        let schedule = Schedule::new(settings.timing.clone());
        let schedule = if view.snapshot().is_some() { schedule.with_initial() } else { schedule };
        let shared = Shared {
            schedule,
            view,
            last_success: None,
            last_failure: None,
            loads: 0,
            failures: 0,
            succeeded: 0,
        };
        let store = Self {
            began: Moment::now(),
            snapshot: ArcSwapOption::empty(),
            shared: Mutex::new(shared),
            ended: watch::Sender::new(0),
            wake: Notify::new(),
            waiting: Semaphore::new(settings.most_waiting.min(Semaphore::MAX_PERMITS)),
            pace: Pace::default(),
        };
        store.publish(&store.shared());
        store
    }

    /// Reads the snapshot, if there is one and it can be used. Never waits.
    pub(crate) fn read<R>(&self, read: impl FnOnce(Option<&V::Snapshot>) -> R) -> R {
        let snapshot = self.snapshot.load();
        let usable = snapshot.as_deref().filter(|snapshot| snapshot.is_usable());
        read(usable.map(|snapshot| &snapshot.shown))
    }

    /// Returns whether there is a document to use.
    pub(crate) fn is_usable(&self) -> bool {
        self.snapshot.load().as_deref().is_some_and(Snapshot::is_usable)
    }

    /// Returns whether a request that the document does not serve is a reason to load another one.
    pub(super) fn is_outdated(&self, shared: &FetchBudget) -> bool {
        // If its own budget or the shared one is a budget of none, requests cause no load.
        !shared.is_nothing() && self.shared().schedule.is_outdated(self.now())
    }

    /// Returns whether the last load brought a document.
    pub(crate) fn last_succeeded(&self) -> bool {
        self.shared().schedule.last_succeeded()
    }

    /// Returns whether this load, or a later one, brought a document.
    pub(crate) fn has_brought(&self, load: u64) -> bool {
        self.shared().succeeded >= load
    }

    /// Reads the view, or changes the parts that readers do not see. Moments are counted from the start of the store.
    pub(crate) fn with_view<R>(&self, look: impl FnOnce(&mut V, Duration) -> R) -> R {
        let now = self.now();
        look(&mut self.shared().view, now)
    }

    /// Changes the view, and publishes its new snapshot.
    pub(crate) fn change_view(&self, change: impl FnOnce(&mut V)) {
        let mut shared = self.shared();
        change(&mut shared.view);
        self.publish(&shared);
    }

    pub(super) fn ask(&self, budget: &FetchBudget) -> RefreshDecision {
        let now = self.now();
        let decision = self.shared().schedule.ask(now, || budget.take());
        // Here, so that a load that was paid for begins even if no request may wait for it.
        if let RefreshDecision::Wait { .. } = decision {
            self.wake.notify_one();
        }
        decision
    }

    /// Returns the last failure as the error for requests.
    pub(crate) fn unavailable(&self) -> Unavailable {
        let shared = self.shared();
        let failure = shared.last_failure.as_ref();
        let failed = failure.map(|failure| Cause::Failed(Arc::clone(&failure.message)));
        Unavailable::new(failed.unwrap_or(Cause::NotLoaded), self.until_next(&shared))
    }

    pub(super) fn without_load(&self, cause: Cause) -> Unavailable {
        Unavailable::new(cause, self.until_next(&self.shared()))
    }

    /// Returns the error for a spent budget, and logs it once a minute.
    pub(super) fn spent(&self, source: impl FnOnce() -> String) -> Unavailable {
        if let Some(suppressed) = self.pace.ask("fetches_spent", "") {
            self.shared().view.report(&source(), &Event::Spent { suppressed });
        }
        let after = self.shared().schedule.until_affordable(self.now());
        Unavailable::new(Cause::Spent, after.clamp(SOON, LATE))
    }

    /// Returns the status, and the result of `look`.
    pub(super) fn status<R>(&self, source: String, look: impl FnOnce(&V) -> R) -> (Status, R) {
        let (now, clock) = (self.now(), SystemClock.now());
        let shared = self.shared();
        let moment = |at: Duration| {
            let moment = match at.checked_sub(now) {
                Some(ahead) => clock.checked_add(ahead),
                None => clock.checked_sub(now.saturating_sub(at)),
            };
            moment.unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let span = shared.schedule.document();
        let status = Status {
            source,
            state: state_of(span, now),
            age: shared.last_success.map(|at| now.saturating_sub(at)),
            last_success: shared.last_success.map(moment),
            last_error: shared.last_failure.as_ref().map(|failure| LoadFailure {
                at: moment(failure.at),
                message: failure.message.to_string(),
            }),
            stale_since: span.map(|span| span.fresh_until).filter(|at| *at <= now).map(moment),
            next_refresh: shared.schedule.next().map(|at| moment(at.max(now))),
            loads: shared.loads,
            failures: shared.failures,
        };
        (status, look(&shared.view))
    }

    fn until_next(&self, shared: &Shared<V>) -> Duration {
        let next = shared.schedule.next().unwrap_or_default().saturating_sub(self.now());
        next.clamp(SOON, LATE)
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn shared(&self) -> MutexGuard<'_, Shared<V>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Publishes the current snapshot.
    fn publish(&self, shared: &Shared<V>) {
        let snapshot = shared.schedule.document().and_then(|span| {
            let shown = shared.view.snapshot()?;
            Some(Snapshot { shown, began: self.began, usable_until: span.usable_until })
        });
        self.snapshot.store(snapshot.map(Arc::new));
    }
}

/// The operations of the worker.
impl<V: View> Store<V> {
    /// Waits until a load may be due.
    pub(super) async fn woken(&self) {
        let next = self.shared().schedule.next().unwrap_or(Duration::MAX);
        // Timers stand still while the machine is suspended, so none runs for long.
        let until_next = next.saturating_sub(self.now()).min(LATE);
        // After either, the schedule decides what to do.
        _ = timeout(until_next, self.wake.notified()).await;
    }

    pub(super) fn begin(&self) -> bool {
        let now = self.now();
        let mut shared = self.shared();
        let begins = shared.schedule.begin(now);
        shared.loads += u64::from(begins);
        begins
    }

    /// Keeps the document that a load has brought, and wakes the requests that wait for it.
    pub(super) fn end(
        &self,
        source: &str,
        result: Result<Loaded<V::Document>, Box<dyn Error + Send + Sync>>,
    ) {
        let now = self.now();
        let mut guard = self.shared();
        let shared = &mut *guard;
        let replaced = result.and_then(|Loaded { document, fresh_for }| {
            shared.view.replace(document)?;
            Ok(fresh_for)
        });
        match replaced {
            Ok(fresh_for) => {
                let is_back = shared.failures > 0 && !shared.schedule.last_succeeded();
                shared.schedule.succeeded(now, fresh_for, jitter());
                shared.last_success = Some(now);
                shared.succeeded = shared.loads;
                self.publish(shared);
                shared.view.report(source, &Event::Loaded { is_back });
            }
            Err(error) => {
                shared.schedule.failed(now, jitter());
                shared.failures += 1;
                let problem: Arc<str> = chain(&*error).into();
                let state = state_of(shared.schedule.document(), now);
                shared.keep_failure(source, now, problem, state);
            }
        }
        let load = shared.loads;
        drop(guard);
        self.ended.send_replace(load);
    }

    /// Records that the worker has ended.
    pub(super) fn abandoned(&self) {
        self.shared().schedule.abandoned();
    }

    /// Wakes requests that wait, so that one of them starts another worker.
    pub(super) fn wake_waiting(&self) {
        self.ended.send_modify(|_| ());
    }
}

impl<V: View> Shared<V> {
    fn keep_failure(&mut self, source: &str, now: Duration, message: Arc<str>, state: State) {
        let is_harmless = state.is_usable();
        // The same failure is logged once a minute.
        let known = self.last_failure.as_ref();
        let known = known.filter(|l| l.message == message && l.is_harmless == is_harmless);
        let logged = known.map(|last| last.logged).filter(|at| now.saturating_sub(*at) < LOG_PAUSE);
        if logged.is_none() {
            let event = Event::NotLoaded { problem: &message, state, is_usable: is_harmless };
            self.view.report(source, &event);
        }
        let logged = logged.unwrap_or(now);
        self.last_failure = Some(Failure { at: now, message, is_harmless, logged });
    }
}

impl<S> Snapshot<S> {
    fn is_usable(&self) -> bool {
        self.began.elapsed() < self.usable_until
    }
}

fn state_of(span: Option<Span>, now: Duration) -> State {
    match span {
        None => State::Missing,
        Some(span) if now < span.fresh_until => State::Fresh,
        Some(span) if now < span.usable_until => State::Stale,
        Some(_) => State::Expired,
    }
}

const LOG_PAUSE: Duration = Duration::from_secs(60);
/// The limits of the time that clients are told to wait: `SOON` and `LATE`. The worker sleeps for
/// `LATE` at most.
const SOON: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_secs(60);
