//! Issuers with keys that this program makes itself.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tower_bearer::{Algorithm, SigningKey, TokenIssuer};

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

fn p256_pem() -> String {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let body = STANDARD.encode(key.to_pkcs8v1().unwrap());
    let lines: Vec<_> =
        body.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
