//! Tests the authenticator that decides about the tokens that no key of the verifier has signed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use tower_bearer::keys::CachedKeys;
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::source::Presented;
use tower_bearer::test_util::{TestClock, TestKey};
use tower_bearer::{Algorithm, AuthError, BearerLayer, Issuers, Principal, Reason, Verifier};

use crate::support::scripted::{Answer as KeysAnswer, Scripted, cached};
use crate::support::{
    Answer, NOW, User, WithBearer, get, good, invalid_token, key, layer, send, token, validation,
    verifier_of,
};

/// Says of every token that it is Bob's, and counts the questions.
#[derive(Clone, Default)]
struct Elsewhere(Arc<AtomicUsize>);

impl Elsewhere {
    fn asked(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Authenticator for Elsewhere {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token() != b"not-mine"
    }

    async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(Authenticated::subject("bob").with_freshness(Duration::from_secs(60)))
    }
}

fn app(layer: BearerLayer<User>, elsewhere: &Elsewhere) -> Router {
    let layer = layer.with_fallback_authenticator(elsewhere.clone(), validation()).unwrap();
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    Router::new().route("/", on_get(name)).layer(layer)
}

async fn ask(app: &Router, token: &str) -> Answer {
    send(app, get("/").bearer(token)).await
}

#[tokio::test]
async fn verifier_decides_about_what_its_keys_have_signed() {
    let elsewhere = Elsewhere::default();
    let app = app(layer(), &elsewhere);

    ask(&app, &good()).await.is_ok("alice");
    for (token, words, reason) in [
        (token().claim("exp", 1), "The token has expired", Reason::Expired),
        (token().claim("aud", "x"), "The token is for another audience", Reason::WrongAudience),
        (token().claim("iss", "x"), "The token is from another issuer", Reason::WrongIssuer),
        (token().without("sub").without("exp"), "The token lacks a claim", Reason::MissingClaim),
    ] {
        let answer = ask(&app, &token.sign(&key())).await;
        answer.is_refused(401, Some(&invalid_token(words)), reason);
    }
    for payload in [&b"no JSON"[..], b"\xff", br#"{"sub":"alice","sub":"bob"}"#] {
        let answer = ask(&app, &token().raw_payload(payload).sign(&key())).await;
        let challenge = invalid_token("The token cannot be verified");
        answer.is_refused(401, Some(&challenge), Reason::Malformed);
    }
    let logout = ask(&app, &token().header("typ", "logout+jwt").sign(&key())).await;
    let challenge = invalid_token("The token cannot be verified");
    logout.is_refused(401, Some(&challenge), Reason::WrongTokenType);

    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn fallback_decides_about_all_other_tokens_and_once() {
    let elsewhere = Elsewhere::default();
    let app = app(layer(), &elsewhere);
    let other = TestKey::generate(Algorithm::HS256);
    let foreign = TestKey::generate(Algorithm::ES256);

    for (asked, token) in [
        "opaque".to_owned(),
        token().sign(&other),
        token().claim("iss", "https://elsewhere.example").sign(&foreign),
        format!("{}x", good()),
    ]
    .into_iter()
    .enumerate()
    {
        ask(&app, &token).await.is_ok("bob");
        ask(&app, &token).await.is_ok("bob");
        assert_eq!(elsewhere.asked(), asked + 1, "{token}");
    }
}

#[tokio::test]
async fn token_that_the_fallback_does_not_accept_is_refused_as_without_it() {
    let elsewhere = Elsewhere::default();

    let answer = ask(&app(layer(), &elsewhere), "not-mine").await;

    let challenge = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&challenge), Reason::Malformed);
    assert_eq!(elsewhere.asked(), 0);
}

#[tokio::test]
async fn token_of_an_issuer_that_is_not_in_the_set_is_the_fallbacks() {
    let (elsewhere, issuers) = (Elsewhere::default(), Issuers::new());
    issuers.add(key().verifying_key(), validation()).unwrap();
    let verifier = Verifier::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let app = app(BearerLayer::new(verifier), &elsewhere);

    ask(&app, &good()).await.is_ok("alice");
    assert_eq!(elsewhere.asked(), 0);
    ask(&app, &token().claim("iss", "https://other.example").sign(&key())).await.is_ok("bob");
    ask(&app, &token().without("iss").sign(&key())).await.is_ok("bob");
    assert_eq!(elsewhere.asked(), 2);
}

#[tokio::test]
async fn fallback_comes_after_the_wait_for_keys() {
    let (elsewhere, provider) = (Elsewhere::default(), Scripted::new());
    let keys: CachedKeys<Scripted> = cached(&provider);
    let app = app(BearerLayer::new(verifier_of(keys)), &elsewhere);
    let foreign = token().sign(&TestKey::generate(Algorithm::ES256).with_key_id("foreign"));

    ask(&app, &provider.mint()).await.is_ok("alice");
    assert_eq!((provider.fetches(), elsewhere.asked()), (1, 0));
    ask(&app, &foreign).await.is_ok("bob");

    assert_eq!((provider.fetches(), elsewhere.asked()), (2, 1));
}

#[tokio::test]
async fn fallback_is_not_asked_while_the_keys_cannot_be_fetched() {
    let (elsewhere, provider) = (Elsewhere::default(), Scripted::new());
    let keys: CachedKeys<Scripted> = cached(&provider);
    let app = app(BearerLayer::new(verifier_of(keys)), &elsewhere);
    provider.answer(KeysAnswer::Failure("down"));

    let answer = ask(&app, &provider.mint()).await;

    answer.is_refused(503, None, Reason::KeysUnavailable);
    assert_eq!(elsewhere.asked(), 0);
    ask(&app, "opaque").await.is_ok("bob");
}

#[tokio::test]
async fn authenticator_that_accepts_a_token_comes_before_the_fallback() {
    struct First;
    impl Authenticator for First {
        fn accepts(&self, presented: Presented<'_>) -> bool {
            presented.token().starts_with(b"key_")
        }

        async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
            Err(Reason::UnknownKey.into())
        }
    }
    let elsewhere = Elsewhere::default();
    let app = app(layer().with_authenticator(First, validation()).unwrap(), &elsewhere);

    let answer = ask(&app, "key_1").await;

    let challenge = invalid_token("The token cannot be verified");
    answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
    assert_eq!(elsewhere.asked(), 0);
    ask(&app, "opaque").await.is_ok("bob");
}
