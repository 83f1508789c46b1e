//! `huskarl-axum`, with a verifier for a key that is there already.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use harness::{AUDIENCE, Guard, ISSUER, User, run};
use huskarl_axum::extractors::ValidatedToken;
use huskarl_axum::layers::ValidatorLayer;
use huskarl_axum::resource_server::core::crypto::verifier::{JwsVerifier, JwsVerifierPlatform};
use huskarl_axum::resource_server::core::jwk::Jwk;
use huskarl_axum::resource_server::core::platform::MaybeSendBoxFuture;
use huskarl_axum::resource_server::core::{EndpointUrl, Error};
use huskarl_axum::resource_server::validator::custom::CustomValidator;
use huskarl_crypto_native::NativeVerifierPlatform;
use huskarl_crypto_native::symmetric::SymmetricKey;
use serde::Deserialize;

/// The claims of the application, but for those that the crate reads itself.
#[derive(Clone, Deserialize)]
struct Extra {
    email: String,
    name: String,
    roles: Vec<String>,
}

fn main() {
    run::<Body, Router>(Guard::Verifies, async |subject, _| {
        let platform = Arc::new(NativeVerifierPlatform);
        let verifier: Arc<dyn JwsVerifier> = if subject.algorithm == "HS256" {
            let jwk: Jwk = serde_json::from_value(subject.jwk.clone()).expect("a secret");
            let jwk = jwk.private_jwk().expect("a secret").try_into().expect("a secret");
            Arc::new(SymmetricKey::from_jwk(jwk).expect("a key"))
        } else {
            let jwk = serde_json::from_value(subject.jwk.clone()).expect("a JWK");
            platform.create_verifier_from_jwk(jwk).await.expect("a key")
        };
        let factory =
            move |_: Option<&EndpointUrl>,
                  _: Arc<dyn JwsVerifierPlatform>|
                  -> MaybeSendBoxFuture<'static, Result<Arc<dyn JwsVerifier>, Error>> {
                let verifier = Arc::clone(&verifier);
                Box::pin(async move { Ok(verifier) })
            };
        let validator = CustomValidator::builder()
            .with_claims::<Extra>()
            .iss(ISSUER)
            .aud(AUDIENCE)
            .jws_verifier_factory(factory)
            .jws_verifier_platform(platform)
            .build()
            .await
            .expect("a validator");
        let layer = ValidatorLayer::builder().validator(validator).build();
        let handler = async |token: ValidatedToken<Extra>| {
            let Extra { email, name, roles } = token.claims.clone();
            let sub = token.sub.clone().expect("a subject");
            User { sub, email, name, roles }.look();
        };
        Some(Router::new().route("/", get(handler)).layer(layer.authenticated()).with_state(()))
    });
}
