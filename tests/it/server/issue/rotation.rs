//! Tests keys that are replaced in one process.

use std::thread;
use std::time::UNIX_EPOCH;

use axum::body::Body;
use http::Request;
use http::header::CONTENT_TYPE;
use http_body_util::BodyExt;
use serde_json::json;
use tower::ServiceExt;
use tower_bearer::endpoints::{ClientList, JwksService, RevocationService};
use tower_bearer::issue::{IssueError, RotateError};
use tower_bearer::revocation::MemoryRevocations;
use tower_bearer::{ConfigError, KeySet};

use super::*;
use IssuerKeyState::{Active, Next, Retired};

#[tokio::test]
async fn tokens_of_the_active_and_of_the_retired_keys_are_accepted() {
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::HS256] {
        let node = Node::generate(algorithm);
        let mut tokens = vec![node.issue()];

        node.rotate();
        tokens.push(node.tokens.token_for("alice").issue_async().await.unwrap().into_string());
        let ids = node.ids();

        assert_eq!(states(&node.keys), [Active, Next, Retired]);
        assert_eq!((kid(&tokens[1]), kid(&tokens[0])), (ids[0].clone(), ids[2].clone()));
        for token in tokens {
            assert_eq!(part(&token, 0)["alg"], algorithm.as_str());
            node.accepts(&token).await;
        }
    }
}

#[tokio::test]
async fn next_key_is_published_before_it_signs() {
    let node = Node::generate(Algorithm::ES256);
    let published = KeySet::from_jwks(node.keys.public_keys().to_json()).unwrap();

    node.rotate();

    let verifier = app(&node.clock, published);
    send(&verifier, get("/").bearer(node.issue())).await.is_ok("in");
    node.keys.rotate_now().unwrap();
    refuses_unknown_key(&send(&verifier, get("/").bearer(node.issue())).await);
}

#[test]
fn rotation_is_refused_until_verifiers_know_the_next_key() {
    for (ahead, keys) in [(None, AHEAD), (Some(20 * MINUTE), 20 * MINUTE)] {
        let clock = TestClock::at(NOW);
        let rules = rules(&clock);
        let rules = ahead.map_or(rules.clone(), |time| rules.with_published_ahead(time));
        let node = Node::new(&clock, rules.generate(Algorithm::ES256).unwrap());
        let before = node.ids();
        let too_early = |wait| Err(RotateError::TooEarly { wait });

        assert_eq!(node.keys.rotate(), too_early(keys));
        clock.advance(keys - Duration::from_secs(1));
        assert_eq!(node.keys.rotate(), too_early(Duration::from_secs(1)));
        assert_eq!(node.ids(), before);
        clock.advance(Duration::from_secs(1));

        assert_eq!(node.keys.rotate(), Ok(()));
        assert_eq!(node.ids()[0], before[1]);
        assert_eq!(node.keys.rotate(), too_early(keys));
    }
}

#[tokio::test]
async fn rotation_in_an_emergency_does_not_wait() {
    let node = Node::generate(Algorithm::ES256);
    let old = node.issue();

    for _ in 0..3 {
        node.keys.rotate_now().unwrap();
    }

    assert_eq!(states(&node.keys), [Active, Next, Retired, Retired, Retired]);
    assert_ne!(kid(&node.issue()), kid(&old));
    node.accepts(&old).await;
    node.accepts(&node.issue()).await;
}

#[tokio::test]
async fn tokens_of_a_withdrawn_key_are_refused_at_once() {
    let node = Node::generate(Algorithm::ES256);
    let stolen = node.issue();
    node.keys.rotate_now().unwrap();
    // From here on in the cache.
    node.accepts(&stolen).await;
    node.accepts(&stolen).await;

    node.keys.withdraw(&kid(&stolen)).unwrap();

    node.refuses_unknown_key(&stolen).await;
    node.accepts(&node.issue()).await;
    assert!(!node.keys.public_keys().to_json().contains(&kid(&stolen)));
}

