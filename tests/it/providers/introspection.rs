//! Introspection at real authorization servers.

use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::{Algorithm, SigningKey};

use super::provider::{GLEWLWYD, Maker};
use super::*;

const SHOP: &str = "shop-RS256";
const SHOP_SECRET: &str = "secret of the shop";

fn shop() -> ClientAuthentication {
    ClientAuthentication::client_secret_basic(SHOP, SHOP_SECRET)
}

fn app_with(provider: &Provider, introspection: Introspection) -> Router {
    let kind = |principal: Principal| async move {
        format!("{:?} {}", principal.kind(), principal.subject().unwrap_or("without a name"))
    };
    let write = on_get(|| async { "written" }).layer(require(scope("things:write")));
    let keys = KeySet::from_iter([crate::support::key().verifying_key()]);
    let layer = BearerLayer::new(verifier(provider, keys));
    let layer = layer.with_authenticator(introspection, validation(provider)).unwrap();
    Router::new().route("/", on_get(kind)).route("/write", write).layer(layer)
}

fn discovered(
    provider: &Provider,
    client: ClientAuthentication,
    tokens: OpaqueTokens,
) -> Introspection {
    Introspection::discover(provider.issuer(), client, tokens).unwrap()
}

fn opaque(maker: &Maker, more: &[(&str, &str)]) -> Provider {
    Provider::start_with(maker, &[&[("TOKEN_FORMAT", "opaque")], more].concat())
}

