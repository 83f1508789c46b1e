//! The task that keeps a node and Redis together.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::sleep;

use super::backoff::Backoff;
use super::connect::{connect, eviction_policy};
use super::follow::{follow, holds};
use super::link::Link;
use super::problem::Problem;
use super::reconcile::{catch_up, reconcile};
use super::shared::Shared;
use super::write::{keep_probing, keep_writing};
use crate::observe::trace;

/// Starts following, until it is aborted or the runtime ends.
pub(super) fn start(runtime: &Handle, shared: Arc<Shared>) -> AbortHandle {
    shared.set_kept(true);
    // Made here, since a task that the runtime ends before its first poll runs no line of its own.
    let kept = Kept(shared);
    let keeper = runtime.spawn(async move {
        let shared = &kept.0;
        tokio::select! {
            never = keep(shared) => match never {},
            never = watch(shared) => match never {},
        }
    });
    keeper.abort_handle()
}

/// Whether the runtime that this is called in has timers, without which nobody can wait.
pub(super) fn has_timers() -> bool {
    // Tokio has no other way to ask.
    std::panic::catch_unwind(|| drop(sleep(Duration::ZERO))).is_ok()
}

async fn keep(shared: &Arc<Shared>) -> Infallible {
    let mut backoff = Backoff::new(shared.settings.max_gap);
    loop {
        let began = shared.now();
        let problem = match session(shared).await {
            Ok(never) => match never {},
            Err(problem) => problem,
        };
        if shared.now().saturating_sub(began) > GOOD_SESSION {
            backoff.succeeded();
        }
        shared.disconnected(&problem);
        // Without randomness there is no jitter, which is no reason not to connect.
        let jitter = getrandom::u32().map_or(0.5, |random| f64::from(random) / f64::from(u32::MAX));
        sleep(backoff.next(jitter)).await;
    }
}

/// From a connection to its end.
async fn session(shared: &Arc<Shared>) -> Result<Infallible, Problem> {
    let mut server = connect(&shared.settings).await?;
    shared.set_eviction_policy(eviction_policy(&mut server.work).await?);
    shared.connected(&server.host.to_string(), server.work.clone());
    shared.outbox().write_again(shared.now());
    let [mut writing, mut catching_up, mut probing] = [(); 3].map(|()| server.work.clone());
    tokio::select! {
        // Beside the rest: a Redis that is full and refuses to write can still be followed.
        problem = keep_writing(shared, &mut writing) => Err(problem),
        problem = follow_on(shared, &mut server.follow, &mut catching_up) => Err(problem),
        problem = keep_probing(shared, &mut probing) => Err(problem),
        problem = reconcile_now_and_then(shared, &mut server.work) => Err(problem),
    }
}

/// Follows from where this node has stopped, and reads everything where that cannot be done.
async fn follow_on(shared: &Shared, following: &mut Link, work: &mut Link) -> Problem {
    let goes_on = match shared.position() {
        Some(position) => holds(shared, work, &position).await,
        None => Ok(false),
    };
    let mut goes_on = match goes_on {
        Ok(goes_on) => goes_on,
        Err(problem) => return problem,
    };
    loop {
        if !goes_on && let Err(problem) = catch_up(shared, work).await {
            return problem;
        }
        match follow(shared, following).await {
            Problem::Gap => {
                // The connection is as before, so nothing else tells that Redis may have been emptied.
                trace::gap(&shared.settings.address.to_string());
                shared.write_again();
                goes_on = false;
            }
            problem => return problem,
        }
    }
}

async fn reconcile_now_and_then(shared: &Arc<Shared>, work: &mut Link) -> Problem {
    loop {
        sleep(shared.settings.reconciled_every).await;
        shared.outbox().forget_old(shared.now());
        let view = shared.view.clone();
        // A moment for each million, which other tasks should not wait for.
        drop(spawn_blocking(move || view.forget_expired()).await);
        match reconcile(shared, work).await {
            Ok(()) | Err(Problem::Refused(_)) => {}
            Err(problem) => return problem,
        }
    }
}

/// Tells the log when the view is not whole any more, which no event brings about.
async fn watch(shared: &Shared) -> Infallible {
    loop {
        sleep((shared.settings.max_gap / 8).max(Duration::from_millis(50))).await;
        shared.report();
    }
}

/// Longer than the longest pause: what lasts less, and ends again and again, is no success.
const GOOD_SESSION: Duration = Duration::from_secs(10);

/// Says that nobody follows any more, however the task ends.
struct Kept(Arc<Shared>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.abandon();
    }
}
