//! Keys and tokens, made anew for every run and the same for every peer of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::test_util::{TestKey, TestToken};

pub(crate) struct Fixture {
    pub(crate) file: PathBuf,
    pub(crate) bytes_of_claims: usize,
    pub(crate) subjects: Vec<Value>,
}

impl Fixture {
    /// Writes the file that the peers read.
    pub(crate) fn write() -> Self {
        let subjects: Vec<Value> = ALGORITHMS.into_iter().map(subject).collect();
        let file = programs().join("fixture.json");
        fs::write(&file, json!(subjects).to_string()).expect("a file that can be written");
        let token = subjects[0]["token"].as_str().expect("a token");
        let claims = decode(token.split('.').nth(1).expect("three segments"));
        Self { file, bytes_of_claims: claims.len(), subjects }
    }

    pub(crate) fn token(&self, algorithm: &str) -> &str {
        let subject = self.subjects.iter().find(|subject| subject["algorithm"] == algorithm);
        subject.expect("a known algorithm")["token"].as_str().expect("a token")
    }
}

/// Where cargo has put the peers: beside this program.
pub(crate) fn programs() -> PathBuf {
    let this = std::env::current_exe().expect("a program");
    this.parent().map(Path::to_owned).expect("a folder")
}

fn subject(algorithm: Algorithm) -> Value {
    let key = TestKey::generate(algorithm).with_key_id("2026-11");
    let token = access_token().sign(&key);
    let (input, signature) = token.rsplit_once('.').expect("three segments");
    let mut signature = decode(signature);
    let middle = signature.len() / 2;
    signature[middle] ^= 1;
    let damaged = format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature));
    json!({
        "algorithm": algorithm.as_str(),
        "jwk": key.to_jwk(),
        "token": token,
        "damaged": damaged,
    })
}

/// The token of `benches/hot_path.rs` as far as all peers take it: axum-keycloak-auth wants `azp` and
/// `typ`, and the scopes are two fewer in return.
fn access_token() -> TestToken {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time since 1970").as_secs();
    TestToken::new("https://id.example.com/realms/shop", "https://api.example.com")
        .claim("exp", now + 24 * 60 * 60)
        .claim("sub", "9f6f0f1e-3c1b-4b77-9a55-1d2f0c8f0c11")
        .claim("jti", "b7d1f2ae64a84ff3a2d2a1d8f0a3c5e7")
        .claim("typ", "Bearer")
        .claim("azp", "orders-web-frontend")
        .claim("client_id", "orders-web-frontend")
        .claim("scope", "orders:read orders:write")
        .claim("roles", json!(["customer", "support"]))
        .claim("email", "jane.doe@example.com")
        .claim("name", "Jane Elizabeth Doe")
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

pub(crate) const NAMES: [&str; 4] = ["HS256", "RS256", "ES256", "EdDSA"];
const ALGORITHMS: [Algorithm; 4] =
    [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];