mod needs_oidc_provider {
    use super::*;

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn opaque_tokens_of_alice_and_of_clients_are_accepted_until_they_are_revoked() {
        let provider = opaque(OIDC_PROVIDER, &[]);
        let introspection = discovered(&provider, shop(), OpaqueTokens::by_shape());
        let app = app_with(&provider, introspection.with_freshness(Duration::ZERO));

        for algorithm in OIDC_PROVIDER.algorithms {
            let alice = provider.authorization_code(*algorithm).await.access_token;
            let client = provider.client_credentials_for(*algorithm, "things:read").await;
            assert!(!alice.contains('.') && !client.contains('.'), "{alice} {client}");
            send(&app, get("/").bearer(&alice)).await.is_ok("User alice");
            send(&app, get("/").bearer(&client)).await.is_ok("Client without a name");
            send(&app, get("/write").bearer(&alice)).await.is_ok("written");
            assert_eq!(send(&app, get("/write").bearer(&client)).await.status, 403);

            provider.revoke((&format!("shop-{algorithm}"), SHOP_SECRET), &alice).await;
            let refused = send(&app, get("/").bearer(&alice)).await;
            let challenge = invalid_token("The token is not active any more");
            refused.is_refused(401, Some(&challenge), Reason::Inactive);
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn every_client_authentication_is_accepted_and_a_wrong_one_is_a_503() {
        let key = SigningKey::generate(Algorithm::ES256).unwrap().with_key_id("api-1").unwrap();
        let jwks = serde_json::to_string(&key.public_keys()).unwrap();
        let provider = opaque(OIDC_PROVIDER, &[("API_JWKS", &jwks)]);
        let alice = provider.authorization_code(Algorithm::ES256).await.access_token;
        let basic = ClientAuthentication::client_secret_basic;
        let post = ClientAuthentication::client_secret_post;

        for client in [
            shop(),
            post("orders-post", "secret of the API"),
            ClientAuthentication::private_key_jwt("orders-jwt", key),
        ] {
            let introspection = discovered(&provider, client, OpaqueTokens::all());
            let app = app_with(&provider, introspection);
            send(&app, get("/").bearer(&alice)).await.is_ok("User alice");
        }
        let stranger = SigningKey::generate(Algorithm::ES256).unwrap().with_key_id("api-1");
        for client in [
            basic(SHOP, "another secret"),
            post("orders-post", "another secret"),
            basic("nobody", SHOP_SECRET),
            ClientAuthentication::private_key_jwt("orders-jwt", stranger.unwrap()),
        ] {
            let introspection = discovered(&provider, client, OpaqueTokens::all());
            let answer = send(&app_with(&provider, introspection), get("/").bearer(&alice)).await;
            answer.is_refused(503, None, Reason::AuthenticatorFailed);
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn signed_answers_are_verified_with_the_keys_of_the_issuer_also_after_a_rotation() {
        let provider = opaque(OIDC_PROVIDER, &[]);
        let issuer = provider.issuer();
        for algorithm in OIDC_PROVIDER.algorithms {
            let client = ClientAuthentication::client_secret_basic(
                &format!("shop-{algorithm}"),
                SHOP_SECRET,
            );
            let keys = RemoteKeys::discover(issuer).unwrap();
            let introspection = discovered(&provider, client, OpaqueTokens::by_shape())
                .with_signed_answers(issuer, keys)
                .unwrap();
            let app = app_with(&provider, introspection);

            let alice = provider.authorization_code(*algorithm).await.access_token;
            send(&app, get("/").bearer(&alice)).await.is_ok("User alice");
            provider.rotate(*algorithm).await;
            send(&app, get("/write").bearer(&alice)).await.is_ok("written");
            let refused = send(&app, get("/").bearer("unknown-token")).await;
            let challenge = invalid_token("The token is not active any more");
            refused.is_refused(401, Some(&challenge), Reason::Inactive);
        }
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn signed_answer_is_no_access_token_of_the_same_issuer() {
        let provider = opaque(OIDC_PROVIDER, &[]);
        let alice = provider.authorization_code(Algorithm::RS256).await.access_token;
        let metadata = provider.metadata().await;
        let answer = provider::signed_answer(
            metadata["introspection_endpoint"].as_str().unwrap(),
            (SHOP, SHOP_SECRET),
            &alice,
        )
        .await;
        let any = Validation::new(provider.issuer(), SHOP).dangerous().accept_any_kind();
        let any = any.dangerous().accept_missing_expiry();
        let verifier = Verifier::<Value>::new(key_set(&provider).await, any).unwrap();

        let error = verifier.verify(&answer).await.unwrap_err();

        assert_eq!(error.reason(), Reason::WrongTokenType);
    }

    #[tokio::test]
    #[ignore = "needs oidc-provider: scripts/interop"]
    async fn jwt_is_verified_here_and_not_introspected_there() {
        // This provider introspects no JWT: it answers that such a token is not active.
        let provider = Provider::start(OIDC_PROVIDER);
        let jwt = provider.client_credentials(Algorithm::ES256).await;
        let introspection = discovered(&provider, shop(), OpaqueTokens::by_shape());
        let layer = BearerLayer::new(verifier(&provider, key_set(&provider).await));
        let layer = layer.with_authenticator(introspection, validation(&provider)).unwrap();
        let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);

        send(&app, get("/").bearer(&jwt)).await.is_ok("in");

        let requests = provider.requests().await;
        assert!(!requests.iter().any(|path| path.contains("introspection")), "{requests:?}");
    }
}

mod needs_authlib {
    use super::*;

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn jwts_are_introspected_where_all_tokens_are() {
        let provider = Provider::start(AUTHLIB);
        let api = ClientAuthentication::client_secret_basic("orders-api", "secret-of-the-API");
        let app = app_with(&provider, discovered(&provider, api, OpaqueTokens::all()));

        for algorithm in AUTHLIB.algorithms {
            let token = provider.client_credentials(*algorithm).await;
            let reader = provider.client_credentials_for(*algorithm, "things:read").await;
            send(&app, get("/").bearer(&token)).await.is_ok(&format!("Client shop-{algorithm}"));
            send(&app, get("/write").bearer(&token)).await.is_ok("written");
            assert_eq!(send(&app, get("/write").bearer(&reader)).await.status, 403);
        }
        // A JWT of another key, and a token that is none.
        let forged = provider.issuer().to_owned();
        let forged = tower_bearer::test_util::TestToken::new(&forged, AUDIENCE)
            .claim("client_id", SHOP)
            .sign(&crate::support::key_for(Algorithm::ES256));
        for token in [&*forged, "unknown"] {
            let refused = send(&app, get("/").bearer(token)).await;
            let challenge = invalid_token("The token is not active any more");
            refused.is_refused(401, Some(&challenge), Reason::Inactive);
        }
    }

    #[tokio::test]
    #[ignore = "needs authlib: scripts/interop"]
    async fn secret_that_is_wrong_is_a_503() {
        let provider = Provider::start(AUTHLIB);
        let wrong = ClientAuthentication::client_secret_basic("orders-api", "another-secret");
        let app = app_with(&provider, discovered(&provider, wrong, OpaqueTokens::all()));
        let token = provider.client_credentials(Algorithm::RS256).await;

        let answer = send(&app, get("/").bearer(&token)).await;

        answer.is_refused(503, None, Reason::AuthenticatorFailed);
    }
}

mod needs_glewlwyd {
    use super::*;

    /// glewlwyd decodes no `+` and `%` in Basic credentials (RFC 6749 §2.3.1), so this secret needs none.
    const API: (&str, &str) = ("orders-api", "secret-of-the-API");
    /// The answers name clients by `client_id`, and only users by `sub`.
    const CLIENT: &str = "Client without a name";
    const INACTIVE: &str = "The token is not active any more";

    fn api() -> ClientAuthentication {
        ClientAuthentication::client_secret_basic(API.0, API.1)
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn discovered_keys_verify_tokens_of_every_algorithm() {
        let provider = Provider::start(GLEWLWYD);
        let keys = Arc::new(RemoteKeys::discover(provider.issuer()).unwrap());
        let strict = validation(&provider).with_at_jwt_only();
        let strict = Verifier::new(Arc::clone(&keys), strict).unwrap();
        let apps = [super::app(verifier(&provider, Arc::clone(&keys))), super::app(strict)];

        for algorithm in GLEWLWYD.algorithms {
            let token = provider.client_credentials(*algorithm).await;
            let reader = provider.client_credentials_for(*algorithm, "things:read").await;
            for app in &apps {
                let client = format!("Client shop-{algorithm}");
                send(app, get("/").bearer(&token)).await.is_ok(&client);
                send(app, get("/write").bearer(&token)).await.is_ok("written");
                assert_eq!(send(app, get("/write").bearer(&reader)).await.status, 403);
            }
        }

        assert_eq!((keys.status().fetches(), keys.status().failures()), (1, 0));
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn jwts_are_accepted_by_introspection_until_they_are_revoked() {
        let provider = Provider::start(GLEWLWYD);
        let introspection = discovered(&provider, api(), OpaqueTokens::all());
        let app = app_with(&provider, introspection.with_freshness(Duration::ZERO));

        for algorithm in GLEWLWYD.algorithms {
            let token = provider.client_credentials(*algorithm).await;
            let reader = provider.client_credentials_for(*algorithm, "things:read").await;
            send(&app, get("/").bearer(&token)).await.is_ok(CLIENT);
            send(&app, get("/write").bearer(&token)).await.is_ok("written");
            assert_eq!(send(&app, get("/write").bearer(&reader)).await.status, 403);

            provider.revoke(API, &token).await;
            let refused = send(&app, get("/").bearer(&token)).await;
            refused.is_refused(401, Some(&invalid_token(INACTIVE)), Reason::Inactive);
            send(&app, get("/").bearer(&reader)).await.is_ok(CLIENT);
        }
        let unknown = send(&app, get("/").bearer("unknown")).await;
        unknown.is_refused(401, Some(&invalid_token(INACTIVE)), Reason::Inactive);
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn secret_in_the_form_is_accepted_too_and_a_wrong_one_is_a_503() {
        let provider = Provider::start(GLEWLWYD);
        let token = provider.client_credentials(Algorithm::ES256).await;
        let basic = ClientAuthentication::client_secret_basic;
        let post = ClientAuthentication::client_secret_post;

        for client in [basic(API.0, API.1), post(API.0, API.1), post("shop-RS256", SHOP_SECRET)] {
            let app = app_with(&provider, discovered(&provider, client, OpaqueTokens::all()));
            send(&app, get("/").bearer(&token)).await.is_ok(CLIENT);
        }
        for client in [basic(API.0, "wrong"), post(API.0, "wrong"), basic("nobody", API.1)] {
            let app = app_with(&provider, discovered(&provider, client, OpaqueTokens::all()));
            let answer = send(&app, get("/").bearer(&token)).await;
            answer.is_refused(503, None, Reason::AuthenticatorFailed);
        }
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn without_the_right_to_introspect_a_client_finds_its_own_tokens_only() {
        let provider = Provider::start_with(GLEWLWYD, &[("OWN_TOKENS_ONLY", "1")]);
        let app = app_with(&provider, discovered(&provider, api(), OpaqueTokens::all()));
        let others = provider.client_credentials(Algorithm::ES256).await;
        let own = provider.client_credentials_of(API, "things:read").await;

        let refused = send(&app, get("/").bearer(&others)).await;
        let accepted = send(&app, get("/").bearer(&own)).await;

        refused.is_refused(401, Some(&invalid_token(INACTIVE)), Reason::Inactive);
        accepted.is_ok(CLIENT);
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn token_that_a_local_key_signed_is_not_introspected_and_any_other_is() {
        let provider = Provider::start(GLEWLWYD);
        let introspection = discovered(&provider, api(), OpaqueTokens::all());
        let introspection = introspection.with_freshness(Duration::ZERO);
        let mut jwks: Value = serde_json::from_str(&provider.jwks().await).unwrap();
        jwks["keys"].as_array_mut().unwrap().retain(|key| key["alg"] == "ES256");
        let keys = KeySet::from_jwks(jwks.to_string()).unwrap();
        let layer = BearerLayer::new(verifier(&provider, keys));
        let rules = validation(&provider);
        let layer = layer.with_fallback_authenticator(introspection, rules).unwrap();
        let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);
        let local = provider.client_credentials(Algorithm::ES256).await;
        let remote = provider.client_credentials(Algorithm::RS256).await;
        for token in [&local, &remote] {
            send(&app, get("/").bearer(token)).await.is_ok("in");
        }

        for token in [&local, &remote] {
            provider.revoke(API, token).await;
        }
        let unasked = send(&app, get("/").bearer(&local)).await;
        let asked = send(&app, get("/").bearer(&remote)).await;

        unasked.is_ok("in");
        asked.is_refused(401, Some(&invalid_token(INACTIVE)), Reason::Inactive);
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn without_a_resource_the_audience_is_the_text_of_the_scopes() {
        // The password grant ignores `resource`.
        let provider = Provider::start(GLEWLWYD);
        let keys = key_set(&provider).await;
        let alice = provider.password_for(Algorithm::EdDSA, "things:read").await;
        let alice = alice["access_token"].as_str().unwrap();
        let here = super::app(verifier(&provider, keys.clone()));
        let scope = Validation::new(provider.issuer(), "things:read");
        let for_the_scope = super::app(Verifier::new(keys, scope).unwrap());
        let introspection = discovered(&provider, api(), OpaqueTokens::all());
        let introspecting = app_with(&provider, introspection);

        for app in [here, introspecting] {
            let refused = send(&app, get("/").bearer(alice)).await;
            let challenge = invalid_token("The token is for another audience");
            refused.is_refused(401, Some(&challenge), Reason::WrongAudience);
        }
        let accepted = send(&for_the_scope, get("/").bearer(alice)).await;
        assert!(accepted.status == 200 && accepted.body.starts_with("User "), "{accepted:?}");
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn refresh_token_is_refused_and_the_access_token_beside_it_is_not() {
        let provider = Provider::start(GLEWLWYD);
        let alice = provider.password_for(Algorithm::RS256, "things:read").await;
        let token = |name: &str| get("/").bearer(alice[name].as_str().unwrap());
        let introspection = discovered(&provider, api(), OpaqueTokens::all());
        let rules = Validation::new(provider.issuer(), "things:read");
        let layer = BearerLayer::new(verifier(&provider, key_set(&provider).await));
        let layer = layer.with_authenticator(introspection, rules).unwrap();
        let subject = async |principal: Principal| principal.subject().unwrap().to_owned();
        let app = Router::new().route("/", on_get(subject)).layer(layer);

        let refused = send(&app, token("refresh_token")).await;
        let accepted = send(&app, token("access_token")).await;

        // The kind of token that is asked for is in the request.
        refused.is_refused(401, Some(&invalid_token(INACTIVE)), Reason::Inactive);
        assert!(accepted.status == 200 && !accepted.body.is_empty(), "{accepted:?}");
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn signed_answers_are_accepted_only_if_the_client_has_the_name_of_the_audience() {
        // It writes the audience of the token into `aud` of the answer, where RFC 9701 §5 wants the client that asks. For
        // a token that is not active it sends no answer, but 400.
        let provider = Provider::start(GLEWLWYD);
        let issuer = provider.issuer();
        let token = provider.client_credentials(Algorithm::ES256).await;
        let app = |id: &str| {
            let client = ClientAuthentication::client_secret_post(id, API.1);
            let introspection = discovered(&provider, client, OpaqueTokens::all())
                .with_freshness(Duration::ZERO)
                .with_signed_answers(issuer, RemoteKeys::discover(issuer).unwrap());
            app_with(&provider, introspection.unwrap())
        };

        let accepted = send(&app(AUDIENCE), get("/").bearer(&token)).await;
        let refused = send(&app(API.0), get("/").bearer(&token)).await;
        provider.revoke(API, &token).await;
        let revoked = send(&app(AUDIENCE), get("/").bearer(&token)).await;

        accepted.is_ok(CLIENT);
        refused.is_refused(503, None, Reason::AuthenticatorFailed);
        revoked.is_refused(503, None, Reason::AuthenticatorFailed);
    }

    #[tokio::test]
    #[ignore = "needs glewlwyd: scripts/interop"]
    async fn signed_answer_is_no_access_token_of_the_same_issuer() {
        // Here `aud` is that of the API, so the kind of the token alone refuses it.
        let provider = Provider::start(GLEWLWYD);
        let token = provider.client_credentials(Algorithm::ES256).await;
        let metadata = provider.metadata().await;
        let endpoint = metadata["introspection_endpoint"].as_str().unwrap();
        let answer = provider::signed_answer(endpoint, API, &token).await;
        let any = validation(&provider).dangerous().accept_any_kind();
        let any = any.dangerous().accept_missing_expiry();
        let verifier = Verifier::<Value>::new(key_set(&provider).await, any).unwrap();

        let error = verifier.verify(&answer).await.unwrap_err();
        let accepted = verifier.verify(&token).await;

        assert_eq!(error.reason(), Reason::WrongTokenType);
        accepted.unwrap();
    }
}
