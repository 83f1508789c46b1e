//! Tests secrets that can be guessed, while tokens signed with them are in use.

use axum::Router;
use axum::routing::get as on_get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use tower_bearer::keys::{KeyProblem, KeySource, VerifyingKey};
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, BearerLayer, Config, ConfigError, KeySet, Reason};
use tracing::Level;

use crate::observe::events::reported;
use crate::support::{
    AUDIENCE, Answer, ISSUER, WithBearer, get, invalid_token, key, send, token, verifier_of,
};

pub const SHORT: &[u8] = b"secret123";

/// Signs with a short secret: HMAC pads with zeros up to the length of a block (RFC 2104 §2).
pub fn signer(algorithm: Algorithm, secret: &[u8]) -> TestKey {
    let mut padded = secret.to_vec();
    padded.resize(64, 0);
    TestKey::from_secret(algorithm, &padded)
}

async fn answer(keys: impl KeySource, token: &str) -> Answer {
    let layer = BearerLayer::new(verifier_of(keys));
    let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);
    send(&app, get("/").bearer(token)).await
}

fn short(algorithm: Algorithm) -> VerifyingKey {
    VerifyingKey::dangerously_from_short_secret(algorithm, SHORT).unwrap()
}

#[tokio::test]
async fn token_of_a_short_secret_is_accepted_by_the_key_that_says_dangerous() {
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let good = token().sign(&signer(algorithm, SHORT));
        let forged = token().sign(&signer(algorithm, b"secret124"));

        answer(short(algorithm), &good).await.is_ok("in");

        let refused = answer(short(algorithm), &forged).await;
        let expected = invalid_token("The token cannot be verified");
        refused.is_refused(401, Some(&expected), Reason::InvalidSignature);
    }
}

#[test]
fn short_secret_is_refused_by_every_other_way_to_a_key() {
    let encoded = URL_SAFE_NO_PAD.encode(SHORT);
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": encoded }).to_string();
    let too_short = KeyProblem::SecretTooShort { bits: 72, required: 256 };
    let decoding = jsonwebtoken::DecodingKey::from_secret(SHORT).unwrap();
    for error in [
        VerifyingKey::from_secret(Algorithm::HS256, SHORT).unwrap_err(),
        VerifyingKey::from_base64url_secret(Algorithm::HS256, &encoded).unwrap_err(),
        VerifyingKey::from_decoding_key(Algorithm::HS256, &decoding).unwrap_err(),
    ] {
        assert_eq!(error, ConfigError::Key(too_short.clone()));
    }
    let error = KeySet::from_jwks(jwk).unwrap_err();
    let ConfigError::NoUsableKey { skipped } = error else { panic!("{error}") };
    assert_eq!(skipped[0].problem, too_short);
}

#[test]
fn empty_secrets_public_keys_and_other_algorithms_are_refused_all_the_same() {
    let make = |algorithm, secret: &[u8]| {
        VerifyingKey::dangerously_from_short_secret(algorithm, secret).unwrap_err()
    };
    let empty = KeyProblem::SecretTooShort { bits: 0, required: 256 };
    assert_eq!(make(Algorithm::HS256, b""), ConfigError::Key(empty));
    let public = include_bytes!("../../fixtures/keys/rsa_public.pem");
    assert_eq!(make(Algorithm::HS256, public), ConfigError::Key(KeyProblem::PublicKeyAsSecret));
    let error = make(Algorithm::ES256, SHORT);
    let is_mismatch =
        matches!(error, ConfigError::Key(KeyProblem::AlgorithmMismatch { algorithm: "ES256", .. }));
    assert!(is_mismatch, "{error}");
    assert!(VerifyingKey::dangerously_from_short_secret(Algorithm::HS256, "x").is_ok());
}

#[test]
fn each_short_secret_is_one_warning_without_the_secret_and_a_long_one_is_none() {
    let events = reported(|| drop(short(Algorithm::HS256)));
    let [(Level::WARN, text)] = &events[..] else { panic!("{events:?}") };
    assert!(text.contains("replace it") && text.contains("72 bits"), "{text}");
    assert!(!text.contains("secret123"), "{text}");

    let long = [7; 32];
    let events =
        reported(|| drop(VerifyingKey::dangerously_from_short_secret(Algorithm::HS256, long)));
    assert_eq!(events, []);
}

