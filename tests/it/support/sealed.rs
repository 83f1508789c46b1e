//! Encrypts anything under any header, with `dir` and A256GCM: also what no library would encrypt.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
