//! The schedule beside a model of it, on random sequences of what can happen.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

const MAX: Duration = Duration::MAX;

#[derive(Clone, Debug)]
enum Step {
    Pass(Duration),
    /// Until just then is due what comes next.
    PassUntilDue,
    Ask {
        shared: Share,
    },
    Begin,
    Succeed {
        fresh_for: Option<Duration>,
        jitter: f64,
    },
    Fail {
        jitter: f64,
    },
    Abandon,
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        1 => Just(Duration::ZERO),
        1 => Just(MAX),
        2 => (0..5_000_u64).prop_map(Duration::from_nanos),
        4 => (0..5_000_u64).prop_map(Duration::from_millis),
        4 => (0..5_000_u64).prop_map(Duration::from_secs),
        1 => (0..u64::MAX).prop_map(Duration::from_secs),
    ]
}

fn share() -> impl Strategy<Value = Share> {
    prop_oneof![Just(Share::Given), Just(Share::Spent), Just(Share::Never)]
}

fn step() -> impl Strategy<Value = Step> {
    // Time that has come to its end tells nothing more, so most steps are short ones.
    let pass = prop_oneof![
        20 => (0..2_000_u64).prop_map(Duration::from_millis),
        20 => (0..2_000_u64).prop_map(Duration::from_secs),
        1 => duration(),
    ];
    let jitter = || prop_oneof![Just(0.0), Just(1.0), 0.0..=1.0];
    prop_oneof![
        4 => pass.prop_map(Step::Pass),
        2 => Just(Step::PassUntilDue),
        6 => share().prop_map(|shared| Step::Ask { shared }),
        6 => Just(Step::Begin),
        3 => (proptest::option::of(duration()), jitter())
            .prop_map(|(fresh_for, jitter)| Step::Succeed { fresh_for, jitter }),
        2 => jitter().prop_map(|jitter| Step::Fail { jitter }),
        1 => Just(Step::Abandon),
    ]
}

prop_compose! {
    fn timing()(
        fresh_at_least in duration(),
        fresh_at_most in duration(),
        fresh_by_default in duration(),
        stale_for in duration(),
        first_retry in duration(),
        last_retry in duration(),
        most in prop_oneof![0..5_u32, Just(u32::MAX)],
        every in duration(),
    ) -> (Timing, Allowance) {
        let budget = Bucket::new(most, every);
        let timing = Timing {
            fresh_at_least, fresh_at_most, fresh_by_default, stale_for, first_retry, last_retry, budget,
        };
        (timing, Allowance::new(most, every))
    }
}

/// The budget in another form: what is in it, in nanoseconds of growing.
#[derive(Debug)]
struct Allowance {
    most: u32,
    every: u128,
    level: u128,
    grown_at: Duration,
    taken: Vec<Duration>,
}

impl Allowance {
    fn new(most: u32, every: Duration) -> Self {
        let every = every.as_nanos().max(1_000_000);
        let level = u128::from(most) * every;
        Self { most, every, level, grown_at: Duration::ZERO, taken: Vec::new() }
    }

    fn has_one(&mut self, now: Duration) -> bool {
        let grown = now.saturating_sub(self.grown_at).as_nanos();
        self.grown_at = now;
        self.level = (self.level + grown).min(u128::from(self.most) * self.every);
        self.level >= self.every
    }

    fn is_full(&mut self, now: Duration) -> bool {
        self.has_one(now);
        self.level >= u128::from(self.most) * self.every
    }

    fn take(&mut self, now: Duration) {
        self.level -= self.every;
        self.taken.push(now);
    }

    /// In any window of time no more than there were at first, and those that grew in it.
    fn check(&self) {
        for (first, from) in self.taken.iter().enumerate() {
            for (last, to) in self.taken.iter().enumerate().skip(first) {
                let (taken, grown) =
                    (last - first + 1, to.saturating_sub(*from).as_nanos() / self.every);
                assert!(taken as u128 <= u128::from(self.most) + grown, "{:?}", self.taken);
            }
        }
    }
}

struct Model {
    timing: Timing,
    allowance: Allowance,
    schedule: Schedule,
    now: Duration,
    began: Option<Duration>,
    number: u64,
    ended: u64,
    /// The last load that a request was told to wait for.
    promised: u64,
    wanted: bool,
    due: Duration,
    failures: u32,
    last_succeeded: bool,
    keys: Option<Span>,
    /// When the keys that a fetch has brought were asked for.
    fetched: Option<Duration>,
    paid_at: Option<Duration>,
}

impl Model {
    fn new(timing: Timing, allowance: Allowance, with_initial: bool) -> Self {
        let mut schedule = Schedule::new(timing.clone());
        let mut keys = None;
        if with_initial {
            schedule = schedule.with_initial();
            let (loaded, fresh_until) = (Duration::ZERO, Duration::ZERO);
            keys = Some(Span { loaded, fresh_until, usable_until: timing.stale_for });
        }
        Self {
            timing,
            allowance,
            schedule,
            now: Duration::ZERO,
            began: None,
            number: 0,
            ended: 0,
            promised: 0,
            wanted: false,
            due: Duration::ZERO,
            failures: 0,
            last_succeeded: false,
            keys,
            fetched: None,
            paid_at: None,
        }
    }

    fn take(&mut self, step: &Step) {
        match *step {
            Step::Pass(time) => self.now = self.now.saturating_add(time),
            Step::PassUntilDue => self.now = self.now.max(self.due),
            Step::Ask { shared } => self.ask(shared),
            Step::Begin => self.begin(),
            Step::Succeed { fresh_for, jitter } => self.succeed(fresh_for, jitter),
            Step::Fail { jitter } => self.fail(jitter),
            Step::Abandon => self.abandon(),
        }
        self.check();
    }

