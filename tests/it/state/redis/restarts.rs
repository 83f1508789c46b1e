//! Tests a Redis that is killed and comes back, with and without its data; and nodes that come and
//! go.

use super::Node;
use super::server::{FORGETFUL, LASTING, Redis};

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_killed_and_restarted_from_its_disk_loses_no_revocation() {
    let mut redis = Redis::start(LASTING);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    for round in 0..3 {
        one.revoke_somehow(&format!("one-{round}")).await;
        other.revoke_somehow(&format!("other-{round}")).await;

        // Its last second is not on the disk; the nodes write it again.
        redis.kill();
        one.lets_in("good").await;
        redis.restart();

        one.await_ready().await;
        other.await_ready().await;
        one.learns(&format!("other-{round}")).await;
        other.learns(&format!("one-{round}")).await;
        let late = Node::ready(&redis.url()).await;
        for round in 0..=round {
            late.learns(&format!("one-{round}")).await;
            late.learns(&format!("other-{round}")).await;
        }
        late.lets_in("good").await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_comes_back_empty_is_filled_again() {
    let mut redis = Redis::start(FORGETFUL);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    one.revoke("t1").await;
    other.revoke("t2").await;
    one.learns("t2").await;

    redis.kill();
    redis.restart();
    one.revoke_somehow("t3").await;

    other.learns("t3").await;
    let late = Node::ready(&redis.url()).await;
    for id in ["t1", "t2", "t3"] {
        late.learns(id).await;
    }
    late.lets_in("t4").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_nodes_that_come_and_go_between_restarts_lose_nothing() {
    let mut redis = Redis::start(LASTING);
    let mut one = Node::ready(&redis.url()).await;
    let mut other = Node::ready(&redis.url()).await;
    let mut revoked = Vec::new();
    for round in 0..3 {
        let id = format!("t{round}");
        one.revoke_somehow(&id).await;
        revoked.push(id);
        // The node that wrote it has ended before Redis does; the other node knows it, and the disk
        // does.
        other.learns(&revoked[round]).await;
        one = Node::ready(&redis.url()).await;
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        redis.kill();
        redis.restart();
        other.await_ready().await;
        other = Node::ready(&redis.url()).await;
        for id in &revoked {
            one.learns(id).await;
            other.learns(id).await;
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_revoked_while_redis_is_down_is_an_error_that_holds_here_and_is_written_later()
{
    let mut redis = Redis::start(FORGETFUL);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    redis.kill();
    super::until(|| one.revocations.status().problem().is_some()).await;

    let error = one.try_to_revoke("t1").await.unwrap_err();
    one.refuses("t1").await;
    assert_eq!(one.revocations.status().unwritten(), 1);
    assert!(std::error::Error::source(&error).is_some());
    assert!(!other.knows("t1"));

    redis.restart();
    other.learns("t1").await;
    super::until(|| one.revocations.status().unwritten() == 0).await;
}

impl Node {
    async fn try_to_revoke(
        &self,
        id: &str,
    ) -> Result<(), tower_bearer::revocation::RevocationsUnavailable> {
        use tower_bearer::revocation::RevocationStore as _;
        self.revocations.add(super::token_revocation(id)).await
    }

    /// Tries again, as callers do, if it could not be written.
    async fn revoke_somehow(&self, id: &str) {
        while self.try_to_revoke(id).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}
