//! Shares calls among the requests that need them, and bounds their number.
//!
//! Tokens that were active within the last hour have places of their own, for calls and for requests that wait. A
//! flood of invented tokens takes none of these, because an invented token is never active.
//!
//! A call is a task: it goes on when the request that began it goes away, and ends in time by itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::answer::Answer;
use super::failure_log::FailureLog;
use super::problem::Problem;
use super::recent::RecentTokens;
use super::token_hash::TokenHash;
use crate::clock::Moment;
use crate::error::Reason;
use crate::refresh::Bucket;
use crate::task::Runtimes;

/// The limits of calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The number of calls at once, and as many again for known tokens.
    pub(super) calls: usize,
    /// The number of tokens whose call waits for another to end, and as many again for known tokens.
    pub(super) waiting: usize,
    /// The number of calls about unknown tokens, and the time after which there is one more.
    pub(super) budget: (u32, Duration),
    /// The time of one call, with the time that it waits.
    pub(super) timeout: Duration,
    /// The time for which a refusal is kept.
    pub(super) inactive_for: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 32,
            waiting: 256,
            budget: (200, Duration::from_millis(10)),
            timeout: Duration::from_secs(5),
            inactive_for: Duration::from_secs(5),
        }
    }
}

/// The calls that are under way, and what is kept of former ones.
pub(super) struct Calls {
    limits: Limits,
    /// The name of the endpoint, for logs.
    endpoint: Box<str>,
    began: Moment,
    state: Mutex<State>,
    slots: PerLane<Arc<Semaphore>>,
    runtimes: Runtimes,
    failures: FailureLog,
}

/// A verdict, and the moment of the question.
pub(super) type Outcome = Result<(Answer, Moment), Arc<Problem>>;

struct State {
    pending: HashMap<TokenHash, PendingCall>,
    /// The number of tasks.
    tasks: PerLane<usize>,
    budget: Bucket,
    refused: RecentTokens<Reason>,
    active: RecentTokens<()>,
}

/// A pending call. Several requests can wait for it.
#[derive(Clone)]
struct PendingCall {
    began: Moment,
    /// Closes without an outcome when the call panics, or its runtime ends.
    outcome: watch::Receiver<Option<Outcome>>,
}

/// The places that a call takes.
#[derive(Clone, Copy)]
enum Lane {
    /// Those of tokens that were active a short time ago.
    Known,
    Unknown,
}

#[derive(Default)]
struct PerLane<T> {
    known: T,
    unknown: T,
}

impl<T> PerLane<T> {
    fn of(&self, lane: Lane) -> &T {
        match lane {
            Lane::Known => &self.known,
            Lane::Unknown => &self.unknown,
        }
    }

    fn of_mut(&mut self, lane: Lane) -> &mut T {
        match lane {
            Lane::Known => &mut self.known,
            Lane::Unknown => &mut self.unknown,
        }
    }
}

/// The state of a question before any wait.
enum Start {
    Refused(Reason),
    Call(PendingCall),
}

impl Calls {
    pub(super) fn new(limits: Limits, endpoint: &str) -> Self {
        let (calls, every) = limits.budget;
        let slots = || Arc::new(Semaphore::new(limits.calls.clamp(1, Semaphore::MAX_PERMITS)));
        Self {
            limits,
            endpoint: endpoint.into(),
            began: Moment::now(),
            state: Mutex::new(State {
                pending: HashMap::new(),
                tasks: PerLane::default(),
                budget: Bucket::new(calls, every),
                refused: RecentTokens::new(MOST_KEPT, limits.inactive_for),
                active: RecentTokens::new(MOST_KEPT, KNOWN_FOR),
            }),
            slots: PerLane { known: slots(), unknown: slots() },
            runtimes: Runtimes::default(),
            failures: FailureLog::default(),
        }
    }

