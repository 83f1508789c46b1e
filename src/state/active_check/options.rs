use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::answer_cache::{AnswerCache, LastAnswer, SubjectRef};
use super::ask::{CheckAnswer, CheckFailure, bounded};
use super::check::ErasedCheck;
use super::failure_log::FailureLog;
use super::{ActiveVerdict, CheckActive};
use crate::claims::Principal;
use crate::clock::Moment;
use crate::config_error::ConfigError;
use crate::dangerous::Dangerous;
use crate::error::{AuthError, Reason};

/// Asks whether the subject of a token is still active, before a request is admitted.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::active_check::ActiveCheck;
/// use tower_bearer::{Principal, Verifier};
///
/// # fn verifier(verifier: Verifier<serde_json::Value>) -> Verifier<serde_json::Value> {
/// # async fn is_locked(_: Principal) -> std::io::Result<bool> { Ok(false) }
/// let check = ActiveCheck::new(|principal: Principal| async {
///     is_locked(principal).await.map(|is_locked| !is_locked)
/// })
/// .with_cache_ttl(Duration::from_secs(10));
/// let verifier = verifier.with_active_check(check);
/// # verifier
/// # }
/// ```
///
/// | | default | |
/// |---|---|---|
/// | called | for each request | [`with_cache_ttl`](Self::with_cache_ttl) |
/// | time limit | 1 second | [`with_timeout`](Self::with_timeout) |
/// | inactive | 401 `invalid_token`, [`Reason::Inactive`](crate::Reason::Inactive) | |
/// | no answer: an error, a timeout, a panic | 503, [`Reason::ActiveCheckFailed`](crate::Reason::ActiveCheckFailed) | [`with_last_answer_for`](Self::with_last_answer_for), [`dangerous().fail_open()`](Dangerous#method.fail_open) |
///
/// The check runs last, only for tokens that are valid and not revoked. A cached answer needs no
/// waiting. Without a cached answer the request waits, in a tokio runtime with timers. Elsewhere
/// the request is answered 503. In a process built with `panic = "abort"`, a runtime without timers
/// or a panic in the check ends the process.
///
/// Clones share their cache.
#[derive(Clone)]
pub struct ActiveCheck {
    check: Arc<dyn ErasedCheck>,
    settings: CheckSettings,
    answers: Arc<AnswerCache>,
    failures: Arc<FailureLog>,
}

#[derive(Clone, Debug)]
struct CheckSettings {
    active_for: Duration,
    inactive_for: Option<Duration>,
    last_answer_for: Duration,
    timeout: Duration,
    lets_in: bool,
}

impl ActiveCheck {
    /// Creates an active check that calls `check` for each request, and answers 503 when it fails.
    pub fn new(check: impl CheckActive) -> Self {
        let settings = CheckSettings {
            active_for: Duration::ZERO,
            inactive_for: None,
            last_answer_for: Duration::ZERO,
            timeout: TIMEOUT,
            lets_in: false,
        };
        Self {
            check: Arc::new(check),
            settings,
            answers: Arc::new(AnswerCache::new(CAPACITY)),
            failures: Arc::default(),
        }
    }

    /// Caches each answer about a subject (`iss` and `sub`), active or inactive, for this long
    /// after the question. By default answers are not cached.
    ///
    /// A subject that is locked is thus still accepted for at most this long, and a subject that is
    /// unlocked is still refused for at most this long, unless [`forget`](Self::forget) is called.
    /// Concurrent requests of one subject share one call, which goes on if one of them goes away.
    /// Tokens without `sub` cause a call each time.
    ///
    /// Setting a clock back does not prolong an answer. On Linux, the time while the machine is
    /// suspended counts.
    #[must_use]
    pub fn with_cache_ttl(mut self, time: Duration) -> Self {
        self.settings.active_for = time;
        self
    }

    /// Caches inactive answers for another time than active ones.
    #[must_use]
    pub fn with_inactive_cache_ttl(mut self, time: Duration) -> Self {
        self.settings.inactive_for = Some(time);
        self
    }

    /// Sets how long a request waits for an answer. The default is 1 second.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets the number of subjects in the cache. The default is 10,000. A full cache evicts
    /// subjects without recent requests. This call empties the cache.
    #[must_use]
    pub fn with_capacity(mut self, subjects: usize) -> Self {
        self.answers = Arc::new(AnswerCache::new(subjects));
        self
    }

    /// Accepts tokens while the check fails, if the last answer about their subject was active and
    /// its question no older than this. By default they are refused; the longest time is 4 hours.
    ///
    /// The check is still called each time, and an inactive answer counts at once.
    ///
    /// # Errors
    ///
    /// [`ConfigError::TooLong`]. To accept tokens for as long as the check fails, use
    /// [`dangerous().fail_open()`](Dangerous#method.fail_open).
    pub fn with_last_answer_for(mut self, time: Duration) -> Result<Self, ConfigError> {
        if time > LONGEST_LAST_ANSWER {
            return Err(ConfigError::TooLong {
                what: "to accept by the last answer for a time",
                seconds: time.as_secs(),
                most: LONGEST_LAST_ANSWER.as_secs(),
                instead: "dangerous().fail_open()",
            });
        }
        self.settings.last_answer_for = time;
        Ok(self)
    }

    /// Returns the switch that accepts tokens without an answer.
    pub fn dangerous(self) -> Dangerous<Self> {
        Dangerous(self)
    }

