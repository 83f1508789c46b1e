//! `axum-keycloak-auth`, which fetches its keys: from a provider in this process, before measuring.

use std::collections::HashMap;
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use axum_keycloak_auth::PassthroughMode;
use axum_keycloak_auth::Url;
use axum_keycloak_auth::decode::KeycloakToken;
use axum_keycloak_auth::instance::{KeycloakAuthInstance, KeycloakConfig};
use axum_keycloak_auth::layer::KeycloakAuthLayer;
use harness::{AUDIENCE, Guard, Subject, User, run, serve_documents};
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
        let server = serve_documents(|base| documents(base, subject)).await;
        let config = KeycloakConfig::builder()
            .server(Url::parse(&server).expect("a URL"))
            .realm("shop".to_owned())
            .build();
        let instance = KeycloakAuthInstance::new(config);
        while !instance.is_operational().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let layer = KeycloakAuthLayer::<String, Extra>::builder()
            .instance(instance)
            .passthrough_mode(PassthroughMode::Block)
            .expected_audiences(vec![AUDIENCE.to_owned()])
            .build();
        let handler = async |Extension(token): Extension<KeycloakToken<String, Extra>>| {
            let Extra { email, name, roles } = token.extra;
            User { sub: token.subject, email, name, roles }.look();
        };
        Some(Router::new().route("/", get(handler)).layer(layer).with_state(()))
    });
}

fn documents(base: &str, subject: &Subject) -> HashMap<String, String> {
    let realm = format!("{base}/realms/shop");
    let metadata = format!(
        r#"{{"issuer": "{realm}", "jwks_uri": "{base}/keys", "authorization_endpoint": "{realm}/auth",
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"]}}"#
    );
    HashMap::from([
        ("/realms/shop/.well-known/openid-configuration".to_owned(), metadata),
        ("/keys".to_owned(), subject.jwks()),
    ])
}
