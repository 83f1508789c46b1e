//! Tests that expired revocations take no memory, here or in Redis; and that Redis must not evict
//! them before.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream;
use tower_bearer::revocation::{RedisRevocations, Revocation, RevocationStore as _};
use tower_bearer::test_util::TestClock;
use tracing::Level;

use super::server::{FORGETFUL, Redis};
use super::{Node, now, until};
use crate::support::ISSUER;
use crate::support::log::Log;

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_a_million_that_have_expired_leave_nothing_behind() {
    const ENTRIES: u64 = 1_000_000;
    const LIFETIME: Duration = Duration::from_secs(60);
    let redis = Redis::start(FORGETFUL);
    let (began, clock) = (now(), TestClock::at(now()));
    let of = || {
        RedisRevocations::new(&redis.url(), LIFETIME)
            .unwrap()
            .with_stream_length(10_000)
            .with_reconciliation_every(Duration::from_secs(2))
            .with_clock(clock.clone())
    };
    let node = Node::of(of());
    let other = Node::of(of());
    node.await_ready().await;
    other.await_ready().await;
    let before = (node.revocations.memory_bytes(), redis.info("used_memory"));

    // Revocations are kept for 6 minutes and a bucket more: these have passed, nearly.
    let expires_at = std::time::UNIX_EPOCH + Duration::from_secs(began - 300);
    let adding = (0..ENTRIES).map(|index| {
        node.revocations.add(Revocation::token(
            ISSUER,
            &format!("a-token-of-36-bytes-in-all-{index:09}"),
            expires_at,
        ))
    });
    stream::iter(adding).buffer_unordered(1024).for_each(async |added| added.unwrap()).await;
    until(|| other.revocations.status().revocations() == 1_000_000).await;
    // Some may have expired while others were written.
    let full = (node.revocations.memory_bytes(), redis.info("used_memory_peak"));
    println!("a million: {} bytes here, {} in Redis", full.0 - before.0, full.1 - before.1);

    for _ in 0..200 {
        if redis.cli(&["KEYS", "{tower-bearer}:1:until:*"]).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        clock.set(now());
    }
    clock.set(now() + 600);
    until(|| node.revocations.status().revocations() == 0).await;
    until(|| other.revocations.status().revocations() == 0).await;
    until(|| redis.cli(&["ZCARD", "{tower-bearer}:1:buckets"]) == "0").await;
    until(|| redis.info("used_memory") < before.1 + 4_000_000).await;
    let after = (node.revocations.memory_bytes(), redis.info("used_memory"));

    println!("before, full, after: {before:?} {full:?} {after:?}");
    assert!(after.0 < before.0 + 100_000 && full.0 > before.0 + 20_000_000);
    assert!(full.1 > before.1 + 20_000_000);
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_may_evict_is_reported() {
    let (log, _guard) = Log::of_this_thread();
    let redis = Redis::start(&["--save", "", "--maxmemory-policy", "allkeys-lru"]);

    let node = Node::ready(&redis.url()).await;

    let status = node.revocations.status();
    assert_eq!((status.eviction_policy(), status.evicts()), (Some("allkeys-lru"), Some(true)));
    let told = log.about("maxmemory-policy");
    assert_eq!((told.len(), told[0].0), (1, Level::ERROR), "{told:?}");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_keeps_all_is_not_reported() {
    let (log, _guard) = Log::of_this_thread();
    let redis = Redis::start(FORGETFUL);

    let node = Node::ready(&redis.url()).await;

    assert_eq!(node.revocations.status().evicts(), Some(false));
    assert_eq!(log.about("maxmemory-policy"), []);
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_does_not_tell_its_policy_is_unknown() {
    let redis = Redis::start(&["--save", "", "--rename-command", "CONFIG", ""]);

    let node = Node::ready(&redis.url()).await;

    assert_eq!(node.revocations.status().evicts(), None);
    node.revoke("t1").await;
    node.refuses("t1").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_is_full_is_an_error_and_can_still_be_followed() {
    let (log, _guard) = Log::of_this_thread();
    let redis = Redis::start(FORGETFUL);
    let (node, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);

    let error = node.revocations.add(super::token_revocation("t1")).await.unwrap_err();

    let problem = std::error::Error::source(&error).unwrap().to_string();
    assert!(problem.contains("OOM"), "{problem}");
    node.refuses("t1").await;
    node.lets_in("t2").await;
    assert!(!log.about("refuses to write").is_empty());
    // A node that starts now can read them.
    let late = Node::ready(&redis.url()).await;
    late.lets_in("t2").await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    other.learns("t1").await;
    late.learns("t1").await;
}
