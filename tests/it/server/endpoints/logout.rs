//! Tests the receiver of back-channel logout, by its answers and by the revocations it writes.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use http::{Method, Request};
use serde_json::{Value, json};
use tower_bearer::endpoints::{LogoutScope, LogoutService};
use tower_bearer::revocation::{MemoryRevocations, Revocation, RevocationStore};
use tower_bearer::test_util::{Fault, TestClock, TestKey, TestProvider, TestToken};
use tower_bearer::validation::Preset;
use tower_bearer::{Algorithm, BearerLayer, ConfigError, Issuers, Reason, RemoteKeys, Validation};

use super::{FORM, NoKeys, Store, at, is_done, is_refused, post, post_raw};
use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, WithBearer, get, invalid_token, key, send, token, validation,
    verifier_with,
};

const CLIENT: &str = "the-client";
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

fn rules() -> Validation {
    Validation::new(ISSUER, CLIENT)
}

fn service(ends: LogoutScope, store: impl RevocationStore) -> LogoutService {
    let service = LogoutService::new(key().verifying_key(), rules(), ends, store).unwrap();
    service.with_clock(TestClock::at(NOW))
}

fn mounted(service: LogoutService) -> Router {
    Router::new().route_service("/", service)
}

fn route(ends: LogoutScope, store: &Store) -> Router {
    mounted(service(ends, store.clone()))
}

/// As the specification's own: with `sub` and `sid`.
fn logout_token() -> TestToken {
    TestToken::new(ISSUER, CLIENT)
        .at(NOW)
        .without("nbf")
        .header("typ", "logout+jwt")
        .claim("exp", NOW + 120)
        .claim("jti", "l1")
        .claim("sid", "s1")
        .claim("events", json!({ EVENT: {} }))
}

async fn log_out(app: &Router, token: &TestToken) -> Answer {
    send(app, post(&[("logout_token", &token.sign(&key()))])).await
}

fn session() -> Revocation {
    Revocation::session(ISSUER, "s1")
}

fn subject() -> Revocation {
    Revocation::subject(ISSUER, "alice", at(NOW))
}

/// The API beside it, and an access token for it.
fn api(view: &MemoryRevocations, validation: Validation) -> Router {
    let verifier = verifier_with(key().verifying_key(), validation).with_revocations(view.clone());
    Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier))
}

fn access_token() -> TestToken {
    token().claim("sid", "s1").claim("client_id", CLIENT)
}

async fn is_out(api: &Router, token: &TestToken) {
    let answer = send(api, get("/").bearer(token.sign(&key()))).await;
    answer.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
}

async fn is_in(api: &Router, token: &TestToken) {
    send(api, get("/").bearer(token.sign(&key()))).await.is_ok("in");
}

#[tokio::test]
async fn logged_out_session_is_refused_at_the_api_from_then_on() {
    // OIDC Back-Channel Logout §2.7: the session that is named ends
    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    let api = api(&view, validation());
    let app = mounted(service(LogoutScope::Session, view));
    is_in(&api, &access_token()).await;

    is_done(&log_out(&app, &logout_token()).await);

    is_out(&api, &access_token()).await;
    is_in(&api, &access_token().claim("sid", "s2")).await;
    is_in(&api, &access_token().claim("sid", "s2").claim("sub", "bob")).await;
}

#[tokio::test]
async fn what_is_named_is_revoked_and_nothing_else() {
    // OIDC Back-Channel Logout §2.4: a subject, a session, or both
    let both = logout_token;
    let with = |ends, token, written: &[Revocation]| (ends, token, written.to_vec());
    for (ends, token, written) in [
        with(LogoutScope::Session, both(), &[session()]),
        with(LogoutScope::Session, both().without("sub"), &[session()]),
        with(LogoutScope::Session, both().claim("sub", Value::Null), &[session()]),
        with(LogoutScope::Session, both().without("sid"), &[subject()]),
        with(LogoutScope::Subject, both(), &[session(), subject()]),
        with(LogoutScope::Subject, both().without("sid"), &[subject()]),
    ] {
        let store = Store::default();

        is_done(&log_out(&route(ends, &store), &token).await);

        assert_eq!(store.written(), written, "{ends:?}");
    }
}

#[tokio::test]
async fn logout_of_a_session_that_cannot_be_found_is_refused_rather_than_lost() {
    let store = Store::default();

    let answer =
        log_out(&route(LogoutScope::Subject, &store), &logout_token().without("sub")).await;

    is_refused(&answer, 400, "invalid_request", Some(Reason::MissingClaim));
    assert_eq!(store.written(), []);
}

