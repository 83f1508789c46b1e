//! Tests a Redis that is silent or unreachable, for less and for more than the largest gap.

use std::time::{Duration, Instant};

use tokio::time::sleep;
use tower_bearer::revocation::{RedisRevocations, Revocations as _};
use tracing::Level;

use super::proxy::Proxy;
use super::server::{FORGETFUL, Redis, free_port};
use super::{HOUR, Node, until};
use crate::support::log::Log;

const GAP: Duration = Duration::from_secs(3);

fn with_gap(url: &str) -> RedisRevocations {
    RedisRevocations::new(url, HOUR).unwrap().with_max_gap(GAP).unwrap()
}

#[tokio::test]
async fn redis_that_was_never_there_is_a_503() {
    let node = Node::at(&format!("redis://127.0.0.1:{}", free_port()));

    node.cannot_tell("t1").await;
    let error = node.revocations.await_ready(Duration::from_millis(200)).await.unwrap_err();

    assert!(std::error::Error::source(&error).is_some());
    let status = node.revocations.status();
    assert!(!status.is_ready() && status.complete_up_to().is_none(), "{status:?}");
}

#[tokio::test]
async fn redis_that_was_never_there_stops_no_node_that_fails_open() {
    let revocations =
        RedisRevocations::new(&format!("redis://127.0.0.1:{}", free_port()), HOUR).unwrap();
    let node = Node::of(revocations.dangerous().fail_open());

    node.lets_in("t1").await;

    // Revoked here, though Redis cannot be told.
    let adding = tower_bearer::revocation::RevocationStore::add(
        &node.revocations,
        super::token_revocation("t1"),
    );
    node.refuses("t1").await;
    adding.await.unwrap_err();
    assert!(node.revocations.status().carries_on() && !node.revocations.status().is_ready());
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_silence_shorter_than_the_gap_is_not_noticed() {
    let redis = Redis::start(FORGETFUL);
    let node = Node::of(with_gap(&redis.url()));
    node.await_ready().await;

    redis.pause();
    let paused = Instant::now();
    while paused.elapsed() < GAP / 4 {
        node.lets_in("t1").await;
    }
    redis.go_on();

    let other = Node::ready(&redis.url()).await;
    other.revoke("t1").await;
    node.learns("t1").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_silence_longer_than_the_gap_is_a_503_until_all_is_here_again() {
    let (log, _guard) = Log::of_this_thread();
    let redis = Redis::start(FORGETFUL);
    let node = Node::of(with_gap(&redis.url()));
    node.await_ready().await;
    let other = Node::ready(&redis.url()).await;
    other.revoke("t1").await;
    node.learns("t1").await;
    let epoch = node.revocations.epoch();

    redis.pause();
    let paused = Instant::now();
    until(|| node.revocations.ready().is_err()).await;
    assert!(paused.elapsed() < GAP + Duration::from_secs(1), "{:?}", paused.elapsed());
    node.cannot_tell("t2").await;
    // A known revocation stays.
    node.refuses("t1").await;
    assert_ne!(node.revocations.epoch(), epoch);
    until(|| !log.about("answered 503").is_empty()).await;
    for _ in 0..20 {
        node.cannot_tell("t2").await;
    }
    redis.go_on();

    until(|| node.revocations.ready().is_ok()).await;
    node.lets_in("t2").await;
    node.refuses("t1").await;
    let told: Vec<Level> = log
        .about("revocations")
        .iter()
        .map(|(level, _)| *level)
        .filter(|l| *l < Level::DEBUG)
        .collect();
    // Each node logs that it is ready; the one that waited in vain logs so, once, and when it is
    // over.
    assert_eq!(
        told.iter().filter(|level| **level == Level::ERROR).count(),
        1,
        "{log:?}",
        log = log.events()
    );
    until(|| log.about("revocations are complete").len() >= 3).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_who_carries_on_lets_in_during_a_long_silence_but_not_what_is_known() {
    let redis = Redis::start(FORGETFUL);
    let node = Node::of(with_gap(&redis.url()).dangerous().fail_open());
    node.await_ready().await;
    node.revoke("t1").await;

    redis.pause();
    until(|| !node.revocations.status().is_ready()).await;

    node.lets_in("t2").await;
    node.refuses("t1").await;
    redis.go_on();
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_cut_connection_is_taken_up_where_it_was() {
    let redis = Redis::start(FORGETFUL);
    let mut proxy = Proxy::to(redis.port()).await;
    let node = Node::of(with_gap(&proxy.url()));
    node.await_ready().await;
    let reconciled = node.revocations.status().last_reconciliation();
    let other = Node::ready(&redis.url()).await;

    // Shorter than the gap.
    proxy.cut();
    other.revoke("t1").await;
    node.lets_in("t1").await;
    proxy.mend().await;
    node.learns("t1").await;

    // Longer.
    proxy.cut();
    other.revoke("t2").await;
    until(|| node.revocations.ready().is_err()).await;
    node.cannot_tell("t2").await;
    proxy.mend().await;
    node.learns("t2").await;
    node.await_ready().await;
    node.lets_in("t3").await;
    // The stream was enough.
    assert_eq!(node.revocations.status().last_reconciliation(), reconciled);
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_connections_that_redis_closes_are_made_again() {
    let redis = Redis::start(FORGETFUL);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);

    for round in 0..5 {
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        let id = format!("t{round}");
        while tower_bearer::revocation::RevocationStore::add(
            &one.revocations,
            super::token_revocation(&id),
        )
        .await
        .is_err()
        {
            sleep(Duration::from_millis(20)).await;
        }
        other.learns(&id).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_task_ends_with_the_last_clone() {
    let redis = Redis::start(FORGETFUL);
    let node = Node::ready(&redis.url()).await;
    let clone = node.revocations.clone();
    let connections = || {
        let list = redis.cli(&["CLIENT", "LIST", "TYPE", "normal"]);
        list.lines().filter(|line| !line.contains("cmd=client")).count()
    };

    drop(node);
    assert!(clone.status().is_ready());
    assert_eq!(connections(), 2);
    drop(clone);

    until(|| connections() == 0).await;
}
