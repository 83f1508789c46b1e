//! Tests keys that are replaced under their names, or have none: a token that no key verifies.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use futures::FutureExt;
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, sleep_until};
use tower_bearer::jose::Header;
use tower_bearer::keys::{FetchBudget, KeyFile, KeySource, KeysUnavailable, Lookup, VerifyingKey};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, BearerLayer, Reason, RemoteKeys};
use tracing::Level;

use crate::support::jumping_clock::leap;
use crate::support::log::Log;
use crate::support::scripted::{Answer, Scripted, app, cached, own_budget};
use crate::support::{
    WithBearer, get, good, invalid_token, key, key_for, send, token, verifier_of,
};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn new_key(key_id: Option<&str>) -> TestKey {
    let key = TestKey::generate(Algorithm::ES256);
    match key_id {
        Some(key_id) => key.with_key_id(key_id),
        None => key,
    }
}

/// A token that names a key which it was not signed with.
fn forged(key_id: &str) -> String {
    token().sign(&new_key(Some(key_id)))
}

fn bad_signature() -> String {
    invalid_token("The token cannot be verified")
}

#[tokio::test]
async fn answer_of_a_source_that_was_waited_for_is_final() {
    /// Finds its key, or that there is none, when it is waited for.
    struct Late(Option<VerifyingKey>);

    impl KeySource for Late {
        fn lookup(&self, _: &Header) -> Lookup {
            Lookup::Refresh
        }

        async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
            Ok(self.0.as_ref().map_or(Lookup::Unknown, |key| key.lookup(header)))
        }
    }
    let answer_of = async |found| {
        let app = Router::new()
            .route("/", on_get(|| async { "in" }))
            .layer(BearerLayer::new(verifier_of(Late(found))));
        send(&app, get("/").bearer(good())).await
    };

    answer_of(Some(key().verifying_key())).await.is_ok("in");
    let expected = invalid_token("The token cannot be verified");
    answer_of(None).await.is_refused(401, Some(&expected), Reason::UnknownKey);
    let expected = invalid_token("The token cannot be verified");
    let other = answer_of(Some(key_for(Algorithm::ES256).verifying_key())).await;
    other.is_refused(401, Some(&expected), Reason::AlgorithmNotAllowed);
}

#[tokio::test]
async fn source_that_does_not_say_how_it_refreshes_knows_nothing_more() {
    struct Half;

    impl KeySource for Half {
        fn lookup(&self, header: &Header) -> Lookup {
            match key().verifying_key().lookup(header) {
                Lookup::Found(found) if header.key_id().is_none() => Lookup::Found(found),
                _ => Lookup::Refresh,
            }
        }
    }
    let app = Router::new()
        .route("/", on_get(|| async { "in" }))
        .layer(BearerLayer::new(verifier_of(Half)));

    let other = send(&app, get("/").bearer(token().header("kid", "other").sign(&key()))).await;
    other.is_refused(503, None, Reason::KeysUnavailable);
    send(&app, get("/").bearer(good())).await.is_ok("in");
}

/// A source whose key may have been replaced under its name.
struct Renamed {
    key: RwLock<VerifyingKey>,
    next: VerifyingKey,
    is_old: AtomicBool,
    refreshes: AtomicUsize,
}

impl Renamed {
    fn new(is_old: bool, next: &TestKey) -> Arc<Self> {
        Arc::new(Self {
            key: RwLock::new(key().verifying_key()),
            next: next.verifying_key(),
            is_old: AtomicBool::new(is_old),
            refreshes: AtomicUsize::new(0),
        })
    }
}

impl KeySource for Renamed {
    fn lookup(&self, header: &Header) -> Lookup {
        self.key.read().unwrap().lookup(header)
    }

    fn may_be_outdated(&self) -> bool {
        self.is_old.load(Ordering::SeqCst)
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        self.refreshes.fetch_add(1, Ordering::SeqCst);
        *self.key.write().unwrap() = self.next.clone();
        Ok(self.lookup(header))
    }
}

