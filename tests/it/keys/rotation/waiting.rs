//! Tests requests that wait for keys: how long, how many, and how those that give up are refused.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, sleep};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, Reason};

use crate::support::scripted::{Answer, Scripted, app, cached};
use crate::support::{WithBearer, get, invalid_token, send, token, verifier_of};

#[tokio::test(start_paused = true)]
async fn request_that_has_waited_long_enough_is_answered_503() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_millis(5_001));
    let app = app(cached(&provider));
    let before = Instant::now();

    let answer = send(&app, get("/").bearer(provider.mint())).await;

    answer.is_refused(503, None, Reason::KeysUnavailable);
    assert!(answer.headers.contains_key("retry-after"));
    assert!(before.elapsed().as_millis().abs_diff(5_000) <= 1, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn request_whose_key_comes_in_time_is_served() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_millis(4_990));
    let app = app(cached(&provider));

    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn wait_can_be_set() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_secs(10));
    let impatient = app(cached(&provider).with_wait(Duration::from_millis(100)));
    let patient = app(cached(&provider).with_wait(Duration::from_secs(20)));
    let token = provider.mint();

    let answer = send(&impatient, get("/").bearer(&token)).await;
    answer.is_refused(503, None, Reason::KeysUnavailable);

    send(&patient, get("/").bearer(&token)).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn request_that_comes_when_256_wait_is_answered_503_at_once() {
    let provider = Scripted::new();
    let app = app(cached(&provider));
    let known = provider.mint();
    send(&app, get("/").bearer(&known)).await.is_ok("alice");
    provider.rotate();
    provider.answer(Answer::WhenOpened);
    let new = provider.mint();
    let mut waiting = JoinSet::new();
    for _ in 0..256 {
        let (app, new) = (app.clone(), new.clone());
        waiting.spawn(async move { send(&app, get("/").bearer(new)).await });
    }
    while provider.fetches() < 2 {
        yield_now().await;
    }
    let before = Instant::now();

    let answer = send(&app, get("/").bearer(&new)).await;
    answer.is_refused(503, None, Reason::KeysUnavailable);
    send(&app, get("/").bearer(&known)).await.is_ok("alice");
    assert_eq!(before.elapsed(), Duration::ZERO);

    provider.open();
    for answer in waiting.join_all().await {
        answer.is_ok("alice");
    }
    send(&app, get("/").bearer(&new)).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn how_many_may_wait_can_be_set() {
    let provider = Scripted::new();
    provider.answer(Answer::WhenOpened);
    let app = app(cached(&provider).with_max_waiting(1));
    let token = provider.mint();
    let first = tokio::spawn({
        let (app, token) = (app.clone(), token.clone());
        async move { send(&app, get("/").bearer(token)).await }
    });
    while provider.fetches() < 1 {
        yield_now().await;
    }

    let second = send(&app, get("/").bearer(&token)).await;
    second.is_refused(503, None, Reason::KeysUnavailable);

    provider.open();
    first.await.unwrap().is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn key_that_was_looked_for_is_unknown_although_no_other_request_may_wait() {
    let provider = Scripted::new();
    let app = app(cached(&provider).with_max_waiting(1));
    let withdrawn = provider.mint();
    provider.rotate();
    provider.keep(1);
    let challenge = invalid_token("The token cannot be verified");
    let refused = send(&app, get("/").bearer(&withdrawn)).await;
    refused.is_refused(401, Some(&challenge), Reason::UnknownKey);
    provider.answer(Answer::WhenOpened);
    provider.rotate();
    let waits = tokio::spawn({
        let (app, token) = (app.clone(), provider.mint());
        async move { send(&app, get("/").bearer(token)).await }
    });
    while provider.fetches() < 2 {
        yield_now().await;
    }

    let refused = send(&app, get("/").bearer(&withdrawn)).await;
    refused.is_refused(401, Some(&challenge), Reason::UnknownKey);
    provider.rotate();
    let answer = send(&app, get("/").bearer(provider.mint())).await;
    answer.is_refused(503, None, Reason::KeysUnavailable);

    provider.open();
    waits.await.unwrap().is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn withdrawn_key_is_unknown_although_no_other_request_may_wait() {
    let provider = Scripted::new();
    let app = app(cached(&provider).with_max_waiting(1));
    let withdrawn = provider.mint();
    send(&app, get("/").bearer(&withdrawn)).await.is_ok("alice");
    provider.rotate();
    provider.keep(1);
    // No request has asked for the old one since.
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    provider.answer(Answer::WhenOpened);
    provider.rotate();
    let waits = tokio::spawn({
        let (app, token) = (app.clone(), provider.mint());
        async move { send(&app, get("/").bearer(token)).await }
    });
    while provider.fetches() < 3 {
        yield_now().await;
    }

    let refused = send(&app, get("/").bearer(&withdrawn)).await;
    let challenge = invalid_token("The token cannot be verified");
    refused.is_refused(401, Some(&challenge), Reason::UnknownKey);
    provider.rotate();
    let answer = send(&app, get("/").bearer(provider.mint())).await;
    answer.is_refused(503, None, Reason::KeysUnavailable);

    provider.open();
    waits.await.unwrap().is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn client_that_hangs_up_cancels_no_fetch() {
    let provider = Scripted::new();
    provider.answer(Answer::WhenOpened);
    let keys = Arc::new(cached(&provider));
    let app = app(Arc::clone(&keys));
    let request = |app: &axum::Router, token: String| {
        let app = app.clone();
        tokio::spawn(async move { send(&app, get("/").bearer(token)).await })
    };
    let hangs_up = request(&app, provider.mint());
    let stays = request(&app, provider.mint());
    while provider.fetches() < 1 {
        yield_now().await;
    }

    hangs_up.abort();
    provider.open();

    stays.await.unwrap().is_ok("alice");
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn fetch_that_everybody_has_given_up_on_ends_all_the_same() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_secs(3));
    let keys = Arc::new(cached(&provider));
    let app = app(Arc::clone(&keys));
    let token = provider.mint();
    let only = tokio::spawn({
        let (app, token) = (app.clone(), token.clone());
        async move { send(&app, get("/").bearer(token)).await }
    });
    sleep(Duration::from_secs(1)).await;

    only.abort();
    sleep(Duration::from_secs(3)).await;

    assert!(keys.status().is_ready());
    send(&app, get("/").bearer(token)).await.is_ok("alice");
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn token_of_a_key_younger_than_the_fetch_in_flight_is_accepted() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_secs(1));
    let app = app(cached(&provider));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    provider.rotate();
    let second = tokio::spawn({
        let (app, token) = (app.clone(), provider.mint());
        async move { send(&app, get("/").bearer(token)).await }
    });
    sleep(Duration::from_millis(500)).await;

    provider.rotate();
    let third = send(&app, get("/").bearer(provider.mint())).await;

    third.is_ok("alice");
    second.await.unwrap().is_ok("alice");
    assert_eq!(provider.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn token_of_the_key_that_the_fetch_in_flight_brings_needs_no_other() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_secs(1));
    let app = app(cached(&provider));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    provider.rotate();
    let token = provider.mint();
    let first = tokio::spawn({
        let (app, token) = (app.clone(), token.clone());
        async move { send(&app, get("/").bearer(token)).await }
    });
    sleep(Duration::from_millis(500)).await;

    send(&app, get("/").bearer(&token)).await.is_ok("alice");

    first.await.unwrap().is_ok("alice");
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn request_that_began_before_a_fetch_waits_for_no_other_fetch() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_secs(1));
    let verifier = verifier_of(cached(&provider));
    verifier.verify(&provider.mint()).await.unwrap();
    let strange = |name: &str| token().sign(&TestKey::generate(Algorithm::ES256).with_key_id(name));
    let (first, second) = (strange("first"), strange("second"));
    let fetching = tokio::spawn({
        let (verifier, first) = (verifier.clone(), first.clone());
        async move { verifier.verify(&first).await }
    });
    sleep(Duration::from_millis(500)).await;
    // It is not looked after until the next fetch is under way.
    let mut waiting = Box::pin(verifier.verify(&second));
    assert!((&mut waiting).now_or_never().is_none());
    fetching.await.unwrap().unwrap_err();
    let next = tokio::spawn({
        let verifier = verifier.clone();
        async move { verifier.verify(&first).await }
    });
    sleep(Duration::from_millis(500)).await;
    assert_eq!(provider.fetches(), 3);

    let error = waiting.await.unwrap_err();

    assert_eq!((error.reason(), provider.fetches()), (Reason::UnknownKey, 3));
    next.await.unwrap().unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn client_is_told_to_come_again_when_the_next_fetch_is_due() {
    let provider = Scripted::new();
    provider.answer(Answer::Failure("no route"));
    let pause = Duration::from_secs(20);
    let app = app(cached(&provider).with_backoff(pause..=pause));

    let answer = send(&app, get("/").bearer(provider.mint())).await;

    answer.is_refused(503, None, Reason::KeysUnavailable);
    // Half of the pause is left to chance.
    let after: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((10..=20).contains(&after), "{after}");
}
