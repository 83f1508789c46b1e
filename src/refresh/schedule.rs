//! Decides when to load, without a clock, randomness or I/O of its own.
//!
//! Moments are counted from the start of the source. Callers drive it by [`ask`](Schedule::ask) for each
//! request that needs another document, [`begin`](Schedule::begin) when a load might be due, and one of
//! [`succeeded`](Schedule::succeeded), [`failed`](Schedule::failed) and
//! [`abandoned`](Schedule::abandoned) for each load that began.
//!
//! A request that joined a running fetch, and still does not find its key, asks for one more fetch that begins after
//! the request came: its key may have been published after the provider wrote its answer. Fetches that are due
//! anyway count for no budget. The program's budget is asked only if the source's own has one left; a source
//! that has not fetched for tokens for 10 seconds may fetch although the shared budget is spent; otherwise strangers
//! who name other issuers could keep its new keys from being fetched.
//!
//! A bad signature causes a fetch too, since some providers replace a key under its name. Keys younger than a
//! second count as the newest; while a part of the budget is spent, keys younger than 10 seconds do. A budget
//! of none forbids such fetches.
//!
//! The stale time counts from the end of freshness and not from the last success, because the provider has stated
//! that time.

use std::time::Duration;

use super::budget::{Bucket, Share};
use crate::task::{Backoff, part_of};

/// The settings of a schedule; see the methods of [`Refreshed`](super::Refreshed).
#[derive(Clone, Debug)]
pub(crate) struct Timing {
    pub(crate) fresh_at_least: Duration,
    pub(crate) fresh_at_most: Duration,
    pub(crate) fresh_by_default: Duration,
    pub(crate) stale_for: Duration,
    pub(crate) first_retry: Duration,
    pub(crate) last_retry: Duration,
    pub(super) budget: Bucket,
}

#[derive(Debug)]
pub(super) struct Schedule {
    timing: Timing,
    document: Option<Span>,
    /// The moment when the load that runs began.
    loading_since: Option<Duration>,
    /// The number of the last load that began; the first one is 1.
    number: u64,
    /// Whether a request waits for a load that has not begun.
    wanted: bool,
    /// The moment of the next load without a request.
    due: Duration,
    backoff: Backoff,
    last_succeeded: bool,
    /// Whether a load has brought the current document.
    has_loaded: bool,
    /// The moment when a request last took a load out of the budget.
    paid_at: Option<Duration>,
}

/// The time for which the current document can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) loaded: Duration,
    pub(super) fresh_until: Duration,
    pub(super) usable_until: Duration,
}

/// Tells a request that needs another document what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RefreshDecision {
    /// Wait until the load of this number has ended. One that began before the request was there
    /// may have been answered before the document changed: then ask once more.
    Wait { load: u64, began_before: bool },
    /// Do not wait. The budget is spent, so nothing is loaded.
    Spent,
    /// Do not wait. The last load failed, and there is no budget for another one.
    Failed,
}

