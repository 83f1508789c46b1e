use std::hint::black_box;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use rustix::time::{ClockId, clock_gettime};
use tokio::runtime::Runtime;

use crate::Subject;
use crate::app::{App, authorization, get};

/// An application, and the request that it is asked.
pub(crate) struct Measured<A> {
    pub(crate) algorithm: String,
    pub(crate) allocations: u64,
    app: A,
    field: HeaderValue,
}

impl<A> Measured<A> {
    pub(crate) fn new<B: Default>(runtime: &Runtime, subject: &Subject, app: A) -> Self
    where
        A: App<B>,
    {
        let field = authorization(&subject.token);
        let algorithm = subject.algorithm.clone();
        let mut case = Self { algorithm, allocations: 0, app, field };
        // Whatever is made at the first request has been made by now: `check` has asked.
        let request = case.request();
        let counted = allocation_counter::measure(|| {
            runtime.block_on(async { drop(get(&mut case.app, request).await) });
        });
        case.allocations = counted.count_total;
        case
    }

    /// How long a request takes, in nanoseconds, while requests are made for this long.
    pub(crate) fn nanoseconds<B: Default>(&mut self, runtime: &Runtime, micros: u64) -> f64
    where
        A: App<B>,
    {
        let slice = Duration::from_micros(micros);
        let (mut total, mut calls) = (Duration::ZERO, 0);
        // Counting is on by default, and would cost those more that allocate more.
        allocation_counter::opt_out(|| {
            // Others have used the caches in between.
            self.time(runtime, 4);
            while total < slice {
                total += self.time(runtime, BATCH);
                calls += BATCH;
            }
        });
        total.as_secs_f64() * 1e9 / f64::from(calls)
    }

    /// Only the asking is timed, and the dropping of answers, not the making of requests.
    fn time<B: Default>(&mut self, runtime: &Runtime, calls: u32) -> Duration
    where
        A: App<B>,
    {
        let requests: Vec<Request<B>> = (0..calls).map(|_| self.request()).collect();
        let begin = processor_time();
        runtime.block_on(async {
            for request in requests {
                black_box(get(&mut self.app, black_box(request)).await);
            }
        });
        processor_time() - begin
    }

    fn request<B: Default>(&self) -> Request<B> {
        let mut request = Request::new(B::default());
        request.headers_mut().insert(AUTHORIZATION, self.field.clone());
        request
    }
}

/// What this thread has had of the processor. Whatever a peer does for a request, it does in this
/// thread, and nothing is waited for: on an idle machine this is the time that passes, and on a busy
/// one it does not count the turns of others.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.try_into().expect("time passes")
}

const BATCH: u32 = 32;
