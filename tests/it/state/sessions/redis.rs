//! Tests sessions in Redis, with real servers that these tests start and stop.

mod model;
mod outages;
mod places;
mod speed;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tower_bearer::session::{
    CreationOutcome, NewSession, RedisSessions, RotationOutcome, Session, SessionStore as _,
};

use super::contract::{self, at, rotation, token};
use super::{at_once, killed};
use crate::state::redis::server::{FORGETFUL, Redis};

/// A node of the service, in a namespace that no other test has.
fn node(redis: &Redis) -> RedisSessions {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    // Longer than anything takes on a busy machine.
    let node = RedisSessions::new(&redis.url()).unwrap().with_timeout(Duration::from_secs(20));
    node.with_namespace(&format!("test-{count}")).unwrap()
}

/// Two nodes of one service.
fn two_nodes(redis: &Redis) -> (RedisSessions, RedisSessions) {
    let nodes = [(); 2].map(|()| RedisSessions::new(&redis.url()).unwrap());
    let [one, other] = nodes.map(|node| node.with_timeout(Duration::from_secs(20)));
    (one, other)
}

async fn is_rotated(store: &RedisSessions, id: &str, number: u8) {
    let outcome = store.rotate(rotation(id, number, 50)).await.unwrap();
    assert!(matches!(&outcome, RotationOutcome::Rotated(_)), "{outcome:?}");
}