impl Schedule {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            backoff: Backoff::new(timing.first_retry, timing.last_retry),
            timing,
            document: None,
            loading_since: None,
            number: 0,
            wanted: false,
            due: Duration::ZERO,
            last_succeeded: false,
            has_loaded: false,
            paid_at: None,
        }
    }

    /// Starts with a document that was not loaded, and is stale from the start.
    pub(super) fn with_initial(mut self) -> Self {
        let usable_until = self.timing.stale_for;
        let (loaded, fresh_until) = (Duration::ZERO, Duration::ZERO);
        self.document = Some(Span { loaded, fresh_until, usable_until });
        self
    }

    /// Decides about a request that the current document does not serve. `shared` takes a load out of the shared
    /// budget; without one, this source may load only every 10 seconds.
    pub(super) fn ask(&mut self, now: Duration, shared: impl FnOnce() -> Share) -> RefreshDecision {
        if self.loading_since.is_some() {
            return RefreshDecision::Wait { load: self.number, began_before: true };
        }
        let next = RefreshDecision::Wait { load: self.number + 1, began_before: false };
        // A load that is due anyway costs nothing.
        if self.wanted || now >= self.due {
            return next;
        }
        let may_fetch = self.timing.budget.has_one(now)
            && match shared() {
                Share::Given => true,
                Share::Spent => self.until_owed(now).is_zero(),
                Share::Never => false,
            };
        if may_fetch {
            self.timing.budget.take(now);
            self.paid_at = Some(now);
            self.wanted = true;
            return next;
        }
        if self.last_succeeded { RefreshDecision::Spent } else { RefreshDecision::Failed }
    }

    /// Returns whether a request that the document does not serve is a reason to load another one.
    ///
    /// A document that came a moment ago counts as the newest. The moment is a second while the budget is full or
    /// a load is due anyway, and otherwise 10 seconds: so made-up signatures leave the budget to tokens that name a new
    /// key.
    pub(super) fn is_outdated(&mut self, now: Duration) -> bool {
        let Some(document) = self.document.filter(|_| !self.timing.budget.is_nothing()) else {
            return false;
        };
        let age = now.saturating_sub(document.loaded);
        let comes_anyway = self.loading_since.is_some() || self.wanted || now >= self.due;
        let is_cheap = comes_anyway || self.timing.budget.is_full(now);
        !self.has_loaded || age >= OLD || (is_cheap && age >= A_MOMENT)
    }

    /// Returns the time until a request can cause a load.
    pub(super) fn until_affordable(&mut self, now: Duration) -> Duration {
        self.timing.budget.until_one(now).max(self.until_owed(now))
    }

    /// Returns the time until this source may load although the others have spent the shared budget.
    fn until_owed(&self, now: Duration) -> Duration {
        let paid_since = self.paid_at.map(|at| now.saturating_sub(at));
        paid_since.map_or(Duration::ZERO, |since| OWED_EVERY.saturating_sub(since))
    }

    /// Returns the moment of the next load without a request. `None` while a load runs.
    pub(super) fn next(&self) -> Option<Duration> {
        match self.loading_since {
            Some(_) => None,
            None if self.wanted => Some(Duration::ZERO),
            None => Some(self.due),
        }
    }

    /// Begins a load if one is due or wanted, and none runs.
    pub(super) fn begin(&mut self, now: Duration) -> bool {
        let begins = self.next().is_some_and(|next| now >= next);
        if begins {
            self.loading_since = Some(now);
            self.number += 1;
            self.wanted = false;
        }
        begins
    }

    /// Records that the load brought a document, which is fresh for this time. `jitter` lies between 0 and 1.
    pub(super) fn succeeded(&mut self, now: Duration, fresh_for: Option<Duration>, jitter: f64) {
        let Timing { fresh_at_least, fresh_at_most, fresh_by_default, stale_for, .. } = self.timing;
        let fresh_for =
            fresh_for.unwrap_or(fresh_by_default).min(fresh_at_most).max(fresh_at_least);
        // The freshness counts from the start of the load: its source answered no earlier than that.
        let loaded = self.loading_since.take().unwrap_or(now);
        let fresh_until = loaded.saturating_add(fresh_for);
        let usable_until = fresh_until.saturating_add(stale_for);
        self.document = Some(Span { loaded, fresh_until, usable_until });
        // At 80 %, plus or minus 5 %, so that nodes that were started together do not load together for ever.
        self.due = loaded.saturating_add(part_of(fresh_for, 0.75 + 0.1 * jitter));
        self.due = self.due.max(now.saturating_add(LEAST_PAUSE));
        self.backoff.reset();
        self.last_succeeded = true;
        self.has_loaded = true;
    }

    /// Records that the load failed. `jitter` lies between 0 and 1.
    pub(super) fn failed(&mut self, now: Duration, jitter: f64) {
        self.loading_since = None;
        self.due = now.saturating_add(self.backoff.next(jitter).max(LEAST_PAUSE));
        self.last_succeeded = false;
    }

    /// Records that the task of a load has ended without a result. The next load begins at once.
    pub(super) fn abandoned(&mut self) {
        if self.loading_since.take().is_some() {
            self.wanted = true;
        }
    }

    /// Returns the time for which the current document can be used, if there is one.
    pub(super) fn document(&self) -> Option<Span> {
        self.document
    }

    /// Returns whether the last load brought a document.
    pub(super) fn last_succeeded(&self) -> bool {
        self.last_succeeded
    }
}

