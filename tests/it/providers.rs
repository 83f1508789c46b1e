//! Tests tokens and keys of real providers.
//!
//! [`Provider`] starts them. Each test says where the keys come from: [`key_set`] is the set that
//! is published at the moment, read once and by the test itself; [`RemoteKeys`] are the usual
//! source of users. [`resource_server`] puts the example of that name in front, as a program.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get as on_get;
use futures::future::join_all;
use serde_json::Value;
use tower_bearer::keys::KeySource;
use tower_bearer::policy::scope;
use tower_bearer::{
    BearerLayer, KeySet, Principal, Reason, RemoteKeys, Validation, Verifier, require,
};

use self::provider::{AUTHLIB, Maker, OIDC_PROVIDER, Provider, json_of};
use crate::examples::Program;
use crate::examples::resource_server::TempFile;
use crate::support::{AUDIENCE, PLAIN, WithBearer, get, invalid_token, send};

pub mod provider;
mod introspection;
mod dpop;
mod mtls;

mod needs_oidc_provider {
    use super::*;

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn discovered_keys_verify_tokens_of_every_algorithm() {
        assert_discovered_keys_verify_tokens(OIDC_PROVIDER).await;
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn no_token_is_refused_while_keys_rotate() {
        assert_no_token_is_refused_while_keys_rotate(OIDC_PROVIDER).await;
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn resource_server_follows_a_rotation() {
        assert_resource_server_follows_a_rotation(OIDC_PROVIDER).await;
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn alice_signs_in_by_code_flow_before_a_resource_server_with_discovery() {
        let provider = Provider::start(OIDC_PROVIDER);
        let program = resource_server(&provider, &[("DISCOVER", "1"), ("TOKEN_TYPE", "at+jwt")]);

        for algorithm in OIDC_PROVIDER.algorithms {
            let alice = provider.authorization_code(*algorithm).await;
            for (token, expected) in [(&alice.access_token, 200), (&alice.id_token, 401)] {
                let answer = program.send(program.get("/protected").bearer(token)).await;
                assert_eq!(answer.status(), expected, "{algorithm}: {answer:?}");
                let rules = validation(&provider).with_at_jwt_only();
                let verifier = Verifier::<Value>::new(key_set(&provider).await, rules).unwrap();
                let explanation = verifier.explain(token).await;
                assert_eq!(explanation.is_accepted(), expected == 200, "{explanation:?}");
                assert_eq!(explanation.change().is_some(), expected == 401, "{explanation:?}");
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn client_credentials_are_accepted_as_a_clients() {
        assert_client_credentials_are_accepted(OIDC_PROVIDER).await;
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn scope_guard_knows_the_scopes() {
        assert_scope_guard_knows_the_scopes(OIDC_PROVIDER).await;
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn token_of_a_new_key_is_unknown_to_the_old_set() {
        assert_new_key_is_unknown_to_the_old_set(OIDC_PROVIDER).await;
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn issuer_below_a_path_is_compared_to_the_letter() {
        assert_issuer_is_compared_to_the_letter(OIDC_PROVIDER).await;
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn code_flow_gives_access_tokens_for_alice_and_id_tokens_that_are_refused() {
        let provider = Provider::start(OIDC_PROVIDER);
        let app = app(verifier(&provider, key_set(&provider).await));

        for algorithm in OIDC_PROVIDER.algorithms {
            let tokens = provider.authorization_code(*algorithm).await;

            let accepted = send(&app, get("/").bearer(tokens.access_token)).await;
            let refused = send(&app, get("/").bearer(tokens.id_token)).await;

            accepted.is_ok("User alice");
            refused.is_refused(
                401,
                Some(&invalid_token("The token is not an access token")),
                Reason::WrongTokenType,
            );
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn id_token_is_for_another_audience_even_where_any_kind_passes() {
        let provider = Provider::start(OIDC_PROVIDER);
        let any_kind = validation(&provider).dangerous().accept_any_kind();
        let app = app(Verifier::new(key_set(&provider).await, any_kind).unwrap());
        let tokens = provider.authorization_code(OIDC_PROVIDER.algorithms[0]).await;

        let refused = send(&app, get("/").bearer(tokens.id_token)).await;

        let challenge = invalid_token("The token is for another audience");
        refused.is_refused(401, Some(&challenge), Reason::WrongAudience);
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn opaque_token_is_refused_as_malformed() {
        let provider = Provider::start(OIDC_PROVIDER);
        let app = app(verifier(&provider, key_set(&provider).await));
        let algorithm = OIDC_PROVIDER.algorithms[0];
        let tokens = provider.authorization_code_without_resource(algorithm).await;

        let refused = send(&app, get("/").bearer(tokens.access_token)).await;

        let challenge = invalid_token("The token cannot be verified");
        refused.is_refused(401, Some(&challenge), Reason::Malformed);
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn resource_server_with_keys_from_a_file_lets_alice_in() {
        let provider = Provider::start(OIDC_PROVIDER);
        let file = TempFile::new("oidc-provider.json", &provider.jwks().await);
        let program = resource_server(&provider, &[("JWKS_FILE", file.path())]);

        for algorithm in OIDC_PROVIDER.algorithms {
            let alice = provider.authorization_code(*algorithm).await;
            let reader = provider.client_credentials_for(*algorithm, "things:read").await;
            for (path, token, expected) in [
                ("/protected", &alice.access_token, 200),
                ("/protected", &alice.id_token, 401),
                ("/scoped", &alice.access_token, 200),
                ("/scoped", &reader, 403),
                ("/maybe", &alice.id_token, 401),
            ] {
                let answer = program.send(program.get(path).bearer(token)).await;
                assert_eq!(answer.status(), expected, "{algorithm}: {path}: {answer:?}");
            }
        }
    }
}

mod needs_authlib {
    use super::*;

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn discovered_keys_verify_tokens_of_every_algorithm() {
        assert_discovered_keys_verify_tokens(AUTHLIB).await;
    }

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn no_token_is_refused_while_keys_rotate() {
        assert_no_token_is_refused_while_keys_rotate(AUTHLIB).await;
    }

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn resource_server_follows_a_rotation() {
        assert_resource_server_follows_a_rotation(AUTHLIB).await;
    }

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn client_credentials_are_accepted_as_a_clients() {
        assert_client_credentials_are_accepted(AUTHLIB).await;
    }

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn scope_guard_knows_the_scopes() {
        assert_scope_guard_knows_the_scopes(AUTHLIB).await;
    }

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn token_of_a_new_key_is_unknown_to_the_old_set() {
        assert_new_key_is_unknown_to_the_old_set(AUTHLIB).await;
    }

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn issuer_below_a_path_is_compared_to_the_letter() {
        assert_issuer_is_compared_to_the_letter(AUTHLIB).await;
    }
}

/// With the usual rules and with those of RFC 9068, and without a request to the provider.
async fn assert_client_credentials_are_accepted(maker: &Maker) {
    let provider = Provider::start(maker);
    let keys = key_set(&provider).await;
    let strict = Verifier::new(keys.clone(), validation(&provider).with_at_jwt_only()).unwrap();
    let apps = [app(verifier(&provider, keys)), app(strict)];

    for algorithm in maker.algorithms {
        let token = provider.client_credentials(*algorithm).await;
        let asked = provider.requests().await;

        for app in &apps {
            let answer = send(app, get("/").bearer(&token)).await;
            answer.is_ok(&format!("Client shop-{algorithm}"));
        }

        assert_eq!(provider.requests().await, asked);
    }
}

/// Below a path and without one; only the issuer is given.
async fn assert_discovered_keys_verify_tokens(maker: &Maker) {
    for path in ["", "/realms/shop"] {
        let provider = Provider::start_with(maker, &[("ISSUER_PATH", path)]);
        let keys = Arc::new(RemoteKeys::discover(provider.issuer()).unwrap());
        let app = app(verifier(&provider, Arc::clone(&keys)));

        for algorithm in maker.algorithms {
            let token = provider.client_credentials(*algorithm).await;
            let answer = send(&app, get("/").bearer(token)).await;
            answer.is_ok(&format!("Client shop-{algorithm}"));
        }

        assert_eq!((keys.status().fetches(), keys.status().failures()), (1, 0));
    }
}

/// Requests never stop while each key is replaced, and replaced again.
async fn assert_no_token_is_refused_while_keys_rotate(maker: &Maker) {
    let provider = Provider::start(maker);
    let keys = RemoteKeys::discover(provider.issuer())
        .unwrap()
        .with_fetch_budget(3, Duration::from_millis(10));
    let keys = Arc::new(keys);
    let app = app(verifier(&provider, Arc::clone(&keys)));
    let mut rotations = 0;

    for _ in 0..3 {
        for algorithm in maker.algorithms {
            let old = provider.client_credentials(*algorithm).await;
            let requests = (0..20).map(|_| send(&app, get("/").bearer(&old)));
            let (_, before) = tokio::join!(provider.rotate(*algorithm), join_all(requests));
            rotations += 1;
            let new = provider.client_credentials(*algorithm).await;
            let tokens = (0..20).map(|one| if one % 2 == 0 { &old } else { &new });
            let after = join_all(tokens.map(|token| send(&app, get("/").bearer(token)))).await;

            for answer in before.iter().chain(&after) {
                answer.is_ok(&format!("Client shop-{algorithm}"));
            }
        }
    }

    // The first fetch, which may know the first new key already, and one for each other.
    let status = keys.status();
    assert!((rotations..=rotations + 1).contains(&status.fetches()), "{status:?}");
    assert_eq!(status.failures(), 0);
}

async fn assert_resource_server_follows_a_rotation(maker: &Maker) {
    let provider = Provider::start(maker);
    let program = resource_server(&provider, &[("DISCOVER", "1")]);
    let algorithm = maker.algorithms[0];
    let old = provider.client_credentials(algorithm).await;
    let status = async |token: &str| {
        program.send(program.get("/protected").bearer(token)).await.status().as_u16()
    };
    assert_eq!(status(&old).await, 200);

    provider.rotate(algorithm).await;
    let new = provider.client_credentials(algorithm).await;
    assert_eq!((status(&new).await, status(&old).await), (200, 200));

    let gone = key_id(&provider, &old).await;
    provider.withdraw(&gone).await;
    provider.rotate(algorithm).await;
    let newest = provider.client_credentials(algorithm).await;
    assert_eq!((status(&newest).await, status(&new).await, status(&old).await), (200, 200, 401));
}

async fn assert_scope_guard_knows_the_scopes(maker: &Maker) {
    let provider = Provider::start(maker);
    let app = app(verifier(&provider, key_set(&provider).await));
    let algorithm = maker.algorithms[0];
    let reader = provider.client_credentials_for(algorithm, "things:read").await;
    let writer = provider.client_credentials(algorithm).await;

    let forbidden = send(&app, get("/write").bearer(reader)).await;
    let allowed = send(&app, get("/write").bearer(writer)).await;

    let challenge = format!("{PLAIN}, error=\"insufficient_scope\"");
    assert!(forbidden.challenge().unwrap().starts_with(&challenge), "{forbidden:?}");
    assert_eq!(
        (forbidden.status.as_u16(), forbidden.reason),
        (403, Some(Reason::InsufficientScope))
    );
    allowed.is_ok("written");
}

async fn assert_new_key_is_unknown_to_the_old_set(maker: &Maker) {
    for algorithm in maker.algorithms {
        let provider = Provider::start(maker);
        let before = app(verifier(&provider, key_set(&provider).await));
        let old_token = provider.client_credentials(*algorithm).await;
        let old_key = key_id(&provider, &old_token).await;

        let new_key = provider.rotate(*algorithm).await;
        let overlap = app(verifier(&provider, key_set(&provider).await));
        let new_token = provider.client_credentials(*algorithm).await;
        provider.withdraw(&old_key).await;
        let after = app(verifier(&provider, key_set(&provider).await));

        assert_eq!(key_id(&provider, &new_token).await, new_key);
        for (app, token, is_known) in [
            (&before, &old_token, true),
            (&before, &new_token, false),
            (&overlap, &old_token, true),
            (&overlap, &new_token, true),
            (&after, &old_token, false),
            (&after, &new_token, true),
        ] {
            let answer = send(app, get("/").bearer(token)).await;
            if is_known {
                answer.is_ok(&format!("Client shop-{algorithm}"));
            } else {
                let challenge = invalid_token("The token cannot be verified");
                answer.is_refused(401, Some(&challenge), Reason::UnknownKey);
            }
        }
    }
}

/// An issuer with and without a slash at the end is two issuers.
async fn assert_issuer_is_compared_to_the_letter(maker: &Maker) {
    for path in ["/realms/shop", "/realms/shop/", "/"] {
        let provider = Provider::start_with(maker, &[("ISSUER_PATH", path)]);
        let keys = key_set(&provider).await;
        let token = provider.client_credentials(maker.algorithms[0]).await;
        let other = match provider.issuer().strip_suffix('/') {
            Some(without) => without.to_owned(),
            None => format!("{}/", provider.issuer()),
        };

        let metadata = provider.metadata().await;
        // Where RFC 8414 §3.1 has it: before the path.
        let name = "/.well-known/oauth-authorization-server";
        let url = format!("{}{name}{}", provider.origin(), path.trim_end_matches('/'));
        let same = json_of(&provider::get(&url).await);
        let own = app(verifier(&provider, keys.clone()));
        let strange = app(Verifier::new(keys, Validation::new(other, AUDIENCE)).unwrap());
        let accepted = send(&own, get("/").bearer(&token)).await;
        let refused = send(&strange, get("/").bearer(&token)).await;

        assert_eq!(provider.issuer(), format!("{}{path}", provider.origin()));
        assert_eq!((&metadata["issuer"], &same), (&provider.issuer().into(), &metadata));
        accepted.is_ok(&format!("Client shop-{}", maker.algorithms[0]));
        let challenge = invalid_token("The token is from another issuer");
        refused.is_refused(401, Some(&challenge), Reason::WrongIssuer);
    }
}

/// Answers with the subject, and lets the right scope write.
fn app(verifier: Verifier<Value>) -> Router {
    let kind = |principal: Principal| async move {
        format!("{:?} {}", principal.kind(), principal.subject().unwrap_or("nobody"))
    };
    let write = on_get(|| async { "written" }).layer(require(scope("things:write")));
    Router::new().route("/", on_get(kind)).route("/write", write).layer(BearerLayer::new(verifier))
}

/// The example in front of a provider, configured with its keys.
fn resource_server(provider: &Provider, keys: &[(&str, &str)]) -> Program {
    let env = [("ISSUER", provider.issuer()), ("AUDIENCE", AUDIENCE)];
    Program::start("resource_server", &[&env[..], keys].concat())
}

fn verifier(provider: &Provider, keys: impl KeySource) -> Verifier<Value> {
    Verifier::new(keys, validation(provider)).unwrap()
}

fn validation(provider: &Provider) -> Validation {
    Validation::new(provider.issuer(), AUDIENCE)
}

/// The keys of this moment.
async fn key_set(provider: &Provider) -> KeySet {
    KeySet::from_jwks(provider.jwks().await).unwrap()
}

/// The `kid` of a token.
async fn key_id(provider: &Provider, token: &str) -> String {
    let verified = verifier(provider, key_set(provider).await).verify(token).await.unwrap();
    verified.principal().header().unwrap().key_id().unwrap().to_owned()
}