async fn is_unknown(store: &RedisSessions, id: &str) {
    let outcome = store.rotate(rotation(id, 0, 50)).await.unwrap();
    assert!(matches!(&outcome, RotationOutcome::Unknown), "{outcome:?}");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_sessions_keep_the_contract_of_a_store() {
    let redis = Redis::start(FORGETFUL);

    contract::all(|| async { node(&redis) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_hundred_refreshes_at_once_end_with_one_successor() {
    let redis = Redis::start(FORGETFUL);

    contract::hundred_refreshes_at_once(node(&redis)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_two_nodes_exchange_a_token_once() {
    let redis = Redis::start(FORGETFUL);
    let (one, other) = two_nodes(&redis);
    contract::fill(&one, "alice", 1).await;

    for number in 0..20 {
        let (one, other) = tokio::join!(one.rotate(rotation("alice-0", number, 50)), async {
            other.rotate(rotation("alice-0", number, 50)).await
        });

        let (one, other) = (one.unwrap(), other.unwrap());
        let is_once = matches!(
            (&one, &other),
            (RotationOutcome::Rotated(_), RotationOutcome::Repeated(_))
                | (RotationOutcome::Repeated(_), RotationOutcome::Rotated(_))
        );
        assert!(is_once, "{number}: {one:?} {other:?}");
    }

    assert_eq!(other.end_all("alice", None, at(60)).await.unwrap().len(), 1);
    let outcome = one.rotate(rotation("alice-0", 20, 70)).await.unwrap();
    assert!(matches!(&outcome, RotationOutcome::Ended(_)), "{outcome:?}");
    assert_eq!(one.sweep(at(70)).await.unwrap().ended.len(), 1);
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_node_that_is_killed_leaves_every_session_whole() {
    let redis = Redis::start(FORGETFUL);

    killed::killed_nodes_leave_every_session_whole(&redis.url()).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_has_forgotten_its_scripts_is_sent_them_again() {
    let redis = Redis::start(FORGETFUL);
    let store = node(&redis);
    contract::fill(&store, "alice", 1).await;

    for number in 0..4 {
        assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]), "OK");
        is_rotated(&store, "alice-0", number).await;
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_refresh_is_one_command() {
    let redis = Redis::start(FORGETFUL);
    let store = node(&redis);
    contract::fill(&store, "alice", 1).await;
    let calls = || {
        let stats = redis.cli(&["INFO", "commandstats"]);
        let counts = stats.lines().filter_map(|line| {
            let (name, counts) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
            Some((name.to_owned(), counts.split_once(',')?.0.parse::<u64>().unwrap()))
        });
        // Those of this question, and those of a script.
        let counts = counts.filter(|(name, _)| !["info", "get", "set"].contains(&name.as_str()));
        counts.collect::<Vec<_>>()
    };
    let before = calls();

    is_rotated(&store, "alice-0", 0).await;

    let grown: Vec<_> = calls().into_iter().filter(|count| !before.contains(count)).collect();
    let evalsha = before.iter().find(|(name, _)| name == "evalsha").unwrap();
    assert_eq!(grown, [("evalsha".to_owned(), evalsha.1 + 1)]);
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_keys_expire_with_their_sessions_and_leave_nothing() {
    let redis = Redis::start(FORGETFUL);
    let (store, _) = two_nodes(&redis);
    let left = |name: &str| -> i64 {
        redis.cli(&["PTTL", &format!("{{tower-bearer}}:1:{name}")]).parse().unwrap()
    };
    // Up to now minus the time that the test has taken.
    let is_about = |left: i64, seconds: i64| {
        assert!((seconds * 1000 - 60_000..=seconds * 1000).contains(&left), "{left} {seconds}");
    };
    contract::fill(&store, "alice", 2).await;
    is_about(left("session:alice-0"), 100);
    is_about(left("subject:alice"), 1000);

    store.rotate(rotation("alice-0", 0, 90)).await.unwrap();
    is_about(left("session:alice-0"), 100);
    for (number, now) in (1..18).zip((140..).step_by(50)) {
        store.rotate(rotation("alice-0", number, now)).await.unwrap();
    }
    // It cannot be idle for longer than it lives.
    is_about(left("session:alice-0"), 60);

    // What has ended stays until it would have expired in any case.
    store.end("alice-1", None).await.unwrap();
    is_about(left("session:alice-1"), 999);
    is_about(left("ended"), 999);
    store.end("alice-1", None).await.unwrap();
    is_about(left("session:alice-1"), 999);
    store.end_all("alice", None, at(50)).await.unwrap();
    is_about(left("all-ended:alice"), 900);
    is_about(left("subject:alice"), 1000);

    store.remove(&["alice-0", "alice-1"]).await.unwrap();
    assert_eq!(redis.cli(&["KEYS", "*"]), "{tower-bearer}:1:all-ended:alice");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_expired_sessions_leave_the_index_of_their_subject() {
    let redis = Redis::start(FORGETFUL);
    let (store, _) = two_nodes(&redis);
    let indexed = || redis.cli(&["ZCARD", "{tower-bearer}:1:subject:alice"]);
    let create = async |id: &str, max: Option<usize>| {
        let mut session = contract::session(id, "alice");
        if id.starts_with("short") {
            session.idle_until = at(0) + Duration::from_millis(1);
        }
        store.create(NewSession::new(session, at(0), max)).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let names: Vec<_> = (0..30).map(|number| format!("short-{number}")).collect();

    for name in &names {
        create(name, None).await;
    }
    // Each sign-in has removed the one before it.
    assert_eq!(indexed(), "1");
    create("long", Some(2)).await;
    assert_eq!(indexed(), "1");
    create("short", None).await;
    assert_eq!(indexed(), "2");
    assert_eq!(store.of_subject("alice", at(0)).await.unwrap().len(), 1);
    assert_eq!(indexed(), "1");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_many_sessions_of_a_subject_are_ended_and_removed() {
    let redis = Redis::start(FORGETFUL);
    let store = node(&redis);
    for number in 0..2500 {
        let mut session = contract::session(&format!("s{number}"), "alice");
        session.created_at += Duration::from_millis(number);
        store.create(NewSession::new(session, at(0), None)).await.unwrap();
    }

    let ended = store.end_all("alice", None, at(50)).await.unwrap();
    let swept = store.sweep(at(51)).await.unwrap();
    let ids: Vec<&str> = ended.iter().map(|session| session.id.as_str()).collect();
    store.remove(&ids).await.unwrap();

    assert_eq!((ended.len(), swept.ended.len(), swept.has_more), (2500, 1000, true));
    assert!(ended.is_sorted_by_key(|session| session.created_at));
    let swept = store.sweep(at(52)).await.unwrap();
    assert!(swept.ended.is_empty() && !swept.has_more);
    assert_eq!(redis.cli(&["DBSIZE"]), "1");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_record_of_another_version_is_an_error_and_stays() {
    let redis = Redis::start(FORGETFUL);
    let (store, _) = two_nodes(&redis);
    let key = "{tower-bearer}:1:session:s";

    for odd in ["", "x", "L"] {
        redis.cli(&["SET", key, odd]);
        store.rotate(rotation("s", 0, 50)).await.unwrap_err();
        store.end("s", None).await.unwrap_err();
        assert_eq!(redis.cli(&["GET", key]), odd);
    }

    // The connection is as before.
    contract::fill(&store, "alice", 1).await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_holds_no_token_in_the_clear() {
    use tower_bearer::revocation::MemoryRevocations;
    use tower_bearer::session::{SessionKey, Sessions, SignIn};
    use tower_bearer::{Algorithm, SigningKey, TokenIssuer};
    let redis = Redis::start(FORGETFUL);
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let tokens =
        TokenIssuer::new("https://id.example.com", "https://api.example.com", key).unwrap();
    let key = SessionKey::generate().unwrap();
    let sessions = Sessions::new(tokens, node(&redis), MemoryRevocations::new(), key);

    let begun = sessions.begin(SignIn::now("alice").with_device("Firefox")).await.unwrap();
    let next = sessions.refresh(begun.refresh_token.as_str(), None).await.unwrap();
    let listed = sessions.list("alice").await.unwrap();

    assert_eq!(listed, std::slice::from_ref(&next.session));
    for token in [&begun.refresh_token, &next.refresh_token] {
        // Behind the prefix and the name of the session stands the secret.
        let secret = &token.as_str()["rt_".len() + 22..];
        for pattern in [secret, &secret[..20], &secret[secret.len() - 20..]] {
            let record = redis.cli(&["EVAL", FIND, "0", pattern]);
            assert_eq!(record, "0");
        }
        let reused = sessions.refresh(begun.refresh_token.as_str(), None).await;
        assert!(reused.is_ok(), "its successor was not used");
    }
    assert!(sessions.end(&next.session.id, "alice").await.unwrap().is_some());
    assert!(sessions.list("alice").await.unwrap().is_empty());
}

/// Counts the keys whose name or value has a text in it.
const FIND: &str = "local count = 0 for _, key in ipairs(redis.call('KEYS', '*')) do local value = \
                    redis.call('TYPE', key).ok == 'string' and redis.call('GET', key) or '' if \
                    string.find(key .. value, ARGV[1], 1, true) then count = count + 1 end end \
                    return tostring(count)";
