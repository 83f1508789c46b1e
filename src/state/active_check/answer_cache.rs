//! Caches the last answer about each subject.
//!
//! Time counts from the question, by the monotonic clock: a wall clock that is set back would make a "yes"
//! outlive its time. `quick_cache`: maintained, one small dependency, and a scan by many subjects does not evict
//! those that come often. It keeps names and not hashes, because a collision would accept a token.

use std::convert::Infallible;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quick_cache::Equivalent;
use quick_cache::sync::Cache;
use tokio::sync::watch;
use tokio::task::yield_now;

use super::ask::CheckAnswer;
use crate::claims::Principal;
use crate::clock::Moment;

/// Keeps the last answer about each of a bounded number of subjects, and the pending calls.
pub(super) struct AnswerCache(Cache<SubjectKey, Arc<SubjectSlot>>);

/// The last answer and the pending call of one subject.
#[derive(Default)]
pub(super) struct SubjectSlot(Mutex<SubjectState>);

#[derive(Default)]
struct SubjectState {
    last: Option<LastAnswer>,
    call: Option<PendingCall>,
}

/// A pending call. Several requests can wait for it.
#[derive(Clone)]
struct PendingCall {
    began: Moment,
    /// Closes without an answer when the runtime that runs the call ends.
    answer: watch::Receiver<Option<CheckAnswer>>,
}

/// The last answer about a subject.
#[derive(Clone, Copy)]
pub(super) struct LastAnswer {
    pub(super) is_active: bool,
    /// The moment of the question. The answer may be as old as that.
    pub(super) asked_at: Moment,
}

impl AnswerCache {
    pub(super) fn new(capacity: usize) -> Self {
        Self(Cache::new(capacity))
    }

    pub(super) fn last(&self, name: &SubjectRef<'_>) -> Option<LastAnswer> {
        self.0.get(name)?.state().last
    }

    pub(super) fn slot(&self, name: &SubjectRef<'_>) -> Arc<SubjectSlot> {
        let name = SubjectKey::from(name);
        let made = self.0.get_or_insert_with(&name, || Ok::<_, Infallible>(Arc::default()));
        made.unwrap_or_else(|never| match never {})
    }

    /// Forgets a subject, and the answer of its pending call.
    pub(super) fn forget(&self, name: &SubjectRef<'_>) {
        self.0.remove(name);
    }
}

impl fmt::Debug for AnswerCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerCache").field("len", &self.0.len()).finish_non_exhaustive()
    }
}

impl SubjectSlot {
    /// Remembers an answer, unless a later question has been answered.
    pub(super) fn remember(&self, answer: &CheckAnswer, asked_at: Moment) {
        self.state().remember(answer, asked_at);
    }

    /// Waits for the pending call, or starts one.
    ///
    /// The call is a task of its own, which goes on when a waiting request goes away. A pending
    /// call that is older than `at_most` is ignored: its runtime has stopped.
    pub(super) async fn share<A>(
        self: &Arc<Self>,
        at_most: Duration,
        mut begin: impl FnMut() -> A,
    ) -> CheckAnswer
    where
        A: Future<Output = CheckAnswer> + Send + 'static,
    {
        loop {
            let PendingCall { mut answer, .. } = self.call(at_most, &mut begin);
            let answered = answer.wait_for(Option::is_some).await;
            if let Some(answer) = answered.ok().and_then(|answer| answer.clone()) {
                return answer;
            }
            // The runtime of the call has ended. It need not be the runtime of this request.
            yield_now().await;
        }
    }

    fn call<A>(self: &Arc<Self>, at_most: Duration, begin: impl FnOnce() -> A) -> PendingCall
    where
        A: Future<Output = CheckAnswer> + Send + 'static,
    {
        let mut state = self.state();
        if let Some(call) = state.call.as_ref().filter(|call| call.is_under_way(at_most)) {
            return call.clone();
        }
        let (sender, answer) = watch::channel(None);
        let call = PendingCall { began: Moment::now(), answer };
        state.call = Some(call.clone());
        let (slot, asking, own) = (Arc::clone(self), begin(), call.clone());
        tokio::spawn(async move {
            let answer = asking.await;
            slot.end(&own, &answer);
            // Sent after the answer is remembered, so that a request that receives it also finds it
            // in the cache.
            sender.send_replace(Some(answer));
        });
        call
    }

    fn end(&self, call: &PendingCall, answer: &CheckAnswer) {
        let mut state = self.state();
        state.remember(answer, call.began);
        state.call.take_if(|current| current.answer.same_channel(&call.answer));
    }

    fn state(&self) -> MutexGuard<'_, SubjectState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PendingCall {
    fn is_under_way(&self, at_most: Duration) -> bool {
        self.answer.has_changed().is_ok() && self.began.elapsed() < at_most
    }
}

impl SubjectState {
    fn remember(&mut self, answer: &CheckAnswer, asked_at: Moment) {
        if let Ok(is_active) = *answer
            && self.last.is_none_or(|last| last.asked_at.since(asked_at).is_zero())
        {
            self.last = Some(LastAnswer { is_active, asked_at });
        }
    }
}

/// The key of an entry: a subject of an issuer.
#[derive(Clone, PartialEq, Eq, Hash)]
struct SubjectKey {
    issuer: Box<str>,
    subject: Box<str>,
}

/// A borrowed key. `alice` of one issuer is not `alice` of another.
#[derive(Clone, Copy, Hash)]
pub(super) struct SubjectRef<'p> {
    issuer: &'p str,
    subject: &'p str,
}

impl<'p> SubjectRef<'p> {
    pub(super) fn new(issuer: &'p str, subject: &'p str) -> Self {
        Self { issuer, subject }
    }

    /// Returns `None` for a token without a subject: all such tokens would share one entry.
    pub(super) fn of(principal: &'p Principal) -> Option<Self> {
        let subject = principal.subject().filter(|subject| !subject.is_empty())?;
        Some(Self::new(principal.issuer(), subject))
    }
}

impl Equivalent<SubjectKey> for SubjectRef<'_> {
    fn equivalent(&self, kept: &SubjectKey) -> bool {
        (self.issuer, self.subject) == (&*kept.issuer, &*kept.subject)
    }
}

impl From<&SubjectRef<'_>> for SubjectKey {
    fn from(name: &SubjectRef<'_>) -> Self {
        Self { issuer: name.issuer.into(), subject: name.subject.into() }
    }
}
