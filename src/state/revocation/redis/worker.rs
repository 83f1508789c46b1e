//! Runs the task that keeps a node and Redis in step.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::follow::{FollowError, follow, holds};
use super::reconcile::{catch_up, reconcile};
use super::shared::SharedState;
use super::write::{keep_probing, keep_writing};
use crate::observe::trace;
use crate::state::redis::{Connector, Link, RedisError, eviction_policy};
use crate::task::{Job, jitter};

/// Follows Redis.
pub(super) struct FollowWorker(pub(super) Arc<SharedState>);

impl Job for FollowWorker {
    async fn run(&self) -> Infallible {
        tokio::select! {
            never = keep(&self.0) => never,
            never = watch(&self.0) => never,
        }
    }

    fn ended(&self) {
        self.0.abandon();
    }
}

async fn keep(shared: &Arc<SharedState>) -> Infallible {
    let mut backoff = shared.settings.backoff();
    loop {
        let began = shared.now();
        let problem = match session(shared).await {
            Ok(never) => match never {},
            Err(problem) => problem,
        };
        if was_good(shared.now().saturating_sub(began)) {
            backoff.reset();
        }
        shared.disconnected(&problem);
        sleep(backoff.next(jitter())).await;
    }
}

/// Runs one connection from its start to its end.
async fn session(shared: &Arc<SharedState>) -> Result<Infallible, RedisError> {
    let settings = &shared.settings;
    let connector = Connector::new(&settings.connection, settings.patience())?;
    let (host, mut work) = connector.connect(&settings.keys.stream()).await?;
    // Reads that block have a connection of their own. Their answers are late, which is no sign of a failure.
    let mut following = connector.open(&host, settings.patience() + settings.block()).await?;
    shared.set_eviction_policy(eviction_policy(&mut work).await?);
    shared.connected(&host.to_string(), work.clone());
    shared.outbox().write_again(shared.now());
    let [mut writing, mut catching_up, mut probing] = [(); 3].map(|()| work.clone());
    tokio::select! {
        // Beside the rest: a Redis that is full and refuses writes can still be followed.
        problem = keep_writing(shared, &mut writing) => Err(problem),
        problem = follow_on(shared, &mut following, &mut catching_up) => Err(problem),
        problem = keep_probing(shared, &mut probing) => Err(problem),
        problem = reconcile_now_and_then(shared, &mut work) => Err(problem),
    }
}

/// Follows from the position of this node, and reads all revocations where that is not possible.
async fn follow_on(shared: &SharedState, following: &mut Link, work: &mut Link) -> RedisError {
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
            FollowError::Gap => {
                // The connection is as before, so nothing else tells that Redis may have been
                // emptied.
                trace::gap(&shared.settings.source());
                shared.write_again();
                goes_on = false;
            }
            FollowError::Redis(problem) => return problem,
        }
    }
}

async fn reconcile_now_and_then(shared: &Arc<SharedState>, work: &mut Link) -> RedisError {
    loop {
        sleep(shared.settings.reconciled_every).await;
        shared.outbox().forget_old(shared.now());
        let view = shared.view.clone();
        // It takes a moment for each million, which must not delay other tasks.
        drop(spawn_blocking(move || view.forget_expired()).await);
        match reconcile(shared, work).await {
            Ok(()) | Err(RedisError::Refused(_)) => {}
            Err(problem) => return problem,
        }
    }
}

/// Logs when the view is no longer ready, which no event reports.
async fn watch(shared: &SharedState) -> Infallible {
    loop {
        sleep((shared.settings.max_gap / 8).max(Duration::from_millis(50))).await;
        shared.report();
    }
}

/// Returns whether a connection of this length was a success.
fn was_good(lasted: Duration) -> bool {
    lasted > GOOD_SESSION
}

/// Longer than the longest pause: a shorter session that ends again and again is no success.
const GOOD_SESSION: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_that_lasts_no_longer_than_the_longest_pause_is_no_success() {
        for (lasted, expected) in [(0, false), (5_000, false), (10_000, false), (10_001, true)] {
            assert_eq!(was_good(Duration::from_millis(lasted)), expected, "{lasted}");
        }
    }
}