#[tokio::test]
async fn token_that_no_key_verifies_waits_for_a_source_that_may_be_outdated_and_for_no_other() {
    let same_algorithm = TestKey::generate(Algorithm::HS256);
    let another_algorithm = key_for(Algorithm::ES256);
    for (next, sentence, reason) in [
        (&same_algorithm, "The token cannot be verified", Reason::InvalidSignature),
        (&another_algorithm, "The token cannot be verified", Reason::AlgorithmNotAllowed),
    ] {
        for is_old in [true, false] {
            let keys = Renamed::new(is_old, next);
            let app = Router::new()
                .route("/", on_get(|| async { "in" }))
                .layer(BearerLayer::new(verifier_of(Arc::clone(&keys))));

            let answer = send(&app, get("/").bearer(token().sign(next))).await;

            if is_old {
                answer.is_ok("in");
            } else {
                answer.is_refused(401, Some(&invalid_token(sentence)), reason);
            }
            assert_eq!(keys.refreshes.load(Ordering::SeqCst), usize::from(is_old));
        }
    }
}

#[tokio::test]
async fn token_that_no_newer_key_verifies_either_is_refused_after_one_refresh() {
    let keys = Renamed::new(true, &TestKey::generate(Algorithm::HS256));
    let app = Router::new()
        .route("/", on_get(|| async {}))
        .layer(BearerLayer::new(verifier_of(Arc::clone(&keys))));
    let forged = token().sign(&TestKey::generate(Algorithm::HS256));

    let answer = send(&app, get("/").bearer(forged)).await;

    let expected = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&expected), Reason::InvalidSignature);
    assert_eq!(keys.refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn token_that_is_bad_otherwise_does_not_wait_for_other_keys() {
    let keys = Renamed::new(true, &key());
    let app = Router::new()
        .route("/", on_get(|| async { "in" }))
        .layer(BearerLayer::new(verifier_of(Arc::clone(&keys))));

    let expired = send(&app, get("/").bearer(token().claim("exp", 1).sign(&key()))).await;

    let expected = invalid_token("The token has expired");
    expired.is_refused(401, Some(&expected), Reason::Expired);
    send(&app, get("/").bearer(good())).await.is_ok("in");
    assert_eq!(keys.refreshes.load(Ordering::SeqCst), 0);
}

#[test]
fn token_that_no_key_verifies_is_refused_at_once_where_the_keys_never_change() {
    let verifier = verifier_of(key().verifying_key());
    let other = TestKey::generate(Algorithm::HS256);

    let refused = verifier.verify_now(&token().sign(&other)).expect("nothing is waited for");
    let accepted = verifier.verify_now(&good()).expect("nothing is waited for");

    assert_eq!(refused.unwrap_err().reason(), Reason::InvalidSignature);
    assert!(accepted.is_ok());
}

#[tokio::test(start_paused = true)]
async fn first_token_of_a_key_that_was_replaced_under_its_name_is_accepted() {
    for key_id in [Some("the key"), None] {
        let provider = Scripted::new();
        provider.publish_only(new_key(key_id));
        let app = app(cached(&provider));
        let old = provider.mint();
        send(&app, get("/").bearer(&old)).await.is_ok("alice");
        sleep(SECOND).await;

        provider.publish_only(new_key(key_id));

        send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
        let answer = send(&app, get("/").bearer(old)).await;
        answer.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
        assert_eq!(provider.fetches(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn first_token_of_a_key_of_another_kind_under_the_same_name_is_accepted() {
    let provider = Scripted::new();
    provider.publish_only(new_key(Some("the key")));
    let app = app(cached(&provider));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    sleep(SECOND).await;

    provider.publish_only(TestKey::generate(Algorithm::Ed25519).with_key_id("the key"));

    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn key_without_a_name_hides_no_new_one_that_has_one() {
    let provider = Scripted::new();
    provider.publish_only(new_key(None));
    let app = app(cached(&provider));
    let old = provider.mint();
    send(&app, get("/").bearer(&old)).await.is_ok("alice");
    sleep(SECOND).await;

    provider.rotate();

    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    send(&app, get("/").bearer(old)).await.is_ok("alice");
    assert_eq!(provider.fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn keys_that_came_a_moment_ago_are_the_newest_there_are() {
    let provider = Scripted::new();
    let app = app(cached(&provider));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    sleep(SECOND - Duration::from_millis(10)).await;

    let answer = send(&app, get("/").bearer(forged("key-1"))).await;

    answer.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
    assert_eq!(provider.fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn thousand_forged_tokens_at_once_cause_one_fetch() {
    let provider = Scripted::new();
    let app = app(cached(&provider));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    sleep(2 * SECOND).await;

    for _ in 0..1000 {
        let answer = send(&app, get("/").bearer(forged("key-1"))).await;
        answer.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
    }

    assert_eq!(provider.fetches(), 2);
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn storm_of_forged_tokens_costs_no_more_than_one_of_unknown_keys_and_hides_no_new_key() {
    let provider = Scripted::new();
    provider.set_latency(Duration::from_millis(100));
    let verifier = verifier_of(cached(&provider));
    verifier.verify(&provider.mint()).await.unwrap();
    let (began, before) = (Instant::now(), provider.fetches());
    let mut strangers = JoinSet::new();

    for number in 0..3000 {
        sleep_until(began + 60 * SECOND * number / 3000).await;
        let (asked, token) = (verifier.clone(), forged("key-1"));
        strangers.spawn(async move { asked.verify(&token).await.unwrap_err().reason() });
        if number % 1000 == 500 {
            // There is always one fetch left for it.
            provider.rotate();
            verifier.verify(&provider.mint()).await.unwrap();
        }
    }

    let reasons = strangers.join_all().await;
    assert!(reasons.iter().all(|reason| *reason == Reason::InvalidSignature));
    let fetches = provider.fetches() - before;
    assert!((3..=9).contains(&fetches), "{fetches}");
}

#[tokio::test(start_paused = true)]
async fn good_tokens_do_not_wait_while_a_bad_signature_is_looked_into() {
    let provider = Scripted::new();
    let app = app(cached(&provider));
    let good = provider.mint();
    send(&app, get("/").bearer(&good)).await.is_ok("alice");
    sleep(2 * SECOND).await;
    provider.answer(Answer::WhenOpened);
    let looked_into = tokio::spawn({
        let app = app.clone();
        async move { send(&app, get("/").bearer(forged("key-1"))).await }
    });
    while provider.fetches() < 2 {
        tokio::task::yield_now().await;
    }

    let another = token().claim("jti", "another").sign(&provider.key());
    for token in [&good, &another] {
        let sent = send(&app, get("/").bearer(token)).now_or_never();
        sent.expect("nothing is waited for").is_ok("alice");
    }

    assert!(!looked_into.is_finished());
    provider.open();
    let answer = looked_into.await.unwrap();
    answer.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
}

#[tokio::test(start_paused = true)]
async fn signature_is_not_called_bad_while_the_keys_cannot_be_looked_at() {
    let provider = Scripted::new();
    provider.publish_only(new_key(Some("the key")));
    let app = app(cached(&provider).with_backoff(HOUR..=HOUR));
    let old = provider.mint();
    send(&app, get("/").bearer(&old)).await.is_ok("alice");
    sleep(10 * SECOND).await;
    provider.publish_only(new_key(Some("the key")));
    provider.answer(Answer::Failure("no route"));

    for _ in 0..10 {
        let answer = send(&app, get("/").bearer(provider.mint())).await;
        answer.is_refused(503, None, Reason::KeysUnavailable);
        assert!(answer.headers.contains_key("retry-after"));
        send(&app, get("/").bearer(&old)).await.is_ok("alice");
    }

    assert_eq!(provider.fetches(), 1 + 3);
    provider.answer(Answer::Keys);
    sleep(10 * SECOND).await;
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn signature_is_not_called_bad_when_the_budget_is_spent_and_the_keys_are_old() {
    for (budget, is_final) in [(1, false), (0, true)] {
        let provider = Scripted::new();
        let keys = cached(&provider).with_fetch_budget(budget, HOUR).with_default_freshness(HOUR);
        let app = app(keys);
        send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
        send(&app, get("/").bearer(forged("unknown"))).await;

        advance(9 * SECOND).await;
        let young = send(&app, get("/").bearer(forged("key-1"))).await;
        young.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
        advance(SECOND).await;
        let old = send(&app, get("/").bearer(forged("key-1"))).await;

        // Without any budget the operator has decided that tokens cause no fetch.
        if is_final {
            old.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
        } else {
            old.is_refused(503, None, Reason::KeysUnavailable);
            assert_eq!(old.headers["retry-after"], "60");
        }
        assert_eq!(provider.fetches(), 1 + budget as usize);
    }
}

#[tokio::test(start_paused = true)]
async fn shared_budget_of_none_makes_signatures_final_too() {
    let (log, _guard) = Log::of_this_thread();
    let provider = Scripted::new();
    let keys = cached(&provider).with_shared_budget(FetchBudget::new(0, SECOND));
    let app = app(keys.with_default_freshness(HOUR));
    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");

    for _ in 0..3 {
        sleep(20 * SECOND).await;
        let answer = send(&app, get("/").bearer(forged("key-1"))).await;
        answer.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
        send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
    }

    assert_eq!(provider.fetches(), 1);
    assert!(log.events().iter().all(|(level, _)| *level > Level::WARN), "{:?}", log.events());
}

#[tokio::test(start_paused = true)]
async fn key_that_was_replaced_under_its_name_while_a_fetch_runs_is_found_by_the_next() {
    for is_good in [true, false] {
        let provider = Scripted::new();
        provider.publish_only(new_key(Some("the key")));
        let app = app(cached(&provider));
        send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
        provider.set_latency(3 * SECOND);
        // The fetch that is due anyway is answered with the old key.
        while provider.fetches() < 2 {
            sleep(SECOND / 10).await;
        }
        sleep(2 * SECOND).await;

        provider.publish_only(new_key(Some("the key")));

        if is_good {
            send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");
        } else {
            let answer = send(&app, get("/").bearer(forged("the key"))).await;
            answer.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
        }
        assert_eq!(provider.fetches(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn initial_key_that_was_replaced_under_its_name_is_no_obstacle() {
    let provider = Scripted::new();
    provider.publish_only(new_key(Some("the key")));
    let app = app(cached(&provider).with_initial_keys(provider.keys()));
    provider.publish_only(new_key(Some("the key")));

    send(&app, get("/").bearer(provider.mint())).await.is_ok("alice");

    assert_eq!(provider.fetches(), 1);
}

#[tokio::test]
async fn key_that_was_replaced_under_its_name_is_fetched_over_a_socket() {
    let set = |key: &TestKey| serde_json::json!({ "keys": [key.to_jwk()] }).to_string();
    let (old, new) = (new_key(Some("the key")), new_key(Some("the key")));
    let published = Arc::new(RwLock::new(set(&old)));
    let provider = Router::new().route(
        "/jwks",
        on_get({
            let published = Arc::clone(&published);
            async move || published.read().unwrap().clone()
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/jwks", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, provider).await });
    let keys = RemoteKeys::from_url(&address).unwrap().with_shared_budget(own_budget());
    let app = app(keys);
    send(&app, get("/").bearer(token().sign(&old))).await.is_ok("alice");
    leap(2 * SECOND).await;

    *published.write().unwrap() = set(&new);

    send(&app, get("/").bearer(token().sign(&new))).await.is_ok("alice");
    let answer = send(&app, get("/").bearer(token().sign(&old))).await;
    answer.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
}

#[tokio::test(start_paused = true)]
async fn key_that_was_replaced_in_a_file_is_read_with_its_first_token() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("replaced-key-{}.json", std::process::id()));
    let (old, new) = (new_key(Some("the key")), new_key(Some("the key")));
    let write = |key: &TestKey| std::fs::write(&path, key.to_jwk().to_string()).unwrap();
    write(&old);
    let keys = KeyFile::new(&path).with_poll_interval(HOUR).open().unwrap();
    let app = app(keys.with_shared_budget(own_budget()));
    send(&app, get("/").bearer(token().sign(&old))).await.is_ok("alice");
    sleep(2 * SECOND).await;

    write(&new);

    send(&app, get("/").bearer(token().sign(&new))).await.is_ok("alice");
    std::fs::remove_file(&path).unwrap();
    let answer = send(&app, get("/").bearer(token().sign(&old))).await;
    answer.is_refused(401, Some(&bad_signature()), Reason::InvalidSignature);
}
