//! Several challenges in one answer: two schemes of the layer, and one that a gateway accepts.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use tower_bearer::challenge::{AuthScheme, Challenge, OfferedScheme, Realm};
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::policy::{role, scope};
use tower_bearer::source::Presented;
use tower_bearer::{AuthError, BearerLayer, ConfigError, Validation, render, require};

use crate::calls::{challenges, get as call, get_as, parameter};
use crate::tokens::{self, AUDIENCE, ISSUER};

const METADATA: &str = "https://api.example.com/.well-known/oauth-protected-resource";

/// Decides about nothing, as a service that cannot be reached.
struct Away;

impl Authenticator for Away {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token() == b"opaque"
    }

    async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
        Err(AuthError::authenticator_failed("away"))
    }
}

pub async fn check() {
    let app = app();
    let token = tokens::hs256().token_for("alice").with_scopes(["orders:read"]).issue().unwrap();
    let (token, forged) = (token.as_str(), tokens::forged(token.as_str()));

    for scheme in ["Bearer", "DPoP"] {
        let response = get_as(&app, "/", &format!("{scheme} {token}")).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(challenges(&response).is_empty());
    }

    let response = call(&app, "/", &[]).await;
    is_answered(&response, StatusCode::UNAUTHORIZED, [None, None]);
    println!("stranger: challenges: 401 with three of them, each with its own parameters");

    for (credentials, errors) in [
        (format!("Bearer {forged}"), [Some("invalid_token"), None]),
        (format!("DPoP {forged}"), [None, Some("invalid_token")]),
        (format!("dpop {forged}"), [None, Some("invalid_token")]),
    ] {
        let response = get_as(&app, "/", &credentials).await;
        is_answered(&response, StatusCode::UNAUTHORIZED, errors);
    }
    let twice = [("authorization", "Basic YTpi"), ("authorization", "Basic YTpi")];
    let response = call(&app, "/", &twice).await;
    is_answered(&response, StatusCode::BAD_REQUEST, [Some("invalid_request"); 2]);
    println!("stranger: challenges: the used scheme carries the error, or all where none was used");

    let write = |scheme: &str| format!("{scheme} {token}");
    for (scheme, used) in [("Bearer", 0), ("DPoP", 1)] {
        let response = get_as(&app, "/write", &write(scheme)).await;
        let mut errors = [None, None];
        errors[used] = Some("insufficient_scope");
        is_answered(&response, StatusCode::FORBIDDEN, errors);
        let challenges = challenges(&response);
        assert_eq!(parameter(challenges[0], "scope"), Some("orders:write"));
        assert_eq!(parameter(challenges[1], "scope"), None);

        let response = get_as(&app, "/admin", &write(scheme)).await;
        is_answered(&response, StatusCode::FORBIDDEN, [None, None]);
    }
    println!("stranger: challenges: 403 of a guard names the scope to the used scheme alone");

    let response = get_as(&app, "/", "DPoP opaque").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(challenges(&response).is_empty());
    assert!(response.headers().contains_key(RETRY_AFTER));
    println!("stranger: challenges: 503 without any");

    for (name, value) in [("error", "x"), ("scope", "x"), ("a b", "x"), ("resource", "\"")] {
        let layer = BearerLayer::new(tokens::verifier()).with_challenge_parameter(name, value);
        assert!(matches!(layer, Err(ConfigError::ChallengeParameter { .. })), "{name}");
    }
    println!("stranger: challenges: parameters that the crate sets are refused at the start");
}

/// Checks the challenges: these errors in those of the layer, for `Bearer` and for `DPoP`, the one with the error first,
/// and one of the gateway with a 401.
fn is_answered(response: &Response<String>, status: StatusCode, expected: [Option<&str>; 2]) {
    assert_eq!(response.status(), status);
    let challenges = challenges(response);
    let is_401 = status == StatusCode::UNAUTHORIZED;
    assert_eq!(challenges.len(), if is_401 { 3 } else { 2 }, "{challenges:?}");
    let dpop_first = usize::from(challenges[0].starts_with("DPoP "));
    let [bearer, dpop] = [challenges[dpop_first], challenges[1 - dpop_first]];
    assert!(bearer.starts_with("Bearer realm=\"orders\", "), "{challenges:?}");
    assert!(dpop.starts_with("DPoP realm=\"orders\", "), "{challenges:?}");
    assert!(!is_401 || challenges[2] == r#"Basic realm="staff""#, "{challenges:?}");
    assert_eq!([parameter(bearer, "error"), parameter(dpop, "error")], expected);
    let is_bare = parameter(challenges[0], "error").is_none();
    assert!(!is_bare || expected == [None, None], "{challenges:?}");
    for challenge in [bearer, dpop] {
        assert_eq!(parameter(challenge, "resource_metadata"), Some(METADATA));
    }
    assert_eq!(parameter(bearer, "algs"), None);
    assert_eq!(parameter(dpop, "algs"), Some("ES256 EdDSA"));
}

fn app() -> Router {
    let dpop = OfferedScheme::new(AuthScheme::DPOP).with_parameter("algs", "ES256 EdDSA").unwrap();
    let staff = Realm::new("staff").unwrap();
    let basic = Challenge::new(AuthScheme::new("Basic").unwrap(), &staff).to_header_value();
    let layer = BearerLayer::new(tokens::verifier())
        .with_realm("orders")
        .unwrap()
        .with_schemes([AuthScheme::BEARER.into(), dpop])
        .with_challenge_parameter("resource_metadata", METADATA)
        .unwrap()
        .with_authenticator(Away, Validation::new(ISSUER, AUDIENCE))
        .unwrap()
        .with_rejection(render::from_fn(move |rejection, parts| {
            // Offered in the layer, the scheme would be taken for one that carries tokens.
            if rejection.status() == StatusCode::UNAUTHORIZED {
                parts.headers.append(WWW_AUTHENTICATE, basic.clone());
            }
            Body::empty()
        }));
    Router::new()
        .route("/", get(async || "orders"))
        .route("/write", get(async || "written").layer(require(scope("orders:write"))))
        .route("/admin", get(async || "admin").layer(require(role("admin"))))
        .route_layer(layer)
}
