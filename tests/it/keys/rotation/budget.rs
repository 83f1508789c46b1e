//! Tests the cost of unknown keys, and which requests pay it.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, advance, sleep};
use tower_bearer::keys::FetchBudget;
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, Reason};

use crate::support::scripted::{Answer as Does, Scripted, app, cached, own_budget};
use crate::support::{Answer, WithBearer, get, invalid_token, send, token, verifier_of};

const HOUR: Duration = Duration::from_secs(3600);

/// A token of a key that is published nowhere.
fn strange(key_id: &str) -> String {
    token().sign(&TestKey::generate(Algorithm::ES256).with_key_id(key_id))
}

/// Checks the refusal of a token whose key was not looked for.
#[track_caller]
fn is_not_looked_for(answer: &Answer, retry_after: &str) {
    answer.is_refused(503, None, Reason::KeysUnavailable);
    assert_eq!(answer.headers["retry-after"], retry_after);
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
async fn no_request_waits_when_the_budget_is_spent_and_a_key_not_looked_for_is_not_unknown() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_secs(1));
    let app = app(cached(&provider).with_fetch_budget(1, HOUR));
    let good = provider.mint();
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    send(&app, get("/").bearer(strange("first"))).await;
    let before = Instant::now();

    let answer = send(&app, get("/").bearer(strange("second"))).await;

    is_not_looked_for(&answer, "60");
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    assert_eq!((before.elapsed(), provider.fetches()), (Duration::ZERO, 2));
}

