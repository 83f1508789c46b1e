//! Tests the revocation endpoint (RFC 7009), by its answers and by the revocations it writes.

use axum::Router;
use axum::routing::get as on_get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};
use serde_json::json;
use tower_bearer::endpoints::{
    ClientList, ClientSecret, Clients, ClientsUnavailable, RevocationService,
};
use tower_bearer::keys::KeySource;
use tower_bearer::revocation::{MemoryRevocations, Revocable, Revocation, RevocationStore};
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::{Algorithm, BearerLayer, ConfigError, Reason};

use super::{FORM, NoKeys, Store, at, is_done, is_refused, post, post_raw};
use crate::support::log::Log;
use crate::support::sealed::{decryption_key, encryption_key};
use crate::support::{
    Answer, ISSUER, NOW, WithBearer, get, invalid_token, key, send, token, validation,
    verifier_with,
};

const SECRET: &str = "the shop's own secret: +&%";

fn clients() -> ClientList {
    let list = ClientList::new().with_client("shop", SECRET).unwrap();
    list.with_client("other", "another secret").unwrap().with_public_client("browser").unwrap()
}

fn endpoint(keys: impl KeySource, clients: impl Clients, store: impl RevocationStore) -> Router {
    let service = RevocationService::new(keys, ISSUER, clients, store).unwrap();
    Router::new().route_service("/", service.with_clock(TestClock::at(NOW)))
}

fn route(store: &Store) -> Router {
    endpoint(key().verifying_key(), clients(), store.clone())
}

/// An access token of the shop.
fn of_shop() -> TestToken {
    token().claim("client_id", "shop").claim("jti", "t1")
}

fn basic(id: &str, secret: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{secret}")))
}

/// The shop's credentials, with its secret encoded as RFC 6749 has it.
fn shop() -> String {
    basic("shop", "the+shop%27s+own+secret%3A+%2B%26%25")
}

async fn revoke(app: &Router, token: &str) -> Answer {
    send(app, post(&[("token", token)]).field("authorization", shop())).await
}

async fn revoke_hinted(app: &Router, token: &str, hint: &str) -> Answer {
    let form = [("token", token), ("token_type_hint", hint)];
    send(app, post(&form).field("authorization", shop())).await
}

fn t1() -> Vec<Revocation> {
    vec![Revocation::token(ISSUER, "t1", at(NOW + 900))]
}

#[tokio::test]
async fn revoked_token_is_refused_at_the_api_from_then_on() {
    // RFC 7009 §2: a client revokes a token that was issued to it
    // RFC 7009 §3: a token that speaks for itself is refused from then on
    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    let verifier =
        verifier_with(key().verifying_key(), validation()).with_revocations(view.clone());
    let api = Router::new().route("/", on_get(|| async { "in" })).layer(BearerLayer::new(verifier));
    let route = endpoint(key().verifying_key(), clients(), view);
    let (stolen, other) = (of_shop().sign(&key()), of_shop().claim("jti", "t2").sign(&key()));
    send(&api, get("/").bearer(&stolen)).await.is_ok("in");

    is_done(&revoke(&route, &stolen).await);

    let answer = send(&api, get("/").bearer(&stolen)).await;
    answer.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
    send(&api, get("/").bearer(&other)).await.is_ok("in");
    is_done(&revoke(&route, &stolen).await);
}

#[tokio::test]
async fn encrypted_token_is_revoked_by_an_endpoint_that_can_decrypt_it() {
    let encrypted = of_shop().sign_and_encrypt(&key(), &encryption_key());
    let (store, blind) = (Store::default(), Store::default());
    let keys = key().verifying_key();
    let service = RevocationService::new(keys, ISSUER, clients(), store.clone()).unwrap();
    let service = service.with_clock(TestClock::at(NOW)).with_decryption_keys(decryption_key());

    is_done(&revoke(&Router::new().route_service("/", service), &encrypted).await);
    is_done(&revoke(&route(&blind), &encrypted).await);

    assert_eq!((store.written(), blind.written()), (t1(), Vec::new()));
}

