//! `axum-jwt-auth`, with aws-lc-rs chosen as the back end of jsonwebtoken; see `../axum_jwt_auth`.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use axum_jwt_auth::{Claims, Decoder, LocalDecoder};
use harness::{AUDIENCE, Guard, ISSUER, User, run};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{DecodingKey, Validation};

fn main() {
    jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default().expect("the first choice");
    run::<Body, Router>(Guard::Verifies, async |subject, _| {
        let jwk: Jwk = serde_json::from_value(subject.jwk.clone()).expect("a JWK");
        let mut validation = Validation::new(subject.algorithm.parse().expect("an algorithm"));
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.validate_nbf = true;
        let decoder = LocalDecoder::builder()
            .keys(vec![DecodingKey::from_jwk(&jwk).expect("a key")])
            .validation(validation)
            .build()
            .expect("a decoder");
        let decoder: Decoder<User> = Arc::new(decoder);
        let route = get(async |user: Claims<User>| user.claims.look());
        Some(Router::new().route("/", route).with_state(decoder))
    });
}
