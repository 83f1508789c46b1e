//! Tests tokens that this crate issues.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::{Method, Request};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
use tower_bearer::issue::{IssueError, IssuedToken};
use tower_bearer::keys::{KeyProblem, SigningKey};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, ConfigError, KeySet, TokenIssuer, Verifier};

use crate::support::{AUDIENCE, ISSUER, NOW, User, validation, verifier_of};

mod pem {
    //! Private keys of every kind, made with `openssl` for these tests and used nowhere else.
    include!("../support/private_keys.rs");
}

/// A key for each algorithm, in each form that `SigningKey` reads.
fn signing_keys() -> Vec<SigningKey> {
    let pem = |algorithm, pem: &str| SigningKey::from_pem(algorithm, pem).unwrap();
    let secret = |algorithm| SigningKey::from_secret(algorithm, [7; 64]).unwrap();
    vec![
        secret(Algorithm::HS256),
        secret(Algorithm::HS384),
        secret(Algorithm::HS512),
        pem(Algorithm::RS256, pem::RSA_PKCS8),
        pem(Algorithm::RS256, pem::RSA_PKCS1),
        pem(Algorithm::RS384, pem::RSA_PKCS8),
        pem(Algorithm::RS512, pem::RSA_PKCS1),
        pem(Algorithm::PS256, pem::RSA_PKCS8),
        pem(Algorithm::PS384, pem::RSA_PKCS1),
        SigningKey::from_der(Algorithm::PS512, der(pem::RSA_PKCS8)).unwrap(),
        pem(Algorithm::ES256, pem::P256_PKCS8),
        SigningKey::from_der(Algorithm::ES256, der(pem::P256_SEC1)).unwrap(),
        pem(Algorithm::ES384, pem::P384_PKCS8),
        pem(Algorithm::ES512, pem::P521_PKCS8),
        pem(Algorithm::EdDSA, pem::ED25519_PKCS8),
        pem(Algorithm::Ed25519, pem::ED25519_PKCS8),
    ]
}

fn issuer(key: SigningKey) -> TokenIssuer {
    TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap().with_clock(TestClock::at(NOW))
}

fn usual_key() -> SigningKey {
    SigningKey::from_pem(Algorithm::ES256, pem::P256_PKCS8).unwrap()
}

fn usual() -> TokenIssuer {
    issuer(usual_key())
}

fn part(token: &IssuedToken, index: usize) -> Value {
    let part = token.as_str().split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[tokio::test]
async fn token_of_every_algorithm_and_key_form_is_accepted() {
    for key in signing_keys() {
        let algorithm = key.algorithm();
        let issuer = issuer(key);
        let token = issuer.token_for("alice").issue().unwrap();

        let own = verifier_of(issuer.verifying_key()).verify(token.as_str()).await.unwrap();

        assert_eq!(own.sub.as_deref(), Some("alice"));
        assert_eq!(part(&token, 0)["alg"], algorithm.as_str());
        if !algorithm.as_str().starts_with("HS") {
            let published = KeySet::from_jwks(issuer.public_keys().to_json()).unwrap();
            assert!(verifier_of(published).verify(token.as_str()).await.is_ok(), "{algorithm}");
        }
    }
}

#[tokio::test]
async fn token_carries_what_rfc_9068_asks_for() {
    // RFC 9068 §2.1: typ is at+jwt
    // RFC 9068 §2.2: required claims
    // RFC 9068 §2.2.3: granted scopes are in the claim scope
    let issuer = usual();
    let token = issuer
        .token_for("alice")
        .with_client_id("shop")
        .with_roles(["user", "admin"])
        .with_scopes(["a", "b"])
        .with_claims(&json!({ "email": "alice@example.com" }))
        .issue()
        .unwrap();

    assert_eq!(part(&token, 0)["typ"], "at+jwt");
    assert_eq!(part(&token, 0)["kid"].as_str().unwrap().len(), 43);
    let mut claims = part(&token, 1);
    assert_eq!(claims["jti"].take(), token.token_id());
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "shop", "jti": null,
            "iat": NOW, "nbf": NOW, "exp": NOW + 900,
            "roles": ["user", "admin"], "scope": "a b", "email": "alice@example.com",
        })
    );
    assert_eq!(token.expires_in(), Duration::from_secs(900));
    let verified = verifier_of(issuer.verifying_key()).verify(token.as_str()).await.unwrap();
    assert!(verified.principal().has_role("admin") && verified.principal().has_scope("b"));
    assert_eq!(verified.email.as_deref(), Some("alice@example.com"));
}