    /// Removes a subject from the cache, so that the next request calls the check. Use it when the
    /// subject has changed.
    pub fn forget(&self, issuer: &str, subject: &str) {
        self.answers.forget(&SubjectRef::new(issuer, subject));
    }

    /// Returns the verdict, if it is cached.
    pub(super) fn recall(&self, principal: &Principal) -> Option<Result<(), AuthError>> {
        if !self.is_cached() {
            return None;
        }
        let LastAnswer { is_active, asked_at } = self.answers.last(&SubjectRef::of(principal)?)?;
        let ttl = if is_active { self.settings.active_for } else { self.inactive_for() };
        (asked_at.elapsed() < ttl).then(|| verdict(is_active))
    }

    /// Returns the verdict, and waits for it if necessary.
    pub(super) async fn ask(&self, principal: &Principal) -> Result<(), AuthError> {
        if let Some(verdict) = self.recall(principal) {
            return verdict;
        }
        let answer = bounded(self.settings.timeout, self.answer(principal)).await;
        self.failures.watch(&answer, self.settings.lets_in);
        match answer {
            Ok(is_active) => verdict(is_active),
            Err(failure) => self.without_answer(principal, failure),
        }
    }

    async fn answer(&self, principal: &Principal) -> CheckAnswer {
        let name = SubjectRef::of(principal).filter(|_| self.remembers());
        let slot = name.map(|name| self.answers.slot(&name));
        match slot {
            // Only where an answer may be older than the request.
            Some(slot) if self.is_cached() => {
                let at_most = self.settings.timeout;
                let call = || {
                    let (check, principal) = (Arc::clone(&self.check), principal.clone());
                    async move { bounded(at_most, call(&*check, &principal)).await }
                };
                slot.share(at_most, call).await
            }
            Some(slot) => {
                let asked_at = Moment::now();
                let answer = call(&*self.check, principal).await;
                slot.remember(&answer, asked_at);
                answer
            }
            None => call(&*self.check, principal).await,
        }
    }

    fn without_answer(
        &self,
        principal: &Principal,
        failure: CheckFailure,
    ) -> Result<(), AuthError> {
        let last = SubjectRef::of(principal).and_then(|name| self.answers.last(&name));
        let is_recent = |asked_at: Moment| asked_at.elapsed() < self.settings.last_answer_for;
        match last {
            Some(LastAnswer { is_active: true, asked_at }) if is_recent(asked_at) => Ok(()),
            // Too old to refuse by, and no reason to accept.
            Some(LastAnswer { is_active: false, .. }) => {
                Err(AuthError::active_check_failed(failure))
            }
            _ if self.settings.lets_in => Ok(()),
            _ => Err(AuthError::active_check_failed(failure)),
        }
    }

    fn is_cached(&self) -> bool {
        !self.settings.active_for.is_zero() || !self.inactive_for().is_zero()
    }

    fn remembers(&self) -> bool {
        self.is_cached() || !self.settings.last_answer_for.is_zero() || self.settings.lets_in
    }

    fn inactive_for(&self) -> Duration {
        self.settings.inactive_for.unwrap_or(self.settings.active_for)
    }
}

impl Dangerous<ActiveCheck> {
    /// Accepts tokens while the check fails or takes too long, as if there were no check (fail
    /// open).
    ///
    /// An attacker who overloads the database behind the check lets locked users in. A subject
    /// whose last answer was inactive is still refused with 503, as long as that answer is
    /// remembered.
    pub fn fail_open(mut self) -> ActiveCheck {
        self.0.settings.lets_in = true;
        self.0
    }
}

impl fmt::Debug for ActiveCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveCheck")
            .field("settings", &self.settings)
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}

async fn call(check: &dyn ErasedCheck, principal: &Principal) -> CheckAnswer {
    let verdict = check.check(principal).await.map_err(CheckFailure::from)?;
    Ok(verdict == ActiveVerdict::Active)
}

fn verdict(is_active: bool) -> Result<(), AuthError> {
    if is_active { Ok(()) } else { Err(Reason::Inactive.into()) }
}

const TIMEOUT: Duration = Duration::from_secs(1);
/// As long as keys stay in use while their provider is away.
const LONGEST_LAST_ANSWER: Duration = Duration::from_secs(4 * 60 * 60);
const CAPACITY: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::Value;

    use super::*;
    use crate::claims::validation::Validation;
    use crate::clock::pretend_to_be_suspended;
    use crate::jose::Algorithm;
    use crate::test_util::{TestKey, TestToken};
    use crate::verify::verifier::Verifier;

    #[tokio::test(start_paused = true)]
    async fn answer_grows_old_while_the_machine_is_suspended() {
        let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
        let (key, calls) = (TestKey::generate(Algorithm::HS256), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&calls);
        let check = ActiveCheck::new(move |_: Principal| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::ready(Ok::<_, io::Error>(true))
        });
        let verifier =
            Verifier::<Value>::new(key.verifying_key(), Validation::new(issuer, audience))
                .unwrap()
                .with_active_check(check.with_cache_ttl(Duration::from_secs(10)));
        let token = TestToken::new(issuer, audience).sign(&key);
        let calls_after_one_more = async || {
            verifier.verify(&token).await.unwrap();
            calls.load(Ordering::SeqCst)
        };
        assert_eq!(calls_after_one_more().await, 1);

        pretend_to_be_suspended(Duration::from_secs(9));
        assert_eq!(calls_after_one_more().await, 1);
        pretend_to_be_suspended(Duration::from_secs(1));
        assert_eq!(calls_after_one_more().await, 2);
    }
}