#[tokio::test]
async fn token_that_is_no_good_is_nothing_to_do() {
    // RFC 7009 §2.2: invalid tokens are no error
    let stranger = TestKey::generate(Algorithm::HS256);
    let good = of_shop().sign(&key());
    let cut = &good[..good.len() - 4];
    for (what, token) in [
        ("opaque", "2YotnFZFEjr1zCsicMWpAA".to_owned()),
        ("cut", cut.to_owned()),
        ("encrypted", format!("{good}.a.b")),
        ("unsigned", format!("eyJhbGciOiJub25lIn0.{}.", good.split('.').nth(1).unwrap())),
        ("another's", of_shop().sign(&stranger)),
        ("of another issuer", of_shop().claim("iss", "https://other.example.com").sign(&key())),
        ("of another algorithm", of_shop().sign(&TestKey::generate(Algorithm::ES256))),
        ("expired", of_shop().claim("exp", NOW - 300).sign(&key())),
        ("of another's client", token().claim("client_id", "other").sign(&stranger)),
    ] {
        let store = Store::default();

        is_done(&revoke(&route(&store), &token).await);

        assert_eq!(store.written(), [], "{what}");
    }
}

#[tokio::test]
async fn token_that_may_be_good_somewhere_or_some_day_is_revoked() {
    // RFC 7009 §2.2: what may still be used is revoked
    for (what, token) in [
        ("in some verifier's leeway", of_shop().claim("exp", NOW - 299)),
        ("tomorrow", of_shop().claim("nbf", NOW + 90_000).claim("iat", NOW + 90_000)),
        ("elsewhere", of_shop().claim("aud", "https://elsewhere.example.com")),
        ("without audience", of_shop().without("aud")),
        ("bound to a key", of_shop().claim("cnf", json!({"jkt": "x"}))),
        ("long", of_shop().claim("x", "x".repeat(24 * 1024))),
        ("typ JWT", of_shop().header("typ", "JWT")),
    ] {
        let store = Store::default();

        is_done(&revoke(&route(&store), &token.sign(&key())).await);

        let written = store.written();
        assert_eq!(written.len(), 1, "{what}");
        assert_eq!((written[0].issuer(), written[0].name().as_str()), (ISSUER, "t1"), "{what}");
    }
}

#[tokio::test]
async fn token_of_another_client_is_refused_and_stays() {
    // RFC 7009 §2.1: the token was issued to the client that asks
    for (whose, claims) in [
        (token().claim("client_id", "other"), "another client"),
        (token(), "no client"),
        (token().claim("client_id", "Shop"), "another spelling"),
        (token().claim("client_id", "other").claim("azp", "shop"), "two clients"),
    ] {
        let store = Store::default();

        let answer = revoke(&route(&store), &whose.sign(&key())).await;

        is_refused(&answer, 400, "invalid_grant", None);
        assert_eq!(store.written(), [], "{claims}");
    }
    let store = Store::default();
    is_done(&revoke(&route(&store), &of_shop().sign(&key())).await);
    assert_eq!(store.written(), t1());
}

#[tokio::test]
async fn token_of_another_kind_is_not_supported() {
    // RFC 7009 §2.2.1: unsupported_token_type
    for (token, reason) in [
        (of_shop().header("typ", "logout+jwt"), Some(Reason::WrongTokenType)),
        (of_shop().claim("nonce", "n"), Some(Reason::WrongTokenType)),
        (of_shop().claim("typ", "Refresh"), Some(Reason::WrongTokenType)),
        (of_shop().without("jti"), None),
    ] {
        let store = Store::default();

        let answer = revoke(&route(&store), &token.sign(&key())).await;

        is_refused(&answer, 400, "unsupported_token_type", reason);
        assert_eq!(store.written(), []);
    }
}

