//! Tests that an operator hears of a problem once, and once a minute, for any number of requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use tokio::time::advance;
use tower_bearer::endpoints::{ClientSecret, Clients, ClientsUnavailable, RevocationService};
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup, VerifyingKey};
use tower_bearer::policy::claims_where;
use tower_bearer::revocation::{
    MemoryRevocations, Revocable, Revocations, RevocationsUnavailable, Revoked,
};
use tower_bearer::test_util::TestClock;
use tower_bearer::{BearerLayer, Claims, Issuers, Reason, Validation, Verifier, require};
use tracing::Level;

use crate::support::log::Log;
use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, PLAIN, User, WithBearer, get, good, key, send, token, verifier,
    verifier_of,
};

const REQUESTS: usize = 1000;
const MINUTE: Duration = Duration::from_secs(60);

fn app_of(verifier: Verifier<User>) -> Router {
    Router::new()
        .route("/", on_get(|user: Claims<User>| async move { user.sub.clone().unwrap() }))
        .route("/wrong-type", on_get(|_: Claims<u8>| async {}))
        .route("/misused", on_get(async || {}).layer(require(claims_where(|_: &u8| true))))
        .layer(BearerLayer::new(verifier))
}

/// The events about a reason that are louder than `DEBUG`, and how many there are in all.
fn heard(log: &Log, reason: Reason) -> (Vec<(Level, String)>, usize) {
    let all = log.about(&format!("reason=\"{reason}\""));
    let count = all.len();
    (all.into_iter().filter(|(level, _)| *level < Level::DEBUG).collect(), count)
}

/// Sends many requests, waits for a minute, and sends one more.
async fn is_loud_once_a_minute(
    level: Level,
    reason: Reason,
    request: impl AsyncFn() -> Answer,
    is_refused: impl Fn(&Answer),
) {
    let (log, _guard) = Log::of_this_thread();
    for _ in 0..REQUESTS {
        is_refused(&request().await);
    }
    let (first, count) = heard(&log, reason);
    assert_eq!((first.len(), count), (1, REQUESTS), "{first:?}");

    advance(MINUTE).await;
    is_refused(&request().await);

    let (loud, count) = heard(&log, reason);
    assert_eq!((loud.len(), count), (2, REQUESTS + 1), "{loud:?}");
    assert!(loud.iter().all(|(one, _)| *one == level), "{loud:?}");
    assert!(loud[0].1.contains("suppressed=0 "), "{loud:?}");
    assert!(loud[1].1.contains(&format!("suppressed={} ", REQUESTS - 1)), "{loud:?}");
}

#[derive(Default)]
struct Away(AtomicBool);

impl KeySource for Away {
    fn lookup(&self, header: &Header) -> Lookup {
        if self.0.load(Ordering::SeqCst) {
            key().verifying_key().lookup(header)
        } else {
            Lookup::Refresh
        }
    }

    async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
        Err(KeysUnavailable::new("no route"))
    }
}

impl Revocations for Away {
    fn lookup(&self, _: &str, _: Revocable<'_>) -> Option<Revoked> {
        None
    }

    fn epoch(&self) -> u64 {
        0
    }

    fn ready(&self) -> Result<(), RevocationsUnavailable> {
        Err(RevocationsUnavailable::new("no route"))
    }
}

impl Clients for Away {
    async fn authenticate(&self, _: &str, _: &ClientSecret) -> Result<bool, ClientsUnavailable> {
        Err(ClientsUnavailable::new("no route"))
    }

