//! Tests the extractors of claims.

use axum::Router;
use axum::routing::get as on_get;
use serde::Deserialize;
use tower_bearer::claims::PrincipalKind;
use tower_bearer::test_util::TestClock;
use tower_bearer::{BearerLayer, Claims, Principal, Reason, Rejection, Verified, Verifier};

use crate::support::{
    NOW, PLAIN, User, WithBearer, get, good, key, layer, send, token, validation,
};

#[tokio::test]
async fn result_of_claims_leaves_the_answer_to_the_handler() {
    let handler = |claims: Result<Claims<User>, Rejection>| async move {
        match claims {
            Ok(user) => user.sub.clone().unwrap(),
            Err(rejection) => format!("own answer: {}", rejection.reason()),
        }
    };
    let app = Router::new().route("/", on_get(handler)).layer(layer().with_optional_token());

    assert_eq!(send(&app, get("/")).await.body, "own answer: missing_token");
    send(&app, get("/").bearer(good())).await.is_ok("alice");
}

#[tokio::test]
async fn verified_and_principal_are_extractors_too() {
    let handler = |verified: Verified<User>, principal: Principal, none: Option<Principal>| async move {
        assert_eq!(principal.kind(), PrincipalKind::User);
        assert_eq!(principal.claims::<User>(), Some(&**verified.claims()));
        assert_eq!(principal.claims::<String>(), None);
        format!("{} {}", verified.sub.clone().unwrap(), none.unwrap().subject().unwrap())
    };
    let app = Router::new().route("/", on_get(handler)).layer(layer());

    send(&app, get("/").bearer(good())).await.is_ok("alice alice");
}

#[tokio::test]
async fn extractors_without_the_layer_are_a_server_error_never_an_open_door() {
    let app = Router::new()
        .route("/claims", on_get(|_: Claims<User>| async { "open" }))
        .route("/option", on_get(|_: Option<Claims<User>>| async { "open" }))
        .route("/verified", on_get(|_: Verified<User>| async { "open" }))
        .route("/principal", on_get(|_: Option<Principal>| async { "open" }));

    for path in ["/claims", "/option", "/verified", "/principal"] {
        let answer = send(&app, get(path).bearer(good())).await;
        answer.is_refused(500, None, Reason::LayerMissing);
    }
    let twin = app.layer(layer());
    for path in ["/claims", "/option", "/verified", "/principal"] {
        send(&twin, get(path).bearer(good())).await.is_ok("open");
    }
}

#[tokio::test]
async fn claims_of_another_type_than_the_layers_are_a_server_error() {
    let app = Router::new()
        .route("/", on_get(|_: Claims<String>| async {}))
        .route("/option", on_get(|_: Option<Claims<String>>| async {}))
        .layer(layer());

    for path in ["/", "/option"] {
        let answer = send(&app, get(path).bearer(good())).await;
        answer.is_refused(500, None, Reason::ClaimsTypeMissing);
    }
}

#[tokio::test]
async fn claims_that_do_not_fit_are_forbidden_without_an_error_code() {
    #[derive(Deserialize)]
    struct Employee {
        badge: u32,
    }
    let verifier = Verifier::<Employee>::new(key().verifying_key(), validation()).unwrap();
    let app = Router::new()
        .route("/", on_get(|user: Claims<Employee>| async move { user.badge.to_string() }))
        .layer(BearerLayer::new(verifier.with_clock(TestClock::at(NOW))));

    let answer = send(&app, get("/").bearer(good())).await;

    answer.is_refused(403, Some(PLAIN), Reason::ClaimsMismatch);
    send(&app, get("/").bearer(token().claim("badge", 7).sign(&key()))).await.is_ok("7");
}

#[tokio::test]
async fn claims_may_be_any_json_or_nothing_at_all() {
    let clock = TestClock::at(NOW);
    let any: Verifier<serde_json::Value> =
        Verifier::new(key().verifying_key(), validation()).unwrap().with_clock(clock.clone());
    let nothing: Verifier<serde::de::IgnoredAny> =
        Verifier::new(key().verifying_key(), validation()).unwrap().with_clock(clock);

    assert_eq!(any.verify(&good()).await.unwrap()["sub"], "alice");
    assert!(nothing.verify(&good()).await.is_ok());
}

#[tokio::test]
async fn claims_are_shared_not_cloned() {
    let handler = |one: Claims<User>, two: Claims<User>| async move {
        std::sync::Arc::ptr_eq(&one.0, &two.0).to_string()
    };
    let app = Router::new().route("/", on_get(handler)).layer(layer());

    send(&app, get("/").bearer(good())).await.is_ok("true");
}
