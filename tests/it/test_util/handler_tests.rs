//! Tests claims without a token, as users test their handlers with them.

use axum::Router;
use axum::routing::get as on_get;
use http::{Method, Request};
use serde_json::{Value, json};
use tower_bearer::claims::PrincipalKind;
use tower_bearer::policy::{Policy, claims_where, role, scope};
use tower_bearer::render::{Json, ProblemJson};
use tower_bearer::test_util::{DangerouslyTrustEveryone, trust_without_verifying};
use tower_bearer::validation::Preset;
use tower_bearer::{
    Claims, Principal, Reason, Rejection, Require, Requirement, Validation, Verified, require,
};
use tracing::Level;

use crate::observe::events::reported;
use crate::support::{
    AUDIENCE, Answer, ISSUER, PLAIN, User, WithBearer, get, key, layer, send, token,
};

struct Admin;

impl Requirement for Admin {
    fn policy() -> impl Policy {
        role("admin")
    }
}

fn routes() -> Router {
    Router::new()
        .route("/claims", on_get(|user: Claims<User>| async move { user.email.clone().unwrap() }))
        .route("/optional", on_get(|user: Option<Claims<User>>| async move {
            user.map_or_else(String::new, |user| user.sub.clone().unwrap())
        }))
        .route("/verified", on_get(|user: Verified<User>| async move {
            user.principal().subject().unwrap().to_owned()
        }))
        .route("/principal", on_get(|principal: Principal| async move {
            principal.subject().unwrap().to_owned()
        }))
        .route("/extractor", on_get(|_: Require<Admin>| async { "in" }))
        .route("/role", on_get(|| async { "in" }).layer(require(role("admin"))))
        .route("/scope", on_get(|| async { "in" }).layer(require(scope("orders:write"))))
        .route(
            "/email",
            on_get(|| async { "in" }).layer(require(claims_where(|user: &User| {
                user.email.as_deref() == Some("alice@example.com")
            }))),
        )
        .route("/handler", on_get(|principal: Principal| async move {
            principal.check(role("admin"))?;
            Ok::<_, Rejection>("in")
        }))
        .route("/wrong-type", on_get(|_: Claims<u8>| async {}))
}

fn trusting(claims: Value) -> DangerouslyTrustEveryone<User> {
    DangerouslyTrustEveryone::new(claims)
}

fn alice() -> Value {
    json!({
        "sub": "alice", "email": "alice@example.com", "roles": ["admin"], "scope": "orders:write",
    })
}

fn bob() -> Value {
    json!({"sub": "bob", "email": "bob@example.com"})
}

async fn ask(claims: Value, path: &str) -> Answer {
    send(&routes().layer(trusting(claims)), get(path)).await
}

/// The answer to a verified token with these claims.
async fn ask_with_token(claims: Value, path: &str) -> Answer {
    let claims = claims.as_object().unwrap().iter();
    let token = claims.fold(token(), |token, (name, value)| token.claim(name, value.clone()));
    send(&routes().layer(layer()), get(path).bearer(token.sign(&key()))).await
}

#[tokio::test]
async fn handlers_find_the_claims_that_were_made_up() {
    for (path, body) in [
        ("/claims", "alice@example.com"),
        ("/optional", "alice"),
        ("/verified", "alice"),
        ("/principal", "alice"),
    ] {
        ask(alice(), path).await.is_ok(body);
    }
}

#[tokio::test]
async fn guards_accept_a_subject_with_the_right_claims() {
    for path in ["/extractor", "/role", "/scope", "/email", "/handler"] {
        ask(alice(), path).await.is_ok("in");
    }
}

