//! What people write who use no library for it: `middleware::from_fn` and jsonwebtoken.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header::AUTHORIZATION};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use harness::{AUDIENCE, Guard, ISSUER, User, run};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation, decode};

struct Keys {
    key: DecodingKey,
    validation: Validation,
}

fn main() {
    run::<Body, Router>(Guard::Verifies, async |subject, _| {
        let jwk: Jwk = serde_json::from_value(subject.jwk.clone()).expect("a JWK");
        let mut validation = Validation::new(subject.algorithm.parse().expect("an algorithm"));
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_nbf = true;
        let keys = Keys { key: DecodingKey::from_jwk(&jwk).expect("a key"), validation };
        let route =
            Router::new().route("/", get(async |Extension(user): Extension<User>| user.look()));
        Some(route.layer(from_fn_with_state(Arc::new(keys), authenticate)).with_state(()))
    });
}

async fn authenticate(
    State(keys): State<Arc<Keys>>,
    mut request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let field = request.headers().get(AUTHORIZATION).and_then(|field| field.to_str().ok());
    let token = field.and_then(|field| field.strip_prefix("Bearer "));
    let token = token.ok_or(StatusCode::UNAUTHORIZED)?;
    let user = decode::<User>(token, &keys.key, &keys.validation)
        .map_err(|_| StatusCode::UNAUTHORIZED)?
        .claims;
    request.extensions_mut().insert(user);
    Ok(next.run(request).await)
}
