//! Tests how refusals look: every reason, every renderer, and middleware that changes an answer on
//! its way out.

use std::time::{Duration, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::middleware::{Next, from_fn};
use axum::response::IntoResponse;
use axum::routing::get as on_get;
use http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER, SET_COOKIE};
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tower_bearer::active_check::ActiveCheck;
use tower_bearer::error::ReasonClass;
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup};
use tower_bearer::policy::scope;
use tower_bearer::render;
use tower_bearer::render::{Json, ProblemJson, Render};
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, BearerLayer, Principal, Reason, require};
use tower_http::cors::CorsLayer;

use crate::support::{
    Answer, ISSUER, NOW, PLAIN, User, WithBearer, challenge, get, good, invalid_token, key, send,
    token, validation, verifier_of, verifier_with,
};

/// Keys that are never there.
struct Down;

impl KeySource for Down {
    fn lookup(&self, _: &Header) -> Lookup {
        Lookup::Refresh
    }

    async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
        Err(KeysUnavailable::new("nobody answers").with_retry_after(Duration::from_millis(1500)))
    }
}

/// A layer that can refuse for every reason: its key has a name, tokens may be a day old, one of
/// them was revoked, and Mallory is locked.
fn layer() -> BearerLayer<User> {
    let named = key().with_key_id("known").verifying_key();
    let validation = validation().with_max_age(Duration::from_secs(24 * 60 * 60));
    let revocations = MemoryRevocations::new();
    let expires_at = SystemTime::UNIX_EPOCH + Duration::from_secs(NOW + 900);
    revocations.revoke(Revocation::token(ISSUER, "stolen", expires_at));
    let check = ActiveCheck::new(|principal: Principal| async move {
        Ok::<_, std::convert::Infallible>(principal.subject() != Some("mallory"))
    });
    let verifier = verifier_with(named, validation).with_revocations(revocations);
    BearerLayer::new(verifier.with_active_check(check))
}

fn app<R: Render<Body> + Clone>(layer: BearerLayer<User, R>) -> Router {
    Router::new()
        .route("/", on_get(|| async { "in" }))
        .route("/scope", on_get(|| async { "in" }).layer(require(scope("a b"))))
        .route("/role", on_get(|| async { "in" }).layer(require(tower_bearer::policy::role("x"))))
        .layer(layer)
}

