//! Tests revocations that were made while a node was away.

use futures::StreamExt as _;
use futures::stream;
use tower_bearer::revocation::{RedisRevocations, RevocationStore as _, Revocations as _};

use super::proxy::Proxy;
use super::server::{FORGETFUL, LASTING, Redis};
use super::{HOUR, Node, token_revocation, until};

async fn revoke_many(node: &Node, ids: &[String]) -> usize {
    let adding = ids.iter().map(|id| node.revocations.add(token_revocation(id)));
    let outcomes = stream::iter(adding).buffer_unordered(256);
    outcomes.filter(|outcome| std::future::ready(outcome.is_err())).count().await
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("t{index}")).collect()
}

async fn knows_all(node: &Node, ids: &[String]) {
    until(|| ids.iter().all(|id| node.knows(id))).await;
    node.refuses(&ids[0]).await;
    node.refuses(&ids[ids.len() - 1]).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_10_000_revocations_during_a_reconnection_are_all_followed() {
    let redis = Redis::start(FORGETFUL);
    let mut proxy = Proxy::to(redis.port()).await;
    let node = Node::ready(&proxy.url()).await;
    let other = Node::ready(&redis.url()).await;
    let ids = names(10_000);
    let (first, last) = ids.split_at(5_000);

    // Some while it is away, some while it comes back.
    proxy.cut();
    assert_eq!(revoke_many(&other, first).await, 0);
    proxy.mend().await;
    assert_eq!(revoke_many(&other, last).await, 0);

    knows_all(&node, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_10_000_revocations_of_a_node_that_loses_redis_meanwhile_are_all_written() {
    let mut redis = Redis::start(LASTING);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    let ids = names(10_000);

    let writing = revoke_many(&one, &ids);
    let dying = async {
        until(|| other.knows("t1000")).await;
        tokio::task::block_in_place(|| {
            redis.kill();
            redis.restart();
        });
    };
    tokio::join!(writing, dying);

    // Those that failed too: they are written when Redis is back.
    knows_all(&other, &ids).await;
    let late = Node::ready(&redis.url()).await;
    knows_all(&late, &ids).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_stream_that_was_trimmed_past_a_node_is_made_up_for() {
    let redis = Redis::start(FORGETFUL);
    let mut proxy = Proxy::to(redis.port()).await;
    let node = Node::ready(&proxy.url()).await;
    let reconciled = node.revocations.status().last_reconciliation();
    let short = RedisRevocations::new(&redis.url(), HOUR).unwrap().with_stream_length(100);
    let other = Node::of(short);
    let ids = names(2_000);

    proxy.cut();
    assert_eq!(revoke_many(&other, &ids).await, 0);
    let left: usize = redis.cli(&["XLEN", "{tower-bearer}:1:stream"]).parse().unwrap();
    assert!(left < 500, "{left}");
    proxy.mend().await;

    knows_all(&node, &ids).await;
    until(|| node.revocations.status().last_reconciliation() != reconciled).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_stream_that_is_trimmed_faster_than_a_node_reads_is_made_up_for() {
    let redis = Redis::start(FORGETFUL);
    let node = Node::ready(&redis.url()).await;
    let short = RedisRevocations::new(&redis.url(), HOUR).unwrap().with_stream_length(1);
    let other = Node::of(short);
    let ids = names(5_000);

    // Nothing is read while this thread writes: all tasks of this test share it.
    assert_eq!(revoke_many(&other, &ids).await, 0);

    knows_all(&node, &ids).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_unreadable_entry_keeps_the_view_from_being_ready() {
    let redis = Redis::start(FORGETFUL);
    let node = RedisRevocations::new(&redis.url(), HOUR).unwrap();
    let node = Node::of(node.with_max_gap(std::time::Duration::from_secs(1)).unwrap());
    node.await_ready().await;

    redis.cli(&["XADD", "{tower-bearer}:1:stream", "*", "revoke-by-colour", "blue"]);

    until(|| node.revocations.ready().is_err()).await;
    node.cannot_tell("t1").await;
    let status = node.revocations.status();
    assert!(status.problem().unwrap().contains("cannot be read"), "{status:?}");
}
