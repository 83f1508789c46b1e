//! Key material: JWK sets, PEM and secrets.

#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use tower_bearer::keys::VerifyingKey;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, KeySet, Reason};
use tower_bearer_fuzz as fuzz;

fuzz_target!(|input: &[u8]| {
    if let Ok(keys) = KeySet::from_jwks(input) {
        check_jwks(input, &keys);
        check_binding(&keys, input);
    }
    if let Ok(keys) = KeySet::from_jwks_for(input, &Algorithm::ALL) {
        check_binding(&keys, input);
    }
    if let Ok(keys) = KeySet::from_jwks_for(input, &[Algorithm::PS256, Algorithm::HS512]) {
        for key in keys.keys() {
            assert!(matches!(key.algorithm(), Algorithm::PS256 | Algorithm::HS512));
        }
    }
    for keys in [KeySet::from_pem(input), KeySet::from_pem_for(input, &Algorithm::ALL)] {
        if let Ok(keys) = keys {
            assert!(keys.keys().iter().all(|key| !is_hmac(key.algorithm())));
            check_binding(&keys, input);
        }
    }
    for algorithm in Algorithm::ALL {
        if let Ok(key) = VerifyingKey::from_pem(algorithm, input) {
            assert_eq!(key.algorithm(), algorithm);
            assert!(!is_hmac(algorithm));
        }
    }
    if let Ok(key) = VerifyingKey::from_secret(Algorithm::HS256, input) {
        // Whatever reads as a public key must not have been taken for a secret.
        assert!(KeySet::from_pem(input).is_err());
        let public = |key: &VerifyingKey| !is_hmac(key.algorithm());
        assert!(!KeySet::from_jwks(input).is_ok_and(|keys| keys.keys().iter().any(public)));
        let token = token().sign(&TestKey::from_secret(Algorithm::HS256, input));
        assert!(fuzz::now(fuzz::verifier_of(key.into()).verify(&token)).is_ok());
    }
});

fn is_hmac(algorithm: Algorithm) -> bool {
    algorithm.as_str().starts_with("HS")
}

fn token() -> TestToken {
    TestToken::new(fuzz::ISSUER, fuzz::AUDIENCE).at(fuzz::NOW)
}

/// Checks that no key of the set is used for an algorithm that it was not loaded for, and that none is a secret
/// that the text publishes.
fn check_binding(keys: &KeySet, input: &[u8]) {
    let has = |algorithm: Algorithm| {
        let same =
            |name: &str| if name == "EdDSA" { "Ed25519".to_owned() } else { name.to_owned() };
        keys.keys().iter().any(|key| same(key.algorithm().as_str()) == same(algorithm.as_str()))
    };
    let verifier = fuzz::verifier_of(keys.clone());
    for algorithm in Algorithm::ALL {
        // RFC 8725bis §3.1: each key is used with exactly one algorithm.
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        let token = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
        let reason = fuzz::now(verifier.verify(&token)).expect_err("no signature").reason();
        let expected =
            if has(algorithm) { Reason::InvalidSignature } else { Reason::AlgorithmNotAllowed };
        assert_eq!(reason, expected, "{algorithm}");
    }
    // R = 1 and S = 0, which a key of small order would verify.
    let neutral = URL_SAFE_NO_PAD.encode([[1; 1].as_slice(), &[0; 63]].concat());
    let unsigned = token().header("alg", "EdDSA").sign(&fuzz::signer());
    let (input_of, _) = unsigned.rsplit_once('.').expect("three segments");
    assert!(fuzz::now(verifier.verify(&format!("{input_of}.{neutral}"))).is_err());
    if input.len() >= 64 && !keys.keys().iter().any(|key| is_hmac(key.algorithm())) {
        for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
            let forged = token().sign(&TestKey::from_secret(algorithm, input));
            let error = fuzz::now(verifier.verify(&forged)).expect_err("a public key is no secret");
            assert_eq!(error.reason(), Reason::AlgorithmNotAllowed);
        }
    }
}

/// Each key of the set is one that the text declares to be for verifying, and good enough.
fn check_jwks(input: &[u8], keys: &KeySet) {
    let Ok(document) = serde_json::from_slice::<Value>(input) else { return };
    let Some(object) = document.as_object() else { return };
    let entries = match object.get("keys") {
        Some(Value::Array(entries)) => entries.clone(),
        _ => vec![document.clone()],
    };
    assert_eq!(keys.keys().len() + keys.skipped().len(), entries.len());
    let skipped: Vec<usize> = keys.skipped().iter().map(|skipped| skipped.index).collect();
    let used = entries.iter().enumerate().filter(|(index, _)| !skipped.contains(index));
    for ((_, entry), key) in used.zip(keys.keys()) {
        assert!(entry.is_object());
        let text = |name: &str| entry[name].as_str();
        let algorithm = key.algorithm();
        assert_eq!(key.key_id(), text("kid"));
        assert!(text("alg").is_none_or(|alg| alg == algorithm.as_str()));
        assert!(matches!(text("use"), None | Some("sig")));
        assert!(entry["key_ops"].as_array().is_none_or(|ops| ops.iter().any(|op| op == "verify")));
        assert!(entry["d"].is_null());
        let bytes = |name: &str| URL_SAFE_NO_PAD.decode(text(name).unwrap()).unwrap();
        match (text("kty").unwrap(), &algorithm.as_str()[..2]) {
            ("oct", "HS") => {
                let secret = bytes("k");
                let bits: usize = algorithm.as_str()[2..].parse().unwrap();
                assert!(secret.len() * 8 >= bits);
                let signer = TestKey::from_secret(algorithm, &secret);
                let verifier = fuzz::verifier_of(key.clone().into());
                assert!(fuzz::now(verifier.verify(&token().sign(&signer))).is_ok());
            }
            ("RSA", "RS" | "PS") => {
                let bits: String = bytes("n").iter().map(|byte| format!("{byte:08b}")).collect();
                assert!((2048..=8192).contains(&bits.trim_start_matches('0').len()));
                assert!(bits.ends_with('1'));
            }
            ("EC", "ES") => {
                let (curve, length) = match algorithm {
                    Algorithm::ES256 => ("P-256", 32),
                    Algorithm::ES384 => ("P-384", 48),
                    _ => ("P-521", 66),
                };
                assert_eq!(text("crv"), Some(curve));
                assert_eq!((bytes("x").len(), bytes("y").len()), (length, length));
            }
            ("OKP", "Ed") => {
                assert_eq!(text("crv"), Some("Ed25519"));
                assert_eq!(bytes("x").len(), 32);
            }
            (kty, _) => panic!("{kty} for {algorithm}"),
        }
    }
}
