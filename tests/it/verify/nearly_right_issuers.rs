//! Tests issuers that differ from the configured one by a small mistake.

use axum::Router;
use axum::routing::get as on_get;
use tower_bearer::test_util::{TestClock, TestKey};
use tower_bearer::{Algorithm, BearerLayer, Issuers, Reason, Validation, Verifier};
use tracing::Level;

use crate::support::log::Log;
use crate::support::{
    AUDIENCE, ISSUER, NOW, User, WithBearer, get, invalid_token, key, send, token, validation,
};

const SLIPS: [(&str, &str); 5] = [
    ("https://id.example.com/", "a slash at the end"),
    ("https://ID.Example.com", "upper and lower case"),
    ("HTTPS://id.example.com", "upper and lower case"),
    ("https://id.example.com:443", "a default port"),
    ("https://ID.example.com:443/", "a default port"),
];
const OTHERS: [&str; 5] = [
    "http://id.example.com",
    "https://id.example.com:8443",
    "https://id.example.com/realm",
    "https://id.example.com.evil.example",
    "\n\u{1b}[31m",
];

fn app_of(verifier: Verifier<User>) -> Router {
    let layer = BearerLayer::new(verifier.with_clock(TestClock::at(NOW)));
    Router::new().route("/", on_get(|| async { "in" })).layer(layer)
}

fn one() -> Router {
    app_of(Verifier::new(key().verifying_key(), validation()).unwrap())
}

fn several() -> Router {
    let issuers = Issuers::new();
    issuers.add(key().verifying_key(), validation()).unwrap();
    let other = Validation::new("https://login.example.com/realms/staff", AUDIENCE);
    issuers.add(TestKey::generate(Algorithm::HS256).verifying_key(), other).unwrap();
    app_of(Verifier::multi_issuer(&issuers))
}

fn warnings(log: &Log) -> Vec<String> {
    let all = log.about("nearly the configured issuer").into_iter();
    all.filter(|(level, _)| *level == Level::WARN).map(|(_, text)| text).collect()
}

#[tokio::test]
async fn issuer_that_is_nearly_right_is_refused_with_one_warning_that_names_the_configured_one() {
    for (app, description) in [
        (one as fn() -> Router, "The token is from another issuer"),
        (several, "The token cannot be verified"),
    ] {
        for (issuer, differs_by) in SLIPS {
            let (app, (log, _guard)) = (app(), Log::of_this_thread());
            for _ in 0..3 {
                let token = token().claim("iss", issuer).sign(&key());
                let answer = send(&app, get("/").bearer(token)).await;
                let expected = invalid_token(description);
                answer.is_refused(401, Some(&expected), Reason::WrongIssuer);
            }

            let [text] = &warnings(&log)[..] else { panic!("{issuer} {:?}", log.events()) };
            assert!(text.contains(&format!("issuer={ISSUER:?}")), "{text}");
            assert!(text.contains(&format!("differs_by=\"{differs_by}")), "{text}");
            // Each refusal is a quiet event as well.
            assert_eq!(log.about("wrong_issuer").len(), 3);
            send(&app, get("/").bearer(token().sign(&key()))).await.is_ok("in");
            assert_eq!(warnings(&log).len(), 1);
        }
    }
}

#[tokio::test]
async fn issuer_that_is_another_is_refused_without_a_warning() {
    for app in [one as fn() -> Router, several] {
        for issuer in OTHERS {
            let (app, (log, _guard)) = (app(), Log::of_this_thread());
            let token = token().claim("iss", issuer).sign(&key());

            let answer = send(&app, get("/").bearer(token)).await;

            assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::WrongIssuer)));
            assert_eq!(warnings(&log), [] as [String; 0], "{issuer}");
        }
    }
}

#[tokio::test]
async fn strangers_cannot_flood_the_log_or_write_into_it() {
    let (app, (log, _guard)) = (several(), Log::of_this_thread());
    let stranger = TestKey::generate(Algorithm::HS256);

    for number in 0..200 {
        let slashes = "/".repeat(number % 20 + 1);
        let issuer = format!("https://iD.eXample.com:443{slashes}");
        let token = token().claim("iss", issuer).sign(&stranger);
        assert_eq!(send(&app, get("/").bearer(token)).await.status, 401);
    }

    assert_eq!(warnings(&log).len(), 1);
    assert!(log.events().iter().all(|(_, text)| !text.contains("iD.eXample")));
}

#[tokio::test]
async fn both_spellings_are_two_issuers_where_both_are_configured() {
    let issuers = Issuers::new();
    let with_slash = format!("{ISSUER}/");
    issuers.add(key().verifying_key(), validation()).unwrap();
    issuers.add(key().verifying_key(), Validation::new(&with_slash, AUDIENCE)).unwrap();
    let app = app_of(Verifier::multi_issuer(&issuers));
    let (log, _guard) = Log::of_this_thread();
    let sent = async |issuer: &str| {
        send(&app, get("/").bearer(token().claim("iss", issuer).sign(&key()))).await
    };

    sent(ISSUER).await.is_ok("in");
    sent(&with_slash).await.is_ok("in");
    assert_eq!(warnings(&log), [] as [String; 0]);

    // The issuer that stays is the one that is nearly named.
    issuers.remove(ISSUER);
    assert_eq!(sent(ISSUER).await.reason, Some(Reason::WrongIssuer));
    let [text] = &warnings(&log)[..] else { panic!("{:?}", log.events()) };
    assert!(text.contains(&format!("issuer={with_slash:?}")), "{text}");
}
