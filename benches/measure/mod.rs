//! Measures cases beside each other, in rounds.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Something that is measured, and what came out.
pub(crate) struct Case {
    pub(crate) name: String,
    work: Box<dyn Work>,
    pub(crate) allocations: u64,
    /// Nanoseconds per call, one entry for each round.
    rounds: Vec<f64>,
}

impl Case {
    pub(crate) fn new<I: 'static, O: 'static>(
        name: &str,
        prepare: impl FnMut() -> I + 'static,
        call: impl FnMut(I) -> O + 'static,
    ) -> Self {
        let work = Box::new(Calls { prepare, call });
        Self { name: name.to_owned(), work, allocations: 0, rounds: Vec::new() }
    }

    /// The value below which this part of the rounds lies.
    pub(crate) fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.rounds.clone();
        sorted.sort_by(f64::total_cmp);
        let last = u32::try_from(sorted.len() - 1).expect("thousands at the most");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0..=last")]
        let at = (part * f64::from(last)).round() as usize;
        sorted[at]
    }

    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

/// Calls of which only `call` is measured, not the making of its input.
struct Calls<P, F> {
    prepare: P,
    call: F,
}

trait Work {
    fn time(&mut self, calls: u32) -> Duration;
    fn allocations(&mut self) -> u64;
}

impl<I, O, P: FnMut() -> I, F: FnMut(I) -> O> Work for Calls<P, F> {
    fn time(&mut self, calls: u32) -> Duration {
        let mut total = Duration::ZERO;
        // In batches that stay in the cache.
        for start in (0..calls).step_by(BATCH as usize) {
            let batch = BATCH.min(calls - start);
            let inputs: Vec<I> = (0..batch).map(|_| (self.prepare)()).collect();
            let begin = Instant::now();
            for input in inputs {
                black_box((self.call)(black_box(input)));
            }
            total += begin.elapsed();
        }
        total
    }

    fn allocations(&mut self) -> u64 {
        let input = (self.prepare)();
        allocation_counter::measure(|| drop((self.call)(input))).count_total
    }
}

/// Runs every case for a slice, round after round.
pub(crate) fn measure(cases: &mut [&mut Case], plan: &Plan) {
    let calls: Vec<u32> = cases.iter_mut().map(|case| warm_up(&mut *case.work, plan)).collect();
    for case in &mut *cases {
        case.allocations = case.work.allocations();
    }
    // Without the opt-out the counting itself would add to what allocates much.
    allocation_counter::opt_out(|| {
        for _ in 0..plan.rounds {
            for (case, &calls) in cases.iter_mut().zip(&calls) {
                let time = case.work.time(calls);
                case.rounds.push(time.as_secs_f64() * 1e9 / f64::from(calls));
            }
        }
    });
}

/// Finds out how many calls fill a slice.
fn warm_up(work: &mut dyn Work, plan: &Plan) -> u32 {
    let mut calls = 1;
    while work.time(calls) < plan.slice {
        calls *= 2;
    }
    calls
}

/// How long to measure.
pub(crate) struct Plan {
    pub(crate) rounds: u32,
    pub(crate) slice: Duration,
}

pub(crate) const FULL: Plan = Plan { rounds: 800, slice: Duration::from_millis(3) };
pub(crate) const QUICK: Plan = Plan { rounds: 5, slice: Duration::from_millis(1) };
const BATCH: u32 = 64;