#[test]
fn token_ids_are_random() {
    let issuer = usual();
    let ids: std::collections::HashSet<String> = (0..100)
        .map(|_| issuer.token_for("alice").issue().unwrap().token_id().to_owned())
        .collect();

    assert_eq!(ids.len(), 100);
}

#[test]
fn lifetime_can_be_set_for_the_issuer_and_for_one_token() {
    let issuer = usual().with_lifetime(Duration::from_secs(60));
    let usual = issuer.token_for("alice").issue().unwrap();
    let short = issuer.token_for("alice").with_lifetime(Duration::from_secs(5)).issue().unwrap();

    assert_eq!(part(&usual, 1)["exp"], NOW + 60);
    assert_eq!(part(&short, 1)["exp"], NOW + 5);
}

#[test]
fn no_claim_replaces_another() {
    let issuer = usual();
    for name in ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"] {
        let result = issuer.token_for("alice").with_claims(&json!({ name: 1 })).issue();
        assert_eq!(result.unwrap_err(), IssueError::ClaimSetTwice(name.into()));
    }
    let escalated = issuer.token_for("alice").with_roles(["user"]);
    let escalated = escalated.with_claims(&json!({ "roles": ["admin"] })).issue();
    assert_eq!(escalated.unwrap_err(), IssueError::ClaimSetTwice("roles".into()));
    let result = issuer.token_for("alice").with_claims(&json!([1])).issue();
    assert_eq!(result.unwrap_err(), IssueError::NotAnObject);
}

#[test]
fn tokens_that_a_verifier_would_refuse_are_not_issued() {
    let issuer = usual();
    let problem = |token: tower_bearer::issue::TokenRequest<'_>| token.issue().unwrap_err();
    let alice = || issuer.token_for("alice");

    for mark in ["nonce", "at_hash", "c_hash", "events", "cnf", "typ", "token_use"] {
        let expected = IssueError::ClaimOfAnotherKind(mark.into());
        assert_eq!(problem(alice().with_claims(&json!({ mark: "x" }))), expected);
    }
    for scope in ["read admin:all", "", "a\"b", "\u{e9}"] {
        let expected = IssueError::InvalidScope(scope.into());
        assert_eq!(problem(alice().with_scopes(["read", scope])), expected);
    }
    assert_eq!(problem(issuer.token_for("")), IssueError::EmptySubject);
    let short = alice().with_lifetime(Duration::from_millis(900));
    assert_eq!(problem(short), IssueError::LifetimeTooShort);
    assert!(alice().with_scopes(["read", "admin:all"]).issue().is_ok());
    let too_long = usual_key().with_key_id("k".repeat(257)).unwrap_err();
    assert_eq!(too_long, ConfigError::KeyIdTooLong { bytes: 257 });
    assert!(usual_key().with_key_id("k".repeat(256)).is_ok());
}

#[tokio::test]
async fn issued_token_with_a_client_passes_as_rfc_9068_has_it() {
    // RFC 9068 §2.2: client_id is required
    let issuer = usual().with_client_id("shop");
    let strict =
        crate::support::verifier_with(issuer.verifying_key(), validation().with_at_jwt_only());
    let usual = issuer.token_for("alice").issue().unwrap();
    let other = issuer.token_for("alice").with_client_id("other").issue().unwrap();

    assert_eq!(part(&usual, 1)["client_id"], "shop");
    assert_eq!(part(&other, 1)["client_id"], "other");
    assert!(strict.verify(usual.as_str()).await.is_ok());
}

#[test]
fn key_that_does_not_fit_the_algorithm_is_a_config_error() {
    let new = |algorithm, pem: &str| SigningKey::from_pem(algorithm, pem).unwrap_err();

    let mismatch = |error| matches!(error, ConfigError::Key(KeyProblem::AlgorithmMismatch { .. }));
    assert!(mismatch(new(Algorithm::HS256, pem::RSA_PKCS8)));
    assert!(mismatch(new(Algorithm::RS256, pem::P256_PKCS8)));
    assert!(mismatch(new(Algorithm::ES384, pem::P256_PKCS8)));
    assert_eq!(
        SigningKey::from_secret(Algorithm::HS256, "short").unwrap_err(),
        ConfigError::Key(KeyProblem::SecretTooShort { bits: 40, required: 256 })
    );
    let small = new(Algorithm::RS256, pem::RSA_1024);
    assert_eq!(small, ConfigError::Key(KeyProblem::RsaSize { bits: 1024 }));
    assert!(small.to_string().contains("2048"), "{small}");
    assert!(matches!(
        SigningKey::from_der(Algorithm::RS256, "nonsense").unwrap_err(),
        ConfigError::Key(KeyProblem::Unreadable(_))
    ));
}