#[test]
fn next_key_that_is_withdrawn_is_replaced_and_published_anew() {
    let node = Node::generate(Algorithm::ES256);
    let before = node.ids();
    node.clock.advance(AHEAD);

    node.keys.withdraw(&before[1]).unwrap();

    assert_eq!(states(&node.keys), [Active, Next]);
    assert_eq!(node.ids()[0], before[0]);
    assert_ne!(node.ids()[1], before[1]);
    assert_eq!(node.keys.rotate(), Err(RotateError::TooEarly { wait: AHEAD }));
}

#[test]
fn active_and_unknown_keys_cannot_be_withdrawn() {
    let node = Node::generate(Algorithm::ES256);
    let before = node.ids();
    let (active, unknown) = (before[0].clone(), "unknown".to_owned());

    let error = node.keys.withdraw(&active).unwrap_err();
    assert!(error.to_string().contains("rotate_now"), "{error}");
    assert_eq!(error, RotateError::ActiveKey { key_id: active });
    let error = node.keys.withdraw(&unknown).unwrap_err();
    assert_eq!(error, RotateError::UnknownKey { key_id: unknown });
    assert_eq!(node.ids(), before);
}

#[tokio::test]
async fn one_fixed_key_signs_and_verifies_and_is_never_replaced() {
    let node = Node::new(&TestClock::at(NOW), IssuerKeys::new(new_key()));
    let token = node.tokens.token_for("alice").with_lifetime(1000 * HOUR).issue().unwrap();

    assert_eq!(node.keys.rotate(), Err(RotateError::Fixed));
    assert_eq!(node.keys.rotate_now(), Err(RotateError::Fixed));
    assert_eq!(node.keys.withdraw("x"), Err(RotateError::Fixed));
    assert_eq!(states(&node.keys), [Active]);
    node.accepts(token.as_str()).await;
}

#[tokio::test]
async fn retired_key_is_dropped_when_the_longest_token_has_expired() {
    // 24 hours by default, 5 minutes for leeway, 5 for nodes that notice late.
    for (longest, kept) in [(None, 24 * HOUR + 10 * MINUTE), (Some(HOUR), HOUR + 10 * MINUTE)] {
        let directory = Directory::new(&format!("dropped-{}", longest.is_some()));
        let clock = TestClock::at(NOW);
        let (path, key) = (directory.file("keys.json"), new_key());
        let rules = rules(&clock);
        let rules = longest.map_or(rules.clone(), |longest| rules.with_max_lifetime(longest));
        let node = Node::new(&clock, rules.create(path, key.clone()).unwrap());
        // A thief has the key, and signs for as long as he likes.
        let thief = TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap().with_clock(clock.clone());
        let stolen = thief.token_for("alice").with_lifetime(1000 * HOUR).issue().unwrap();
        let longest = node.tokens.token_for("alice").with_lifetime(longest.unwrap_or(24 * HOUR));
        let longest = longest.issue().unwrap();

        node.keys.rotate_now().unwrap();
        let until = node.keys.status()[2].until().unwrap();
        assert_eq!(until, UNIX_EPOCH + Duration::from_secs(NOW) + kept);
        clock.advance(kept - 10 * MINUTE + Duration::from_secs(59));
        node.accepts(longest.as_str()).await;
        clock.advance(10 * MINUTE - Duration::from_secs(60));
        node.accepts(stolen.as_str()).await;
        clock.advance(Duration::from_secs(1));

        node.refuses_unknown_key(stolen.as_str()).await;
        assert_eq!(states(&node.keys), [Active, Next]);
        node.accepts(&node.issue()).await;
    }
}

#[tokio::test]
async fn clock_that_was_set_ahead_by_mistake_costs_no_key() {
    for with_file in [false, true] {
        let directory = Directory::new(&format!("ahead-{with_file}"));
        let clock = TestClock::at(NOW);
        let rules = rules(&clock);
        let keys = match with_file {
            true => rules.create(directory.file("keys.json"), new_key()).unwrap(),
            false => rules.generate(Algorithm::ES256).unwrap(),
        };
        let node = Node::new(&clock, keys);
        let old = node.issue();
        node.rotate();
        let new = node.issue();

        clock.advance(1000 * HOUR);
        node.keys.reload().unwrap();
        assert_eq!(states(&node.keys), [Active, Next]);
        // Which forgets retired keys.
        node.keys.rotate().unwrap();
        clock.set(NOW + 15 * 60);

        for token in [&old, &new] {
            node.accepts(token).await;
        }
        node.refuses_unknown_key(&{
            let thief = TokenIssuer::new(ISSUER, AUDIENCE, new_key()).unwrap();
            thief.with_clock(clock.clone()).token_for("alice").issue().unwrap().into_string()
        })
        .await;
    }
}