    async fn is_public(&self, _: &str) -> Result<bool, ClientsUnavailable> {
        Err(ClientsUnavailable::new("no route"))
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_custom_source_that_is_away_are_one_warning_a_minute() {
    let app = app_of(verifier_of(Away::default()));

    is_loud_once_a_minute(
        Level::WARN,
        Reason::KeysUnavailable,
        async || send(&app, get("/").bearer(good())).await,
        |answer| _ = answer.is_refused(503, None, Reason::KeysUnavailable),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn custom_view_of_revocations_that_is_away_is_one_warning_a_minute() {
    let app = app_of(verifier().with_revocations(Away::default()));

    is_loud_once_a_minute(
        Level::WARN,
        Reason::RevocationsUnavailable,
        async || send(&app, get("/").bearer(good())).await,
        |answer| _ = answer.is_refused(503, None, Reason::RevocationsUnavailable),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn claims_that_do_not_fit_are_one_warning_a_minute() {
    let app = app_of(verifier());
    let odd = token().claim("email", 7).sign(&key());

    is_loud_once_a_minute(
        Level::WARN,
        Reason::ClaimsMismatch,
        async || send(&app, get("/").bearer(&odd)).await,
        |answer| _ = answer.is_refused(403, Some(PLAIN), Reason::ClaimsMismatch),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn handler_that_asks_for_another_type_is_one_error_a_minute() {
    let app = app_of(verifier());

    is_loud_once_a_minute(
        Level::ERROR,
        Reason::ClaimsTypeMissing,
        async || send(&app, get("/wrong-type").bearer(good())).await,
        |answer| _ = answer.is_refused(500, None, Reason::ClaimsTypeMissing),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn policy_that_cannot_decide_is_one_error_a_minute_that_says_what_to_change() {
    let app = app_of(verifier());

    is_loud_once_a_minute(
        Level::ERROR,
        Reason::MisusedPolicy,
        async || send(&app, get("/misused").bearer(good())).await,
        |answer| _ = answer.is_refused(500, None, Reason::MisusedPolicy),
    )
    .await;

    let (log, _guard) = Log::of_this_thread();
    send(&app, get("/misused").bearer(good())).await;
    assert_eq!(log.about("build the layer's `Verifier` for it").len(), 1, "{:?}", log.events());
}

#[tokio::test(start_paused = true)]
async fn issuers_whose_keys_are_away_are_told_one_by_one() {
    let (log, _guard) = Log::of_this_thread();
    let (issuers, back) = (Issuers::new(), Arc::new(Away::default()));
    let others = ["https://a.example.com", "https://b.example.com"];
    issuers.add(Arc::clone(&back), Validation::new(ISSUER, AUDIENCE)).unwrap();
    for other in others {
        issuers.add(Away::default(), Validation::new(other, AUDIENCE)).unwrap();
    }
    let app = app_of(Verifier::multi_issuer(&issuers).with_clock(TestClock::at(NOW)));

    for _ in 0..10 {
        for issuer in [ISSUER, others[0], others[1]] {
            let answer =
                send(&app, get("/").bearer(token().claim("iss", issuer).sign(&key()))).await;
            answer.is_refused(503, None, Reason::KeysUnavailable);
        }
    }

    let (loud, count) = heard(&log, Reason::KeysUnavailable);
    assert_eq!((loud.len(), count), (3, 30), "{loud:?}");
    for (number, issuer) in [ISSUER, others[0], others[1]].iter().enumerate() {
        assert!(loud[number].1.contains(&format!("issuer=\"{issuer}\"")), "{loud:?}");
    }
    back.0.store(true, Ordering::SeqCst);
    send(&app, get("/").bearer(good())).await.is_ok("alice");
}

#[tokio::test(start_paused = true)]
async fn strangers_cause_no_loud_event_and_neither_does_a_request_that_is_let_in() {
    let (log, _guard) = Log::of_this_thread();
    let app = app_of(verifier());

    for bad in ["nonsense".to_owned(), token().claim("exp", 1).sign(&key())] {
        assert_eq!(send(&app, get("/").bearer(bad)).await.status, 401);
    }
    send(&app, get("/").bearer(good())).await.is_ok("alice");

    let levels: Vec<_> = log.events().into_iter().map(|(level, _)| level).collect();
    assert_eq!(levels, [Level::DEBUG; 2]);
}

#[tokio::test(start_paused = true)]
async fn clients_that_cannot_be_asked_are_one_warning_a_minute() {
    let (log, _guard) = Log::of_this_thread();
    let app = |clients| -> Router {
        let keys: VerifyingKey = key().verifying_key();
        let service = RevocationService::new(keys, ISSUER, clients, MemoryRevocations::new());
        Router::new().route_service("/revoke", service.unwrap().with_clock(TestClock::at(NOW)))
    };
    let request = || {
        http::Request::post("/revoke")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(format!("client_id=shop&client_secret=secret&token={}", good()).into())
            .unwrap()
    };
    let app = app(Away::default());
    for _ in 0..REQUESTS {
        assert_eq!(send(&app, request()).await.status, 503);
    }
    advance(MINUTE).await;
    assert_eq!(send(&app, request()).await.status, 503);

    let told = log.about("the clients are not available");
    let loud: Vec<_> = told.iter().filter(|(level, _)| *level == Level::WARN).collect();
    assert_eq!((loud.len(), told.len()), (2, REQUESTS + 1), "{loud:?}");
    assert!(loud[1].1.contains(&format!("suppressed={} ", REQUESTS - 1)), "{loud:?}");
}
