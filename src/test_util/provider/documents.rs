//! Writes the documents of the provider as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::super::TestKey;
use super::fault::Fault;
use super::key_ring::KeyRing;
use super::places::ProviderUrls;

/// Returns the metadata (OpenID Connect Discovery §3, RFC 8414 §2).
pub(super) fn metadata(
    places: &ProviderUrls,
    keys: &KeyRing,
    jwks_uri: Option<&str>,
    has_introspection: bool,
    fault: Option<Fault>,
) -> String {
    let issuer = match fault {
        Some(Fault::WrongIssuer) => "https://somebody.else.example",
        _ => places.issuer(),
    };
    let mut algorithms: Vec<&str> =
        keys.published().iter().map(|key| key.algorithm().as_str()).collect();
    algorithms.dedup();
    // Real providers list it here, and it must not become an algorithm to verify with.
    algorithms.push("none");
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": places.url("/authorize"),
        "token_endpoint": places.url("/token"),
        "jwks_uri": jwks_uri.map_or_else(|| places.jwks_url(), str::to_owned),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": algorithms,
    });
    if has_introspection {
        document["introspection_endpoint"] = places.introspection_url().into();
    }
    document.to_string()
}

/// Returns the keys (RFC 7517 §5).
pub(super) fn jwks(keys: &KeyRing, fault: Option<Fault>) -> String {
    let good = keys.published().iter().map(TestKey::to_jwk);
    let keys: Vec<Value> = match fault {
        Some(Fault::EmptySet) => Vec::new(),
        Some(Fault::OddKeys) => {
            // The good keys are in the middle, for clients that stop at the first odd one, or begin
            // at it.
            let mut odd = odd_keys();
            odd.splice(3..3, good);
            odd
        }
        _ => good.collect(),
    };
    json!({ "keys": keys }).to_string()
}

fn odd_keys() -> Vec<Value> {
    let bytes = |byte, length| URL_SAFE_NO_PAD.encode(vec![byte; length]);
    vec![
        json!("not a key"),
        json!({"kty": "AKP", "kid": "odd-ml-dsa", "alg": "ML-DSA-44", "pub": bytes(7, 1312)}),
        json!({
            "kty": "oct", "kid": "odd-secret", "alg": "HS256",
            "k": URL_SAFE_NO_PAD.encode(Fault::ODD_SECRET),
        }),
        // RFC 7517 §A.2: a published private key.
        json!({
            "kty": "EC", "kid": "odd-private", "alg": "ES256", "use": "sig", "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
        }),
        json!({"kty": "RSA", "kid": "odd-short", "alg": "RS256", "n": bytes(0xc1, 128), "e": "AQAB"}),
        json!({"kty": "EC", "kid": "odd-incomplete", "alg": "ES256", "crv": "P-256"}),
        json!({
            "kty": "EC", "kid": "odd-point", "alg": "ES256", "crv": "P-256",
            "x": bytes(1, 32), "y": bytes(1, 32),
        }),
    ]
}