#[tokio::test]
async fn old_and_new_secret_verify_side_by_side_until_the_old_one_goes() {
    let new = || key().with_key_id("2026");
    let old = token().sign(&signer(Algorithm::HS256, SHORT));
    let both: KeySet = [new().verifying_key(), short(Algorithm::HS256)].into_iter().collect();
    let alone: KeySet = new().verifying_key().into();
    let refused = invalid_token("The token cannot be verified");

    answer(both.clone(), &token().sign(&new())).await.is_ok("in");
    answer(both.clone(), &old).await.is_ok("in");
    answer(alone.clone(), &token().sign(&new())).await.is_ok("in");
    let gone = answer(alone, &old).await;
    gone.is_refused(401, Some(&refused), Reason::InvalidSignature);
    // A token signed with the guessed secret is no token of the new key.
    let posing = token().sign(&signer(Algorithm::HS256, SHORT).with_key_id("2026"));
    let posing = answer(both, &posing).await;
    posing.is_refused(401, Some(&refused), Reason::InvalidSignature);
}

fn config(dangerous: &[&str], keys: serde_json::Value) -> Config {
    let config = json!({ "issuers": [{
        "issuer": ISSUER,
        "audiences": [AUDIENCE],
        "algorithms": ["HS256", "HS384"],
        "dangerous": dangerous,
        "keys": keys,
    }] });
    Config::from_json(&config.to_string()).unwrap()
}

#[tokio::test]
async fn configuration_takes_a_short_secret_by_name_warns_once_and_says_so() {
    let encoded = URL_SAFE_NO_PAD.encode(SHORT);
    let file = std::env::temp_dir().join(format!("tower-bearer-{}-short", std::process::id()));
    std::fs::write(&file, &encoded).unwrap();
    for keys in [json!({ "secret": encoded }), json!({ "secret_file": file })] {
        let place = keys.as_object().unwrap().keys().next().unwrap().clone();
        let error = config(&[], keys.clone()).issuers().unwrap_err().to_string();
        assert!(error.starts_with(&format!("issuers[0].keys.{place}: ")), "{error}");
        assert!(error.contains("72 bits"), "{error}");

        let open = config(&["accept_short_secret"], keys);
        let mut issuers = None;
        let events = reported(|| issuers = open.issuers().ok());
        let [(Level::WARN, text)] = &events[..] else { panic!("{events:?}") };
        assert!(text.contains(ISSUER) && !text.contains(&encoded), "{text}");
        let layer = open.layer::<serde_json::Value>(&issuers.unwrap()).unwrap();
        let app = Router::new().route("/", on_get(|| async { "in" })).layer(layer);
        for algorithm in [Algorithm::HS256, Algorithm::HS384] {
            let token = tower_bearer::test_util::TestToken::new(ISSUER, AUDIENCE);
            let token = token.sign(&signer(algorithm, SHORT));
            send(&app, get("/").bearer(token)).await.is_ok("in");
        }
        let mut printed = String::new();
        assert_eq!(reported(|| printed = open.effective().unwrap().to_toml()), []);
        assert!(
            printed.contains("accept_short_secret") && !printed.contains(&encoded),
            "{printed}"
        );
    }
    std::fs::remove_file(file).unwrap();
}

#[test]
fn configuration_refuses_the_word_where_there_is_no_secret_and_an_empty_one_always() {
    let jwks = json!({ "jwks": { "keys": [key().to_jwk()] } });
    let error = config(&["accept_short_secret"], jwks).issuers().unwrap_err().to_string();
    assert!(error.starts_with("issuers[0].dangerous: "), "{error}");

    let empty = config(&["accept_short_secret"], json!({ "secret": "" }));
    let error = empty.issuers().unwrap_err().to_string();
    assert!(error.contains("0 bits"), "{error}");
}
