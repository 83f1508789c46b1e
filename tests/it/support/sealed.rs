//! Encrypts anything under any header, with `dir` and A256GCM: also what no library would encrypt.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::jose::KeyManagement;
use tower_bearer::keys::{DecryptionKey, EncryptionKey};

pub const SECRET: [u8; 32] = [7; 32];

pub fn decryption_key() -> DecryptionKey {
    DecryptionKey::from_secret(KeyManagement::Dir, SECRET).unwrap()
}

pub fn encryption_key() -> EncryptionKey {
    EncryptionKey::from_secret(KeyManagement::Dir, SECRET).unwrap()
}

/// Encrypts for [`decryption_key`].
pub fn sealed(header: &str, content: impl AsRef<[u8]>) -> String {
    sealed_by(&SECRET, header, content)
}

pub fn sealed_by(secret: &[u8; 32], header: &str, content: impl AsRef<[u8]>) -> String {
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let header = encoded(header.as_bytes());
    let mut text = content.as_ref().to_vec();
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, secret).unwrap());
    let iv = Nonce::assume_unique_for_key([1; 12]);
    let tag = key.seal_in_place_separate_tag(iv, Aad::from(header.as_bytes()), &mut text).unwrap();
    format!("{header}..{}.{}.{}", encoded(&[1; 12]), encoded(&text), encoded(tag.as_ref()))
}

/// Private keys of every kind and `alg`.
pub fn private_keys() -> Vec<Value> {
    let jwks = include_str!("../../fixtures/keys/encryption.jwk.json");
    let jwks: Value = serde_json::from_str(jwks).unwrap();
    let secret = |bytes: usize| json!({"kty": "oct", "k": URL_SAFE_NO_PAD.encode(vec![7; bytes])});
    let mut all = Vec::new();
    for algorithm in KeyManagement::ALL {
        let name = algorithm.as_str();
        let keys: Vec<Value> = match name {
            "dir" => vec![secret(16), secret(32), secret(64)],
            "A128KW" | "A128GCMKW" => vec![secret(16)],
            "A256KW" | "A256GCMKW" => vec![secret(32)],
            _ => {
                let is_rsa = name.starts_with("RSA");
                let keys = jwks["keys"].as_array().unwrap().iter();
                keys.filter(|key| (key["kty"] == "RSA") == is_rsa).cloned().collect()
            }
        };
        all.extend(keys.into_iter().map(|mut key| {
            key["alg"] = name.into();
            key
        }));
    }
    all
}

/// The public members of a private JWK. A secret has no others.
pub fn public_part(private: &Value) -> Value {
    let secret = ["d", "p", "q", "dp", "dq", "qi"];
    let mut public = private.clone();
    public.as_object_mut().unwrap().retain(|name, _| !secret.contains(&&**name));
    public
}