/// A document of this age may have been replaced, whatever is left of the budget.
const OLD: Duration = Duration::from_secs(10);
/// A document of this age may have been replaced, if the budget is full.
const A_MOMENT: Duration = Duration::from_secs(1);
/// The time after which a source may load on its own budget although the shared one is spent.
const OWED_EVERY: Duration = Duration::from_secs(10);
/// The shortest pause between loads, under all settings.
const LEAST_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        Schedule::new(Timing {
            fresh_at_least: seconds(60),
            fresh_at_most: seconds(86_400),
            fresh_by_default: seconds(600),
            stale_for: seconds(3_600),
            first_retry: seconds(1),
            last_retry: seconds(60),
            budget: Bucket::new(1, seconds(10)),
        })
    }

    /// A schedule whose first fetch has brought keys at once, due again after 480 seconds.
    fn fetched() -> Schedule {
        let mut schedule = schedule();
        schedule.begin(seconds(0));
        schedule.succeeded(seconds(0), None, 0.5);
        schedule
    }

    #[test]
    fn first_fetch_is_due_from_the_start() {
        assert!(schedule().begin(Duration::ZERO));
    }

    #[test]
    fn second_fetch_waits_for_the_end_of_the_first() {
        let mut schedule = schedule();
        schedule.begin(seconds(0));

        assert!(!schedule.begin(seconds(1_000_000)));
        schedule.failed(seconds(1_000_000), 1.0);
        assert!(schedule.begin(seconds(1_000_001)));
    }

    #[test]
    fn keys_are_fetched_again_at_four_fifths_of_their_freshness() {
        let mut schedule = fetched();

        assert_eq!(schedule.next(), Some(seconds(480)));
        assert!(!schedule.begin(seconds(479)));
        assert!(schedule.begin(seconds(480)));
    }

    #[test]
    fn freshness_counts_from_when_the_fetch_began() {
        let mut schedule = schedule();
        schedule.begin(seconds(0));
        schedule.succeeded(seconds(20), Some(seconds(100)), 0.5);

        assert_eq!(schedule.next(), Some(seconds(80)));
        assert_eq!(schedule.document().unwrap().fresh_until, seconds(100));
        assert_eq!(schedule.document().unwrap().usable_until, seconds(3_700));
    }

    #[test]
    fn provider_that_says_too_little_or_too_much_is_held_to_the_bounds() {
        // OIDC Core §10.1.1: max-age is respected within bounds
        for (said, fresh) in [(0, 60), (60, 60), (86_400, 86_400), (86_401, 86_400)] {
            let mut schedule = schedule();
            schedule.begin(seconds(0));
            schedule.succeeded(seconds(0), Some(seconds(said)), 0.5);

            assert_eq!(schedule.document().unwrap().fresh_until, seconds(fresh), "{said}");
        }
    }

    #[test]
    fn pauses_between_failures_double_up_to_a_minute() {
        let mut schedule = schedule();
        let mut pauses = Vec::new();
        let mut now = seconds(0);
        for _ in 0..9 {
            assert!(schedule.begin(now));
            schedule.failed(now, 1.0);
            pauses.push(schedule.next().unwrap().saturating_sub(now).as_secs());
            now = schedule.next().unwrap();
        }

        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    }

    #[test]
    fn success_ends_the_growing_of_pauses() {
        let mut schedule = schedule();
        for end in [Schedule::failed, Schedule::failed, |s: &mut Schedule, now, jitter| {
            s.succeeded(now, None, jitter);
        }] {
            let next = schedule.next().unwrap();
            schedule.begin(next);
            end(&mut schedule, next, 1.0);
        }

        let next = schedule.next().unwrap();
        schedule.begin(next);
        schedule.failed(next, 1.0);

        assert_eq!(schedule.next(), Some(next + seconds(1)));
    }

    #[test]
    fn unknown_key_causes_a_fetch_and_all_who_ask_share_it() {
        let mut schedule = fetched();
        let next = RefreshDecision::Wait { load: 2, began_before: false };

        assert_eq!(schedule.ask(seconds(5), || Share::Given), next);
        assert_eq!(schedule.ask(seconds(5), || panic!("it comes anyway")), next);
        assert!(schedule.begin(seconds(5)));
        let running = RefreshDecision::Wait { load: 2, began_before: true };
        assert_eq!(schedule.ask(seconds(6), || panic!("it runs already")), running);
    }

    #[test]
    fn nobody_waits_when_the_budget_is_spent() {
        let mut schedule = fetched();
        schedule.ask(seconds(5), || Share::Given);
        schedule.begin(seconds(5));
        schedule.succeeded(seconds(5), None, 0.5);

        assert_eq!(schedule.ask(seconds(14), || Share::Given), RefreshDecision::Spent);
        let next = RefreshDecision::Wait { load: 3, began_before: false };
        assert_eq!(schedule.ask(seconds(15), || Share::Given), next);
    }

    #[test]
    fn nobody_knows_when_the_budget_is_spent_and_the_last_fetch_failed() {
        let mut schedule = fetched();
        schedule.ask(seconds(5), || Share::Given);
        schedule.begin(seconds(5));
        schedule.failed(seconds(5), 1.0);

        assert_eq!(schedule.ask(seconds(5), || Share::Given), RefreshDecision::Failed);
    }

    /// A schedule with this budget which has fetched at 0 and, for an unknown key, at 5 seconds.
    fn asked(budget: Bucket) -> Schedule {
        let mut schedule = fetched();
        schedule.timing.budget = budget;
        schedule.ask(seconds(5), || Share::Given);
        schedule.begin(seconds(5));
        schedule.succeeded(seconds(5), None, 0.5);
        schedule
    }

    #[test]
    fn refusal_by_the_shared_budget_costs_nothing_of_the_own() {
        let mut schedule = asked(Bucket::new(2, seconds(3600)));

        assert_eq!(schedule.ask(seconds(6), || Share::Spent), RefreshDecision::Spent);
        assert_eq!(schedule.until_affordable(seconds(6)), seconds(9));

        let next = RefreshDecision::Wait { load: 3, began_before: false };
        assert_eq!(schedule.ask(seconds(6), || Share::Given), next);
    }

    #[test]
    fn others_keep_a_source_from_fetching_for_ten_seconds_at_the_most() {
        let first = RefreshDecision::Wait { load: 2, began_before: false };
        assert_eq!(fetched().ask(seconds(5), || Share::Spent), first);
        assert_eq!(fetched().ask(seconds(5), || Share::Never), RefreshDecision::Spent);
        let mut schedule = asked(Bucket::new(2, seconds(3600)));

        assert_eq!(schedule.ask(seconds(14), || Share::Spent), RefreshDecision::Spent);

        let second = RefreshDecision::Wait { load: 3, began_before: false };
        assert_eq!(schedule.ask(seconds(15), || Share::Spent), second);
    }

    #[test]
    fn source_that_is_owed_a_fetch_takes_it_out_of_its_own_budget_all_the_same() {
        let mut schedule = asked(Bucket::new(1, seconds(60)));

        assert_eq!(
            schedule.ask(seconds(20), || panic!("there is none to take")),
            RefreshDecision::Spent
        );
        assert_eq!(schedule.until_affordable(seconds(20)), seconds(45));
    }

    #[test]
    fn keys_are_outdated_after_a_moment_if_nobody_else_needs_the_budget() {
        let mut schedule = fetched();
        assert!(!schedule.is_outdated(Duration::from_millis(999)));
        assert!(schedule.is_outdated(seconds(1)));

        let mut schedule = asked(Bucket::new(3, seconds(20)));
        assert!(!schedule.is_outdated(seconds(14)));
        assert!(schedule.is_outdated(seconds(15)));
    }

    #[test]
    fn keys_are_outdated_after_a_moment_if_others_come_anyway() {
        let mut schedule = asked(Bucket::new(2, seconds(20)));
        assert!(!schedule.is_outdated(seconds(7)));

        schedule.ask(seconds(7), || Share::Given);

        assert!(!schedule.is_outdated(Duration::from_millis(5_999)));
        assert!(schedule.is_outdated(seconds(7)));
        schedule.begin(seconds(7));
        assert!(schedule.is_outdated(seconds(7)));
    }

    #[test]
    fn keys_that_no_fetch_has_brought_are_outdated_and_no_keys_at_all_are_not() {
        assert!(schedule().with_initial().is_outdated(seconds(0)));
        assert!(!schedule().is_outdated(seconds(3600)));
    }

    #[test]
    fn without_any_budget_no_signature_makes_keys_outdated() {
        let mut schedule = fetched();
        schedule.timing.budget = Bucket::new(0, seconds(10));

        assert!(!schedule.is_outdated(seconds(3600)));
    }

    #[test]
    fn fetch_that_nobody_ran_to_its_end_begins_again_at_once() {
        let mut schedule = fetched();
        schedule.begin(seconds(480));

        schedule.abandoned();

        assert!(schedule.begin(seconds(480)));
        assert_eq!(schedule.document().unwrap().usable_until, seconds(4_200));
    }

    #[test]
    fn initial_keys_are_stale_from_the_start_and_replaced_at_once() {
        let schedule = schedule().with_initial();

        let keys = schedule.document().unwrap();
        assert_eq!((keys.fresh_until, keys.usable_until), (seconds(0), seconds(3_600)));
        assert_eq!(schedule.next(), Some(seconds(0)));
    }
}
