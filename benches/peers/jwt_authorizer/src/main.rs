//! `jwt-authorizer` as its README has it, with a JWK set that is there already.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use harness::{AUDIENCE, Guard, ISSUER, User, run};
use jwt_authorizer::{IntoLayer as _, JwtAuthorizer, JwtClaims, Validation};

fn main() {
    run::<Body, Router>(Guard::Verifies, async |subject, _| {
        let validation = Validation::new().iss(&[ISSUER]).aud(&[AUDIENCE]).nbf(true);
        let authorizer = JwtAuthorizer::<User>::from_jwks_text(&subject.jwks())
            .validation(validation)
            .build()
            .await
            .expect("a key set");
        let route = Router::new()
            .route("/", get(|JwtClaims(user): JwtClaims<User>| async move { user.look() }));
        Some(route.layer(authorizer.into_layer()).with_state(()))
    });
}