#[tokio::test]
async fn store_that_fails_half_way_is_503_and_the_same_token_does_the_rest() {
    let store = Store::default();
    let app = route(LogoutScope::Subject, &store);
    store.set_away_after(1);

    let answer = log_out(&app, &logout_token()).await;

    is_refused(&answer, 503, "temporarily_unavailable", Some(Reason::RevocationsUnavailable));
    assert!(answer.body.contains("not known"), "{answer:?}");
    assert_eq!(store.written(), [session()]);
    store.set_away(false);
    is_done(&log_out(&app, &logout_token()).await);
    // Storing it twice changes nothing.
    assert_eq!(store.written(), [session(), session(), subject()]);
}

/// A store that writes all revocations that belong together, or none.
#[derive(Clone, Default)]
struct Transactions(Arc<std::sync::Mutex<Vec<Vec<Revocation>>>>);

impl RevocationStore for Transactions {
    async fn add(
        &self,
        revocation: Revocation,
    ) -> Result<(), tower_bearer::revocation::RevocationsUnavailable> {
        self.add_all(vec![revocation]).await
    }

    async fn add_all(
        &self,
        revocations: Vec<Revocation>,
    ) -> Result<(), tower_bearer::revocation::RevocationsUnavailable> {
        self.0.lock().unwrap().push(revocations);
        Ok(())
    }
}

#[tokio::test]
async fn what_one_token_names_is_handed_to_the_store_at_once() {
    let store = Transactions::default();
    let app = mounted(service(LogoutScope::Subject, Arc::new(store.clone())));

    is_done(&log_out(&app, &logout_token()).await);

    assert_eq!(*store.0.lock().unwrap(), [vec![session(), subject()]]);
}

#[tokio::test]
async fn token_that_is_no_good_logout_token_is_refused_and_revokes_nothing() {
    // OIDC Back-Channel Logout §2.4: claims that must be there, and nonce that must not
    // OIDC Back-Channel Logout §2.6: validated like an ID token, and 400 otherwise
    use Reason::{
        Encrypted, Expired, InvalidClaim, InvalidSignature, Malformed, MissingClaim, NotYetValid,
        UnsupportedAlgorithm, WrongAudience, WrongIssuer, WrongTokenType,
    };
    let good = logout_token().sign(&key());
    let payload = good.split('.').nth(1).unwrap();
    let signed = |token: TestToken| token.sign(&key());
    let events = |events: Value| signed(logout_token().claim("events", events));
    for (token, reason) in [
        ("opaque".to_owned(), Malformed),
        (format!("{good}.a.b"), Encrypted),
        (
            format!("eyJhbGciOiJub25lIiwidHlwIjoibG9nb3V0K2p3dCJ9.{payload}.AA"),
            UnsupportedAlgorithm,
        ),
        (logout_token().sign(&TestKey::generate(Algorithm::HS256)), InvalidSignature),
        (signed(logout_token().without("iss")), MissingClaim),
        (signed(logout_token().claim("iss", "https://other.example.com")), WrongIssuer),
        (signed(logout_token().without("aud")), MissingClaim),
        (signed(logout_token().claim("aud", "another-client")), WrongAudience),
        (signed(logout_token().claim("aud", AUDIENCE)), WrongAudience),
        (signed(logout_token().without("exp")), MissingClaim),
        (signed(logout_token().claim("exp", NOW - 60)), Expired),
        (signed(logout_token().without("iat")), MissingClaim),
        (signed(logout_token().claim("iat", NOW + 61)), NotYetValid),
        (signed(logout_token().claim("iat", "now")), InvalidClaim),
        (signed(logout_token().without("jti")), MissingClaim),
        (signed(logout_token().without("sub").without("sid")), MissingClaim),
        (signed(logout_token().claim("sid", 1)), InvalidClaim),
        (signed(logout_token().claim("sid", Value::Null)), InvalidClaim),
        (signed(logout_token().claim("sid", "")), InvalidClaim),
        (signed(logout_token().without("sid").claim("sub", "")), InvalidClaim),
        (signed(logout_token().claim("nonce", "n")), WrongTokenType),
        (signed(logout_token().claim("nonce", Value::Null)), WrongTokenType),
        (signed(logout_token().claim("typ", "Bearer")), WrongTokenType),
        (signed(logout_token().claim("typ", "ID")), WrongTokenType),
        (signed(logout_token().claim("token_use", "id")), WrongTokenType),
        (signed(logout_token().without("events")), WrongTokenType),
        (events(json!({})), WrongTokenType),
        (events(json!(EVENT)), WrongTokenType),
        (events(json!([EVENT])), WrongTokenType),
        (events(json!({ EVENT: null })), WrongTokenType),
        (events(json!({ EVENT: true })), WrongTokenType),
        (events(json!({ "urn:example:other": {} })), WrongTokenType),
        (signed(logout_token().header("typ", "at+jwt")), WrongTokenType),
        (signed(logout_token().header("typ", "secevent+jwt")), WrongTokenType),
        (signed(logout_token().header("cty", "JWT")), WrongTokenType),
    ] {
        let store = Store::default();
        let lenient =
            service(LogoutScope::Subject, store.clone()).dangerous().accept_untyped_tokens();
        for app in [route(LogoutScope::Session, &store), mounted(lenient)] {
            let answer = send(&app, post(&[("logout_token", &token)])).await;

            is_refused(&answer, 400, "invalid_request", Some(reason));
            assert_eq!(store.written(), [], "{token}");
        }
    }
    for good in [
        logout_token(),
        logout_token().header("typ", "application/Logout+JWT"),
        logout_token().claim("aud", json!(["another-client", CLIENT])),
        logout_token().claim("exp", NOW - 59),
        logout_token().claim("iat", NOW + 60),
        logout_token().claim("events", json!({ "urn:example:other": 1, EVENT: { "x": 1 } })),
        logout_token().claim("typ", "Logout"),
        logout_token().claim("x", 1),
    ] {
        let store = Store::default();
        is_done(&log_out(&route(LogoutScope::Session, &store), &good).await);
        assert_eq!(store.written(), [session()]);
    }
}

