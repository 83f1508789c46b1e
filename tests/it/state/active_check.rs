//! Tests the active check, on valid tokens of subjects that may be inactive: which calls it makes,
//! when, and how a request without an answer is refused.

use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::routing::get as on_get;
use futures::executor::block_on;
use futures::future::join_all;
use http::{Request, Response};
use proptest::prelude::*;
use tokio::sync::Semaphore;
use tokio::time::{Instant, advance, sleep};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_bearer::active_check::{ActiveCheck, ActiveVerdict, CheckActive};
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::{Algorithm, BearerLayer, Issuers, Principal, Reason, Verifier};
use tracing::Level;

use crate::support::log::Log;
use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, PLAIN, User, WithBearer, get, good, invalid_token, key, send,
    token, validation, verifier, verifier_of,
};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A database with a behaviour that records its calls. Clones share it.
#[derive(Clone)]
struct Database {
    state: Arc<Mutex<State>>,
    gate: Arc<Semaphore>,
}

#[derive(Clone, Copy, Debug)]
enum Mood {
    /// Every subject is active, or none is.
    Says(bool),
    SaysAfter(Duration, bool),
    /// Answers "active" once it has been opened.
    WhenOpened,
    Fails,
    Hangs,
    Panics,
    PanicsAtOnce,
}

struct State {
    mood: Mood,
    asked: Vec<(String, Option<String>)>,
}

impl Database {
    fn new(mood: Mood) -> Self {
        let state = Arc::new(Mutex::new(State { mood, asked: Vec::new() }));
        Self { state, gate: Arc::new(Semaphore::new(0)) }
    }

    fn mood(&self, mood: Mood) {
        self.state.lock().unwrap().mood = mood;
    }

    fn calls(&self) -> usize {
        self.state.lock().unwrap().asked.len()
    }

    fn open(&self) {
        self.gate.add_permits(1000);
    }
}

impl CheckActive for Database {
    fn check(
        &self,
        principal: &Principal,
    ) -> impl Future<Output = Result<ActiveVerdict, Box<dyn Error + Send + Sync>>> + Send {
        let mood = {
            let mut state = self.state.lock().unwrap();
            let subject = principal.subject().map(str::to_owned);
            state.asked.push((principal.issuer().to_owned(), subject));
            state.mood
        };
        assert!(!matches!(mood, Mood::PanicsAtOnce), "as the test wants it");
        async move {
            match mood {
                Mood::Says(is_active) => Ok(is_active.into()),
                Mood::SaysAfter(time, is_active) => {
                    sleep(time).await;
                    Ok(is_active.into())
                }
                Mood::WhenOpened => {
                    self.gate.acquire().await?.forget();
                    Ok(ActiveVerdict::Active)
                }
                Mood::Fails => Err(io::Error::other("no route").into()),
                Mood::Hangs => std::future::pending().await,
                Mood::Panics | Mood::PanicsAtOnce => panic!("as the test wants it"),
            }
        }
    }
}

fn app_of(verifier: Verifier<User>) -> Router {
    Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier))
}

fn app(check: &ActiveCheck) -> Router {
    app_of(verifier().with_active_check(check.clone()))
}

fn asks(database: &Database) -> ActiveCheck {
    ActiveCheck::new(database.clone())
}

async fn ask(app: &Router) -> Answer {
    send(app, get("/").bearer(good())).await
}

#[track_caller]
fn is_inactive(answer: &Answer) {
    let challenge = invalid_token("The token is not active any more");
    answer.is_refused(401, Some(&challenge), Reason::Inactive);
}

#[track_caller]
fn is_unknown(answer: &Answer) {
    answer.is_refused(503, None, Reason::ActiveCheckFailed);
    assert_eq!(answer.headers["retry-after"], "5");
}

#[tokio::test]
async fn active_subject_is_accepted_and_inactive_one_is_refused() {
    let database = Database::new(Mood::Says(true));
    let app = app(&asks(&database));
    ask(&app).await.is_ok("in");

    database.mood(Mood::Says(false));

    is_inactive(&ask(&app).await);
    database.mood(Mood::Says(true));
    ask(&app).await.is_ok("in");
    // Answers are not cached unless a time is set.
    assert_eq!(database.calls(), 3);
}

