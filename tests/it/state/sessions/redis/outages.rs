//! Tests a Redis that is away, silent, full, or comes back.

use std::error::Error as _;
use std::time::Instant;

use tracing::Level;

use super::*;
use crate::state::redis::server::free_port;
use crate::support::log::Log;

/// On disk before each answer.
const SAFE: &[&str] = &["--save", "", "--appendonly", "yes", "--appendfsync", "always"];

/// Tries again, as clients do.
async fn refreshed(store: &RedisSessions, id: &str, number: u8) {
    let began = Instant::now();
    loop {
        match store.rotate(rotation(id, number, 50)).await {
            Ok(RotationOutcome::Rotated(_) | RotationOutcome::Repeated(_)) => return,
            Ok(other) => panic!("{other:?}"),
            Err(_) => assert!(began.elapsed() < Duration::from_secs(60), "it does not come back"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn redis_that_was_never_there_is_an_error_without_the_password() {
    let address = format!("redis://user:secret@127.0.0.1:{}", free_port());
    let store = RedisSessions::new(&address).unwrap();

    let began = Instant::now();
    for _ in 0..10 {
        let error = store.rotate(rotation("s", 0, 50)).await.unwrap_err();
        let shown = format!("{error} {error:?} {} {store:?}", error.source().unwrap());
        assert!(shown.contains("refused") && !shown.contains("secret"), "{shown}");
    }

    assert!(began.elapsed() < Duration::from_secs(10), "each fails at once");
    assert!(store.check().await.is_err());
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_killed_and_restarted_from_its_disk_has_all_sessions() {
    let (log, _guard) = Log::of_this_thread();
    let mut redis = Redis::start(SAFE);
    let (one, other) = two_nodes(&redis);
    contract::fill(&one, "alice", 2).await;
    other.end("alice-1", None).await.unwrap();

    for number in 0..3 {
        is_rotated(&one, "alice-0", number).await;
        redis.kill();
        let began = Instant::now();
        one.rotate(rotation("alice-0", number, 50)).await.unwrap_err();
        one.check().await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(10));
        redis.restart();

        refreshed(&other, "alice-0", number).await;
        refreshed(&one, "alice-0", number).await;
        assert_eq!(one.sweep(at(50)).await.unwrap().ended.len(), 1);
    }

    for what in ["Redis cannot be reached", "Redis is reached again"] {
        assert!((1..=6).contains(&log.about(what).len()), "{:?}", log.events());
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_restarted_while_a_node_is_idle_is_not_noticed() {
    let mut redis = Redis::start(SAFE);
    let (store, _) = two_nodes(&redis);
    contract::fill(&store, "alice", 1).await;

    for number in 0..3 {
        redis.restart();
        // The connection may be found broken by this call, which is made again on the next one.
        refreshed(&store, "alice-0", number).await;
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        let outcome = store.rotate(rotation("alice-0", number, 50)).await.unwrap();
        assert!(matches!(&outcome, RotationOutcome::Repeated(_)), "{outcome:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_connections_that_break_at_any_moment_lose_no_exchange() {
    let redis = Redis::start(FORGETFUL);
    let (store, _) = two_nodes(&redis);

    at_once::broken_connections_lose_no_exchange(store, async || {
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_exchange_is_made_although_its_connection_breaks_before_the_answer() {
    let redis = Redis::start(FORGETFUL);
    let (store, _) = two_nodes(&redis);
    contract::fill(&store, "alice", 1).await;

    for number in 0..3 {
        redis.cli(&["CLIENT", "PAUSE", "60000", "WRITE"]);
        let rotating = store.clone();
        let rotating =
            tokio::spawn(async move { rotating.rotate(rotation("alice-0", number, 50)).await });
        // It was sent, and waits.
        while redis.info("blocked_clients") == 0 {
            assert!(!rotating.is_finished());
        }
        redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        redis.cli(&["CLIENT", "UNPAUSE"]);

        let outcome = rotating.await.unwrap().unwrap();
        let is_good =
            matches!(&outcome, RotationOutcome::Rotated(_) | RotationOutcome::Repeated(_));
        assert!(is_good, "{outcome:?}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_comes_back_empty_knows_no_session() {
    let mut redis = Redis::start(FORGETFUL);
    let (store, _) = two_nodes(&redis);
    contract::fill(&store, "alice", 1).await;
    is_rotated(&store, "alice-0", 0).await;

    redis.restart();
    while store.check().await.is_err() {}

    is_unknown(&store, "alice-0").await;
    assert!(store.of_subject("alice", at(1)).await.unwrap().is_empty());
    contract::fill(&store, "alice", 1).await;
    is_rotated(&store, "alice-0", 0).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_silence_is_an_error_in_time_and_the_token_is_good_afterwards() {
    let redis = Redis::start(FORGETFUL);
    let store = node(&redis).with_timeout(Duration::from_millis(400));
    contract::fill(&store, "alice", 1).await;

    redis.pause();
    for _ in 0..3 {
        let began = Instant::now();
        store.rotate(rotation("alice-0", 0, 50)).await.unwrap_err();
        assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    }
    redis.go_on();

    refreshed(&store, "alice-0", 0).await;
    refreshed(&store, "alice-0", 1).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_is_full_refuses_a_sign_in_and_nothing_else_is_changed() {
    let redis = Redis::start(FORGETFUL);
    let (store, _) = two_nodes(&redis);
    contract::fill(&store, "alice", 1).await;

    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let new = || NewSession::new(contract::session("s", "alice"), at(0), Some(1));
    let error = store.create(new()).await.unwrap_err();
    assert!(format!("{error:?}").contains("OOM"), "{error:?}");
    store.rotate(rotation("alice-0", 0, 50)).await.unwrap_err();
    assert_eq!(store.of_subject("alice", at(1)).await.unwrap().len(), 1);
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);

    is_rotated(&store, "alice-0", 0).await;
    let outcome = store.create(new()).await.unwrap();
    let CreationOutcome::Created { ended } = outcome else { panic!("{outcome:?}") };
    assert_eq!(ended[0].id, "alice-0");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_evicts_is_reported() {
    let (log, _guard) = Log::of_this_thread();
    let redis = Redis::start(&[FORGETFUL, &["--maxmemory-policy", "allkeys-lru"]].concat());
    let (store, _) = two_nodes(&redis);

    store.check().await.unwrap();

    let told = log.about("`maxmemory-policy`");
    assert!(matches!(&told[..], [(Level::ERROR, _)]), "{told:?}");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_master_that_becomes_a_replica_is_left_until_it_is_a_master_again() {
    let redis = Redis::start(SAFE);
    let (store, _) = two_nodes(&redis);
    contract::fill(&store, "alice", 1).await;

    redis.cli(&["REPLICAOF", "127.0.0.1", "1"]);
    let error = store.rotate(rotation("alice-0", 0, 50)).await.unwrap_err();
    assert!(format!("{error:?}").contains("replica"), "{error:?}");
    redis.cli(&["REPLICAOF", "NO", "ONE"]);

    refreshed(&store, "alice-0", 0).await;
}