#[tokio::test]
async fn hint_helps_and_never_misleads() {
    // RFC 7009 §2.1: the hint is only a hint
    let good = of_shop().sign(&key());
    for hint in ["access_token", "refresh_token", "pigeon"] {
        let store = Store::default();
        is_done(&revoke_hinted(&route(&store), &good, hint).await);
        assert_eq!(store.written(), t1(), "{hint}");
    }

    let store = Store::default();
    let opaque = "2YotnFZFEjr1zCsicMWpAA";
    let refused = revoke_hinted(&route(&store), opaque, "refresh_token").await;
    is_refused(&refused, 400, "unsupported_token_type", Some(Reason::Malformed));
    for hint in ["access_token", "pigeon"] {
        is_done(&revoke_hinted(&route(&store), opaque, hint).await);
    }
    let expired = of_shop().claim("exp", NOW - 301).sign(&key());
    is_done(&revoke_hinted(&route(&store), &expired, "refresh_token").await);
    assert_eq!(store.written(), []);
}

#[tokio::test]
async fn client_shows_who_it_is_in_one_of_three_ways() {
    // RFC 6749 §2.3.1: a client authenticates by HTTP Basic or in the form
    // RFC 7009 §2.1: a public client is known by its id
    let good = of_shop().sign(&key());
    let public = of_shop().claim("client_id", "browser").sign(&key());
    for request in [
        post(&[("token", &good)]).field("authorization", shop()),
        post(&[("token", &good)]).field("authorization", shop().replacen("Basic", "bASIC ", 1)),
        post(&[("token", &good), ("client_id", "shop")]).field("authorization", shop()),
        post(&[("token", &good), ("client_id", "shop"), ("client_secret", SECRET)]),
        post(&[("token", &public), ("client_id", "browser")]),
        post(&[("token", &public), ("client_id", "browser"), ("client_secret", "")]),
        post(&[("token", &public)]).field("authorization", basic("browser", "")),
    ] {
        let store = Store::default();
        is_done(&send(&route(&store), request).await);
        assert_eq!(store.written(), t1());
    }
}

#[tokio::test]
async fn client_that_is_not_who_it_says_is_refused_with_a_challenge() {
    // RFC 6749 §5.2: invalid_client
    let token = of_shop().sign(&key());
    let with = |field: &str| post(&[("token", &token)]).field("authorization", field);
    let form = |more: &[(&str, &str)]| post(&[&[("token", &*token)], more].concat());
    for (what, request) in [
        ("nothing", form(&[])),
        ("a wrong secret", with(&basic("shop", "wrong"))),
        ("another's secret", with(&basic("shop", "another+secret"))),
        ("a secret that is not encoded", with(&basic("shop", "%"))),
        ("an unknown client", with(&basic("shop2", "x"))),
        ("no secret", with(&basic("shop", ""))),
        ("no client", with(&basic("", "x"))),
        ("no colon", with(&format!("Basic {}", STANDARD.encode("shop")))),
        ("no base64", with("Basic shop:secret")),
        ("not a letter", with("Basic")),
        ("no space", with(&shop().replace(' ', ""))),
        ("another scheme", with(&format!("Bearer {token}"))),
        ("a wrong secret in the form", form(&[("client_id", "shop"), ("client_secret", "wrong")])),
        ("no secret in the form", form(&[("client_id", "shop")])),
        ("a secret without a client", form(&[("client_secret", SECRET)])),
        ("a secret where there is none", form(&[("client_id", "browser"), ("client_secret", "x")])),
        ("an assertion", form(&[("client_id", "browser"), ("client_assertion", "x")])),
    ] {
        let store = Store::default();

        let answer = send(&route(&store), request).await;

        is_refused(&answer, 401, "invalid_client", None);
        assert_eq!(store.written(), [], "{what}");
    }
}

