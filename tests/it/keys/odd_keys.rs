//! Tests keys in wrong spellings, each beside the right one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::keys::{KeyProblem, SigningKey, VerifyingKey};
use tower_bearer::{Algorithm, ConfigError, KeySet};

use crate::support::{key_for, token, verifier_of};

/// The reason for skipping the only key.
fn problem(jwks: &Value) -> KeyProblem {
    match KeySet::from_jwks(jwks.to_string()).unwrap_err() {
        ConfigError::NoUsableKey { mut skipped } if skipped.len() == 1 => skipped.remove(0).problem,
        other => panic!("{other}"),
    }
}

#[test]
fn jwk_and_set_are_objects() {
    // A JWK is a JSON object (RFC 7517 §4), and so is a set.
    let jwk = key_for(Algorithm::ES256).to_jwk();
    let members =
        json!(["EC", null, null, null, null, "P-256", null, null, jwk["x"], jwk["y"], null, null]);

    assert!(KeySet::from_jwks(json!({ "keys": [jwk] }).to_string()).is_ok());
    assert!(KeySet::from_jwks(format!(" \n{jwk}")).is_ok());
    assert!(matches!(problem(&json!({ "keys": [members] })), KeyProblem::Unreadable(_)));
    for text in [json!([jwk]), json!([[jwk]]), members, json!("text"), Value::Null] {
        let error = KeySet::from_jwks(text.to_string()).unwrap_err();
        assert!(matches!(error, ConfigError::UnreadableKeys { .. }), "{text}: {error}");
    }
}

#[test]
fn jwk_of_the_wrong_shape_is_not_quoted() {
    for (jwks, hint) in [
        (json!("hunter2"), "no JSON object"),
        (json!({ "keys": "hunter2" }), "wrong JSON type"),
        (json!({ "keys": ["hunter2"] }), "no JSON object"),
        (json!({ "kty": "oct", "alg": "HS256", "k": 2222222 }), "wrong JSON type"),
        (json!({ "alg": "HS256", "k": "hunter2" }), "missing field `kty`"),
    ] {
        let text = KeySet::from_jwks(jwks.to_string()).unwrap_err().to_string();
        assert!(!text.contains("hunter2") && !text.contains("2222222"), "{text}");
        assert!(text.contains(hint), "{text}");
    }
}

#[tokio::test]
async fn ed25519_key_that_any_signature_fits_is_refused() {
    // RFC 8725bis §3.4: keys on curves are validated
    for y in [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    ] {
        let digit = |at| u8::from_str_radix(&y[at..at + 2], 16).unwrap();
        let mut x: Vec<u8> = (0..64).step_by(2).map(digit).collect();
        for sign in [0, 0x80] {
            x[31] ^= sign;
            let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&x) });
            assert_eq!(problem(&jwk), KeyProblem::Curve, "{y}");
        }
    }
    let key = key_for(Algorithm::Ed25519);
    let keys = KeySet::from_jwks(key.to_jwk().to_string()).unwrap();
    assert!(verifier_of(keys).verify(&token().sign(&key)).await.is_ok());
}

#[test]
fn public_key_in_any_clothes_is_no_secret() {
    // RFC 8725bis §3.1: a client that knows the public key could sign
    let with = |member: &str, value: Value| {
        let mut jwk = key_for(Algorithm::RS256).to_jwk();
        jwk[member] = value;
        jwk.to_string()
    };
    let pem = include_str!("../../fixtures/keys/rsa_public.pem");
    // As Keycloak shows it, and as it ends up in an environment variable.
    let bare: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let url_safe = bare.replace('+', "-").replace('/', "_");
    for public in [
        with("use", json!("enc")),
        with("key_ops", json!(["encrypt"])),
        with("alg", json!("RSA-OAEP")),
        with("n", json!("AQAB")),
        json!({ "kty": "EC", "crv": "secp256k1", "x": "A".repeat(43), "y": "A".repeat(43) })
            .to_string(),
        format!(" {bare}\n"),
        pem.lines().filter(|line| !line.starts_with('-')).collect::<Vec<_>>().join("\n"),
        url_safe.trim_end_matches('=').to_owned(),
        pem.to_owned(),
    ] {
        let refused = ConfigError::Key(KeyProblem::PublicKeyAsSecret);
        let verifying = VerifyingKey::from_secret(Algorithm::HS256, &public).err();
        let signing = SigningKey::from_secret(Algorithm::HS256, &public).err();
        let jwk = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(&public) });

        assert_eq!(verifying, Some(refused.clone()), "{public}");
        assert_eq!(signing, Some(refused), "{public}");
        assert_eq!(problem(&jwk), KeyProblem::PublicKeyAsSecret, "{public}");
    }
    // Secrets that resemble a PEM.
    for secret in [
        "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8A".to_owned(),
        json!({ "kty": "oct", "k": "A".repeat(43) }).to_string(),
        json!({ "kty": 7, "x": "A".repeat(43) }).to_string(),
    ] {
        assert!(VerifyingKey::from_secret(Algorithm::HS256, &secret).is_ok(), "{secret}");
    }
}
