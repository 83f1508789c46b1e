//! Tests the log of key sources: outages, once a minute, and their end.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use futures::future::join_all;
use tokio::time::sleep;
use tower_bearer::jose::Header;
use tower_bearer::keys::{CachedKeys, KeySource, KeysUnavailable, Lookup};
use tower_bearer::test_util::{Fault, TestProvider};
use tower_bearer::{BearerLayer, Reason, RemoteKeys, Validation, Verifier};
use tracing::Level;

use crate::support::jumping_clock::{leap, leaping};
use crate::support::log::Log;
use crate::support::scripted::{Answer, Scripted, app, cached, own_budget};
use crate::support::{AUDIENCE, User, WithBearer, get, good, send, verifier_of};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The events that operators would see.
fn loud(log: &Log) -> Vec<(Level, String)> {
    log.events().into_iter().filter(|(level, _)| *level <= Level::INFO).collect()
}

#[track_caller]
fn is(event: &(Level, String), level: Level, words: &[&str]) {
    assert_eq!(event.0, level, "{event:?}");
    for word in words {
        assert!(event.1.contains(word), "{word} is not in {event:?}");
    }
}

async fn warm(provider: &Scripted) -> Arc<CachedKeys<Scripted>> {
    let keys = Arc::new(cached(provider));
    keys.await_ready(MINUTE).await.unwrap();
    keys
}

#[tokio::test(start_paused = true)]
async fn good_fetches_are_quiet() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let _keys = warm(&provider).await;

    sleep(HOUR).await;

    assert!(provider.fetches() > 5);
    assert_eq!(loud(&log), []);
    is(&log.events()[0], Level::DEBUG, &["keys fetched", "the script", "keys=1"]);
}

#[tokio::test(start_paused = true)]
async fn same_failure_is_a_warning_once_a_minute_while_keys_can_be_used() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let _keys = warm(&provider).await;
    provider.answer(Answer::Failure("no route"));

    sleep(9 * MINUTE).await;
    let (events, before) = (loud(&log), provider.fetches());
    is(&events[0], Level::WARN, &["no route", "the script", "stay in use", "fresh"]);

    sleep(HOUR).await;
    let events = loud(&log).split_off(events.len());
    assert!(events.iter().all(|(level, _)| *level == Level::WARN), "{events:?}");
    assert!((25..=60).contains(&events.len()), "{} events", events.len());
    assert!(provider.fetches() - before > events.len());
}

#[tokio::test(start_paused = true)]
async fn another_failure_is_a_warning_of_its_own() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let _keys = warm(&provider).await;
    provider.answer(Answer::Failure("no route"));
    while loud(&log).is_empty() {
        sleep(SECOND).await;
    }

    provider.answer(Answer::Failure("no answer"));
    sleep(3 * SECOND).await;

    let events = loud(&log);
    assert_eq!(events.len(), 2, "{events:?}");
    is(&events[1], Level::WARN, &["no answer"]);
}

#[tokio::test(start_paused = true)]
async fn failure_is_an_error_when_there_are_no_keys() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    provider.answer(Answer::Failure("no route"));

    cached(&provider).await_ready(10 * SECOND).await.unwrap_err();

    let events = loud(&log);
    assert_eq!(events.len(), 1, "{events:?}");
    is(&events[0], Level::ERROR, &["no route", "503", "missing"]);
}

#[tokio::test(start_paused = true)]
async fn failure_is_an_error_as_soon_as_the_keys_can_be_used_no_more() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let keys = cached(&provider).with_stale_if_error(MINUTE).with_backoff(SECOND..=SECOND);
    keys.await_ready(MINUTE).await.unwrap();
    provider.answer(Answer::Failure("no route"));

    sleep(11 * MINUTE - 2 * SECOND).await;
    let before = loud(&log);
    assert!(!before.is_empty() && before.iter().all(|(level, _)| *level == Level::WARN));

    sleep(4 * SECOND).await;
    let events = loud(&log).split_off(before.len());
    let error = events.iter().find(|(level, _)| *level == Level::ERROR);
    is(error.expect("one is there"), Level::ERROR, &["no route", "503", "expired"]);
}

#[tokio::test(start_paused = true)]
async fn end_of_an_outage_is_told_once() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let _keys = warm(&provider).await;
    provider.answer(Answer::Failure("no route"));
    sleep(11 * MINUTE).await;
    let before = loud(&log).len();

    provider.answer(Answer::Keys);
    sleep(HOUR).await;

    let events = loud(&log).split_off(before);
    assert_eq!(events.len(), 1, "{events:?}");
    is(&events[0], Level::INFO, &["can be fetched again", "the script", "keys=1"]);
}

#[test]
fn fetch_that_a_runtime_has_cut_off_is_no_outage() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    provider.answer(Answer::WhenOpened);
    let keys = cached(&provider);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime().block_on(keys.await_ready(SECOND / 100)).unwrap_err();

    provider.answer(Answer::Keys);
    runtime().block_on(keys.await_ready(MINUTE)).unwrap();

    assert_eq!(provider.fetches(), 2);
    assert_eq!(loud(&log), []);
}

#[tokio::test(start_paused = true)]
async fn strangers_key_is_a_quiet_event() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let verifier = verifier_of(warm(&provider).await);
    let other = Scripted::new();
    other.rotate();

    verifier.verify(&other.mint()).await.unwrap_err();

    assert_eq!(provider.fetches(), 2);
    assert_eq!(loud(&log), []);
}