/// A request for every reason that a stranger can cause, with status and challenge.
fn refusals() -> Vec<(Reason, Request<Body>, u16, Option<String>)> {
    let signed = |token: tower_bearer::test_util::TestToken| get("/").bearer(token.sign(&key()));
    let invalid = |text: &str| Some(invalid_token(text));
    let bad = |text: &str| Some(challenge("invalid_request", text));
    let scope = challenge("insufficient_scope", "The token lacks a scope") + ", scope=\"a b\"";
    let other = TestKey::generate(Algorithm::HS256);
    vec![
        (Reason::MissingToken, get("/"), 401, Some(PLAIN.into())),
        (
            Reason::MalformedAuthorization,
            get("/").field("authorization", "Bearer"),
            400,
            bad("The Authorization field is malformed"),
        ),
        (
            Reason::RepeatedAuthorization,
            get("/").bearer(good()).bearer(good()),
            400,
            bad("There is more than one Authorization field"),
        ),
        (
            Reason::TokenTooLarge,
            get("/").bearer("a".repeat(16 * 1024 + 1)),
            401,
            invalid("The token cannot be verified"),
        ),
        (Reason::Malformed, get("/").bearer("x"), 401, invalid("The token cannot be verified")),
        (
            Reason::Encrypted,
            get("/").bearer("a.b.c.d.e"),
            401,
            invalid("The token cannot be verified"),
        ),
        (
            Reason::UnsupportedAlgorithm,
            signed(token().header("alg", "none")),
            401,
            invalid("The token cannot be verified"),
        ),
        (
            Reason::AlgorithmNotAllowed,
            signed(token().header("alg", "RS256")),
            401,
            invalid("The token cannot be verified"),
        ),
        (
            Reason::CriticalHeader,
            signed(token().header("crit", json!(["x"]))),
            401,
            invalid("The token cannot be verified"),
        ),
        (
            Reason::InvalidSignature,
            get("/").bearer(token().sign(&other)),
            401,
            invalid("The token cannot be verified"),
        ),
        (
            Reason::WrongTokenType,
            signed(token().header("typ", "logout+jwt")),
            401,
            invalid("The token cannot be verified"),
        ),
        (
            Reason::WrongTokenType,
            signed(token().claim("nonce", "n")),
            401,
            invalid("The token is not an access token"),
        ),
        (
            Reason::BoundToken,
            signed(token().claim("cnf", json!({ "jkt": "x" }))),
            401,
            invalid("The token is bound to a key, which bearer tokens are not"),
        ),
        (Reason::TooOld, signed(token().claim("iat", 1)), 401, invalid("The token is too old")),
        (
            Reason::UnknownKey,
            get("/").bearer(token().sign(&key().with_key_id("other"))),
            401,
            invalid("The token cannot be verified"),
        ),
        (
            Reason::MissingClaim,
            signed(token().without("exp")),
            401,
            invalid("The token lacks a claim"),
        ),
        (
            Reason::InvalidClaim,
            signed(token().claim("exp", "soon")),
            401,
            invalid("A claim of the token is invalid"),
        ),
        (Reason::Expired, signed(token().claim("exp", 1)), 401, invalid("The token has expired")),
        (
            Reason::NotYetValid,
            signed(token().claim("nbf", 9_000_000_000_u64)),
            401,
            invalid("The token is not valid yet"),
        ),
        (
            Reason::WrongIssuer,
            signed(token().claim("iss", "x")),
            401,
            invalid("The token is from another issuer"),
        ),
        (
            Reason::WrongAudience,
            signed(token().claim("aud", "x")),
            401,
            invalid("The token is for another audience"),
        ),
        (
            Reason::Revoked,
            signed(token().claim("jti", "stolen")),
            401,
            invalid("The token was revoked"),
        ),
        (
            Reason::Inactive,
            signed(token().claim("sub", "mallory")),
            401,
            invalid("The token is not active any more"),
        ),
        (Reason::InsufficientScope, get("/scope").bearer(good()), 403, Some(scope)),
        (Reason::Forbidden, get("/role").bearer(good()), 403, Some(PLAIN.into())),
        (Reason::ClaimsMismatch, signed(token().claim("email", 1)), 403, Some(PLAIN.into())),
    ]
}

#[tokio::test]
async fn every_refusal_has_its_status_and_challenge_and_an_empty_body() {
    // RFC 9110 §15.5.2: every 401 carries a challenge
    // RFC 6750 §3.1: invalid_token is answered with 401
    // RFC 6750 §3.1: no error codes but the registered ones
    // RFC 6750 §3.1: no error code where scopes would not help
    // RFC 6750 §3.1: a revoked token is invalid_token
    let app = app(layer());
    for (reason, request, status, challenge) in refusals() {
        let answer = send(&app, request).await;

        answer.is_refused(status, challenge.as_deref(), reason);
        assert_eq!((&*answer.body, answer.headers.get(CONTENT_TYPE)), ("", None));
        assert_eq!(status_of(reason.class()), status, "{reason}");
    }
    let granted = token().claim("scope", "a b").claim("roles", "x").sign(&key());
    for path in ["/", "/scope", "/role"] {
        send(&app, get(path).bearer(&granted)).await.is_ok("in");
    }
}

/// The table in the documentation of the classes.
fn status_of(class: ReasonClass) -> u16 {
    match class {
        ReasonClass::NoCredentials | ReasonClass::BadToken => 401,
        ReasonClass::BadRequest => 400,
        ReasonClass::NotAllowed => 403,
        ReasonClass::NotFound => 404,
        ReasonClass::Unavailable => 503,
        ReasonClass::Misconfigured => 500,
    }
}

#[tokio::test]
async fn every_refusal_has_a_json_body_when_asked_for() {
    let app = app(layer().with_rejection(Json));
    for (reason, request, status, challenge) in refusals() {
        let answer = send(&app, request).await;

        answer.is_refused(status, challenge.as_deref(), reason);
        assert_eq!(answer.headers[CONTENT_TYPE], "application/json");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(body["error"], code(reason));
        assert!(body["error_description"].as_str().is_some_and(|text| text.len() > 10), "{body}");
        let scope = (reason == Reason::InsufficientScope).then(|| json!("a b"));
        assert_eq!(body.get("scope"), scope.as_ref());
    }
}