#[tokio::test]
async fn broken_request_is_refused() {
    // RFC 6749 §2.3: one way of authentication only
    // RFC 6749 §3.1: no parameter twice
    // RFC 7009 §2: the token comes in a form, and not in the address
    let token = of_shop().sign(&key());
    let form = format!("token={token}");
    let shop_twice = [("token", &*token), ("client_id", "shop"), ("client_secret", SECRET)];
    let in_query = Request::post(format!("/?token={token}")).header("content-type", FORM);
    for (what, request) in [
        ("JSON", post_raw("application/json", format!(r#"{{"token":"{token}"}}"#))),
        ("another type", post_raw("multipart/form-data; boundary=x", form.clone())),
        ("a longer type", post_raw("application/x-www-form-urlencoded2", form.clone())),
        ("no type", Request::post("/").body(form.clone().into()).unwrap()),
        ("two types", post_raw(FORM, form.clone()).field("content-type", FORM)),
        ("no token", post(&[("token_type_hint", "access_token")])),
        ("an empty token", post(&[("token", "")])),
        ("nothing", post(&[])),
        ("in the query", in_query.body("token_type_hint=access_token".into()).unwrap()),
        ("two tokens", post_raw(FORM, format!("{form}&{form}"))),
        ("two hints", post_raw(FORM, format!("{form}&token_type_hint=a&token_type_hint=b"))),
        ("anything twice", post_raw(FORM, format!("{form}&x=1&x=2"))),
        ("a broken escape", post_raw(FORM, format!("{form}&x=%2"))),
        ("no UTF-8", post_raw(FORM, format!("{form}&x=%FF"))),
        ("two ways", post(&shop_twice)),
        ("two clients", post(&[("token", &token), ("client_id", "other")])),
        ("two fields", post_raw(FORM, form.clone()).field("authorization", shop())),
    ] {
        let store = Store::default();

        let answer = send(&route(&store), request.field("authorization", shop())).await;

        is_refused(&answer, 400, "invalid_request", None);
        assert_eq!(store.written(), [], "{what}");
    }
    let store = Store::default();
    let typed = post_raw("Application/X-WWW-Form-URLEncoded ; charset=utf-8", form);
    is_done(&send(&route(&store), typed.field("authorization", shop())).await);
    assert_eq!(store.written(), t1());
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    // RFC 7009 §2: by POST only
    let token = of_shop().sign(&key());
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let store = Store::default();
        let mut request = post(&[("token", &token)]).field("authorization", shop());
        *request.method_mut() = method.clone();

        let answer = send(&route(&store), request).await;

        assert_eq!((answer.status.as_u16(), &*answer.body), (405, ""), "{method}");
        assert_eq!(answer.headers["allow"], "POST");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(store.written(), []);
    }
}

#[tokio::test]
async fn store_that_is_away_is_503_and_the_same_request_succeeds_later() {
    // RFC 7009 §2.2.1: 503, and the client tries again
    let store = Store::default();
    let route = route(&store);
    let token = of_shop().sign(&key());
    store.set_away(true);

    let answer = revoke(&route, &token).await;

    let reason = Some(Reason::RevocationsUnavailable);
    is_refused(&answer, 503, "temporarily_unavailable", reason);
    assert_eq!(answer.headers["retry-after"], "7");
    // It does not say that nothing was revoked, which is not known.
    assert!(answer.body.contains("not known") && answer.body.contains("again"), "{answer:?}");
    assert_eq!(store.written(), []);
    store.set_away(false);
    is_done(&revoke(&route, &token).await);
    assert_eq!(store.written(), t1());
}

#[tokio::test]
async fn keys_that_are_away_are_503_and_not_an_invalid_token() {
    // RFC 7009 §2.2.1: 503, and the client tries again
    let store = Store::default();
    let route = endpoint(NoKeys, clients(), store.clone());

    for hint in ["access_token", "refresh_token"] {
        let answer = revoke_hinted(&route, &of_shop().sign(&key()), hint).await;

        let reason = Some(Reason::KeysUnavailable);
        is_refused(&answer, 503, "temporarily_unavailable", reason);
        assert_eq!(answer.headers["retry-after"], "5");
    }
    assert_eq!(store.written(), []);
}

#[tokio::test]
async fn clients_that_are_away_are_503_and_no_client_is_authenticated() {
    struct Away;

    impl Clients for Away {
        async fn authenticate(
            &self,
            _: &str,
            _: &ClientSecret,
        ) -> Result<bool, ClientsUnavailable> {
            Err(ClientsUnavailable::new("the database is away"))
        }
    }

    let store = Store::default();
    let route = endpoint(key().verifying_key(), Away, store.clone());
    let token = of_shop().sign(&key());
    let (log, _guard) = Log::of_this_thread();

    let answer = revoke(&route, &token).await;
    let public = send(&route, post(&[("token", &token), ("client_id", "shop")])).await;

    is_refused(&answer, 503, "temporarily_unavailable", None);
    assert_eq!(answer.headers["retry-after"], "5");
    // A store of clients that implements nothing about public clients has none.
    is_refused(&public, 401, "invalid_client", None);
    assert_eq!(store.written(), []);
    let heard = log.about("the database is away");
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert_eq!(heard[0].0, tracing::Level::WARN);
}

#[tokio::test]
async fn secrets_and_tokens_are_in_no_event_answer_or_debug_output() {
    let marker = "hunter2-hunter2";
    let token = of_shop().claim("jti", marker).sign(&key());
    let (log, _guard) = Log::of_this_thread();
    let list = ClientList::new().with_client("shop", marker).unwrap();
    let service =
        RevocationService::new(key().verifying_key(), ISSUER, list.clone(), Store::default());
    let store = Store::default();
    let route = route(&store);
    let mut seen = format!("{:?} {list:?}", service.unwrap());
    for request in [
        post(&[("token", &token), ("client_id", "shop"), ("client_secret", marker)]),
        post(&[("token", marker)]).field("authorization", shop()),
        post(&[("token", &token), ("x", marker), ("y", "%")]).field("authorization", shop()),
        post(&[("token", &token)]).field("authorization", basic("shop", marker)),
        post(&[("token", &token)]).field("authorization", basic(marker, marker)),
        post(&[("token", &token)]).field("authorization", shop()),
    ] {
        let answer = send(&route, request).await;
        seen += &format!("{answer:?}");
    }
    seen += &format!("{:?}", log.events());

    let signature = token.rsplit('.').next().unwrap();
    for secret in [marker, &token, signature] {
        assert!(!seen.contains(secret), "{seen}");
    }
    assert!(seen.contains("invalid_client"), "{seen}");
}

#[test]
fn mistakes_in_the_set_up_are_config_errors() {
    let mistake = |list: Result<ClientList, ConfigError>| list.unwrap_err().to_string();
    let list = ClientList::new;

    assert!(mistake(list().with_client("", "x")).contains("has no name"));
    assert!(mistake(list().with_public_client("")).contains("has no name"));
    assert!(mistake(list().with_client("shop", "")).contains("has an empty secret"));
    let twice = list().with_client("shop", "x").unwrap().with_public_client("shop");
    assert!(mistake(twice).contains("is there already"));
    let nameless = RevocationService::new(key().verifying_key(), "", list(), Store::default());
    assert!(matches!(nameless, Err(ConfigError::EmptyIssuer)));
}

#[tokio::test]
async fn token_without_issuer_or_expiry_that_some_verifier_may_accept_is_revoked() {
    let store = Store::default();
    let bare = of_shop().without("iss").without("exp");

    is_done(&revoke(&route(&store), &bare.sign(&key())).await);

    let [written] = &store.written()[..] else { panic!("{:?}", store.written()) };
    assert_eq!((written.issuer(), written.name()), (ISSUER, Revocable::Token("t1")));
    assert_eq!(written.expires_at(), None);
}

#[tokio::test]
async fn log_hears_of_each_request_that_is_refused_and_why() {
    let (log, _guard) = Log::of_this_thread();
    let route = route(&Store::default());
    let stranger = basic("shop", "no secret of the shop");

    send(&route, post(&[]).field("authorization", shop())).await;
    let token = of_shop().sign(&key());
    send(&route, post(&[("token", &token)]).field("authorization", stranger)).await;

    let heard = log.about("request refused by an endpoint");
    let levels: Vec<_> = heard.iter().map(|(level, _)| *level).collect();
    assert_eq!(levels, [tracing::Level::DEBUG; 2], "{heard:?}");
    assert!(heard[0].1.contains("invalid_request"), "{heard:?}");
    assert!(heard[1].1.contains("invalid_client"), "{heard:?}");
}
