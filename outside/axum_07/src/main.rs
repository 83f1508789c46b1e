//! A router of axum 0.7 behind the layer: handlers take the principal as an `Extension`.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Extension, Request};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::response::Response;
use axum::routing::get;
use serde::Deserialize;
use tower::ServiceExt;
use tower_bearer::policy::{role, scope};
use tower_bearer::{
    Algorithm, BearerLayer, Principal, Rejection, SigningKey, TokenIssuer, Validation, Verifier,
    render, require,
};

#[derive(Deserialize)]
struct User {
    sub: String,
}

async fn me(Extension(principal): Extension<Principal>) -> String {
    principal.claims::<User>().map(|user| user.sub.clone()).unwrap_or_default()
}

async fn close(Extension(principal): Extension<Principal>) -> Result<&'static str, Response> {
    principal.check(role("cashier")).map_err(Rejection::into_response)?;
    Ok("closed")
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let key = SigningKey::generate(Algorithm::HS256).unwrap();
    let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
    let tokens = TokenIssuer::new(issuer, audience, key).unwrap();
    let rules = Validation::new(issuer, audience);
    let verifier = Verifier::<User>::new(tokens.verifying_key(), rules).unwrap();
    let app = Router::new()
        .route("/me", get(me))
        .route("/close", get(close))
        .route("/orders", get(me).layer(require(scope("orders:read"))))
        .route_layer(BearerLayer::new(verifier).with_rejection(render::Json));

    let alice = tokens.token_for("alice").issue().unwrap();
    let bob = tokens.token_for("bob").with_roles(["cashier"]).with_scopes(["orders:read"]);
    let bob = bob.issue().unwrap();
    for (path, token, status, body) in [
        ("/me", Some(alice.as_str()), 200, "alice"),
        ("/me", None, 401, r#"{"error":"unauthorized","#),
        ("/me", Some("x"), 401, r#"{"error":"invalid_token","#),
        ("/orders", Some(alice.as_str()), 403, r#"{"error":"insufficient_scope","#),
        ("/orders", Some(bob.as_str()), 200, "bob"),
        ("/close", Some(alice.as_str()), 403, r#"{"error":"forbidden","#),
        ("/close", Some(bob.as_str()), 200, "closed"),
        ("/nowhere", None, 404, ""),
    ] {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();

        let response = app.clone().oneshot(request).await.unwrap();

        let (parts, answer) = response.into_parts();
        let answer = to_bytes(answer, 4096).await.unwrap();
        let answer = String::from_utf8(answer.to_vec()).unwrap();
        assert_eq!(parts.status, status, "{path}: {answer}");
        assert!(answer.starts_with(body), "{path}: {answer}");
        assert_eq!(parts.headers.contains_key(WWW_AUTHENTICATE), matches!(status, 401 | 403));
        println!("axum_07: {path} is answered {status}");
    }
}
