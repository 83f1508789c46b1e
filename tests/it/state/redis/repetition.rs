//! Tests a repeated revocation: nothing is written, and the answer "done" is still true.

use std::time::{Duration, UNIX_EPOCH};

use futures::future::join_all;
use tower_bearer::endpoints::{LogoutScope, LogoutService};
use tower_bearer::keys::SigningKey;
use tower_bearer::revocation::{
    Revocable, Revocation, RevocationStore as _, Revocations as _, Revoked,
};
use tower_bearer::{Algorithm, TokenIssuer, Validation, Verifier};

use super::server::{FORGETFUL, Redis};
use super::{Node, in_an_hour, now, until};
use crate::support::{AUDIENCE, ISSUER, User};

fn changes(redis: &Redis) -> u64 {
    redis.info("rdb_changes_since_last_save")
}

fn stream_length(redis: &Redis) -> String {
    redis.cli(&["XLEN", "{tower-bearer}:1:stream"])
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_hundred_calls_that_revoke_the_same_write_it_once() {
    let redis = Redis::start(FORGETFUL);
    let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
    let moment = UNIX_EPOCH + Duration::from_secs(now() - 100);
    for revocation in [
        Revocation::token(ISSUER, "t1", in_an_hour()),
        Revocation::subject(ISSUER, "mallory", moment),
        Revocation::client(ISSUER, "c1", moment),
    ] {
        one.revocations.add(revocation.clone()).await.unwrap();
        let name = revocation.name();
        until(|| other.revocations.lookup(ISSUER, name).is_some()).await;
        let before = (changes(&redis), stream_length(&redis), one.revocations.epoch());
        let revoked = one.revocations.lookup(ISSUER, name);

        for node in [&one, &other] {
            let calls = (0..25).map(|_| node.revocations.add(revocation.clone()));
            assert!(join_all(calls).await.iter().all(Result::is_ok));
            for _ in 0..25 {
                node.revocations.add(revocation.clone()).await.unwrap();
            }
        }

        let after = (changes(&redis), stream_length(&redis), one.revocations.epoch());
        assert_eq!(after, before, "{revocation:?}");
        for node in [&one, &other, &Node::ready(&redis.url()).await] {
            assert_eq!(node.revocations.lookup(ISSUER, name), revoked);
        }
        // The node that has just started has marked its position.
        assert_ne!(stream_length(&redis), before.1);
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_that_has_lost_it_has_it_when_the_same_is_revoked_again() {
    let redis = Redis::start(FORGETFUL);
    let one = Node::ready(&redis.url()).await;
    one.revoke("t1").await;
    let keys = redis.cli(&["KEYS", "{tower-bearer}:1:until:*"]);
    redis.cli(&["DEL", &keys]);

    one.revoke("t1").await;

    assert_eq!(redis.cli(&["EXISTS", &keys]), "1");
    Node::ready(&redis.url()).await.refuses("t1").await;
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_same_past_moment_moves_no_boundary_whichever_node_is_told() {
    let redis = Redis::start(FORGETFUL);
    let nodes = [Node::ready(&redis.url()).await, Node::ready(&redis.url()).await];
    let moment = UNIX_EPOCH + Duration::from_secs(now() - 1);

    for round in 0..6 {
        let node = &nodes[round % 2];
        node.revocations.add(Revocation::subject(ISSUER, "mallory", moment)).await.unwrap();
        let known = |node: &Node| node.revocations.lookup(ISSUER, Revocable::Subject("mallory"));
        until(|| nodes.iter().all(|node| known(node).is_some())).await;

        for node in &nodes {
            assert_eq!(known(node), Some(Revoked::IssuedUpTo(moment.into())), "{round}");
        }
    }
}

/// An issuer that heeds the shared revocations, on one of the nodes.
fn issuer_at(node: &Node) -> (TokenIssuer, Verifier<User>) {
    let secret = "at least 32 bytes of randomness, please";
    let key = SigningKey::from_secret(Algorithm::HS256, secret).unwrap();
    let tokens =
        TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap().with_revocations(node.revocations.clone());
    let verifier =
        Verifier::new(tokens.verifying_key(), Validation::new(ISSUER, AUDIENCE)).unwrap();
    (tokens, verifier.with_revocations(node.revocations.clone()))
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_user_who_was_revoked_signs_in_again_at_once_on_every_node() {
    let redis = Redis::start(FORGETFUL);
    let nodes = [Node::ready(&redis.url()).await, Node::ready(&redis.url()).await];
    let issuers = nodes.each_ref().map(issuer_at);
    // By turns, within the same second.
    for round in 0..4 {
        let (here, there) = (&issuers[round % 2], &issuers[(round + 1) % 2]);
        let before = here.0.token_for("alice").issue();
        let moment = tower_bearer::clock::Clock::now(&tower_bearer::clock::SystemClock);
        let node = &nodes[(round + 1) % 2];
        node.revocations.add(Revocation::subject(ISSUER, "alice", moment)).await.unwrap();
        let known = |node: &Node| node.revocations.lookup(ISSUER, Revocable::Subject("alice"));
        until(|| known(&nodes[0]) == known(&nodes[1])).await;

        let after = there.0.token_for("alice").issue();

        for (_, verifier) in &issuers {
            if let Ok(before) = &before {
                let refused = verifier.verify(before.as_str()).await.unwrap_err();
                assert_eq!(refused.reason(), tower_bearer::Reason::Revoked, "{round}");
            }
            if let Ok(after) = &after {
                assert!(verifier.verify(after.as_str()).await.is_ok(), "{round}");
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_logout_of_session_and_subject_is_one_step() {
    let redis = Redis::start(FORGETFUL);
    let node = Node::ready(&redis.url()).await;
    let service = LogoutService::new(
        crate::support::key().verifying_key(),
        Validation::new(ISSUER, "the-client"),
        LogoutScope::Subject,
        node.revocations.clone(),
    )
    .unwrap();
    let app = axum::Router::new().route_service("/", service);
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let token = tower_bearer::test_util::TestToken::new(ISSUER, "the-client")
        .at(now())
        .without("nbf")
        .header("typ", "logout+jwt")
        .claim("jti", "l1")
        .claim("sid", "s1")
        .claim("events", serde_json::json!({ event: {} }))
        .sign(&crate::support::key());
    let scripts = || {
        let stats = redis.cli(&["INFO", "commandstats"]);
        let eval = stats.lines().find(|line| line.starts_with("cmdstat_eval:")).unwrap().to_owned();
        eval.split(['=', ',']).nth(1).unwrap().parse::<u64>().unwrap()
    };
    let request = || {
        let form = format!("logout_token={token}");
        http::Request::post("/")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(form))
            .unwrap()
    };
    let before = scripts();

    assert_eq!(crate::support::send(&app, request()).await.status, 200);

    // It may also have been probed.
    assert!(scripts() - before <= 3, "{}", scripts() - before);
    let late = Node::ready(&redis.url()).await;
    assert!(late.revocations.lookup(ISSUER, Revocable::Session("s1")).is_some());
    assert!(late.revocations.lookup(ISSUER, Revocable::Subject("alice")).is_some());
    let length = stream_length(&redis);
    assert_eq!(crate::support::send(&app, request()).await.status, 200);
    assert_eq!(stream_length(&redis), length, "the same again is no change");
}
