//! Keys as nobody should write them, each beside one that is meant.

use serde_json::{Value, json};
use tower_bearer::{Algorithm, ConfigError, KeyProblem, KeySet};

use crate::support::key_for;

/// Why the only key was passed over.
fn problem(jwks: &Value) -> KeyProblem {
    match KeySet::from_jwks(jwks.to_string()).unwrap_err() {
        ConfigError::NoUsableKey { mut skipped } if skipped.len() == 1 => skipped.remove(0).problem,
        other => panic!("{other}"),
    }
}

#[test]
fn jwk_and_set_are_objects() {
    // RFC 7517 §4, §5: a JWK is a JSON object, and so is a set
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