#[tokio::test]
async fn type_of_the_header_may_be_another_only_where_that_was_asked_for() {
    // OIDC Back-Channel Logout §2.4: typ is logout+jwt
    // As Keycloak sends it.
    let keycloak = logout_token().header("typ", "JWT").claim("typ", "Logout");
    for token in [keycloak, logout_token().without_header("typ")] {
        let store = Store::default();
        let strict = route(LogoutScope::Session, &store);
        let lenient = mounted(
            service(LogoutScope::Session, store.clone()).dangerous().accept_untyped_tokens(),
        );

        let refused = log_out(&strict, &token).await;
        is_refused(&refused, 400, "invalid_request", Some(Reason::WrongTokenType));
        assert_eq!(store.written(), []);

        is_done(&log_out(&lenient, &token).await);
        is_done(&log_out(&lenient, &logout_token()).await);
        assert_eq!(store.written(), [session(), session()]);
    }
}

#[tokio::test]
async fn access_and_id_tokens_log_no_user_out() {
    // OIDC Back-Channel Logout §2.4: no other token is a logout token
    let at = access_token().claim("aud", CLIENT);
    let id = at.clone().claim("nonce", "n").claim("at_hash", "h");
    for token in [
        at.clone(),
        at.clone().header("typ", "JWT"),
        at.without_header("typ"),
        id.clone().header("typ", "JWT"),
        id.without_header("typ"),
    ] {
        let store = Store::default();
        let lenient =
            service(LogoutScope::Subject, store.clone()).dangerous().accept_untyped_tokens();
        for app in [route(LogoutScope::Session, &store), mounted(lenient)] {
            let answer = log_out(&app, &token).await;

            is_refused(&answer, 400, "invalid_request", Some(Reason::WrongTokenType));
            assert_eq!(store.written(), []);
        }
    }
}

#[tokio::test]
async fn logout_token_opens_no_api() {
    // OIDC Back-Channel Logout §2.4: a logout token is no access token
    let for_api = logout_token().claim("aud", AUDIENCE).claim("client_id", CLIENT);
    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    // The header is looked at before the signature is.
    let (before, behind) = ("The token cannot be verified", "The token is not an access token");
    for (token, description) in [
        (for_api.clone(), before),
        (for_api.clone().header("typ", "JWT"), behind),
        (for_api.without_header("typ").claim("typ", "Logout"), behind),
    ] {
        let answer = send(&api(&view, validation()), get("/").bearer(token.sign(&key()))).await;

        let challenge = invalid_token(description);
        answer.is_refused(401, Some(&challenge), Reason::WrongTokenType);
    }
    is_in(&api(&view, validation()), &access_token()).await;
}