#[tokio::test]
async fn token_that_would_outlive_its_key_is_not_issued() {
    let clock = TestClock::at(NOW);
    let keys = rules(&clock).with_max_lifetime(HOUR).generate(Algorithm::ES256).unwrap();
    let node = Node::new(&clock, keys);
    let alice = |lifetime| node.tokens.token_for("alice").with_lifetime(lifetime);

    let error = alice(HOUR + Duration::from_secs(1)).issue().unwrap_err();
    assert!(error.to_string().contains("3600 s"), "{error}");
    assert_eq!(error, IssueError::LifetimeTooLong { most: HOUR });
    let error = alice(2 * HOUR).issue_async().await.unwrap_err();
    assert_eq!(error, IssueError::LifetimeTooLong { most: HOUR });
    assert!(alice(HOUR).issue().is_ok());
    assert!(alice(HOUR).issue_async().await.is_ok());
}

#[test]
fn settings_with_which_tokens_would_be_refused_are_config_errors() {
    let check = |rules: KeyRotation| {
        let checked = rules.generate(Algorithm::ES256);
        checked.map(drop).map_err(|error| match error {
            ConfigError::KeyRotation { problem } => problem.split('`').nth(1).unwrap_or_default(),
            other => panic!("{other}"),
        })
    };
    let new = KeyRotation::new;
    let second = Duration::from_secs(1);

    assert_eq!(
        check(new().with_published_ahead(10 * MINUTE + 4 * second)),
        Err("with_published_ahead")
    );
    assert_eq!(check(new().with_published_ahead(10 * MINUTE + 5 * second)), Ok(()));
    let polls_less = || new().with_poll_interval(MINUTE);
    let published = |ahead| check(polls_less().with_published_ahead(ahead));
    assert_eq!(published(11 * MINUTE - second), Err("with_published_ahead"));
    assert_eq!(published(11 * MINUTE), Ok(()));
    let lives_long =
        |days: u32| new().with_max_lifetime(24 * days * HOUR).with_rotation_after(HOUR);
    assert_eq!(check(lives_long(3)), Err("with_max_lifetime"));
    assert_eq!(check(lives_long(2)), Ok(()));
    assert_eq!(check(new().with_rotation_after(AHEAD - second)), Err("with_rotation_after"));
    let short_lived = || new().with_max_lifetime(HOUR);
    assert_eq!(check(short_lived().with_rotation_after(AHEAD)), Ok(()));
    assert_eq!(check(new().with_max_lifetime(second / 2)), Err("with_max_lifetime"));
    assert_eq!(check(new().with_max_lifetime(second)), Ok(()));
    for wrong in [Duration::ZERO, MINUTE + second] {
        assert_eq!(check(new().with_poll_interval(wrong)), Err("with_poll_interval"));
    }
    assert_eq!(check(new().with_poll_interval(MINUTE)), Ok(()));
}

#[tokio::test]
async fn first_token_wakes_the_thread_that_is_late_to_replace_an_old_key() {
    let clock = TestClock::at(NOW);
    let rules = rules(&clock).with_poll_interval(MINUTE);
    let by_age = Node::new(
        &clock,
        rules.clone().with_rotation_after(HOUR).generate(Algorithm::ES256).unwrap(),
    );
    let on_command = Node::new(&clock, rules.generate(Algorithm::ES256).unwrap());
    let (before, other) = (by_age.ids(), on_command.ids());

    clock.advance(HOUR + Duration::from_secs(59));
    let old = by_age.issue();
    assert_eq!(kid(&old), before[0]);
    clock.advance(Duration::from_secs(1));
    let issue_until_not = |old: &str| {
        loop {
            let token = by_age.issue();
            if kid(&token) != old {
                return token;
            }
            thread::yield_now();
        }
    };
    let new = issue_until_not(&before[0]);

    assert_eq!(kid(&new), before[1]);
    assert_eq!(kid(&on_command.issue()), other[0]);
    by_age.accepts(&new).await;
    by_age.accepts(&old).await;
    // And again after another hour.
    clock.advance(HOUR + MINUTE);
    issue_until_not(&before[1]);
}