    fn ask(&mut self, shared: Share) {
        let mut shared_was_asked = false;
        let answer = self.schedule.ask(self.now, || {
            shared_was_asked = true;
            shared
        });

        let comes_anyway = self.began.is_some() || self.wanted || self.now >= self.due;
        let has_one = !comes_anyway && self.allowance.has_one(self.now);
        assert_eq!(shared_was_asked, has_one);
        let ten_seconds = Duration::from_secs(10);
        let is_owed = self.paid_at.is_none_or(|at| self.now.saturating_sub(at) >= ten_seconds);
        if has_one && (shared == Share::Given || (shared == Share::Spent && is_owed)) {
            self.allowance.take(self.now);
            self.paid_at = Some(self.now);
            self.wanted = true;
        }
        if let RefreshDecision::Wait { load, .. } = answer {
            self.promised = self.promised.max(load);
        }
        let next = self.number + 1;
        assert_eq!(
            answer,
            match (self.began.is_some(), self.last_succeeded) {
                (true, _) => RefreshDecision::Wait { load: self.number, began_before: true },
                (false, _) if comes_anyway || self.wanted =>
                    RefreshDecision::Wait { load: next, began_before: false },
                (false, true) => RefreshDecision::Spent,
                (false, false) => RefreshDecision::Failed,
            }
        );
    }

    fn begin(&mut self) {
        let begins = self.schedule.begin(self.now);

        assert_eq!(begins, self.began.is_none() && (self.wanted || self.now >= self.due));
        if begins {
            self.began = Some(self.now);
            self.number += 1;
            self.wanted = false;
        }
    }

    fn succeed(&mut self, fresh_for: Option<Duration>, jitter: f64) {
        let Some(began) = self.began.take() else { return };
        self.schedule.succeeded(self.now, fresh_for, jitter);

        let Timing { fresh_at_least, fresh_at_most, fresh_by_default, stale_for, .. } = self.timing;
        let stated = fresh_for.unwrap_or(fresh_by_default);
        let fresh_for = stated.min(fresh_at_most).max(fresh_at_least);
        let fresh_until = began.saturating_add(fresh_for);
        let usable_until = fresh_until.saturating_add(stale_for);
        self.keys = Some(Span { loaded: began, fresh_until, usable_until });
        self.fetched = Some(began);
        (self.failures, self.last_succeeded, self.ended) = (0, true, self.number);
        let (early, late) = (began.saturating_add(fresh_for / 4 * 3), fresh_until);
        self.is_due_between(early, late, fresh_for);
    }

    fn fail(&mut self, jitter: f64) {
        if self.began.take().is_none() {
            return;
        }
        self.schedule.failed(self.now, jitter);

        let Timing { first_retry, last_retry, .. } = self.timing;
        let doubled = 2_u32.saturating_pow(self.failures);
        let pause = first_retry.saturating_mul(doubled).min(last_retry);
        self.failures += 1;
        (self.last_succeeded, self.ended) = (false, self.number);
        let (early, late) = (self.now.saturating_add(pause / 2), self.now.saturating_add(pause));
        self.is_due_between(early, late, pause);
    }

    fn abandon(&mut self) {
        self.schedule.abandoned();

        self.wanted |= self.began.take().is_some();
    }

    /// Checks that a load which is due from now on is due in this time, or after the shortest pause
    /// where the time has passed.
    fn is_due_between(&mut self, early: Duration, late: Duration, of: Duration) {
        // Floating point has 53 bits.
        let inexact = Duration::from_secs(of.as_secs() >> 50) + Duration::from_nanos(4);
        let soonest = self.now.saturating_add(LEAST_PAUSE);
        let early = early.saturating_sub(inexact).max(soonest);
        let late = late.max(soonest);
        self.due = self.schedule.next().expect("no load runs");
        assert!((early..=late).contains(&self.due), "{early:?} {:?} {late:?}", self.due);
    }

    /// Checks that a request which waits because the document is outdated can receive a new one.
    fn outdated(&mut self) {
        let is_outdated = self.schedule.is_outdated(self.now);

        let comes_anyway = self.began.is_some() || self.wanted || self.now >= self.due;
        let is_full = self.allowance.is_full(self.now);
        let least = Duration::from_secs(if comes_anyway || is_full { 1 } else { 10 });
        let is_old = self.fetched.is_none_or(|at| self.now.saturating_sub(at) >= least);
        assert_eq!(is_outdated, self.keys.is_some() && self.allowance.most > 0 && is_old);
    }

    fn check(&mut self) {
        self.outdated();
        let next = match (self.began, self.wanted) {
            (Some(_), _) => None,
            (None, true) => Some(Duration::ZERO),
            (None, false) => Some(self.due),
        };
        assert_eq!(self.schedule.next(), next);
        assert_eq!(self.schedule.document(), self.keys);
        assert_eq!(self.schedule.last_succeeded(), self.last_succeeded);
        // Nothing waits for a load that is not to come.
        let is_awaited = self.promised > self.ended;
        assert!(!is_awaited || self.began.is_some() || next <= Some(self.now), "{self:?}");
        assert!(self.promised <= self.number + u64::from(self.began.is_none()));
    }
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.schedule, self.now)
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1_000, failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn schedule_does_what_its_model_does(
        (timing, allowance) in timing(),
        with_initial in any::<bool>(),
        steps in vec(step(), 1..80),
    ) {
        let mut model = Model::new(timing, allowance, with_initial);
        model.check();
        for step in &steps {
            model.take(step);
        }
        model.allowance.check();
    }
}