#[tokio::test]
async fn check_that_fails_or_panics_is_503_and_nothing_is_broken_afterwards() {
    for with_cache_ttl in [Duration::ZERO, SECOND] {
        let database = Database::new(Mood::Fails);
        let app = app(&asks(&database).with_cache_ttl(with_cache_ttl));
        for mood in [Mood::Fails, Mood::Panics, Mood::PanicsAtOnce, Mood::Fails] {
            database.mood(mood);
            is_unknown(&ask(&app).await);
        }
        assert_eq!(database.calls(), 4, "a failure is no answer to remember");

        database.mood(Mood::Says(true));

        ask(&app).await.is_ok("in");
    }
}

#[tokio::test(start_paused = true)]
async fn check_is_waited_for_so_long_and_no_longer() {
    for with_cache_ttl in [Duration::ZERO, SECOND] {
        for (timeout, check) in [(SECOND, None), (3 * SECOND, Some(3 * SECOND))] {
            let database = Database::new(Mood::Hangs);
            let settings = asks(&database).with_cache_ttl(with_cache_ttl);
            let app = app(&match check {
                Some(timeout) => settings.with_timeout(timeout),
                None => settings,
            });

            let began = Instant::now();
            is_unknown(&ask(&app).await);
            let waited = began.elapsed();

            assert!((timeout..timeout + 2 * MILLISECOND).contains(&waited), "{waited:?}");
            database.mood(Mood::SaysAfter(timeout + 5 * MILLISECOND, true));
            is_unknown(&ask(&app).await);
            database.mood(Mood::SaysAfter(timeout - 5 * MILLISECOND, true));
            ask(&app).await.is_ok("in");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn answers_are_remembered_for_exactly_the_time() {
    for (is_active, settings, time) in [
        (true, None, 10 * SECOND),
        (false, None, 10 * SECOND),
        (true, Some(2 * SECOND), 10 * SECOND),
        (false, Some(2 * SECOND), 2 * SECOND),
        (true, Some(60 * SECOND), 10 * SECOND),
    ] {
        let database = Database::new(Mood::SaysAfter(10 * MILLISECOND, is_active));
        let check = asks(&database).with_cache_ttl(10 * SECOND);
        let app = app(&match settings {
            Some(time) => check.with_inactive_cache_ttl(time),
            None => check,
        });
        let is = |answer: &Answer, is_active| {
            if is_active { _ = answer.is_ok("in") } else { is_inactive(answer) }
        };
        let began = Instant::now();
        is(&ask(&app).await, is_active);
        database.mood(Mood::Says(!is_active));

        // Counted from the question and not from the answer.
        advance(time - began.elapsed() - MILLISECOND).await;
        is(&ask(&app).await, is_active);
        assert_eq!(database.calls(), 1);
        advance(MILLISECOND).await;
        is(&ask(&app).await, !is_active);

        assert_eq!(database.calls(), 2);
    }
}

#[tokio::test]
async fn bad_and_revoked_tokens_cause_no_call() {
    let database = Database::new(Mood::Says(true));
    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    view.revoke(Revocation::token(ISSUER, "t1", UNIX_EPOCH + Duration::from_secs(NOW + 900)));
    let verifier = verifier().with_revocations(view).with_active_check(asks(&database));
    let app = app_of(verifier);
    let token = || token().claim("jti", "t2");
    let other_key = TestKey::generate(Algorithm::HS256);

    let answer = send(&app, get("/").bearer(token().claim("jti", "t1").sign(&key()))).await;
    answer.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
    send(&app, get("/")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    for bad in [
        "x".to_owned(),
        token().sign(&other_key),
        token().claim("exp", 1).sign(&key()),
        token().claim("aud", "x").sign(&key()),
        token().without("jti").sign(&key()),
        token().claim("email", 7).sign(&key()),
    ] {
        assert_ne!(send(&app, get("/").bearer(bad)).await.status, 200);
    }
    assert_eq!(database.calls(), 0);

    send(&app, get("/").bearer(token().sign(&key()))).await.is_ok("in");
    assert_eq!(database.calls(), 1);
}

#[tokio::test]
async fn hundred_requests_of_one_subject_share_one_call() {
    for mood in [Mood::WhenOpened, Mood::Fails] {
        let database = Database::new(mood);
        let app = app(&asks(&database).with_cache_ttl(SECOND));

        let all = join_all((0..100).map(|_| ask(&app)));
        let (answers, ()) = tokio::join!(all, async {
            tokio::task::yield_now().await;
            database.open();
        });

        for answer in &answers {
            match mood {
                Mood::Fails => is_unknown(answer),
                _ => _ = answer.is_ok("in"),
            }
        }
        assert_eq!(database.calls(), 1, "{mood:?}");
    }
}

#[tokio::test]
async fn requests_share_no_call_where_each_is_to_be_asked_about() {
    let database = Database::new(Mood::WhenOpened);
    database.open();
    for check in [asks(&database), asks(&database).with_last_answer_for(SECOND).unwrap()] {
        let (app, before) = (app(&check), database.calls());

        for answer in join_all((0..10).map(|_| ask(&app))).await {
            answer.is_ok("in");
        }

        assert_eq!(database.calls() - before, 10);
    }
}

#[tokio::test]
async fn request_that_goes_away_takes_the_answer_of_the_others_not_with_it() {
    let database = Database::new(Mood::WhenOpened);
    let app = app(&asks(&database).with_cache_ttl(SECOND));
    let spawn = || {
        let app = app.clone();
        tokio::spawn(async move { ask(&app).await })
    };
    let (first, second) = (spawn(), spawn());
    while database.calls() == 0 {
        tokio::task::yield_now().await;
    }

    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    database.open();

    second.await.unwrap().is_ok("in");
    assert_eq!(database.calls(), 1);
}

#[tokio::test]
async fn unshared_call_of_a_request_that_goes_away_is_dropped() {
    struct Dropped(Arc<AtomicUsize>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let (begun, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let check = ActiveCheck::new({
        let (begun, dropped) = (Arc::clone(&begun), Arc::clone(&dropped));
        move |_: Principal| {
            begun.fetch_add(1, Ordering::SeqCst);
            let guard = Dropped(Arc::clone(&dropped));
            async move {
                let _guard = guard;
                std::future::pending::<Result<bool, Infallible>>().await
            }
        }
    });
    let app = app(&check);
    let request = tokio::spawn(async move { ask(&app).await });
    while begun.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }

    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());

    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn subject_of_that_name_of_another_issuer_is_another() {
    const OTHER: &str = "https://other.example.com";
    let asked = Arc::new(Mutex::new(Vec::new()));
    let check = ActiveCheck::new({
        let asked = Arc::clone(&asked);
        move |principal: Principal| {
            asked.lock().unwrap().push(principal.issuer().to_owned());
            async move { Ok::<_, Infallible>(principal.issuer() == ISSUER) }
        }
    })
    .with_cache_ttl(SECOND);
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), validation()).unwrap();
    issuers.add(key().verifying_key(), tower_bearer::Validation::new(OTHER, AUDIENCE)).unwrap();
    let verifier = Verifier::<User>::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let app = app_of(verifier.with_active_check(check));
    let other = TestToken::new(OTHER, AUDIENCE).at(NOW).sign(&key());

    for _ in 0..2 {
        ask(&app).await.is_ok("in");
        is_inactive(&send(&app, get("/").bearer(&other)).await);
    }

    assert_eq!(*asked.lock().unwrap(), [ISSUER, OTHER]);
}

#[tokio::test]
async fn token_that_names_no_subject_is_asked_about_each_time() {
    let database = Database::new(Mood::Says(true));
    let app = app(&asks(&database).with_cache_ttl(SECOND));
    let without_subject = [
        token().without("sub").claim("client_id", "a").sign(&key()),
        token().without("sub").claim("client_id", "b").sign(&key()),
        token().claim("sub", "").sign(&key()),
    ];

    for token in &without_subject {
        send(&app, get("/").bearer(token)).await.is_ok("in");
    }
    database.mood(Mood::Says(false));
    for token in &without_subject {
        is_inactive(&send(&app, get("/").bearer(token)).await);
    }

    assert_eq!(database.calls(), 6);
}

#[tokio::test]
async fn no_more_subjects_are_remembered_than_there_is_room_for() {
    for capacity in [0, 1, 100] {
        let database = Database::new(Mood::Says(true));
        let check = asks(&database).with_cache_ttl(3600 * SECOND).with_capacity(capacity);
        let verifier = verifier().with_active_check(check);
        let subjects: Vec<String> = (0..1000)
            .map(|subject| token().claim("sub", subject.to_string()).sign(&key()))
            .collect();
        for token in &subjects {
            verifier.verify(token).await.unwrap();
        }
        assert_eq!(database.calls(), 1000);

        for token in &subjects {
            verifier.verify(token).await.unwrap();
        }

        let again = database.calls() - 1000;
        assert!(again >= 1000 - capacity, "{again} of {capacity}");
    }
    // An answer is used as it comes, and not all at once.
    let database = Database::new(Mood::Says(true));
    let app = app(&asks(&database).with_cache_ttl(SECOND).with_capacity(usize::MAX));
    ask(&app).await.is_ok("in");
}

#[tokio::test]
async fn failing_check_lets_in_where_that_was_asked_for_but_never_who_is_not_active() {
    let database = Database::new(Mood::Fails);
    let strict = app(&asks(&database));
    let mild = app(&asks(&database).dangerous().fail_open());
    for mood in [Mood::Fails, Mood::Panics] {
        database.mood(mood);
        is_unknown(&ask(&strict).await);
        ask(&mild).await.is_ok("in");
    }

    database.mood(Mood::Says(false));

    is_inactive(&ask(&mild).await);
    // The last answer was "inactive", and now there is none.
    database.mood(Mood::Fails);
    is_unknown(&ask(&mild).await);
    let bob = token().claim("sub", "bob").sign(&key());
    send(&mild, get("/").bearer(bob)).await.is_ok("in");
}

#[tokio::test(start_paused = true)]
async fn check_that_takes_too_long_lets_in_where_that_was_asked_for() {
    let database = Database::new(Mood::Hangs);
    let mild = app(&asks(&database).dangerous().fail_open());

    ask(&mild).await.is_ok("in");

    database.mood(Mood::SaysAfter(900 * MILLISECOND, false));
    is_inactive(&ask(&mild).await);
}

#[test]
fn last_answer_counts_for_four_hours_at_the_most() {
    let with = |time| {
        ActiveCheck::new(|_: Principal| async { Ok::<_, String>(true) }).with_last_answer_for(time)
    };
    let most = Duration::from_secs(4 * 3600);

    let error = with(most + SECOND).unwrap_err();

    assert!(
        matches!(error, tower_bearer::ConfigError::TooLong { seconds: 14_401, most: 14_400, .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("dangerous().fail_open()"), "{error}");
    assert!(with(Duration::MAX).is_err());
    assert!(with(most).is_ok());
}

#[tokio::test(start_paused = true)]
async fn last_answer_counts_for_a_while_when_the_check_fails() {
    let database = Database::new(Mood::Says(true));
    let app = app(&asks(&database).with_last_answer_for(60 * SECOND).unwrap());
    ask(&app).await.is_ok("in");

    database.mood(Mood::Fails);

    advance(60 * SECOND - MILLISECOND).await;
    ask(&app).await.is_ok("in");
    let bob = token().claim("sub", "bob").sign(&key());
    is_unknown(&send(&app, get("/").bearer(bob)).await);
    advance(MILLISECOND).await;
    is_unknown(&ask(&app).await);
    // An inactive answer counts at once, and gives no reason to accept when the check fails again.
    database.mood(Mood::Says(false));
    is_inactive(&ask(&app).await);
    database.mood(Mood::Fails);
    is_unknown(&ask(&app).await);
    assert_eq!(database.calls(), 6);
}

#[tokio::test(start_paused = true)]
async fn answer_to_an_older_question_does_not_replace_one_to_a_newer_question() {
    for is_active_now in [false, true] {
        let database = Database::new(Mood::SaysAfter(900 * MILLISECOND, !is_active_now));
        let app = app(&asks(&database).with_last_answer_for(60 * SECOND).unwrap());
        let older = tokio::spawn({
            let app = app.clone();
            async move { ask(&app).await }
        });
        while database.calls() == 0 {
            tokio::task::yield_now().await;
        }
        sleep(100 * MILLISECOND).await;
        database.mood(Mood::Says(is_active_now));
        assert_eq!(ask(&app).await.status == 200, is_active_now);

        assert_eq!(older.await.unwrap().status == 200, !is_active_now);
        database.mood(Mood::Fails);

        let answer = ask(&app).await;
        if is_active_now { _ = answer.is_ok("in") } else { is_unknown(&answer) }
    }
}

#[tokio::test]
async fn subject_that_is_forgotten_is_asked_about_again() {
    let database = Database::new(Mood::Says(true));
    let check = asks(&database).with_cache_ttl(3600 * SECOND);
    let app = app(&check);
    ask(&app).await.is_ok("in");
    database.mood(Mood::Says(false));
    ask(&app).await.is_ok("in");

    check.forget(ISSUER, "bob");
    ask(&app).await.is_ok("in");
    check.forget(ISSUER, "alice");

    is_inactive(&ask(&app).await);
}

#[tokio::test]
async fn answer_to_a_question_from_before_it_was_forgotten_is_not_remembered() {
    let database = Database::new(Mood::WhenOpened);
    let check = asks(&database).with_cache_ttl(3600 * SECOND);
    let app = app(&check);
    let before = tokio::spawn({
        let app = app.clone();
        async move { ask(&app).await }
    });
    while database.calls() == 0 {
        tokio::task::yield_now().await;
    }

    database.mood(Mood::Says(false));
    check.forget(ISSUER, "alice");
    database.open();

    before.await.unwrap().is_ok("in");
    is_inactive(&ask(&app).await);
}

#[test]
fn verifier_used_by_itself_asks_too() {
    let database = Database::new(Mood::Says(true));
    let verifier = verifier().with_active_check(asks(&database).with_cache_ttl(SECOND));
    let verify = || verifier.verify(&*Box::leak(good().into_boxed_str()));

    // It can wait in a runtime only, and panics nowhere.
    let error = block_on(verify()).unwrap_err();
    assert_eq!(error.reason(), Reason::ActiveCheckFailed);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(verify()).unwrap_err();
    assert_eq!(error.reason(), Reason::ActiveCheckFailed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    assert!(runtime.block_on(verify()).is_ok());
    // A cached answer needs no waiting.
    assert!(block_on(verify()).is_ok());
    database.mood(Mood::Says(false));
    let verifier = verifier.with_active_check(asks(&database));
    let error = runtime.block_on(verifier.verify(&good())).unwrap_err();
    assert_eq!(error.reason(), Reason::Inactive);
}

#[test]
fn runtime_that_ends_or_stands_still_stops_no_request_elsewhere() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap()
    };
    for ends in [true, false] {
        let database = Database::new(Mood::Hangs);
        let check = asks(&database).with_cache_ttl(SECOND);
        let verifier = verifier().with_active_check(check);
        let (token, first, second) = (good(), runtime(), runtime());
        let asking = {
            let (verifier, token) = (verifier.clone(), token.clone());
            first.spawn(async move { verifier.verify(&token).await })
        };
        first.block_on(async {
            while database.calls() == 0 {
                tokio::task::yield_now().await;
            }
        });
        if ends {
            drop(first);
        }
        database.mood(Mood::Says(true));

        let answer = second.block_on(verifier.verify(&token));

        if ends {
            assert!(answer.is_ok(), "{answer:?}");
        } else {
            assert_eq!(answer.unwrap_err().reason(), Reason::ActiveCheckFailed);
            assert!(second.block_on(verifier.verify(&token)).is_ok());
        }
        drop(asking);
    }
}

#[tokio::test]
async fn waiting_request_holds_no_readiness_of_the_inner_service() {
    let database = Database::new(Mood::WhenOpened);
    let inner =
        ServiceBuilder::new().concurrency_limit(1).service(service_fn(|_: Request<()>| async {
            Ok::<_, Infallible>(Response::new(String::from("in")))
        }));
    let waits = BearerLayer::new(verifier().with_active_check(asks(&database)));
    let waiting = tokio::spawn(waits.layer(inner.clone()).oneshot(Request::new(()).bearer(good())));
    while database.calls() == 0 {
        tokio::task::yield_now().await;
    }

    let other = BearerLayer::new(verifier()).layer(inner);
    let served = other.oneshot(Request::new(()).bearer(good()));
    let served = tokio::time::timeout(5 * SECOND, served).await.expect("the permit is free");

    assert_eq!(served.unwrap().body(), "in");
    database.open();
    assert_eq!(waiting.await.unwrap().unwrap().body(), "in");
}

#[tokio::test]
async fn request_that_has_waited_for_its_keys_is_asked_about_too() {
    use tower_bearer::jose::Header;
    use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup};
    #[derive(Default)]
    struct Slow(std::sync::atomic::AtomicBool);
    impl KeySource for Slow {
        fn lookup(&self, header: &Header) -> Lookup {
            match self.0.load(Ordering::SeqCst) {
                true => key().verifying_key().lookup(header),
                false => Lookup::Refresh,
            }
        }

        async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
            self.0.store(true, Ordering::SeqCst);
            Ok(self.lookup(header))
        }
    }
    for (is_active, reason) in [(true, None), (false, Some(Reason::Inactive))] {
        let database = Database::new(Mood::Says(is_active));
        let verifier = verifier_of(Slow::default()).with_active_check(asks(&database));

        let answer = ask(&app_of(verifier)).await;

        assert_eq!((answer.reason, database.calls()), (reason, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn log_hears_of_an_outage_once_a_minute_and_not_for_each_request() {
    let (log, _guard) = Log::of_this_thread();
    let database = Database::new(Mood::Fails);
    let app = app(&asks(&database));
    let loud = || -> Vec<(Level, String)> {
        log.events().into_iter().filter(|(level, _)| *level < Level::DEBUG).collect()
    };
    for _ in 0..100 {
        is_unknown(&ask(&app).await);
    }

    let [(level, text)] = &loud()[..] else { panic!("{:?}", loud()) };
    assert_eq!(*level, Level::WARN);
    assert!(text.contains("no route") && text.contains("503"), "{text}");
    // Each request is one event nevertheless, at the level `DEBUG`.
    assert_eq!(log.about("active_check_failed").len(), 100);

    advance(60 * SECOND).await;
    is_unknown(&ask(&app).await);
    database.mood(Mood::Says(true));
    ask(&app).await.is_ok("in");
    ask(&app).await.is_ok("in");

    let levels: Vec<Level> = loud().into_iter().map(|(level, _)| level).collect();
    assert_eq!(levels, [Level::WARN, Level::WARN, Level::INFO]);
    assert!(log.events().iter().all(|(_, text)| !text.contains(&*good())));
}

#[tokio::test]
async fn letting_in_without_an_answer_is_an_error_in_the_log() {
    let (log, _guard) = Log::of_this_thread();
    let app = app(&asks(&Database::new(Mood::Fails)).dangerous().fail_open());

    ask(&app).await.is_ok("in");

    let [(level, text)] = &log.events()[..] else { panic!("{:?}", log.events()) };
    assert!(*level == Level::ERROR && text.contains("accepted"), "{text}");
}

#[tokio::test]
async fn refusal_of_who_is_not_active_is_nothing_loud() {
    let (log, _guard) = Log::of_this_thread();
    let app = app(&asks(&Database::new(Mood::Says(false))));

    is_inactive(&ask(&app).await);

    let [(level, text)] = &log.events()[..] else { panic!("{:?}", log.events()) };
    assert!(*level == Level::DEBUG && text.contains("inactive"), "{text}");
}

#[derive(Clone, Debug)]
enum Step {
    Pass(u64),
    Set(u8, bool),
    Break(bool),
    Forget(u8),
    Ask(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..8_u64).prop_map(Step::Pass),
        1 => (0..3_u8, any::<bool>()).prop_map(|(subject, active)| Step::Set(subject, active)),
        1 => any::<bool>().prop_map(Step::Break),
        1 => (0..3_u8).prop_map(Step::Forget),
        4 => (0..3_u8).prop_map(Step::Ask),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model: for each subject the last answer, the moment of its question, and three times.
    #[test]
    fn verdicts_and_calls_are_those_of_a_simple_model(
        (yes_for, no_for, last_for) in (0..6_u64, 0..6_u64, 0..12_u64),
        lets_in in any::<bool>(),
        steps in proptest::collection::vec(step(), 1..60),
    ) {
        #[derive(Default)]
        struct Users { inactive: HashMap<String, bool>, is_down: bool, calls: usize }
        let users = Arc::new(Mutex::new(Users::default()));
        let asked = Arc::clone(&users);
        let mut check = ActiveCheck::new(move |principal: Principal| {
            let mut users = asked.lock().unwrap();
            users.calls += 1;
            let inactive = users.inactive.get(principal.subject().unwrap()).copied();
            let answer = if users.is_down { Err("down") } else { Ok(!inactive.unwrap_or_default()) };
            async move { answer }
        })
        .with_cache_ttl(Duration::from_secs(yes_for))
        .with_inactive_cache_ttl(Duration::from_secs(no_for))
        .with_last_answer_for(Duration::from_secs(last_for)).unwrap();
        if lets_in {
            check = check.dangerous().fail_open();
        }
        let verifier = verifier().with_active_check(check.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        let remembers = yes_for + no_for + last_for > 0 || lets_in;
        let mut last = HashMap::<u8, (bool, u64)>::new();
        let (mut now, mut calls) = (0, 0);
        for step in steps {
            match step {
                Step::Pass(seconds) => {
                    now += seconds;
                    runtime.block_on(advance(Duration::from_secs(seconds)));
                }
                Step::Set(subject, active) => {
                    users.lock().unwrap().inactive.insert(subject.to_string(), !active);
                }
                Step::Break(is_down) => users.lock().unwrap().is_down = is_down,
                Step::Forget(subject) => {
                    check.forget(ISSUER, &subject.to_string());
                    last.remove(&subject);
                }
                Step::Ask(subject) => {
                    let sent = token().claim("sub", subject.to_string()).sign(&key());
                    let known = last.get(&subject).copied();
                    let age = |at: u64| now - at;
                    let expected = match known {
                        Some((true, at)) if age(at) < yes_for => None,
                        Some((false, at)) if age(at) < no_for => Some(Reason::Inactive),
                        _ => {
                            calls += 1;
                            let (is_down, inactive) = {
                                let users = users.lock().unwrap();
                                let inactive = users.inactive.get(&subject.to_string()).copied();
                                (users.is_down, inactive.unwrap_or_default())
                            };
                            if !is_down && remembers {
                                last.insert(subject, (!inactive, now));
                            }
                            match (is_down, known) {
                                (false, _) => inactive.then_some(Reason::Inactive),
                                (true, Some((true, at))) if age(at) < last_for => None,
                                (true, Some((false, _))) => Some(Reason::ActiveCheckFailed),
                                (true, _) => (!lets_in).then_some(Reason::ActiveCheckFailed),
                            }
                        }
                    };
                    let seen = runtime.block_on(verifier.verify(&sent)).err().map(|error| error.reason());
                    prop_assert_eq!(seen, expected);
                    prop_assert_eq!(users.lock().unwrap().calls, calls);
                }
            }
        }
    }
}

#[tokio::test]
async fn subjects_are_kept_only_where_an_answer_about_them_is_of_use_again() {
    let check = || ActiveCheck::new(|_: Principal| async { Ok::<_, Infallible>(true) });
    for (check, kept) in [
        (check(), 0),
        (check().with_cache_ttl(SECOND), 1),
        (check().with_inactive_cache_ttl(SECOND), 1),
        (check().with_last_answer_for(SECOND).unwrap(), 1),
        (check().dangerous().fail_open(), 1),
    ] {
        verifier().with_active_check(check.clone()).verify(&good()).await.unwrap();

        let shown = format!("{check:?}");
        assert!(shown.contains(&format!("AnswerCache {{ len: {kept},")), "{shown}");
    }
}
