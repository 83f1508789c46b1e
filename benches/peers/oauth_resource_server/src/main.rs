//! `oauth-resource-server`, with a JWK set that is there already.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use harness::{AUDIENCE, Guard, ISSUER, User, run};
use oauth_resource_server::axum::AuthLayer;
use oauth_resource_server::{AuthorizedToken, KeyNaming, OAuthConfig, OAuthValidator};

fn main() {
    run::<Body, Router>(Guard::Verifies, async |subject, _| {
        if subject.algorithm == "HS256" {
            return None;
        }
        let config = OAuthConfig {
            enabled: true,
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
            resource: AUDIENCE.to_owned(),
            algorithms: vec![subject.algorithm.clone()],
            // No other peer asks for a scope in this measurement.
            allow_unscoped_tokens: true,
            ..OAuthConfig::default()
        };
        let config = config.resolve(KeyNaming::Dotted("oauth")).expect("a configuration");
        let validator = OAuthValidator::builder(&config.expect("one that is enabled"))
            .initial_jwks(&subject.jwks())
            .build()
            .expect("a validator");
        let layer = AuthLayer::builder().oauth(Arc::new(validator)).build().expect("a layer");
        let handler = async |token: AuthorizedToken| {
            token.claims_as::<User>().expect("claims that fit").look();
        };
        Some(Router::new().route("/", get(handler)).layer(layer).with_state(()))
    });
}
