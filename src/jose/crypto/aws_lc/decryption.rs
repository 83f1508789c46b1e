//! Decrypts, for the feature `jwe`.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, Algorithm as Agreement, UnparsedPublicKey, agree};
use aws_lc_rs::cipher::{self, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::key_wrap::{self, AesKek, KeyWrap as _};
use aws_lc_rs::rsa::{self, OaepAlgorithm, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::RsaKeyPair;
use aws_lc_rs::{constant_time, digest, hmac, rand};
use zeroize::Zeroizing;

use super::super::{AgreementCurve, Curve, Hash, PrivateMaterial};
use crate::config_error::KeyProblem;

/// Returns an error if this back end cannot decrypt.
#[expect(clippy::unnecessary_wraps, reason = "the other back ends cannot")]
pub(crate) fn available() -> Result<(), KeyProblem> {
    Ok(())
}

/// An RSA key for OAEP.
pub(crate) struct RsaDecryption(OaepPrivateDecryptingKey);

impl RsaDecryption {
    /// Reads an `RSAPrivateKey` (RFC 8017 §A.1.2), and checks that its numbers belong together.
    pub(crate) fn new(pkcs1: &[u8]) -> Result<Self, KeyProblem> {
        let refused = |_| PrivateMaterial::not_rsa();
        let pair = RsaKeyPair::from_der(pkcs1).map_err(|_| PrivateMaterial::not_rsa())?;
        let pkcs8: Pkcs8V1Der<'_> = pair.as_der().map_err(refused)?;
        let key = PrivateDecryptingKey::from_pkcs8(pkcs8.as_ref());
        let key = key.map_err(|_| PrivateMaterial::not_rsa())?;
        Ok(Self(OaepPrivateDecryptingKey::new(key).map_err(refused)?))
    }

    /// Decrypts with one hash for OAEP and its mask, and no label (RFC 7518 §4.3).
    pub(crate) fn decrypt(&self, hash: Hash, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut out = Zeroizing::new(vec![0; self.0.min_output_size()]);
        let length = self.0.decrypt(oaep(hash), text, &mut out, None).ok()?.len();
        out.truncate(length);
        Some(out)
    }
}

/// A private key on a curve, to agree on a secret with the sender.
pub(crate) struct AgreementKey(agreement::PrivateKey);

impl AgreementKey {
    pub(crate) fn new(curve: AgreementCurve, private: &[u8]) -> Result<Self, KeyProblem> {
        let key = agreement::PrivateKey::from_private_key(agreement_on(curve), private);
        key.map(Self).map_err(|_| {
            KeyProblem::Unreadable(format!("its number is no private key on {}", curve.name()))
        })
    }

    /// Returns the public key: an uncompressed point, or the 32 bytes of X25519.
    pub(crate) fn public(&self) -> Option<Vec<u8>> {
        Some(self.0.compute_public_key().ok()?.as_ref().to_vec())
    }

    /// Returns the shared secret. `None` if the other key is not on the curve, or the secret does not depend on this
    /// key.
    pub(crate) fn agree(&self, other: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let other = UnparsedPublicKey::new(self.0.algorithm(), other);
        let secret = |secret: &[u8]| Ok(Zeroizing::new(secret.to_vec()));
        agree(&self.0, other, (), secret).ok()
    }
}

pub(super) fn oaep(hash: Hash) -> &'static OaepAlgorithm {
    match hash {
        Hash::Sha1 => &rsa::OAEP_SHA1_MGF1SHA1,
        Hash::Sha256 => &rsa::OAEP_SHA256_MGF1SHA256,
    }
}

pub(super) const fn agreement_on(curve: AgreementCurve) -> &'static Agreement {
    match curve {
        AgreementCurve::Ec(Curve::P256) => &agreement::ECDH_P256,
        AgreementCurve::Ec(Curve::P384) => &agreement::ECDH_P384,
        AgreementCurve::Ec(Curve::P521) => &agreement::ECDH_P521,
        AgreementCurve::X25519 => &agreement::X25519,
    }
}

/// Unwraps a key with AES Key Wrap (RFC 3394). `None` if its check fails.
pub(crate) fn unwrap_key(with: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; wrapped.len()]);
    let length =
        AesKek::new(key_wrap(with.len())?, with).ok()?.unwrap(wrapped, &mut out).ok()?.len();
    out.truncate(length);
    Some(out)
}

pub(super) fn key_wrap(bytes: usize) -> Option<&'static key_wrap::AesBlockCipher> {
    match bytes {
        16 => Some(&key_wrap::AES_128),
        32 => Some(&key_wrap::AES_256),
        _ => None,
    }
}

/// Verifies and decrypts AES-GCM in place. `None` if the tag is wrong; the text is then unspecified.
pub(crate) fn open_gcm(
    key: &[u8],
    iv: &[u8],
    extra: &[u8],
    text: &mut [u8],
    tag: &[u8],
) -> Option<()> {
    let key = LessSafeKey::new(UnboundKey::new(gcm(key.len())?, key).ok()?);
    let iv = Nonce::try_assume_unique_for_key(iv).ok()?;
    key.open_in_place_separate_tag(iv, Aad::from(extra), tag, text).ok()?;
    Some(())
}

pub(super) fn gcm(bytes: usize) -> Option<&'static aead::Algorithm> {
    match bytes {
        16 => Some(&aead::AES_128_GCM),
        32 => Some(&aead::AES_256_GCM),
        _ => None,
    }
}

/// Decrypts AES-CBC with the padding of PKCS #7, in place. Returns the length. The caller has verified the text.
pub(crate) fn decrypt_cbc(key: &[u8], iv: &[u8], text: &mut [u8]) -> Option<usize> {
    let iv: [u8; 16] = iv.try_into().ok()?;
    let key = UnboundCipherKey::new(block_cipher(key.len())?, key).ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    let text = key.decrypt(text, DecryptionContext::Iv128(FixedLength::from(iv))).ok()?;
    Some(text.len())
}

pub(super) fn block_cipher(bytes: usize) -> Option<&'static cipher::Algorithm> {
    match bytes {
        16 => Some(&cipher::AES_128),
        32 => Some(&cipher::AES_256),
        _ => None,
    }
}

/// Returns the begin of the HMAC of the parts, as long as the key. SHA-256 for a key of 16 bytes, and SHA-512 for one of
/// 32.
pub(crate) fn cut_hmac(key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    let algorithm = match key.len() {
        16 => hmac::HMAC_SHA256,
        32 => hmac::HMAC_SHA512,
        _ => return None,
    };
    let mut context = hmac::Context::with_key(&hmac::Key::new(algorithm, key));
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().get(..key.len()).map(<[u8]>::to_vec)
}

/// Compares in constant time.
pub(crate) fn are_equal(one: &[u8], other: &[u8]) -> bool {
    constant_time::verify_slices_are_equal(one, other).is_ok()
}

/// Writes the SHA-256 hash of the parts.
pub(crate) fn hash(parts: &[&[u8]], out: &mut [u8; 32]) {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    out.copy_from_slice(context.finish().as_ref());
}

/// Fills the bytes with randomness. `None` if the system has none.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Option<()> {
    rand::fill(bytes).ok()
}