#[tokio::test]
async fn guards_refuse_a_subject_without_the_right_claims() {
    for path in ["/extractor", "/role", "/email", "/handler"] {
        ask(bob(), path).await.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
    let challenge = "Bearer realm=\"api\", error=\"insufficient_scope\", \
                     error_description=\"The token lacks a scope\", scope=\"orders:write\"";
    ask(bob(), "/scope").await.is_refused(403, Some(challenge), Reason::InsufficientScope);
}

#[tokio::test]
async fn answers_are_those_of_the_real_layer() {
    for claims in [alice(), bob()] {
        for path in
            ["/claims", "/extractor", "/role", "/scope", "/email", "/handler", "/wrong-type"]
        {
            let made_up = ask(claims.clone(), path).await;
            let verified = ask_with_token(claims.clone(), path).await;

            assert_eq!(format!("{made_up:?}"), format!("{verified:?}"));
        }
    }
}

#[tokio::test]
async fn claims_of_another_type_are_a_mistake_as_behind_the_real_layer() {
    ask(alice(), "/wrong-type").await.is_refused(500, None, Reason::ClaimsTypeMissing);
}

#[tokio::test]
async fn token_that_is_sent_is_not_looked_at() {
    let app = routes().layer(trusting(bob()));

    let answer = send(&app, get("/principal").bearer("rubbish")).await;

    answer.is_ok("bob");
}

#[tokio::test]
async fn registered_claims_that_are_missing_are_added() {
    let layer = DangerouslyTrustEveryone::<Value>::new(json!({"sub": "alice", "client_id": "app"}));
    let app = Router::new()
        .route("/", on_get(|claims: Claims<Value>| async move { claims.0["aud"].to_string() }))
        .route(
            "/principal",
            on_get(|principal: Principal| async move {
                let claims = principal.registered();
                assert_eq!(principal.issuer(), "https://id.example.com");
                assert!(claims.audience().unwrap().contains("https://api.example.com"));
                assert!(principal.time_left().as_secs() > 365 * 24 * 60 * 60);
                assert_eq!(principal.kind(), PrincipalKind::User);
            }),
        )
        .layer(layer);

    send(&app, get("/")).await.is_ok("\"https://api.example.com\"");
    send(&app, get("/principal")).await.is_ok("");
}

#[tokio::test]
async fn registered_claims_that_are_given_stay_as_they_are() {
    let claims = json!({"sub": "alice", "iss": "https://x.example", "aud": ["a", "b"], "exp": 1});
    let mut request = get("/");

    trust_without_verifying::<Value>(request.extensions_mut(), claims.clone());

    let principal = request.extensions().get::<Principal>().unwrap();
    assert_eq!(principal.claims::<Value>(), Some(&claims));
    assert_eq!(principal.issuer(), "https://x.example");
    assert!(principal.time_left().is_zero());
}

#[tokio::test]
async fn roles_are_where_the_validation_has_them() {
    let claims = json!({"sub": "alice", "realm_access": {"roles": ["admin"]}});
    let keycloak = Validation::new(ISSUER, AUDIENCE).with_preset(Preset::Keycloak);
    let with = routes().layer(trusting(claims.clone()).with_validation(keycloak));
    let without = routes().layer(trusting(claims));

    send(&with, get("/role")).await.is_ok("in");
    send(&without, get("/role")).await.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn issuer_and_audience_are_those_of_the_validation() {
    let own = Validation::new("https://own.example", "own-api");
    let layer = DangerouslyTrustEveryone::<Value>::new(json!({})).with_validation(own);
    let app = Router::new()
        .route(
            "/",
            on_get(|claims: Claims<Value>| async move {
                format!("{} {}", claims.0["iss"], claims.0["aud"])
            }),
        )
        .layer(layer);

    send(&app, get("/")).await.is_ok("\"https://own.example\" \"own-api\"");
}

#[tokio::test]
async fn refusals_of_guards_have_the_realm_and_the_body_that_were_set() {
    let json = trusting(bob()).with_realm("orders").with_rejection(Json);
    let problem = trusting(bob()).with_rejection(ProblemJson);

    let json = send(&routes().layer(json), get("/role")).await;
    let problem = send(&routes().layer(problem), get("/role")).await;

    json.is_refused(403, Some("Bearer realm=\"orders\""), Reason::Forbidden);
    assert!(json.body.starts_with(r#"{"error":"forbidden","#), "{}", json.body);
    assert_eq!(problem.headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn refusal_of_head_has_no_body() {
    let app = routes().layer(trusting(bob()).with_rejection(Json));
    let mut head = get("/role");
    *head.method_mut() = Method::HEAD;

    let answer = send(&app, head).await;

    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    assert_eq!(answer.body, "");
}

#[tokio::test]
async fn inner_layer_replaces_what_an_outer_one_has_left() {
    let app = routes().layer(trusting(alice())).layer(trusting(bob()));
    send(&app, get("/principal")).await.is_ok("alice");

    let app = routes().layer(layer()).layer(trusting(alice()));
    send(&app, get("/principal")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn request_that_is_trusted_by_itself_passes_guards() {
    let mut allowed = get("/role");
    trust_without_verifying::<User>(allowed.extensions_mut(), alice());
    let mut refused = get("/role");
    trust_without_verifying::<User>(refused.extensions_mut(), bob());

    send(&routes(), allowed).await.is_ok("in");
    send(&routes(), refused).await.is_refused(403, Some(PLAIN), Reason::Forbidden);
    send(&routes(), get("/role")).await.is_refused(500, None, Reason::LayerMissing);
}

#[test]
#[should_panic(expected = "the claims do not fit it::support::User: invalid type")]
fn claims_that_do_not_fit_their_type_fail_in_the_constructor() {
    trusting(json!({"email": 7}));
}

#[test]
#[should_panic(expected = "the claim `exp` has the wrong JSON type")]
fn registered_claims_of_the_wrong_type_fail_in_the_constructor() {
    trusting(json!({"exp": "tomorrow"}));
}

#[test]
#[should_panic(expected = "claims are a JSON object, not [\"admin\"]")]
fn claims_that_are_no_object_fail_in_the_constructor() {
    trusting(json!(["admin"]));
}

#[test]
#[should_panic(expected = "leeway")]
fn validation_that_makes_no_sense_fails_where_it_is_set() {
    let leeway = std::time::Duration::from_secs(3600);
    _ = trusting(alice()).with_validation(Validation::new(ISSUER, AUDIENCE).with_leeway(leeway));
}

#[test]
fn each_layer_that_is_made_reports_itself_once_as_an_error() {
    let events = reported(|| {
        let layer = trusting(alice()).with_realm("orders").with_rejection(Json);
        _ = routes().layer(layer.clone()).layer(layer);
    });

    let [(level, text)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*level, Level::ERROR);
    assert!(text.contains("every request is accepted without any verification"), "{text}");
    assert!(text.contains("for tests only") && !text.contains("alice"), "{text}");
}

#[test]
fn request_that_is_trusted_by_itself_is_reported_too() {
    let events = reported(|| {
        let mut request = Request::new(());
        trust_without_verifying::<User>(request.extensions_mut(), alice());
    });

    assert_eq!(events.len(), 1, "{events:?}");
}

#[test]
fn report_goes_to_the_standard_error_stream_without_a_subscriber() {
    let this = std::env::current_exe().unwrap();
    // The name of a test leaves out that of its crate.
    let (_, module) = module_path!().split_once("::").unwrap();
    let test = format!("{module}::token_that_is_sent_is_not_looked_at");

    let output =
        std::process::Command::new(this).args(["--exact", &test, "--nocapture"]).output().unwrap();

    assert!(output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let warning = "every request is accepted without any verification";
    assert_eq!(stderr.matches(warning).count(), 1, "{stderr}");
}

#[tokio::test]
async fn optional_stand_in_takes_requests_without_a_token_for_visitors() {
    let app = routes().layer(trusting(alice()).with_realm("orders").with_optional_token());
    let challenge = "Bearer realm=\"orders\"";

    send(&app, get("/optional")).await.is_ok("");
    send(&app, get("/optional").bearer("x")).await.is_ok("alice");
    for path in ["/claims", "/verified", "/principal", "/extractor", "/role"] {
        send(&app, get(path)).await.is_refused(401, Some(challenge), Reason::MissingToken);
        assert_eq!(send(&app, get(path).bearer("x")).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn visitors_of_the_stand_in_get_the_answers_of_the_real_layer() {
    for path in
        ["/optional", "/claims", "/verified", "/principal", "/extractor", "/role", "/handler"]
    {
        for field in [None, Some("Basic YTpi")] {
            let request = || match field {
                None => get(path),
                Some(field) => get(path).field("authorization", field),
            };
            let stand_in =
                send(&routes().layer(trusting(alice()).with_optional_token()), request()).await;
            let real = send(&routes().layer(layer().with_optional_token()), request()).await;

            assert_eq!(format!("{stand_in:?}"), format!("{real:?}"), "{path}");
        }
    }
}

#[tokio::test]
async fn stand_in_that_is_not_optional_has_no_visitors() {
    send(&routes().layer(trusting(alice())), get("/optional")).await.is_ok("alice");
}

#[tokio::test]
async fn optional_stand_in_removes_the_principal_of_an_outer_layer() {
    let app = routes().layer(trusting(alice()).with_optional_token()).layer(trusting(bob()));

    send(&app, get("/optional")).await.is_ok("");
}
