//! Issuers with keys that this program makes itself.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::Value;
use tower_bearer::{Algorithm, SigningKey, TokenIssuer, Validation, Verifier};

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const SECRET: &[u8] = b"at least 32 bytes of randomness, please";

pub fn es256() -> TokenIssuer {
    es256_of(ISSUER)
}

pub fn es256_of(issuer: &str) -> TokenIssuer {
    let key = SigningKey::from_pem(Algorithm::ES256, p256_pem()).unwrap();
    TokenIssuer::new(issuer, AUDIENCE, key).unwrap()
}

pub fn hs256() -> TokenIssuer {
    let key = SigningKey::from_secret(Algorithm::HS256, SECRET).unwrap();
    TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap()
}

/// Verifies the tokens of [`hs256`] and [`signed`].
pub fn verifier() -> Verifier<Value> {
    Verifier::new(hs256().verifying_key(), Validation::new(ISSUER, AUDIENCE)).unwrap()
}

/// Signs claims by hand that no issuer puts into a token, with [`SECRET`].
pub fn signed(claims: &str) -> String {
    let payload = format!(r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}",{claims}}}"#);
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"at+jwt"}"#);
    let input = format!("{header}.{}", URL_SAFE_NO_PAD.encode(payload));
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Replaces the signature by another one of the same length, in an encoding that is as good.
pub fn forged(token: &str) -> String {
    let (head, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{head}.{first}{}", &signature[1..])
}

fn p256_pem() -> String {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let body = STANDARD.encode(key.to_pkcs8v1().unwrap());
    let lines: Vec<_> =
        body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
