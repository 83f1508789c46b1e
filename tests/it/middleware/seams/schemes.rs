use axum::Router;
use axum::routing::get as on_get;
use http::header::WWW_AUTHENTICATE;
use tower_bearer::challenge::{AuthScheme, OfferedScheme};
use tower_bearer::policy::scope;
use tower_bearer::{BearerLayer, ConfigError, Principal, Reason, require};

use crate::support::{Answer, User, WithBearer, get, good, layer, send};

fn dpop() -> OfferedScheme {
    OfferedScheme::new(AuthScheme::DPOP).with_parameter("algs", "ES256 EdDSA").unwrap()
}

fn app(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    Router::new()
        .route("/", on_get(name))
        .route("/write", on_get(name).layer(require(scope("orders:write"))))
        .layer(layer)
}

fn both() -> Router {
    app(layer().with_schemes([AuthScheme::BEARER.into(), dpop()]))
}

fn challenges(answer: &Answer) -> Vec<&str> {
    let fields = answer.headers.get_all(WWW_AUTHENTICATE).iter();
    fields.map(|field| field.to_str().unwrap()).collect()
}

const PLAIN: &str = "Bearer realm=\"api\"";
const PLAIN_DPOP: &str = "DPoP realm=\"api\", algs=\"ES256 EdDSA\"";

#[tokio::test]
async fn token_of_an_offered_scheme_is_accepted_in_any_case() {
    for scheme in ["Bearer", "bearer", "DPoP", "dpop", "DPOP"] {
        let request = get("/").field("authorization", format!("{scheme} {}", good()));

        send(&both(), request).await.is_ok("alice");
    }
}

#[tokio::test]
async fn token_of_a_scheme_that_is_not_offered_counts_as_none() {
    let request = get("/").field("authorization", format!("DPoP {}", good()));

    let answer = send(&app(layer()), request).await;

    answer.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn request_without_a_token_is_told_every_scheme_and_no_error() {
    // RFC 9449 §7.2: both schemes offered
    let answer = send(&both(), get("/")).await;

    assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::MissingToken)));
    assert_eq!(challenges(&answer), [PLAIN, PLAIN_DPOP]);
}

#[tokio::test]
async fn error_stands_in_the_challenge_of_the_scheme_that_was_used() {
    let error = "error=\"invalid_token\", error_description=\"The token cannot be verified\"";

    for (scheme, expected) in [
        ("Bearer", [format!("{PLAIN}, {error}"), PLAIN_DPOP.to_owned()]),
        ("DPoP", [PLAIN_DPOP.replace("algs", &format!("{error}, algs")), PLAIN.to_owned()]),
    ] {
        let answer =
            send(&both(), get("/").field("authorization", format!("{scheme} x.y.z"))).await;

        assert_eq!((answer.status.as_u16(), answer.reason), (401, Some(Reason::Malformed)));
        assert_eq!(challenges(&answer), expected);
    }
}

#[tokio::test]
async fn guard_inside_answers_in_the_scheme_that_was_used() {
    let error = "error=\"insufficient_scope\", error_description=\"The token lacks a scope\", \
                 scope=\"orders:write\"";
    let request = get("/write").field("authorization", format!("DPoP {}", good()));

    let answer = send(&both(), request).await;

    assert_eq!((answer.status.as_u16(), answer.reason), (403, Some(Reason::InsufficientScope)));
    assert_eq!(
        challenges(&answer),
        [&PLAIN_DPOP.replace("algs", &format!("{error}, algs")), PLAIN]
    );
}

#[tokio::test]
async fn ambiguous_request_has_its_error_in_every_challenge() {
    // RFC 9449 §7.2: 400 in both if ambiguous
    let request = get("/").bearer(good()).field("authorization", format!("DPoP {}", good()));

    let answer = send(&both(), request).await;

    assert_eq!((answer.status.as_u16(), answer.reason), (400, Some(Reason::RepeatedAuthorization)));
    let challenges = challenges(&answer);
    assert!(
        challenges.iter().all(|challenge| challenge.contains("invalid_request")),
        "{challenges:?}"
    );
    assert_eq!(challenges.len(), 2);
}

#[tokio::test]
async fn scheme_alone_takes_the_place_of_bearer() {
    let app = app(layer().with_schemes([dpop()]));

    let accepted = send(&app, get("/").field("authorization", format!("DPoP {}", good()))).await;
    let refused = send(&app, get("/").bearer(good())).await;

    accepted.is_ok("alice");
    refused.is_refused(401, Some(PLAIN_DPOP), Reason::MissingToken);
}

#[tokio::test]
async fn parameter_of_the_layer_stands_in_every_challenge() {
    let address = "https://api.example.com/.well-known/oauth-protected-resource";
    let layer = layer()
        .with_schemes([AuthScheme::BEARER.into(), dpop()])
        .with_challenge_parameter("resource_metadata", address)
        .unwrap()
        .with_realm("orders")
        .unwrap();

    let answer = send(&app(layer), get("/")).await;

    let parameter = format!("resource_metadata=\"{address}\"");
    let expected = [
        format!("Bearer realm=\"orders\", {parameter}"),
        format!("DPoP realm=\"orders\", algs=\"ES256 EdDSA\", {parameter}"),
    ];
    assert_eq!(challenges(&answer), expected);
}

#[test]
fn parameter_that_would_break_a_challenge_is_a_set_up_mistake() {
    for (name, value) in [
        ("realm", "x"),
        ("Error", "x"),
        ("error_description", "x"),
        ("scope", "x"),
        ("", "x"),
        ("a b", "x"),
        ("a", "\""),
        ("a", "\\"),
        ("a", "\r\n"),
        ("a", "é"),
    ] {
        let error = OfferedScheme::new(AuthScheme::DPOP).with_parameter(name, value).unwrap_err();
        assert_eq!(error, ConfigError::ChallengeParameter { name: name.to_owned() });
        let error = layer().with_challenge_parameter(name, value).unwrap_err();
        assert_eq!(error, ConfigError::ChallengeParameter { name: name.to_owned() });
    }
    layer().with_challenge_parameter("a", "b c").unwrap();
}

#[test]
fn scheme_is_one_word_and_compared_without_case() {
    for name in ["", "a b", "a,b", "é", "a\""] {
        assert_eq!(AuthScheme::new(name), Err(ConfigError::AuthScheme { name: name.to_owned() }));
    }
    assert_eq!(AuthScheme::new("dpop").unwrap(), AuthScheme::DPOP);
    assert_ne!(AuthScheme::BEARER, AuthScheme::DPOP);
}