#[test]
fn key_id_is_the_thumbprint_until_it_is_set() {
    // RFC 7638 §3: thumbprint of the public key
    let first = usual().public_keys().to_json();
    let again = usual().public_keys().to_json();
    let named = issuer(usual_key().with_key_id("2026-11").unwrap());

    assert_eq!(first, again);
    assert_eq!(part(&named.token_for("alice").issue().unwrap(), 0)["kid"], "2026-11");
    assert_eq!(named.verifying_key().key_id(), Some("2026-11"));
}

#[test]
fn public_keys_hold_no_private_part_and_no_secret() {
    // RFC 7517 §9.2: private parts are not given out
    for key in signing_keys() {
        let algorithm = key.algorithm();
        let published = key.public_keys().to_json();
        assert_eq!(issuer(key).public_keys().to_json(), published);
        let keys: Value = serde_json::from_str(&published).unwrap();
        let keys = keys["keys"].as_array().unwrap();
        assert_eq!(keys.len(), usize::from(!algorithm.as_str().starts_with("HS")));
        for key in keys {
            assert_eq!((&key["use"], &key["alg"]), (&json!("sig"), &json!(algorithm.as_str())));
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert_eq!(key.get(private), None, "{algorithm}");
            }
        }
    }
}

#[tokio::test]
async fn jwks_service_answers_with_caching_headers_and_knows_its_entity_tag() {
    let service = usual().jwks_service();
    let ask = |request: Request<()>| service.clone().oneshot(request);

    let full = ask(Request::get("/").body(()).unwrap()).await.unwrap();
    let etag = full.headers()["etag"].clone();
    assert_eq!(full.status(), 200);
    assert_eq!(full.headers()["content-type"], "application/jwk-set+json");
    assert_eq!(full.headers()["cache-control"], "public, max-age=600");
    let body = full.into_body().collect().await.unwrap().to_bytes();
    assert!(KeySet::from_jwks(&body).is_ok());

    for known in [
        etag.to_str().unwrap().to_owned(),
        format!("\"x\", W/{}", etag.to_str().unwrap()),
        "*".into(),
    ] {
        let request = Request::get("/").header("if-none-match", known).body(()).unwrap();
        let unchanged = ask(request).await.unwrap();
        assert_eq!((unchanged.status().as_u16(), &unchanged.headers()["etag"]), (304, &etag));
        assert!(unchanged.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    let other = Request::get("/").header("if-none-match", "\"x\"").body(()).unwrap();
    assert_eq!(ask(other).await.unwrap().status(), 200);
    let post = Request::builder().method(Method::POST).body(()).unwrap();
    let refused = ask(post).await.unwrap();
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["allow"]),
        (405, &"GET, HEAD".parse().unwrap())
    );
}

#[tokio::test]
async fn two_key_sets_are_published_while_one_replaces_the_other() {
    let old = usual();
    let new = issuer(signing_keys().pop().unwrap());
    let published = old.public_keys().and(new.public_keys()).to_json();
    let verifier = verifier_of(KeySet::from_jwks(published).unwrap());

    for issuer in [old, new] {
        let token = issuer.token_for("alice").issue().unwrap();
        assert!(verifier.verify(token.as_str()).await.is_ok());
    }
}

#[tokio::test]
async fn token_expires() {
    let issuer = usual();
    let token = issuer.token_for("alice").issue().unwrap();
    let clock = TestClock::at(NOW);
    let verifier = Verifier::<User>::new(issuer.verifying_key(), validation()).unwrap();
    let verifier = verifier.with_clock(clock.clone());

    clock.advance(Duration::from_secs(900 + 59));
    assert!(verifier.verify(token.as_str()).await.is_ok());
    clock.advance(Duration::from_secs(1));
    assert!(verifier.verify(token.as_str()).await.is_err());
}

#[test]
fn debug_output_shows_neither_token_nor_secret() {
    // RFC 9700 §4.9.2: tokens are treated as credentials
    let secret = "a secret that is long enough for HS256";
    let issuer = issuer(SigningKey::from_secret(Algorithm::HS256, secret).unwrap());
    let request = issuer.token_for("alice").with_claims(&json!({ "x": "private" }));
    let shown = format!("{issuer:?} {request:?}");
    let token = request.issue().unwrap();
    let shown = format!("{shown} {token:?}");

    for hidden in [secret, "private", token.as_str(), token.as_str().rsplit('.').next().unwrap()] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

fn der(pem: &str) -> Vec<u8> {
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    STANDARD.decode(body).unwrap()
}