    /// Returns the verdict about a token: a refusal that is kept, or the outcome of a call. The call is one that is under
    /// way, or a new one.
    pub(super) async fn ask<A>(
        self: &Arc<Self>,
        token: TokenHash,
        mut call: impl FnMut() -> A,
    ) -> Outcome
    where
        A: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        for _ in 0..ATTEMPTS {
            let mut outcome = match self.start(token, &mut call) {
                Ok(Start::Refused(reason)) => return Ok((Answer::Refused(reason), Moment::now())),
                Ok(Start::Call(pending)) => pending.outcome,
                Err(problem) => {
                    self.failures.failed(&self.endpoint, &problem);
                    return Err(Arc::new(problem));
                }
            };
            // The call has a limit of its own, which its runtime may not keep when it has stopped.
            let ended = timeout(self.longest_call(), outcome.wait_for(Option::is_some)).await;
            let Ok(ended) = ended.map(|ended| ended.ok().and_then(|outcome| outcome.clone()))
            else {
                return Err(Arc::new(Problem::Timeout(self.limits.timeout)));
            };
            if let Some(outcome) = ended {
                return outcome;
            }
            // The call has panicked, or its runtime has ended. It need not be the runtime of this request.
            yield_now().await;
        }
        self.failures.failed(&self.endpoint, &Problem::Ended);
        Err(Arc::new(Problem::Ended))
    }

    /// Lets no further request join the calls that are under way.
    pub(super) fn part(&self) {
        self.state().pending.clear();
    }

    /// Finds what is known, joins a call, or begins one.
    fn start<A>(
        self: &Arc<Self>,
        token: TokenHash,
        call: impl FnOnce() -> A,
    ) -> Result<Start, Problem>
    where
        A: Future<Output = Result<Answer, Problem>> + Send + 'static,
    {
        let runtime = self.runtimes.current().map_err(Problem::NotHere)?;
        let now = Moment::now();
        let mut state = self.state();
        if let Some(reason) = state.refused.get(&token, now) {
            return Ok(Start::Refused(reason));
        }
        if let Some(pending) = state.pending.get(&token)
            && pending.is_under_way(self.longest_call(), now)
        {
            return Ok(Start::Call(pending.clone()));
        }
        let lane = state.admit(&token, now, now.since(self.began), &self.limits)?;
        let (sender, outcome) = watch::channel(None);
        let pending = PendingCall { began: now, outcome };
        state.pending.insert(token, pending.clone());
        drop(state);
        let place = Place { calls: Arc::clone(self), token, lane, call: pending.clone() };
        let (slots, limit, call) = (Arc::clone(self.slots.of(lane)), self.limits.timeout, call());
        runtime.spawn(async move {
            let answer = timeout(limit, async {
                let _slot = slots.acquire().await.map_err(|_| Problem::Ended)?;
                let asked_at = Moment::now();
                Ok((call.await?, asked_at))
            });
            let answer = answer.await.unwrap_or(Err(Problem::Timeout(limit)));
            let outcome = answer.map_err(Arc::new);
            // Sent after it is kept, so that a request that receives it finds it too.
            place.calls.keep(token, &outcome);
            drop(place);
            sender.send_replace(Some(outcome));
        });
        Ok(Start::Call(pending))
    }

    fn keep(&self, token: TokenHash, outcome: &Outcome) {
        match outcome {
            Ok((answer, asked_at)) => {
                let mut state = self.state();
                match answer {
                    Answer::Active(_) => state.active.insert(token, (), *asked_at),
                    Answer::Refused(reason) => {
                        state.active.forget(&token);
                        state.refused.insert(token, *reason, *asked_at);
                    }
                }
                drop(state);
                self.failures.works(&self.endpoint);
            }
            Err(problem) => self.failures.failed(&self.endpoint, problem),
        }
    }

    fn longest_call(&self) -> Duration {
        self.limits.timeout.saturating_add(GRACE)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes a place for a call, and a part of the budget.
    fn admit(
        &mut self,
        token: &TokenHash,
        now: Moment,
        since_start: Duration,
        limits: &Limits,
    ) -> Result<Lane, Problem> {
        let is_known = self.active.get(token, now).is_some();
        let lane = if is_known { Lane::Known } else { Lane::Unknown };
        if *self.tasks.of(lane) >= limits.calls.max(1).saturating_add(limits.waiting) {
            return Err(Problem::Crowded);
        }
        if !is_known && !self.budget.take(since_start) {
            return Err(Problem::Spent { retry_after: self.budget.until_one(since_start) });
        }
        *self.tasks.of_mut(lane) += 1;
        Ok(lane)
    }
}

impl PendingCall {
    fn is_under_way(&self, at_most: Duration, now: Moment) -> bool {
        let is_waited_for = self.outcome.has_changed().is_ok();
        is_waited_for && now.since(self.began) < at_most
    }
}

/// The place of a call, which is free again when the call ends, however it ends.
struct Place {
    calls: Arc<Calls>,
    token: TokenHash,
    lane: Lane,
    call: PendingCall,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.calls.state();
        let tasks = state.tasks.of_mut(self.lane);
        *tasks = tasks.saturating_sub(1);
        if let Entry::Occupied(entry) = state.pending.entry(self.token)
            && entry.get().outcome.same_channel(&self.call.outcome)
        {
            entry.remove();
        }
    }
}

/// The number of tokens that were active, and of those that were refused, that are kept.
const MOST_KEPT: usize = 10_000;
/// The time for which a token counts as known after it was active.
const KNOWN_FOR: Duration = Duration::from_secs(60 * 60);
/// The number of calls that a request waits for if they end without an outcome.
const ATTEMPTS: usize = 3;
/// The time in which a call that is over tells so.
const GRACE: Duration = Duration::from_secs(1);
