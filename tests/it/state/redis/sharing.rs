//! Tests that a revocation on one node holds on another.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tower_bearer::revocation::{
    Revocation, RevocationKind, RevocationStore as _, Revocations as _,
};

use super::server::{FORGETFUL, Redis};
use super::{HOUR, Node, is_revoked, now, token, token_revocation, until};
use crate::examples::Program;
use crate::support::{AUDIENCE, ISSUER, WithBearer as _, invalid_token, key_for};
use tower_bearer::Algorithm;
use tower_bearer::revocation::RedisRevocations;
use tower_bearer::test_util::TestToken;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_what_is_revoked_on_one_node_is_refused_on_another_within_a_second() {
    let redis = Redis::start(FORGETFUL);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    other.lets_in("t1").await;

    one.revoke("t1").await;
    let revoked = Instant::now();

    one.refuses("t1").await;
    other.learns("t1").await;
    assert!(revoked.elapsed() < SECOND, "{:?}", revoked.elapsed());
    other.lets_in("t2").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_every_kind_is_shared_and_no_more_than_was_meant() {
    let redis = Redis::start(FORGETFUL);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    let moment = std::time::UNIX_EPOCH + Duration::from_secs(now() - 1000);
    let odd = "a b:\n{}*\u{e9}\u{1f511}";
    for revocation in [
        Revocation::session(ISSUER, "s1"),
        Revocation::subject(ISSUER, "mallory", moment),
        Revocation::client(ISSUER, "c1", moment),
        token_revocation(odd),
        Revocation::token("https://other.example.com", "t1", super::in_an_hour()),
    ] {
        one.revocations.add(revocation).await.unwrap();
    }
    other.learns(odd).await;

    let plain = || token("t1");
    is_revoked(&other.answer(&plain().claim("sid", "s1")).await);
    is_revoked(&other.answer(&plain().claim("sub", "mallory").claim("iat", now() - 1001)).await);
    is_revoked(&other.answer(&plain().claim("client_id", "c1").claim("iat", now() - 1001)).await);
    other.answer(&plain().claim("sid", "s2")).await.is_ok("in");
    other.answer(&plain().claim("sub", "mallory")).await.is_ok("in");
    other.answer(&plain().claim("client_id", "c1")).await.is_ok("in");
    // The same from the buckets.
    let late = Node::ready(&redis.url()).await;
    late.refuses(odd).await;
    is_revoked(&late.answer(&plain().claim("sid", "s1")).await);
    is_revoked(&late.answer(&plain().claim("sub", "mallory").claim("iat", now() - 1001)).await);
    late.answer(&plain().claim("sub", "mallory")).await.is_ok("in");
    late.lets_in("t1").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_the_later_of_two_moments_counts_whichever_was_written_last() {
    let redis = Redis::start(FORGETFUL);
    let one = Node::ready(&redis.url()).await;
    let before = |seconds| std::time::UNIX_EPOCH + Duration::from_secs(now() - seconds);
    for seconds in [2000, 1000, 1001, 3000] {
        let revocation = Revocation::subject(ISSUER, "mallory", before(seconds));
        one.revocations.add(revocation).await.unwrap();
    }

    let late = Node::ready(&redis.url()).await;

    let issued = |seconds: u64| token("t").claim("sub", "mallory").claim("iat", now() - seconds);
    is_revoked(&late.answer(&issued(1005)).await);
    late.answer(&issued(900)).await.is_ok("in");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_two_nodes_that_revoke_at_once_know_all_of_it() {
    let redis = Redis::start(FORGETFUL);
    let nodes = [Node::ready(&redis.url()).await, Node::ready(&redis.url()).await];
    let names = |node: usize| (0..500).map(move |i| format!("{node}-{i}"));
    // The same names from both, too.
    let both = || (0..500).map(|i| format!("both-{i}"));

    join_all(nodes.iter().enumerate().flat_map(|(index, node)| {
        names(index).chain(both()).map(move |id| async move { node.revoke(&id).await })
    }))
    .await;

    let all: Vec<String> = names(0).chain(names(1)).chain(both()).collect();
    for node in &nodes {
        until(|| all.iter().all(|id| node.knows(id))).await;
        assert_eq!(node.revocations.status().revocations(), all.len());
    }
    let late = Node::ready(&redis.url()).await;
    assert!(all.iter().all(|id| late.knows(id)));
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_namespaces_share_nothing() {
    let redis = Redis::start(FORGETFUL);
    let of = |namespace| {
        Node::of(
            RedisRevocations::new(&redis.url(), HOUR).unwrap().with_namespace(namespace).unwrap(),
        )
    };
    let (shop, bank) = (of("shop"), of("bank"));
    shop.await_ready().await;
    bank.await_ready().await;

    shop.revoke("t1").await;
    bank.revoke("t2").await;

    shop.refuses("t1").await;
    shop.lets_in("t2").await;
    bank.lets_in("t1").await;
    let keys = redis.cli(&["KEYS", "*"]);
    assert!(keys.lines().all(|key| key.starts_with("{shop}:") || key.starts_with("{bank}:")));
    // Every key expires.
    for key in keys.lines() {
        assert!(redis.cli(&["TTL", key]).parse::<i64>().unwrap() > 0, "{key}");
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_epoch_changes_with_what_comes_from_others_and_not_with_nothing() {
    let redis = Redis::start(FORGETFUL);
    let node = RedisRevocations::new(&redis.url(), HOUR).unwrap();
    let node = node.with_reconciliation_every(SECOND).with_kinds([RevocationKind::Token]);
    let node = Node::of(node.unwrap());
    node.await_ready().await;
    let other = Node::ready(&redis.url()).await;
    let before = node.revocations.epoch();

    other.revoke("t1").await;
    node.learns("t1").await;
    let after = node.revocations.epoch();
    // A reconciliation that brings nothing new empties no cache.
    let reconciled = node.revocations.status().last_reconciliation();
    until(|| node.revocations.status().last_reconciliation() != reconciled).await;

    assert_ne!(after, before);
    assert_eq!(node.revocations.epoch(), after);
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_another_process_refuses_it_too() {
    let redis = Redis::start(FORGETFUL);
    let one = Node::ready(&redis.url()).await;
    let secret = key_for(Algorithm::HS256);
    let secret = secret.to_jwk()["k"].as_str().unwrap().to_owned();
    let env = [
        ("ISSUER", ISSUER),
        ("AUDIENCE", AUDIENCE),
        ("JWT_SECRET_KEY", &secret),
        ("REDIS_URL", &redis.url()),
    ];
    let program = Program::start("resource_server", &env);
    let sent = || {
        let token = TestToken::new(ISSUER, AUDIENCE).at(now()).claim("jti", "t1");
        program.send(program.get("/protected").bearer(token.sign(&key_for(Algorithm::HS256))))
    };
    while sent().await.status() == 503 {}
    assert_eq!(sent().await.status(), 200);

    one.revoke("t1").await;

    let began = Instant::now();
    let refused = loop {
        let answer = sent().await;
        if answer.status() != 200 || began.elapsed() > super::PATIENCE {
            break answer;
        }
    };
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], invalid_token("The token was revoked"));
    let health = program.send(program.get("/healthz")).await.into_body();
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!(health["revocations"]["is_ready"], true);
}