#[tokio::test]
async fn logout_that_comes_again_is_answered_as_before_and_reaches_no_further() {
    // OIDC Back-Channel Logout §2.6: a token that comes again revokes nothing more
    let store = Store::default();
    let app = route(LogoutScope::Subject, &store);
    for _ in 0..3 {
        is_done(&log_out(&app, &logout_token()).await);
    }
    assert_eq!(store.written(), vec![[session(), subject()]; 3].concat());

    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    let api = api(&view, validation().with_revocation_leeway(Duration::ZERO));
    let app = mounted(service(LogoutScope::Subject, view));
    for _ in 0..20 {
        is_done(&log_out(&app, &logout_token()).await);
    }
    is_out(&api, &access_token().claim("sid", "s2").claim("iat", NOW)).await;
    is_in(&api, &access_token().claim("sid", "s2").claim("iat", NOW + 6)).await;
}

#[tokio::test]
async fn logout_that_comes_late_leaves_the_next_session_alone() {
    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    let api = api(&view, validation());
    let app = mounted(service(LogoutScope::Subject, view));

    is_done(&log_out(&app, &logout_token().claim("iat", NOW - 100)).await);

    // Up to the moment and the leeway, in which the provider may have issued a last one.
    is_out(&api, &access_token().claim("sid", "s2").claim("iat", NOW - 40)).await;
    is_in(&api, &access_token().claim("sid", "s2").claim("iat", NOW - 39)).await;
}

#[tokio::test]
async fn rules_for_access_tokens_do_not_count() {
    let wide = rules().with_at_jwt_only().with_required_claims(["email"]);
    let wide = wide.with_preset(Preset::Keycloak).dangerous().accept_any_kind();
    let wide = wide.dangerous().accept_any_audience();
    let wide = wide.dangerous().accept_missing_issuer().dangerous().accept_missing_expiry();
    let store = Store::default();
    let keys = key().verifying_key();
    let service = LogoutService::new(keys, wide, LogoutScope::Session, store.clone());
    let app = mounted(service.unwrap().with_clock(TestClock::at(NOW)));

    for (token, reason) in [
        (access_token().claim("aud", CLIENT), Reason::WrongTokenType),
        (logout_token().claim("aud", "another-client"), Reason::WrongAudience),
        (logout_token().without("iss"), Reason::MissingClaim),
        (logout_token().without("exp"), Reason::MissingClaim),
    ] {
        let answer = log_out(&app, &token).await;
        is_refused(&answer, 400, "invalid_request", Some(reason));
    }
    assert_eq!(store.written(), []);
    is_done(&log_out(&app, &logout_token()).await);
    assert_eq!(store.written(), [session()]);
}

#[tokio::test]
async fn algorithms_and_maximum_age_do_count() {
    let store = Store::default();
    let with = |rules: Validation| {
        let keys = key().verifying_key();
        let service = LogoutService::new(keys, rules, LogoutScope::Session, store.clone());
        mounted(service.unwrap().with_clock(TestClock::at(NOW)))
    };
    let old = logout_token().claim("iat", NOW - 120);

    let of_another = with(rules().with_algorithms([Algorithm::ES256]));
    let refused = log_out(&of_another, &logout_token()).await;
    is_refused(&refused, 400, "invalid_request", Some(Reason::AlgorithmNotAllowed));
    let young = with(rules().with_max_age(Duration::from_secs(60)));
    let refused = log_out(&young, &old).await;
    is_refused(&refused, 400, "invalid_request", Some(Reason::TooOld));
    assert_eq!(store.written(), []);

    is_done(&log_out(&with(rules().with_algorithms([Algorithm::HS256])), &old).await);
    is_done(&log_out(&young, &logout_token()).await);
}

#[tokio::test]
async fn each_of_several_issuers_speaks_for_itself() {
    let red_key = TestKey::generate(Algorithm::HS256);
    let (red, blue) = ("https://red.example.com", "https://blue.example.com");
    let issuers = Issuers::new();
    issuers.add(red_key.verifying_key(), Validation::new(red, CLIENT)).unwrap();
    issuers.add(key().verifying_key(), Validation::new(blue, CLIENT)).unwrap();
    let store = Store::default();
    let service = LogoutService::multi_issuer(&issuers, LogoutScope::Session, store.clone());
    let app = mounted(service.with_clock(TestClock::at(NOW)));
    let of = |issuer: &str, key: &TestKey| logout_token().claim("iss", issuer).sign(key);

    for (token, reason) in
        [(of(red, &key()), Reason::InvalidSignature), (of(ISSUER, &key()), Reason::WrongIssuer)]
    {
        let answer = send(&app, post(&[("logout_token", &token)])).await;
        is_refused(&answer, 400, "invalid_request", Some(reason));
    }
    assert_eq!(store.written(), []);

    for (issuer, key) in [(red, &red_key), (blue, &key())] {
        is_done(&send(&app, post(&[("logout_token", &of(issuer, key))])).await);
        assert_eq!(store.written().last(), Some(&Revocation::session(issuer, "s1")));
    }
    issuers.remove(blue);
    let answer = send(&app, post(&[("logout_token", &of(blue, &key()))])).await;
    is_refused(&answer, 400, "invalid_request", Some(Reason::WrongIssuer));
}

