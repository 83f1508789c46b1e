//! Encrypts, for the feature `jwe`.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, UnparsedPublicKey, agree};
use aws_lc_rs::cipher::{EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::key_wrap::{AesKek, KeyWrap as _};
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use zeroize::Zeroizing;

use super::super::{AgreementCurve, Hash};
use super::decryption::{agreement_on, block_cipher, gcm, key_wrap, oaep};
use crate::config_error::KeyProblem;

/// A public RSA key for OAEP.
pub(crate) struct RsaEncryption(OaepPublicEncryptingKey);

impl RsaEncryption {
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyProblem> {
        let numbers = RsaPublicKeyComponents { n: modulus, e: exponent };
        let key: Result<PublicEncryptingKey, _> = numbers.try_into();
        let key = key.map_err(|_| KeyProblem::RsaParameters)?;
        Ok(Self(OaepPublicEncryptingKey::new(key).map_err(|_| KeyProblem::RsaParameters)?))
    }

    /// Encrypts with one hash for OAEP and its mask, and no label (RFC 7518 §4.3).
    pub(crate) fn encrypt(&self, hash: Hash, text: &[u8]) -> Option<Vec<u8>> {
        let mut out = vec![0; self.0.ciphertext_size()];
        let length = self.0.encrypt(oaep(hash), text, &mut out, None).ok()?.len();
        out.truncate(length);
        Some(out)
    }
}

/// Makes a key for one token, and agrees on a secret with the owner of the public key. Returns the public key that was
/// made, and the secret. `None` if the other key is not on the curve, or the secret would not depend on the key that was
/// made.
pub(crate) fn agree_once(
    curve: AgreementCurve,
    other: &[u8],
) -> Option<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    let algorithm = agreement_on(curve);
    let key = agreement::PrivateKey::generate(algorithm).ok()?;
    let public = key.compute_public_key().ok()?.as_ref().to_vec();
    let other = UnparsedPublicKey::new(algorithm, other);
    let secret = agree(&key, other, (), |secret| Ok(Zeroizing::new(secret.to_vec()))).ok()?;
    Some((public, secret))
}

/// Wraps a key with AES Key Wrap (RFC 3394).
pub(crate) fn wrap_key(with: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; key.len() + 8];
    let length = AesKek::new(key_wrap(with.len())?, with).ok()?.wrap(key, &mut out).ok()?.len();
    out.truncate(length);
    Some(out)
}

/// Encrypts with AES-GCM in place. Returns the tag.
pub(crate) fn seal_gcm(key: &[u8], iv: &[u8], extra: &[u8], text: &mut [u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(gcm(key.len())?, key).ok()?);
    let iv = Nonce::try_assume_unique_for_key(iv).ok()?;
    let tag = key.seal_in_place_separate_tag(iv, Aad::from(extra), text).ok()?;
    Some(tag.as_ref().to_vec())
}

/// Encrypts with AES-CBC and the padding of PKCS #7, in place.
pub(crate) fn encrypt_cbc(key: &[u8], iv: &[u8], text: &mut Vec<u8>) -> Option<()> {
    let iv: [u8; 16] = iv.try_into().ok()?;
    let key = UnboundCipherKey::new(block_cipher(key.len())?, key).ok()?;
    let key = PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?;
    key.less_safe_encrypt(text, EncryptionContext::Iv128(FixedLength::from(iv))).ok()?;
    Some(())
}
