use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::routing::get as on_get;
use serde_json::json;
use tower_bearer::introspection::{Introspection, OpaqueTokens};
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::test_util::TestClock;
use tower_bearer::{BearerLayer, Principal, Reason};

use super::server::Server;
use super::{active, basic, introspection};
use crate::support::{
    ISSUER, NOW, User, WithBearer, get, good, invalid_token, layer, send, token, validation,
    verifier,
};

fn app_of(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    Router::new().route("/", on_get(name)).layer(layer)
}

#[tokio::test]
async fn answer_is_kept_for_its_time_but_not_beyond_the_expiry_of_the_token() {
    // RFC 7662 §4: answers are not kept beyond `exp`
    let server = Server::start().await;
    let clock = TestClock::at(NOW);
    let introspection = introspection(&server).with_freshness(Duration::from_secs(86_400));
    let layer = BearerLayer::new(verifier().with_clock(clock.clone()));
    let app = app_of(layer.with_authenticator(introspection, validation()).unwrap());
    server.say(&active(&json!({ "exp": NOW + 30 })));

    for _ in 0..5 {
        send(&app, get("/").bearer("token")).await.is_ok("alice");
    }
    assert_eq!(server.asked(), 1);
    // `exp` and the leeway.
    clock.set(NOW + 90);
    server.say(&active(&json!({})));
    send(&app, get("/").bearer("token")).await.is_ok("alice");
    assert_eq!(server.asked(), 2);
    server.say(&active(&json!({ "exp": NOW + 30 })));
    let refused = send(&app, get("/").bearer("another")).await;
    refused.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
}

#[tokio::test]
async fn answers_that_are_forgotten_are_asked_for_again() {
    let server = Server::start().await;
    let introspection = Arc::new(introspection(&server));
    let layer = layer().with_authenticator(Arc::clone(&introspection), validation()).unwrap();
    let app = app_of(layer);
    for _ in 0..3 {
        send(&app, get("/").bearer("good-1")).await.is_ok("good-1");
    }
    assert_eq!(server.asked(), 1);
    server.say(&json!({ "active": false }));
    send(&app, get("/").bearer("good-1")).await.is_ok("good-1");

    introspection.forget();

    let refused = send(&app, get("/").bearer("good-1")).await;
    let challenge = invalid_token("The token is not active any more");
    refused.is_refused(401, Some(&challenge), Reason::Inactive);
}

#[tokio::test]
async fn kept_answer_is_refused_when_its_subject_is_revoked() {
    let server = Server::start().await;
    let revocations = MemoryRevocations::new();
    let layer = BearerLayer::new(verifier().with_revocations(revocations.clone()));
    let app = app_of(layer.with_authenticator(introspection(&server), validation()).unwrap());
    send(&app, get("/").bearer("good-1")).await.is_ok("good-1");

    let now: SystemTime = UNIX_EPOCH + Duration::from_secs(NOW);
    revocations.revoke(Revocation::subject(ISSUER, "good-1", now));

    let refused = send(&app, get("/").bearer("good-1")).await;
    refused.is_refused(401, Some(&invalid_token("The token was revoked")), Reason::Revoked);
    send(&app, get("/").bearer("good-2")).await.is_ok("good-2");
}

#[tokio::test]
async fn as_a_fallback_the_server_is_asked_about_tokens_that_the_verifier_does_not_know() {
    let server = Server::start().await;
    let introspection = Introspection::new(&server.url("/"), basic(), OpaqueTokens::all()).unwrap();
    let app = app_of(layer().with_fallback_authenticator(introspection, validation()).unwrap());

    send(&app, get("/").bearer(good())).await.is_ok("alice");
    assert_eq!(server.asked(), 0);
    send(&app, get("/").bearer("good-1")).await.is_ok("good-1");
    let refused = send(&app, get("/").bearer("other")).await;
    let expired = token().at(NOW - 10_000).sign(&crate::support::key());
    let late = send(&app, get("/").bearer(expired)).await;

    let challenge = invalid_token("The token is not active any more");
    refused.is_refused(401, Some(&challenge), Reason::Inactive);
    late.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
    assert_eq!(server.asked(), 2);
}