#[tokio::test]
async fn every_refusal_has_a_problem_document_when_asked_for() {
    let app = app(layer().with_rejection(ProblemJson));
    for (reason, request, status, challenge) in refusals() {
        let answer = send(&app, request).await;

        answer.is_refused(status, challenge.as_deref(), reason);
        assert_eq!(answer.headers[CONTENT_TYPE], "application/problem+json");
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        let expected = StatusCode::from_u16(status).unwrap();
        assert_eq!(body["status"], status);
        assert_eq!(body["title"], expected.canonical_reason().unwrap());
        assert_eq!(body["error"], code(reason));
        assert!(body["detail"].as_str().is_some_and(|text| text.len() > 10), "{body}");
    }
}

fn code(reason: Reason) -> &'static str {
    match reason {
        Reason::MissingToken => "unauthorized",
        Reason::MalformedAuthorization | Reason::RepeatedAuthorization => "invalid_request",
        Reason::InsufficientScope => "insufficient_scope",
        Reason::Forbidden | Reason::ClaimsMismatch => "forbidden",
        _ => "invalid_token",
    }
}

#[tokio::test]
async fn closure_makes_the_body_and_status_and_challenge_stay() {
    let html = render::from_fn(|rejection, parts| {
        parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        Body::from(format!("<h1>{}</h1>", rejection.description()))
    });
    let app = app(layer().with_rejection(html));

    let missing = send(&app, get("/")).await;
    let guarded = send(&app, get("/role").bearer(good())).await;

    missing.is_refused(401, Some(PLAIN), Reason::MissingToken);
    assert_eq!(missing.body, "<h1>An access token is needed</h1>");
    guarded.is_refused(403, Some(PLAIN), Reason::Forbidden);
    assert_eq!(guarded.body, "<h1>The token does not allow this</h1>");
    assert_eq!(guarded.headers[CONTENT_TYPE], "text/html");
}