#[test]
fn old_key_is_replaced_by_the_thread() {
    let clock = TestClock::at(NOW);
    let rules = rules(&clock).with_poll_interval(Duration::from_millis(1));
    let keys = rules.with_rotation_after(HOUR).generate(Algorithm::ES256).unwrap();
    let before = ids(&keys);

    clock.advance(HOUR);
    while ids(&keys)[0] == before[0] {
        thread::yield_now();
    }

    assert_eq!(ids(&keys)[0], before[1]);
}

async fn fetch(service: &JwksService, etag: Option<&str>) -> (u16, String, String) {
    let request = Request::get("/").header("if-none-match", etag.unwrap_or("\"none\""));
    let answer = service.clone().oneshot(request.body(()).unwrap()).await.unwrap();
    let etag = answer.headers()["etag"].to_str().unwrap().to_owned();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, etag, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn jwk_set_that_is_served_follows_the_keys() {
    let node = Node::generate(Algorithm::ES256);
    for service in [node.keys.jwks_service(), node.tokens.jwks_service()] {
        let (status, etag, before) = fetch(&service, None).await;
        assert_eq!((status, KeySet::from_jwks(&before).unwrap().keys().len()), (200, 2));
        assert_eq!(fetch(&service, Some(&etag)).await, (304, etag.clone(), String::new()));

        node.keys.rotate_now().unwrap();

        let (status, new_etag, after) = fetch(&service, Some(&etag)).await;
        assert_eq!(status, 200);
        assert_ne!((&etag, &before), (&new_etag, &after));
        let published = KeySet::from_jwks(&after).unwrap();
        let published: Vec<_> =
            published.keys().iter().map(|key| key.key_id().unwrap().to_owned()).collect();
        assert_eq!(published, node.ids());
        node.keys.withdraw(&node.ids()[2]).unwrap();
    }
}

#[tokio::test]
async fn secrets_are_not_published() {
    let node = Node::generate(Algorithm::HS256);
    node.rotate();

    assert_eq!(fetch(&node.keys.jwks_service(), None).await.2, r#"{"keys":[]}"#);
    node.accepts(&node.issue()).await;
}

#[tokio::test]
async fn revocation_endpoint_follows_the_keys() {
    let node = Node::generate(Algorithm::ES256);
    let view = MemoryRevocations::new().with_clock(node.clock.clone());
    let clients = ClientList::new().with_public_client("shop").unwrap();
    let service = RevocationService::new(node.keys.clone(), ISSUER, clients, view.clone()).unwrap();
    let endpoint = service.with_clock(node.clock.clone());
    let verifier = Verifier::<User>::new(node.keys.clone(), validation()).unwrap();
    let verifier = verifier.with_clock(node.clock.clone()).with_revocations(view);
    let issue = || node.tokens.token_for("alice").with_client_id("shop").issue().unwrap();
    let mut tokens = vec![issue()];
    node.keys.rotate_now().unwrap();
    tokens.push(issue());

    for token in tokens {
        assert!(verifier.verify(token.as_str()).await.is_ok());
        let form = format!("client_id=shop&token={}", token.as_str());
        let request = Request::post("/").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(Body::from(form)).unwrap();
        assert_eq!(endpoint.clone().oneshot(request).await.unwrap().status(), 200);
        let refused = verifier.verify(token.as_str()).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::Revoked);
    }
}

#[test]
fn status_says_since_when_and_until_when() {
    let node = Node::generate(Algorithm::ES256);
    node.rotate();
    let ids = node.ids();
    let rotated = NOW + 900;

    let status = serde_json::to_value(node.keys.status()).unwrap();

    let key = |id: &str, state: &str, since: Option<u64>, until: Option<u64>| json!({ "key_id": id, "algorithm": "ES256", "state": state, "since": since, "until": until });
    let expected = json!([
        key(&ids[0], "active", Some(rotated), None),
        key(&ids[1], "next", Some(rotated), None),
        key(&ids[2], "retired", None, Some(rotated + 24 * 3600 + 600)),
    ]);
    assert_eq!(status, expected);
}
