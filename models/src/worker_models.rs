//! What must hold of a background task in every order in which threads go on.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::{check_pct, check_random, future, thread};

use crate::runtime;
use crate::task::worker::{Job, Worker};

const ORDERS: usize = 5_000;

/// A job that counts, and loads once for each wake-up, as the worker of a source does.
#[derive(Clone, Default)]
struct Loads(Arc<State>);

#[derive(Default)]
struct State {
    starts: AtomicUsize,
    ends: AtomicUsize,
    is_running: AtomicBool,
    ended: Mutex<Watched>,
    changed: Condvar,
}

/// As `tokio::sync::watch`: a value, and the number of its last change.
#[derive(Default)]
struct Watched {
    /// The number of loads that have ended.
    loads: usize,
    version: usize,
}

impl Loads {
    fn counts(&self) -> (usize, usize) {
        (self.0.starts.load(Ordering::SeqCst), self.0.ends.load(Ordering::SeqCst))
    }
}

impl Job for Loads {
    async fn run(&self) -> Infallible {
        assert!(!self.0.is_running.swap(true, Ordering::SeqCst), "two tasks at once");
        self.0.starts.fetch_add(1, Ordering::SeqCst);
        loop {
            // A load takes time, in which the task may be aborted.
            future::yield_now().await;
            self.0.change(1);
            // For ever: the next load is due when the document is old.
            Never.await;
        }
    }

    fn ended(&self) {
        if self.0.is_running.swap(false, Ordering::SeqCst) {
            self.0.ends.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn wake_waiting(&self) {
        self.0.change(0);
    }
}

impl State {
    fn change(&self, loads: usize) {
        let mut ended = self.ended.lock().unwrap();
        ended.loads += loads;
        ended.version += 1;
        drop(ended);
        self.changed.notify_all();
    }
}

/// Waits for the first load as `Refresher::ended` does.
fn wait(job: &Loads, worker: &Worker<Loads>) {
    loop {
        let seen = {
            let ended = job.0.ended.lock().unwrap();
            if ended.loads >= 1 {
                return;
            }
            ended.version
        };
        worker.ensure().unwrap();
        let mut ended = job.0.ended.lock().unwrap();
        while ended.version == seen {
            ended = job.0.changed.wait(ended).unwrap();
        }
    }
}

struct Never;

impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

#[test]
fn task_is_started_once_however_many_need_it() {
    check_random(
        || {
            let job = Loads::default();
            let worker = Arc::new(Worker::new(job.clone()));
            let threads: Vec<_> = (0..3)
                .map(|_| {
                    let worker = Arc::clone(&worker);
                    thread::spawn(move || {
                        worker.ensure().unwrap();
                        assert!(worker.is_running());
                    })
                })
                .collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            wait(&job, &worker);

            assert_eq!(job.counts(), (1, 0));
            drop(worker);
        },
        ORDERS,
    );
}

#[test]
fn each_request_that_waits_is_answered_although_a_runtime_ends_at_any_time() {
    // With few changes of thread, too: a thread that goes on for long meets states that fair turns do not.
    check_random(answers_each, ORDERS);
    check_pct(answers_each, ORDERS, 4);
}

fn answers_each() {
    let job = Loads::default();
    let worker = Arc::new(Worker::new(job.clone()));
    let waiting: Vec<_> = (0..2)
        .map(|_| {
            let (job, worker) = (job.clone(), Arc::clone(&worker));
            thread::spawn(move || wait(&job, &worker))
        })
        .collect();
    // Once: the task may not have been started, be loading, or have loaded.
    let ending = thread::spawn(runtime::end);
    waiting.into_iter().for_each(|thread| thread.join().unwrap());
    ending.join().unwrap();

    let (starts, ends) = job.counts();
    assert!((1..=2).contains(&starts) && ends <= starts, "{starts} {ends}");
}
