//! Tests used proofs in Redis, with real servers that these tests start and stop.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tower_bearer::dpop::{
    MemoryReplays, ProofId, ProofUse, RedisReplays, ReplayCheck, ReplayStore as _,
    ReplaysUnavailable,
};

use super::redis::proxy::Proxy;
use super::redis::server::{FORGETFUL, Redis, free_port};

const LIFETIME: Duration = Duration::from_secs(70);

fn node(redis: &Redis) -> RedisReplays {
    // Longer than anything takes on a busy machine.
    RedisReplays::new(&redis.url()).unwrap().with_timeout(Duration::from_secs(20))
}

fn new_proof() -> ProofId {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    ProofId::from_bytes(u128::from(count).to_be_bytes())
}

async fn remember(node: &RedisReplays, proof: ProofId) -> Result<ProofUse, ReplaysUnavailable> {
    match node.remember(proof, LIFETIME) {
        ReplayCheck::Pending(answer) => answer.await,
        ReplayCheck::Done(_) => unreachable!("Redis is elsewhere"),
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_proof_is_used_once_by_all_nodes_together_and_is_kept_for_its_lifetime() {
    let redis = Redis::start(FORGETFUL);
    let (one, other) = (node(&redis), node(&redis));
    let elsewhere = node(&redis).with_namespace("shop").unwrap();
    one.check().await.unwrap();
    let proof = new_proof();

    assert_eq!(remember(&one, proof).await.unwrap(), ProofUse::First);
    for node in [&one, &other, &one.clone()] {
        assert_eq!(remember(node, proof).await.unwrap(), ProofUse::Replayed);
    }
    assert_eq!(remember(&elsewhere, proof).await.unwrap(), ProofUse::First);
    assert_eq!(remember(&other, new_proof()).await.unwrap(), ProofUse::First);

    let key = format!("{{tower-bearer}}:1:proof:{:032x}", u128::from_be_bytes(*proof.as_bytes()));
    let left: u64 = redis.cli(&["PTTL", &key]).parse().unwrap();
    assert!((10_000..=70_000).contains(&left), "{left}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_of_ten_thousand_uses_at_once_on_two_nodes_none_is_accepted_twice() {
    let redis = Redis::start(FORGETFUL);
    let nodes = [node(&redis), node(&redis)];
    let proofs: Vec<_> = (0..100).map(|_| new_proof()).collect();
    let mut tasks = Vec::new();
    for number in 0..10_000 {
        let (node, proof) = (nodes[number % 2].clone(), proofs[number / 2 % 100]);
        tasks.push(tokio::spawn(async move { remember(&node, proof).await.unwrap() }));
    }
    let mut firsts = 0;
    for task in tasks {
        firsts += usize::from(task.await.unwrap() == ProofUse::First);
    }
    assert_eq!(firsts, 100);
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_is_paused_or_stopped_accepts_nothing_and_goes_on_afterwards() {
    let mut redis = Redis::start(FORGETFUL);
    let node = RedisReplays::new(&redis.url()).unwrap().with_timeout(Duration::from_millis(500));
    let used = new_proof();
    assert_eq!(remember(&node, used).await.unwrap(), ProofUse::First);

    redis.pause();
    let began = Instant::now();
    let error = remember(&node, new_proof()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(10), "{error:?}");
    redis.go_on();
    answers(&node).await;
    assert_eq!(remember(&node, used).await.unwrap(), ProofUse::Replayed);

    redis.kill();
    for _ in 0..3 {
        remember(&node, new_proof()).await.unwrap_err();
    }
    redis.restart();
    answers(&node).await;
    // This server keeps nothing on its disk: the documentation says what that costs.
    assert_eq!(remember(&node, used).await.unwrap(), ProofUse::First);
    redis.cli(&["FLUSHALL"]);
    assert_eq!(remember(&node, used).await.unwrap(), ProofUse::First);
    redis.cli(&["SCRIPT", "FLUSH"]);
    assert_eq!(remember(&node, used).await.unwrap(), ProofUse::Replayed);
}

async fn answers(node: &RedisReplays) {
    while node.check().await.is_err() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_call_that_is_repeated_does_not_find_its_own_first_attempt() {
    let redis = Redis::start(FORGETFUL);
    let mut proxy = Proxy::to(redis.port()).await;
    let node = RedisReplays::new(&proxy.url()).unwrap().with_timeout(Duration::from_secs(20));
    node.check().await.unwrap();
    for _ in 0..20 {
        let proof = new_proof();
        // Redis executes the call, and the answer does not arrive.
        redis.pause();
        let call = tokio::spawn({
            let node = node.clone();
            async move { remember(&node, proof).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        proxy.cut();
        redis.go_on();
        proxy.mend().await;

        match call.await.unwrap() {
            Ok(answer) => assert_eq!(answer, ProofUse::First),
            // The next connection was refused while the proxy was cut.
            Err(_) => answers(&node).await,
        }
        // Unless the call failed before Redis got it.
        remember(&node, proof).await.unwrap();
        assert_eq!(remember(&node, proof).await.unwrap(), ProofUse::Replayed);
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_memory_helps_out_while_redis_is_away_if_that_was_asked_for() {
    let mut redis = Redis::start(FORGETFUL);
    let node = node(&redis).dangerously_use_memory_while_away(MemoryReplays::new());
    let before = new_proof();
    assert_eq!(remember(&node, before).await.unwrap(), ProofUse::First);
    redis.kill();

    let during = new_proof();
    assert_eq!(remember(&node, during).await.unwrap(), ProofUse::First);
    for used in [before, during] {
        assert_eq!(remember(&node, used).await.unwrap(), ProofUse::Replayed);
    }
    // Redis has never heard of it.
    redis.restart();
    answers(&node).await;
    for used in [before, during] {
        assert_eq!(remember(&node, used).await.unwrap(), ProofUse::Replayed);
    }
}

#[tokio::test]
async fn redis_that_was_never_there_refuses_every_proof_in_time() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    let node = RedisReplays::new(&url).unwrap().with_timeout(Duration::from_millis(200));
    let began = Instant::now();

    remember(&node, new_proof()).await.unwrap_err();
    node.check().await.unwrap_err();

    assert!(began.elapsed() < Duration::from_secs(5));
    let memory = node.dangerously_use_memory_while_away(MemoryReplays::new());
    let proof = new_proof();
    assert_eq!(remember(&memory, proof).await.unwrap(), ProofUse::First);
    assert_eq!(remember(&memory, proof).await.unwrap(), ProofUse::Replayed);
}