#[tokio::test]
async fn unreachable_keys_are_503_with_retry_after_and_no_challenge() {
    // RFC 9110 §15.6.4: missing keys are no fault of the token
    let app = app(BearerLayer::new(verifier_of(Down)).with_rejection(Json));

    let answer = send(&app, get("/").bearer(good())).await;

    answer.is_refused(503, None, Reason::KeysUnavailable);
    assert_eq!(answer.headers[RETRY_AFTER], "2");
    assert!(answer.body.contains("temporarily_unavailable"));
    // A refusal that does not need keys is decided without them.
    send(&app, get("/")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn realm_is_in_every_challenge_of_layer_and_guards() {
    // RFC 6750 §3: one or more parameters behind the scheme
    // RFC 9110 §11.5: the realm is a quoted string
    let app = app(layer().with_realm("orders").unwrap());
    let expected = Some("Bearer realm=\"orders\"");

    send(&app, get("/")).await.is_refused(401, expected, Reason::MissingToken);
    send(&app, get("/role").bearer(good())).await.is_refused(403, expected, Reason::Forbidden);
    assert!(layer().with_realm("a\"b").is_err());
}

/// Adds a middleware between the layer and a guarded route.
fn with_between<F>(between: F) -> Router
where
    F: Fn(Response<Body>) -> Response<Body> + Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/", on_get(|| async { "in" }).layer(require(scope("a"))))
        .layer(from_fn(move |request, next: Next| {
            let between = between.clone();
            async move { between(next.run(request).await) }
        }))
        .layer(layer().with_rejection(Json))
}

fn insufficient() -> String {
    challenge("insufficient_scope", "The token lacks a scope") + ", scope=\"a\""
}

#[tokio::test]
async fn status_and_challenge_survive_a_middleware_that_rebuilds_the_response() {
    let app = with_between(|response| {
        let (parts, _) = response.into_parts();
        let mut rebuilt = Response::builder().status(parts.status);
        rebuilt.headers_mut().unwrap().extend(parts.headers);
        rebuilt.body(Body::from("rebuilt")).unwrap()
    });

    let answer = send(&app, get("/").bearer(good())).await;

    assert_eq!(answer.status, 403);
    assert_eq!(answer.challenge(), Some(&*insufficient()));
    assert_eq!(answer.body, "rebuilt");
}

#[tokio::test]
async fn headers_added_on_the_way_out_stay() {
    let app = with_between(|mut response| {
        response.headers_mut().append(SET_COOKIE, HeaderValue::from_static("a=b"));
        response
    })
    .layer(CorsLayer::permissive());

    let answer = send(&app, get("/").bearer(good()).field("origin", "https://x.example")).await;

    answer.is_refused(403, Some(&insufficient()), Reason::InsufficientScope);
    assert_eq!(answer.headers[SET_COOKIE], "a=b");
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert!(answer.body.contains("insufficient_scope"));
}

#[tokio::test]
async fn answer_with_a_changed_status_is_left_alone() {
    let app = with_between(|response| {
        if response.status() == StatusCode::FORBIDDEN {
            let (mut parts, _) = response.into_parts();
            parts.status = StatusCode::NOT_FOUND;
            return Response::from_parts(parts, Body::from("no such thing"));
        }
        response
    });

    let answer = send(&app, get("/").bearer(good())).await;

    assert_eq!((answer.status, &*answer.body), (StatusCode::NOT_FOUND, "no such thing"));
}

#[tokio::test]
async fn answers_of_handlers_that_look_like_refusals_are_left_alone() {
    let own = || async {
        (StatusCode::FORBIDDEN, axum::Extension(Reason::Forbidden), "mine").into_response()
    };
    let app = Router::new().route("/", on_get(own)).layer(layer().with_rejection(Json));

    let answer = send(&app, get("/").bearer(good())).await;

    assert_eq!((answer.status, &*answer.body), (StatusCode::FORBIDDEN, "mine"));
    assert_eq!(answer.challenge(), None);
}

#[tokio::test]
async fn no_answer_says_what_this_server_expects() {
    let app = app(layer().with_rejection(ProblemJson));
    for (reason, request, ..) in refusals() {
        let Answer { headers, body, .. } = send(&app, request).await;
        let shown = format!("{headers:?} {body}");
        for secret in ["id.example.com", "api.example.com", "alice", "HS256", "eyJ"] {
            assert!(!shown.contains(secret), "{reason}: {shown}");
        }
    }
}

#[tokio::test]
async fn rendered_body_replaces_what_a_router_inside_said_of_the_empty_one() {
    // A complete router says `content-length: 0` of a guard's empty body.
    let guarded = || Router::new().route("/", on_get(|| async { "in" }).layer(require(scope("a"))));
    let bearer = || layer().with_rejection(Json);
    let around = Router::new().fallback_service(tower::Layer::layer(&bearer(), guarded()));
    let nested = Router::new().nest_service("/n", guarded()).layer(bearer());
    let fallback = Router::new().fallback_service(guarded()).layer(bearer());

    for (app, path) in [(around, "/"), (nested, "/n"), (fallback, "/")] {
        let answer = send(&app, get(path).bearer(good())).await;

        answer.is_refused(403, Some(&insufficient()), Reason::InsufficientScope);
        let length = answer.headers.get("content-length").map(|value| value.to_str().unwrap());
        assert!(length.is_none_or(|length| length == answer.body.len().to_string()), "{length:?}");
        assert!(answer.body.contains("insufficient_scope"), "{}", answer.body);
        let granted = token().claim("scope", "a").sign(&key());
        send(&app, get(path).bearer(granted)).await.is_ok("in");
    }
}

#[tokio::test]
async fn refusal_of_head_has_the_headers_of_get_and_no_body() {
    // RFC 9110 §9.3.2: HEAD is answered without a body
    use tower::{Layer as _, ServiceExt as _};
    let inner = Router::new().route("/", on_get(|| async {}).layer(require(scope("a"))));
    let service = layer().with_rejection(Json).layer(inner);
    for request in [get("/"), get("/").bearer(good())] {
        let mut request = request;
        *request.method_mut() = http::Method::HEAD;

        let response = service.clone().oneshot(request).await.unwrap();

        assert!(response.status().is_client_error());
        assert!(response.headers().contains_key("www-authenticate"));
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        assert!(
            http_body_util::BodyExt::collect(response.into_body())
                .await
                .unwrap()
                .to_bytes()
                .is_empty()
        );
    }
}
