//! A proxy that writes a token of its own into `Authorization`, and the user's into another field.

use axum::Router;
use axum::routing::get;
use http::header::{AUTHORIZATION, VARY};
use http::{HeaderMap, HeaderValue, StatusCode, request};
use serde_json::Value;
use tower_bearer::policy::role;
use tower_bearer::source::{AuthorizationHeader, Presented, TokenSource};
use tower_bearer::{BearerLayer, Principal, Reason, require};

use crate::calls::{challenge, get as call, parameter};
use crate::tokens;

const FIELD: &str = "x-user-assertion";

/// The token alone, without a scheme, as identity-aware proxies send it.
struct Assertion;

impl TokenSource for Assertion {
    fn find<'r>(&self, request: &'r request::Parts) -> Result<Option<Presented<'r>>, Reason> {
        let mut fields = request.headers.get_all(FIELD).iter();
        match (fields.next(), fields.next()) {
            (Some(_), Some(_)) => Err(Reason::SeveralTokens),
            (field, _) => Ok(field.map(|field| Presented::bearer(field.as_bytes()))),
        }
    }

    fn strip(&self, request: &mut request::Parts) {
        request.headers.remove(FIELD);
    }

    fn complete(&self, _: StatusCode, headers: &mut HeaderMap) {
        headers.insert(VARY, HeaderValue::from_static(FIELD));
    }
}

pub async fn check() {
    let layer = || BearerLayer::new(tokens::verifier());
    let instead = app(layer().with_source_instead(Assertion));
    let either = app(layer().with_source(Assertion));
    let usual = app(layer());
    let both_again =
        app(layer().with_source_instead(Assertion).with_source(AuthorizationHeader::new()));
    let token = tokens::hs256().token_for("alice").issue().unwrap();
    let bearer = format!("Bearer {}", token.as_str());
    let assertion = (FIELD, token.as_str());
    let authorization = |value| (AUTHORIZATION.as_str(), value);

    for others in ["Bearer of-the-proxy", "Bearer two tokens", "Basic cHJveHk6cHJveHk=", &bearer] {
        let response = call(&instead, "/", &[assertion, authorization(others)]).await;
        assert_eq!(response.status(), StatusCode::OK, "{others}");
        assert_eq!(response.body(), &format!("alice; {AUTHORIZATION}: {others}"));
        assert_eq!(response.headers()[VARY], FIELD);
    }
    let twice = [assertion, authorization(&bearer), authorization(&bearer)];
    assert_eq!(call(&instead, "/", &twice).await.status(), StatusCode::OK);
    println!("stranger: proxy: 200 whatever the proxy writes into Authorization, which is kept");

    let response = call(&instead, "/", &[authorization(&bearer)]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenge(&response), r#"Bearer realm="api""#);
    assert!(!response.headers().contains_key(VARY));
    for app in [&either, &usual, &both_again] {
        let response = call(app, "/", &[authorization(&bearer)]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(!response.headers().contains_key(VARY));
    }
    println!("stranger: proxy: 401 with Authorization alone, unless that is read as well");

    let response = call(&usual, "/", &[assertion]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    for app in [&either, &both_again] {
        let response = call(app, "/", &[assertion]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), "alice");
        let response = call(app, "/", &[assertion, authorization(&bearer)]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(parameter(challenge(&response), "error"), Some("invalid_request"));
        assert_eq!(response.extensions().get(), Some(&Reason::SeveralTokens));
    }
    println!("stranger: proxy: 400 with both, where both are read");

    let response = call(&instead, "/", &[assertion, assertion]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(parameter(challenge(&response), "error"), Some("invalid_request"));
    for bad in [tokens::forged(token.as_str()), bearer, String::new()] {
        let response = call(&instead, "/", &[(FIELD, &bad)]).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{bad:?}");
        assert_eq!(parameter(challenge(&response), "error"), Some("invalid_token"));
        assert!(!response.headers().contains_key(VARY));
    }
    println!("stranger: proxy: 400 for two fields, 401 for one that holds no good token");

    let response = call(&instead, "/admin", &[assertion]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(response.headers()[VARY], FIELD);
    println!(
        "stranger: proxy: answers from inside of the layer are completed, refusals of it are not"
    );
}

fn app(layer: BearerLayer<Value>) -> Router {
    Router::new()
        .route("/", get(seen))
        .route("/admin", get(seen).layer(require(role("admin"))))
        .route_layer(layer)
}

/// Says who calls, and which of the two fields are left.
async fn seen(who: Principal, headers: HeaderMap) -> String {
    let mut seen = who.subject().unwrap().to_owned();
    for name in [FIELD, AUTHORIZATION.as_str()] {
        for value in headers.get_all(name) {
            seen += &format!("; {name}: {}", value.to_str().unwrap());
        }
    }
    seen
}