#[tokio::test(start_paused = true)]
async fn key_that_was_looked_for_is_unknown_for_a_minute_when_the_budget_is_spent() {
    let provider = Scripted::new();
    let app = app(cached(&provider).with_fetch_budget(1, HOUR).with_default_freshness(HOUR));
    let withdrawn = provider.mint();
    provider.rotate();
    provider.keep(1);
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");

    for _ in 0..3 {
        let answer = send(&app, get("/").bearer(&withdrawn)).await;
        let challenge = invalid_token("The token cannot be verified");
        answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
        is_not_looked_for(&send(&app, get("/").bearer(strange("other"))).await, "60");
        advance(Duration::from_secs(19)).await;
    }

    advance(Duration::from_secs(4)).await;
    is_not_looked_for(&send(&app, get("/").bearer(&withdrawn)).await, "60");
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_withdrawn_at_once_make_every_client_ask_for_a_new_token() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_millis(200));
    let verifier = verifier_of(Arc::new(cached(&provider)));
    let old = provider.mint();
    verifier.verify(&old).await.unwrap();
    provider.rotate();
    provider.keep(1);
    // The first request finds out that it is gone.
    verifier.verify(&provider.mint()).await.unwrap();
    let before = provider.fetches();

    // Ten seconds of ten requests each tenth of a second, far more than there is budget for.
    for _ in 0..100 {
        let refused = join_all((0..10).map(|_| verifier.verify(&old))).await;
        for refused in refused {
            assert_eq!(refused.unwrap_err().reason(), Reason::UnknownKey);
        }
        advance(Duration::from_millis(100)).await;
    }

    assert!(provider.fetches() - before <= 4, "{}", provider.fetches());
    verifier.verify(&provider.mint()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn withdrawn_key_is_unknown_without_any_budget_until_it_is_published_again() {
    let provider = Scripted::new();
    let app = app(cached(&provider).with_fetch_budget(0, HOUR));
    let (old, withdrawn) = (provider.key(), provider.mint());
    send(&app, get("/").bearer(&withdrawn)).await.is_ok("alice");
    provider.rotate();
    provider.keep(1);

    for _ in 0..3 {
        sleep(HOUR).await;
        let answer = send(&app, get("/").bearer(&withdrawn)).await;
        let challenge = invalid_token("The token cannot be verified");
        answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
        send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
        is_not_looked_for(&send(&app, get("/").bearer(strange("other"))).await, "60");
    }

    provider.publish_only(old);
    sleep(HOUR).await;
    send(&app, get("/").bearer(&withdrawn)).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn withdrawn_key_is_not_called_unknown_while_the_keys_cannot_be_looked_at() {
    let provider = Scripted::new();
    let keys = cached(&provider).with_fetch_budget(1, HOUR).with_backoff(HOUR..=HOUR);
    let app = app(keys);
    let withdrawn = provider.mint();
    send(&app, get("/").bearer(&withdrawn)).await.is_ok("alice");
    provider.rotate();
    provider.keep(1);
    sleep(Duration::from_secs(600)).await;
    provider.answer(Does::Failure("no route"));
    send(&app, get("/").bearer(strange("stranger"))).await;

    let answer = send(&app, get("/").bearer(&withdrawn)).await;

    answer.is_refused(503, None, Reason::KeysUnavailable);
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn no_request_is_refused_for_a_failed_fetch_when_the_budget_is_spent() {
    let provider = Scripted::new();
    let keys = cached(&provider).with_fetch_budget(1, HOUR).with_backoff(HOUR..=HOUR);
    let app = app(keys);
    let good = provider.mint();
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    provider.set_latency(Duration::from_secs(1));
    provider.answer(Does::Failure("no route"));
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
    is_not_looked_for(&send(&app, get("/").bearer(&new)).await, "1");

    advance(Duration::from_secs(1)).await;
    send(&app, get("/").bearer(&new)).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn shared_budget_bounds_all_sources_together() {
    let providers = [(); 5].map(|()| Scripted::new());
    let budget = FetchBudget::new(4, HOUR);
    let apps = providers.each_ref().map(|p| app(cached(p).with_shared_budget(budget.clone())));

    strangers_everywhere(&providers, &apps).await;

    // The first ones; the shared budget, three of it by those that come first; and one for each of
    // the others.
    let fetches: Vec<usize> = providers.iter().map(Scripted::fetches).collect();
    assert_eq!(fetches.iter().sum::<usize>(), 5 + 4 + 1, "{fetches:?}");
}

#[tokio::test(start_paused = true)]
async fn strangers_at_other_issuers_keep_no_new_key_out() {
    let providers: Vec<Scripted> = (0..50).map(|_| Scripted::new()).collect();
    let budget = FetchBudget::new(60, Duration::from_secs(1));
    let apps: Vec<_> =
        providers.iter().map(|p| app(cached(p).with_shared_budget(budget.clone()))).collect();
    for (provider, app) in providers.iter().zip(&apps) {
        send(app, get("/").bearer(provider.mint())).await.is_ok("alice");
    }
    let (quiet, quiet_app) = (&providers[0], &apps[0]);

    // A minute of five strangers' tokens a second, each for another issuer but the first.
    for second in 0..60 {
        for stranger in 0..5 {
            let app = &apps[1 + (5 * second + stranger) % 49];
            let answer = send(app, get("/").bearer(strange(&format!("{second}-{stranger}")))).await;
            assert!(matches!(answer.status.as_u16(), 401 | 503), "{answer:?}");
            advance(Duration::from_millis(200)).await;
        }
        if second % 15 == 14 {
            quiet.rotate();
            send(quiet_app, get("/").bearer(quiet.mint())).await.is_ok("alice");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn others_can_keep_a_key_out_for_ten_seconds_at_the_most_and_it_is_never_called_unknown() {
    let provider = Scripted::new();
    let app = app(cached(&provider).with_shared_budget(FetchBudget::new(1, HOUR)));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    // Strangers have caused this one fetch, and nothing is left.
    send(&app, get("/").bearer(strange("stranger"))).await;
    provider.rotate();
    let new = provider.mint();

    for second in 0..10 {
        let answer = send(&app, get("/").bearer(&new)).await;
        is_not_looked_for(&answer, &(10 - second).to_string());
        advance(Duration::from_secs(1)).await;
    }

    send(&app, get("/").bearer(&new)).await.is_ok("alice");
    assert_eq!(provider.fetches(), 3);
}

#[tokio::test(start_paused = true)]
async fn shared_budget_of_none_is_heeded_for_ever() {
    let provider = Scripted::new();
    let keys = cached(&provider).with_shared_budget(FetchBudget::new(0, Duration::from_secs(1)));
    let app = app(keys.with_default_freshness(HOUR));
    let good = provider.mint();
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    provider.rotate();

    for _ in 0..3 {
        advance(Duration::from_secs(100)).await;
        let answer = send(&app, get("/").bearer(provider.mint())).await;
        answer.is_refused(503, None, Reason::KeysUnavailable);
        send(&app, get("/").bearer(&good)).await.is_ok("alice");
    }

    assert_eq!(provider.fetches(), 1);
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
            // Keys that were looked for are unknown, and the others may not be.
            let status = send(app, get("/").bearer(strange("stranger"))).await.status;
            assert!(matches!(status.as_u16(), 401 | 503), "{status}");
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
