//! `tower-oauth2-resource-server`, with aws-lc-rs; see `../tower_oauth2`.

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use harness::{AUDIENCE, Guard, ISSUER, User, run};
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

fn main() {
    run::<Body, Router>(Guard::Verifies, async |subject, _| {
        let rules = ClaimsValidationSpec::recommended(ISSUER, &vec![AUDIENCE.to_owned()]);
        let tenant = TenantConfiguration::static_builder(subject.jwks())
            .claims_validation(rules)
            // HMAC is left out of what is allowed by default.
            .allowed_algorithms(&[subject.algorithm.parse().expect("an algorithm")])
            .build()
            .expect("a tenant");
        let server = OAuth2ResourceServer::<User>::builder().add_tenant(tenant).build().await;
        let route =
            Router::new().route("/", get(async |Extension(user): Extension<User>| user.look()));
        Some(route.layer(server.expect("a server").into_layer()).with_state(()))
    });
}
