//! What unknown keys cost, and whom.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, advance};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, FetchBudget, Reason};

use crate::scripted::{Answer, Scripted, app, cached, own_budget};
use crate::support::{WithBearer, get, invalid_token, send, token, verifier_of};

const HOUR: Duration = Duration::from_secs(3600);

/// A token of a key that is published nowhere.
fn strange(key_id: &str) -> String {
    token().sign(&TestKey::generate(Algorithm::ES256).with_key_id(key_id))
}

#[tokio::test(start_paused = true)]
async fn known_key_with_a_bad_signature_causes_no_fetch() {
    let provider = Scripted::new();
    let app = app(cached(&provider));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");

    for _ in 0..10 {
        let answer = send(&app, get("/").bearer(strange("key-1"))).await;
        let challenge = invalid_token("The token cannot be verified");
        answer.is_refused(401, Some(&challenge), Reason::InvalidSignature);
    }

    assert_eq!(provider.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn unknown_key_causes_a_fetch_each_time_while_there_is_budget() {
    let provider = Scripted::new();
    let app = app(cached(&provider));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");

    for fetches in 2..=4 {
        let answer = send(&app, get("/").bearer(strange("stranger"))).await;
        let challenge = invalid_token("The token cannot be verified");
        answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
        assert_eq!(provider.fetches(), fetches);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_when_the_budget_is_spent() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_secs(1));
    let app = app(cached(&provider).with_fetch_budget(1, HOUR));
    let good = provider.mint();
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    send(&app, get("/").bearer(strange("first"))).await;
    let before = Instant::now();

    let answer = send(&app, get("/").bearer(strange("second"))).await;

    let challenge = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    assert_eq!((before.elapsed(), provider.fetches()), (Duration::ZERO, 2));
}

#[tokio::test(start_paused = true)]
async fn nobody_is_refused_for_a_failed_fetch_when_the_budget_is_spent() {
    let provider = Scripted::new();
    let keys = cached(&provider).with_fetch_budget(1, HOUR).with_retries_between(HOUR..=HOUR);
    let app = app(keys);
    let good = provider.mint();
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    provider.set_latency(Duration::from_secs(1));
    provider.answer(Answer::Failure("no route"));
    send(&app, get("/").bearer(strange("first"))).await;
    let before = Instant::now();

    let answer = send(&app, get("/").bearer(strange("second"))).await;

    answer.is_refused(503, None, Reason::KeysUnavailable);
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    assert_eq!((before.elapsed(), provider.fetches()), (Duration::ZERO, 2));
}

#[tokio::test(start_paused = true)]
async fn budget_that_was_spent_grows_again() {
    let provider = Scripted::new();
    let app = app(cached(&provider));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    for _ in 0..3 {
        send(&app, get("/").bearer(strange("stranger"))).await;
    }
    provider.rotate();
    let new = provider.mint();

    advance(Duration::from_secs(9)).await;
    assert_eq!(send(&app, get("/").bearer(&new)).await.status, 401);

    advance(Duration::from_secs(1)).await;
    send(&app, get("/").bearer(&new)).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn shared_budget_bounds_all_sources_together() {
    let providers = [(); 5].map(|()| Scripted::new());
    let budget = FetchBudget::new(4, HOUR);
    let apps = providers.each_ref().map(|p| app(cached(p).with_shared_budget(budget.clone())));

    strangers_everywhere(&providers, &apps).await;

    let fetches: usize = providers.iter().map(Scripted::fetches).sum();
    assert_eq!(fetches, 5 + 4);
}

#[tokio::test(start_paused = true)]
async fn sources_with_budgets_of_their_own_bound_themselves_only() {
    let providers = [(); 5].map(|()| Scripted::new());
    let apps = providers.each_ref().map(|p| app(cached(p).with_shared_budget(own_budget())));

    strangers_everywhere(&providers, &apps).await;

    for provider in providers {
        assert_eq!(provider.fetches(), 1 + 3);
    }
}

async fn strangers_everywhere(providers: &[Scripted; 5], apps: &[axum::Router; 5]) {
    for (provider, app) in providers.iter().zip(apps) {
        send(app, get("/").bearer(provider.mint())).await.is_ok("alice");
    }
    for _ in 0..4 {
        for app in apps {
            assert_eq!(send(app, get("/").bearer(strange("stranger"))).await.status, 401);
        }
    }
    for (provider, app) in providers.iter().zip(apps) {
        send(app, get("/").bearer(provider.mint())).await.is_ok("alice");
    }
}

#[tokio::test(start_paused = true)]
async fn many_requests_share_one_fetch() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_secs(1));
    let verifier = verifier_of(Arc::new(cached(&provider)));
    let all_at_once = async || {
        let token = provider.mint();
        let accepted = join_all((0..100).map(|_| verifier.verify(&token))).await;
        assert!(accepted.iter().all(Result::is_ok));
    };

    all_at_once().await;
    assert_eq!(provider.fetches(), 1);

    provider.rotate();
    all_at_once().await;
    assert_eq!(provider.fetches(), 2);
}
