//! Tests a Redis that loses its data, while its connections stay.

use std::time::Duration;

use tower_bearer::revocation::{
    RedisRevocations, Revocable, Revocation, RevocationStore as _, Revocations as _,
};
use tracing::Level;

use super::server::{FORGETFUL, Redis};
use super::{HOUR, Node, is_revoked, now, token, until};
use crate::support::ISSUER;
use crate::support::log::Log;

const STREAM: &str = "{tower-bearer}:1:stream";
const INDEX: &str = "{tower-bearer}:1:buckets";

/// Two nodes. Each has revoked, and both know all of it.
async fn two_that_have_revoked(redis: &Redis) -> [Node; 2] {
    let nodes = [Node::ready(&redis.url()).await, Node::ready(&redis.url()).await];
    nodes[0].revoke("t1").await;
    nodes[1].revoke("t2").await;
    let moment = std::time::UNIX_EPOCH + Duration::from_secs(now() - 1000);
    nodes[0].revocations.add(Revocation::subject(ISSUER, "mallory", moment)).await.unwrap();
    nodes[0].learns("t2").await;
    nodes[1].learns("t1").await;
    nodes
}

/// A node that starts now refuses the tokens that they have revoked, and no others.
async fn late_node_refuses(redis: &Redis) {
    let late = Node::ready(&redis.url()).await;
    late.refuses("t1").await;
    late.refuses("t2").await;
    is_revoked(&late.answer(&token("t3").claim("sub", "mallory").claim("iat", now() - 1001)).await);
    late.lets_in("t3").await;
}

fn buckets(redis: &Redis) -> Vec<String> {
    let keys = redis.cli(&["KEYS", "{tower-bearer}:1:until:*"]);
    keys.lines().map(str::to_owned).collect()
}

/// The number of revocations in Redis, if the index names their buckets.
fn revocations_in(redis: &Redis) -> usize {
    let ends = redis.cli(&["ZRANGE", INDEX, "0", "-1"]);
    let fields = |end: &str| redis.cli(&["HLEN", &format!("{{tower-bearer}}:1:until:{end}")]);
    ends.lines().map(|end| fields(end).parse::<usize>().unwrap()).sum()
}

/// Checks that the nodes keep their connections.
async fn without_reconnecting(redis: &Redis, what: impl AsyncFnOnce()) {
    let connections = || {
        let list = redis.cli(&["CLIENT", "LIST", "TYPE", "normal"]);
        let of_nodes = list.lines().filter(|line| !line.contains("cmd=client"));
        of_nodes.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let before = connections();
    what().await;
    let after = connections();
    assert!(
        before.len() == 4 && before.iter().all(|one| after.contains(one)),
        "{before:?} {after:?}"
    );
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_is_emptied_is_filled_again_by_those_who_live() {
    let (log, _guard) = Log::of_this_thread();
    let redis = Redis::start(FORGETFUL);
    let nodes = two_that_have_revoked(&redis).await;

    without_reconnecting(&redis, async || {
        for command in ["FLUSHALL", "FLUSHDB"] {
            redis.cli(&[command]);
            until(|| revocations_in(&redis) == 3).await;
        }
    })
    .await;

    late_node_refuses(&redis).await;
    for node in &nodes {
        assert!(node.revocations.ready().is_ok());
        node.refuses("t1").await;
        node.lets_in("t3").await;
    }
    let told = log.about("emptied or trimmed");
    assert!(told.iter().any(|(level, _)| *level == Level::WARN), "{told:?}");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_loses_single_keys_has_them_again() {
    let (log, _guard) = Log::of_this_thread();
    let redis = Redis::start(FORGETFUL);
    let nodes = two_that_have_revoked(&redis).await;

    without_reconnecting(&redis, async || {
        for key in [&[STREAM.to_owned(), INDEX.to_owned()][..], &buckets(&redis)].concat() {
            redis.cli(&["DEL", &key]);
            until(|| redis.cli(&["EXISTS", &key]) == "1" && revocations_in(&redis) == 3).await;
            late_node_refuses(&redis).await;
        }
        redis.cli(&["DEL", "{tower-bearer}:1:restored"]);
    })
    .await;

    late_node_refuses(&redis).await;
    nodes[0].revoke("t4").await;
    nodes[1].learns("t4").await;
    let told = log.about("Redis has lost revocations");
    assert!(told.iter().any(|(level, _)| *level == Level::ERROR), "{told:?}");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_bucket_that_is_deleted_and_made_again_at_once_is_filled_up() {
    let redis = Redis::start(FORGETFUL);
    let nodes = two_that_have_revoked(&redis).await;

    for key in buckets(&redis) {
        redis.cli(&["DEL", &key]);
    }
    nodes[1].revoke("t4").await;

    until(|| revocations_in(&redis) == 4).await;
    late_node_refuses(&redis).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_stream_that_is_trimmed_to_nothing_is_made_up_for() {
    let redis = Redis::start(FORGETFUL);
    let nodes = two_that_have_revoked(&redis).await;

    without_reconnecting(&redis, async || {
        for round in 0..5 {
            nodes[1].revoke(&format!("r{round}")).await;
            redis.cli(&["XTRIM", STREAM, "MAXLEN", "0"]);
            nodes[0].learns(&format!("r{round}")).await;
        }
        // The content of the buckets too.
        for key in buckets(&redis) {
            redis.cli(&["DEL", &key]);
        }
        redis.cli(&["XTRIM", STREAM, "MAXLEN", "0"]);
        until(|| revocations_in(&redis) == 8).await;
    })
    .await;

    late_node_refuses(&redis).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_was_made_empty_by_a_promotion_is_filled_again() {
    let (redis, empty) = (Redis::start(FORGETFUL), Redis::start(FORGETFUL));
    let nodes = two_that_have_revoked(&redis).await;

    redis.cli(&["REPLICAOF", "127.0.0.1", &empty.port().to_string()]);
    until(|| redis.cli(&["INFO", "replication"]).contains("master_link_status:up")).await;
    assert_eq!(redis.cli(&["DBSIZE"]), "0");
    redis.cli(&["REPLICAOF", "NO", "ONE"]);

    until(|| revocations_in(&redis) == 3).await;
    late_node_refuses(&redis).await;
    for node in &nodes {
        node.await_ready().await;
        node.refuses("t2").await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_what_was_taken_back_is_not_among_what_is_written_again() {
    let redis = Redis::start(FORGETFUL);
    let nodes = two_that_have_revoked(&redis).await;
    assert!(nodes[1].revocations.restore(ISSUER, Revocable::Token("t1")).await.unwrap());
    until(|| !nodes[0].knows("t1")).await;

    redis.cli(&["FLUSHALL"]);

    until(|| revocations_in(&redis) == 2).await;
    let late = Node::ready(&redis.url()).await;
    late.refuses("t2").await;
    late.lets_in("t1").await;
    nodes[0].lets_in("t1").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_evicts_single_keys_has_them_again() {
    let redis = Redis::start(FORGETFUL);
    let node = RedisRevocations::new(&redis.url(), HOUR).unwrap();
    let node = Node::of(node);
    node.await_ready().await;
    node.revoke("t1").await;

    // As an eviction does: the key is removed, and no entry of the stream says so.
    let [bucket] = &buckets(&redis)[..] else { panic!("one bucket") };
    redis.cli(&["UNLINK", bucket]);

    until(|| revocations_in(&redis) == 1).await;
    Node::ready(&redis.url()).await.refuses("t1").await;
}