#[tokio::test]
async fn no_event_about_keys_holds_a_token_or_a_secret() {
    // RFC 6750 §5.2: tokens are not logged
    let (log, _guard) = Log::of_this_thread();
    let mut tokens = Vec::new();
    for fault in [
        Fault::Down,
        Fault::Hang,
        Fault::Status(500),
        Fault::Html,
        Fault::EmptySet,
        Fault::Huge,
        Fault::Truncated,
        Fault::Redirect,
        Fault::WrongIssuer,
        Fault::OddKeys,
    ] {
        let provider = TestProvider::start().await;
        let keys = RemoteKeys::discover(provider.issuer()).unwrap();
        let validation = Validation::new(provider.issuer(), AUDIENCE);
        let keys = keys.with_shared_budget(own_budget());
        let verifier = Verifier::<User>::new(keys, validation).unwrap();
        verifier.verify(&provider.mint(AUDIENCE)).await.unwrap();
        provider.set_fault(fault);
        provider.rotate();
        // So that the metadata is read again.
        leap(11 * MINUTE).await;
        let token = provider.mint(AUDIENCE);

        _ = leaping(SECOND, verifier.verify(&token)).await;

        tokens.push(token);
    }

    let events = log.events();
    let level = |wanted| events.iter().filter(|(level, _)| *level == wanted).count();
    assert!(level(Level::WARN) >= 9 && level(Level::ERROR) >= 1, "{events:?}");
    // The parts of the tokens without the header, which is the same for all; and the beginnings of
    // the secret and of the private key among the odd keys.
    let parts = tokens.iter().flat_map(|token| token.split('.').skip(1));
    for (_, text) in &events {
        for secret in parts.clone().chain(["YSBzZWNyZXQ", "a secret that", "870MB6gf"]) {
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn requests_without_keys_are_as_quiet_as_strangers_and_the_source_is_not() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    provider.answer(Answer::Failure("no route"));
    let app = Router::new()
        .route("/", on_get(|| async {}))
        .layer(BearerLayer::new(verifier_of(cached(&provider))));

    for _ in 0..100 {
        let answer = send(&app, get("/").bearer(good())).await;
        answer.is_refused(503, None, Reason::KeysUnavailable);
    }

    let loud = loud(&log);
    assert_eq!(loud.len(), 1, "{loud:?}");
    is(&loud[0], Level::ERROR, &["no route", "the script", "503"]);
    let quiet = log.about("keys_unavailable");
    assert!(quiet.len() == 100 && quiet.iter().all(|(level, _)| *level == Level::DEBUG));
}

#[tokio::test(start_paused = true)]
async fn budget_that_strangers_have_spent_is_a_warning_once_a_minute() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let verifier = verifier_of(cached(&provider).with_fetch_budget(1, HOUR));
    verifier.verify(&provider.mint()).await.unwrap();
    let other = Scripted::new();
    let strange = || {
        other.rotate();
        other.mint()
    };
    verifier.verify(&strange()).await.unwrap_err();
    assert_eq!(loud(&log), []);

    for minute in 1..=2 {
        for _ in 0..100 {
            let error = verifier.verify(&strange()).await.unwrap_err();
            assert_eq!(error.reason(), Reason::KeysUnavailable);
        }
        let loud = loud(&log);
        assert_eq!(loud.len(), minute, "{loud:?}");
        is(&loud[minute - 1], Level::WARN, &["unknown keys", "the script", "503"]);
        sleep(MINUTE).await;
    }

    is(&loud(&log)[1], Level::WARN, &["suppressed=99"]);
    verifier.verify(&provider.mint()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn keys_that_do_not_come_in_time_are_a_warning_once_a_minute() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let app = app(warm(&provider).await);
    provider.set_latency(6 * SECOND);
    let new = provider.mint();
    send(&app, get("/").bearer(&new)).await.is_ok("alice");
    provider.rotate();

    let requests = (0..10).map(|_| send(&app, get("/").bearer(provider.mint())));
    for answer in join_all(requests).await {
        answer.is_refused(503, None, Reason::KeysUnavailable);
    }

    let loud = loud(&log);
    assert_eq!(loud.len(), 1, "{loud:?}");
    is(&loud[0], Level::WARN, &["did not come in time"]);
}

#[tokio::test(start_paused = true)]
async fn more_requests_than_may_wait_are_a_warning_once_a_minute() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let app = app(cached(&provider).with_max_waiting(1));
    provider.set_latency(SECOND);

    let requests = (0..10).map(|_| send(&app, get("/").bearer(provider.mint())));
    let (accepted, refused) =
        join_all(requests).await.into_iter().partition::<Vec<_>, _>(|a| a.status == 200);
    assert_eq!(accepted.len(), 1);
    for answer in refused {
        answer.is_refused(503, None, Reason::KeysUnavailable);
    }

    let loud = loud(&log);
    assert_eq!(loud.len(), 1, "{loud:?}");
    is(&loud[0], Level::WARN, &["too many requests wait"]);
}

#[tokio::test]
async fn requests_without_keys_of_a_source_that_reports_nothing_are_warnings() {
    struct Away;

    impl KeySource for Away {
        fn lookup(&self, _: &Header) -> Lookup {
            Lookup::Refresh
        }

        async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
            Err(KeysUnavailable::new("no route"))
        }
    }
    let (log, _guard) = Log::of_this_thread();
    let app =
        Router::new().route("/", on_get(|| async {})).layer(BearerLayer::new(verifier_of(Away)));

    let answer = send(&app, get("/").bearer(good())).await;

    answer.is_refused(503, None, Reason::KeysUnavailable);
    is(&loud(&log)[0], Level::WARN, &["no route", "keys_unavailable"]);
}
