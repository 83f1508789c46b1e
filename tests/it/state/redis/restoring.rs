//! Tests that taking back is an operation of its own, which no lost message causes.

use std::time::{Duration, UNIX_EPOCH};

use tower_bearer::revocation::{Revocable, Revocation, RevocationStore as _, Revocations as _};
use tracing::Level;

use super::proxy::Proxy;
use super::server::{FORGETFUL, Redis};
use super::{Node, now, token, until};
use crate::support::ISSUER;
use crate::support::log::Log;

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_what_is_taken_back_is_let_in_on_all_nodes_and_told_to_the_log() {
    let (log, _guard) = Log::of_this_thread();
    let redis = Redis::start(FORGETFUL);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    for seconds in [5000, 1000] {
        let moment = UNIX_EPOCH + Duration::from_secs(now() - seconds);
        one.revocations.add(Revocation::subject(ISSUER, "alice", moment)).await.unwrap();
    }
    one.revoke("t1").await;
    other.learns("t1").await;

    assert!(other.revocations.restore(ISSUER, Revocable::Token("t1")).await.unwrap());
    assert!(other.revocations.restore(ISSUER, Revocable::Subject("alice")).await.unwrap());
    assert!(!other.revocations.restore(ISSUER, Revocable::Token("t2")).await.unwrap());

    until(|| !one.knows("t1")).await;
    until(|| one.revocations.lookup(ISSUER, Revocable::Subject("alice")).is_none()).await;
    let old = token("t1").claim("iat", now() - 2000);
    one.answer(&old).await.is_ok("in");
    other.answer(&old).await.is_ok("in");
    Node::ready(&redis.url()).await.answer(&old).await.is_ok("in");
    let told = log.about("revocation taken back");
    assert_eq!(told.len(), 4, "{told:?}");
    assert!(told.iter().all(|(level, _)| *level == Level::WARN), "{told:?}");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_what_is_revoked_again_stays_revoked() {
    let redis = Redis::start(FORGETFUL);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    for _ in 0..20 {
        one.revoke("t1").await;
        other.learns("t1").await;
        other.revocations.restore(ISSUER, Revocable::Token("t1")).await.unwrap();
        one.revoke("t1").await;
        one.refuses("t1").await;
    }

    other.learns("t1").await;
    one.refuses("t1").await;
    Node::ready(&redis.url()).await.refuses("t1").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_what_was_taken_back_while_a_node_was_away_is_not_written_again() {
    let redis = Redis::start(FORGETFUL);
    let mut proxy = Proxy::to(redis.port()).await;
    let (node, other) = (Node::ready(&proxy.url()).await, Node::ready(&redis.url()).await);
    node.revoke("t1").await;
    other.learns("t1").await;

    proxy.cut();
    until(|| node.revocations.status().problem().is_some()).await;
    node.revocations.add(super::token_revocation("t1")).await.unwrap_err();
    other.revocations.restore(ISSUER, Revocable::Token("t1")).await.unwrap();
    other.revoke("t2").await;
    proxy.mend().await;

    node.learns("t2").await;
    until(|| !node.knows("t1")).await;
    other.lets_in("t1").await;
    assert_eq!(node.revocations.status().unwritten(), 0);
    Node::ready(&redis.url()).await.lets_in("t1").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_what_was_taken_back_behind_a_trimmed_stream_is_found_out() {
    let redis = Redis::start(FORGETFUL);
    let mut proxy = Proxy::to(redis.port()).await;
    let (node, other) = (Node::ready(&proxy.url()).await, Node::ready(&redis.url()).await);
    for id in ["t1", "t2"] {
        other.revoke(id).await;
        node.learns(id).await;
    }

    proxy.cut();
    for id in ["t1", "t2"] {
        other.revocations.restore(ISSUER, Revocable::Token(id)).await.unwrap();
    }
    other.revoke("t2").await;
    redis.cli(&["XTRIM", "{tower-bearer}:1:stream", "MAXLEN", "1"]);
    proxy.mend().await;

    until(|| !node.knows("t1")).await;
    node.lets_in("t1").await;
    node.refuses("t2").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_nothing_is_taken_back_while_redis_cannot_be_told() {
    let mut redis = Redis::start(FORGETFUL);
    let node = Node::ready(&redis.url()).await;
    node.revoke("t1").await;
    redis.kill();

    node.revocations.restore(ISSUER, Revocable::Token("t1")).await.unwrap_err();

    node.refuses("t1").await;
}