#[tokio::test]
async fn store_and_keys_that_are_away_are_503_so_that_the_provider_tries_again() {
    // OIDC Back-Channel Logout §2.8: nothing is confirmed that was not done
    let store = Store::default();
    let app = route(LogoutScope::Session, &store);
    store.set_away(true);
    let answer = log_out(&app, &logout_token()).await;
    let reason = Some(Reason::RevocationsUnavailable);
    is_refused(&answer, 503, "temporarily_unavailable", reason);
    assert_eq!((&answer.headers["retry-after"], store.written().len()), (&"7".parse().unwrap(), 0));
    store.set_away(false);
    is_done(&log_out(&app, &logout_token()).await);
    assert_eq!(store.written(), [session()]);

    let store = Store::default();
    let service = LogoutService::new(NoKeys, rules(), LogoutScope::Session, store.clone()).unwrap();
    let answer = log_out(&mounted(service.with_clock(TestClock::at(NOW))), &logout_token()).await;
    is_refused(&answer, 503, "temporarily_unavailable", Some(Reason::KeysUnavailable));
    assert_eq!(store.written(), []);
}

#[tokio::test]
async fn logout_token_of_a_new_key_waits_for_the_keys_that_the_api_has_too() {
    let provider = TestProvider::start().await;
    let keys = Arc::new(RemoteKeys::discover(provider.issuer()).unwrap());
    let store = Store::default();
    let rules = Validation::new(provider.issuer(), CLIENT);
    let service = LogoutService::new(Arc::clone(&keys), rules, LogoutScope::Session, store.clone());
    let app = mounted(service.unwrap());
    let token = || {
        let token = provider.token(CLIENT).header("typ", "logout+jwt").claim("sid", "s1");
        provider.sign(&token.claim("events", json!({ EVENT: {} })))
    };
    let first = token();

    is_done(&send(&app, post(&[("logout_token", &first)])).await);
    provider.rotate();
    is_done(&send(&app, post(&[("logout_token", &token())])).await);

    assert_eq!(store.written(), vec![Revocation::session(provider.issuer(), "s1"); 2]);
    provider.set_fault(Fault::Down);
    is_done(&send(&app, post(&[("logout_token", &first)])).await);
}

#[tokio::test]
async fn request_that_is_no_logout_is_refused() {
    // OIDC Back-Channel Logout §2.5: POST, with logout_token in a form
    let token = logout_token().sign(&key());
    let in_query = Request::post(format!("/?logout_token={token}")).header("content-type", FORM);
    let form = format!("logout_token={token}");
    for request in [
        post(&[("token", &token)]),
        post(&[("logout_token", "")]),
        in_query.body("x=y".into()).unwrap(),
        post(&[]).bearer(&token),
        post_raw("application/json", format!(r#"{{"logout_token":"{token}"}}"#)),
        post_raw("application/logout+jwt", token.clone()),
        post_raw(FORM, format!("{form}&{form}")),
        post_raw(FORM, format!("{form}%")),
    ] {
        let store = Store::default();
        let answer = send(&route(LogoutScope::Session, &store), request).await;
        is_refused(&answer, 400, "invalid_request", None);
        assert_eq!(store.written(), []);
    }
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS] {
        let store = Store::default();
        let mut request = post_raw(FORM, form.clone());
        *request.method_mut() = method;
        let answer = send(&route(LogoutScope::Session, &store), request).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (405, ""));
        assert_eq!(answer.headers["allow"], "POST");
        assert_eq!(store.written(), []);
    }
    // OIDC Back-Channel Logout §2.5: other parameters may be there
    let store = Store::default();
    let more = post(&[("logout_token", &token), ("x", "y")]);
    is_done(&send(&route(LogoutScope::Session, &store), more).await);
    assert_eq!(store.written(), [session()]);
}

#[test]
fn mistakes_in_the_set_up_are_config_errors() {
    let new = |rules| {
        LogoutService::new(key().verifying_key(), rules, LogoutScope::Session, Store::default())
    };

    assert!(matches!(new(Validation::new("", CLIENT)), Err(ConfigError::EmptyIssuer)));
    assert!(matches!(new(Validation::new(ISSUER, "")), Err(ConfigError::EmptyAudience)));
    let debug = format!("{:?}", new(rules()).unwrap());
    assert!(debug.contains(CLIENT), "{debug}");
}
