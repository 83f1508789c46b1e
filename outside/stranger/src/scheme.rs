//! A second scheme beside `Bearer`: GNAP (RFC 9635), whose challenge says where tokens are granted.

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use tower_bearer::challenge::{AuthScheme, OfferedScheme};
use tower_bearer::{BearerLayer, ConfigError, Principal, Reason};

use crate::calls::{challenges, errors, get_as, parameter};
use crate::tokens;

const GRANTS: &str = "https://id.example.com/gnap";

pub async fn check() {
    let both = app([AuthScheme::BEARER.into(), gnap()]);
    let reversed = app([gnap(), AuthScheme::BEARER.into()]);
    let usual = app([]);
    let token = tokens::hs256().token_for("alice").issue().unwrap();
    let token = token.as_str();

    for scheme in ["Bearer", "GNAP", "gnap"] {
        let response = get_as(&both, "/orders", &format!("{scheme} {token}")).await;
        assert_eq!(response.status(), StatusCode::OK, "{scheme}");
        assert_eq!(response.body(), "alice");
    }
    println!("stranger: scheme: 200 for a token of either scheme");

    let response = get_as(&usual, "/orders", &format!("GNAP {token}")).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenges(&response), [r#"Bearer realm="api""#]);
    assert_eq!(response.extensions().get(), Some(&Reason::MissingToken));
    println!("stranger: scheme: no token under a scheme that is not offered");

    let bare =
        [r#"Bearer realm="api""#, r#"GNAP realm="api", as_uri="https://id.example.com/gnap""#];
    for credentials in ["Basic YTpi", "GNAPs some", "Digest username=\"a\", realm=\"b\""] {
        let response = get_as(&both, "/orders", credentials).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(challenges(&response), bare);
        let response = get_as(&reversed, "/orders", credentials).await;
        assert_eq!(challenges(&response), [bare[1], bare[0]]);
    }
    println!("stranger: scheme: 401 with a challenge for each scheme, in the order of the offer");

    let forged = tokens::forged(token);
    for (credentials, status, error) in [
        (format!("GNAP {forged}"), StatusCode::UNAUTHORIZED, "invalid_token"),
        (format!("GNAP {token} {token}"), StatusCode::BAD_REQUEST, "invalid_request"),
        ("GNAP".to_owned(), StatusCode::BAD_REQUEST, "invalid_request"),
    ] {
        let response = get_as(&both, "/orders", &credentials).await;
        assert_eq!(response.status(), status, "{credentials}");
        assert_eq!(errors(&response), [Some(error), None], "{credentials}");
        assert_eq!(parameter(challenges(&response)[0], "as_uri"), Some(GRANTS));
    }
    let response = get_as(&both, "/orders", &format!("Bearer {forged}")).await;
    assert_eq!(errors(&response), [Some("invalid_token"), None]);
    println!("stranger: scheme: the scheme that was used is told the error, and comes first");

    for (name, value) in [("realm", "x"), ("two words", "x"), ("as_uri", "a\"b")] {
        let error = OfferedScheme::new(AuthScheme::BEARER).with_parameter(name, value).unwrap_err();
        assert!(matches!(error, ConfigError::ChallengeParameter { .. }), "{error}");
    }
    assert!(matches!(AuthScheme::new("two words"), Err(ConfigError::AuthScheme { .. })));
    println!("stranger: scheme: what would break a challenge is refused at the start");
}

fn gnap() -> OfferedScheme {
    let scheme = AuthScheme::new("GNAP").unwrap();
    OfferedScheme::new(scheme).with_parameter("as_uri", GRANTS).unwrap()
}

fn app(schemes: impl IntoIterator<Item = OfferedScheme>) -> Router {
    let layer = BearerLayer::new(tokens::verifier()).with_schemes(schemes);
    Router::new()
        .route("/orders", get(|who: Principal| async move { who.subject().unwrap().to_owned() }))
        .route_layer(layer)
}
