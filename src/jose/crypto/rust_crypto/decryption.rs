//! Decrypts, for the feature `jwe`.
//!
//! `rsa` 0.10 decrypts RSA here although versions before it leaked their keys by timing (the Marvin attack,
//! RUSTSEC-2023-0071): since 0.10 the arithmetic is that of `crypto-bigint`, in constant time, both the number and the
//! exponents are blinded with randomness of the system for each token, and the padding of OAEP is decoded without a
//! branch. It does not look at the first byte of the padding, so there is nothing for Manger's attack to ask about.
//! aws-lc looks at it, and refuses texts that this back end accepts; only the sender of a token can make one.

use aes::{Aes128, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{AesGcm, KeyInit};
use aes_kw::{KwAes128, KwAes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::typenum::U12;
use cbc::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use getrandom::SysRng;
use hmac::{Hmac, Mac};
use p256::NistP256;
use p256::elliptic_curve::ecdh::diffie_hellman;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point, ValidatePublicKey};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, PublicKey, SecretKey};
use p384::NistP384;
use p521::NistP521;
use rsa::oaep;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use rsa::traits::RandomizedDecryptor as _;
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::super::{AgreementCurve, Curve, Hash, PrivateMaterial};
use super::keyed;
use crate::config_error::KeyProblem;

/// Returns an error if this back end cannot decrypt.
#[expect(clippy::unnecessary_wraps, reason = "without a back end, nothing can")]
pub(crate) fn available() -> Result<(), KeyProblem> {
    Ok(())
}

/// An RSA key for OAEP.
pub(crate) struct RsaDecryption {
    sha1: oaep::DecryptingKey<Sha1>,
    sha256: oaep::DecryptingKey<Sha256>,
}

impl RsaDecryption {
    /// Reads an `RSAPrivateKey` (RFC 8017 §A.1.2), and checks that its numbers belong together.
    pub(crate) fn new(pkcs1: &[u8]) -> Result<Self, KeyProblem> {
        let key = rsa::PrivateKey::from_pkcs1_der(pkcs1);
        let key = key.map_err(|_| PrivateMaterial::not_rsa())?;
        Ok(Self {
            sha1: oaep::DecryptingKey::new(key.clone()),
            sha256: oaep::DecryptingKey::new(key),
        })
    }

    /// Decrypts with one hash for OAEP and its mask, and no label (RFC 7518 §4.3).
    pub(crate) fn decrypt(&self, hash: Hash, text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let decrypted = match hash {
            Hash::Sha1 => self.sha1.decrypt_with_rng(&mut SysRng, text),
            Hash::Sha256 => self.sha256.decrypt_with_rng(&mut SysRng, text),
        };
        decrypted.ok().map(Zeroizing::new)
    }
}

/// A private key on a curve, to agree on a secret with the sender.
pub(crate) enum AgreementKey {
    P256(SecretKey<NistP256>),
    P384(SecretKey<NistP384>),
    P521(SecretKey<NistP521>),
    X25519(StaticSecret),
}

impl AgreementKey {
    pub(crate) fn new(curve: AgreementCurve, private: &[u8]) -> Result<Self, KeyProblem> {
        let refused =
            || KeyProblem::Unreadable(format!("its number is no private key on {}", curve.name()));
        match curve {
            AgreementCurve::Ec(Curve::P256) => SecretKey::from_slice(private).ok().map(Self::P256),
            AgreementCurve::Ec(Curve::P384) => SecretKey::from_slice(private).ok().map(Self::P384),
            AgreementCurve::Ec(Curve::P521) => SecretKey::from_slice(private).ok().map(Self::P521),
            AgreementCurve::X25519 => {
                let key: Option<[u8; 32]> = private.try_into().ok();
                key.map(|key| Self::X25519(StaticSecret::from(*Zeroizing::new(key))))
            }
        }
        .ok_or_else(refused)
    }

    /// Returns the public key: an uncompressed point, or the 32 bytes of X25519.
    #[expect(clippy::unnecessary_wraps, reason = "as the other back ends have it")]
    pub(crate) fn public(&self) -> Option<Vec<u8>> {
        Some(match self {
            Self::P256(key) => point(&key.public_key()),
            Self::P384(key) => point(&key.public_key()),
            Self::P521(key) => point(&key.public_key()),
            Self::X25519(key) => x25519_dalek::PublicKey::from(key).to_bytes().to_vec(),
        })
    }

    /// Returns the shared secret. `None` if the other key is not on the curve, or the secret does not depend on this
    /// key.
    pub(crate) fn agree(&self, other: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self {
            Self::P256(key) => agree(key, other),
            Self::P384(key) => agree(key, other),
            Self::P521(key) => agree(key, other),
            Self::X25519(key) => agree_on_x25519(key, other),
        }
    }
}

pub(super) fn point<C>(key: &PublicKey<C>) -> Vec<u8>
where
    C: CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    key.to_sec1_point(false).as_bytes().to_vec()
}

pub(super) fn agree<C>(key: &SecretKey<C>, other: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    C: CurveArithmetic + ValidatePublicKey,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    // Parsing checks that the point is on the curve (RFC 8725 §3.4).
    let other = PublicKey::<C>::from_sec1_bytes(other).ok()?;
    let secret = diffie_hellman(key.to_nonzero_scalar(), other.as_affine());
    Some(Zeroizing::new(secret.raw_secret_bytes().to_vec()))
}

pub(super) fn agree_on_x25519(key: &StaticSecret, other: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let other: [u8; 32] = other.try_into().ok()?;
    let secret = key.diffie_hellman(&other.into());
    secret.was_contributory().then(|| Zeroizing::new(secret.as_bytes().to_vec()))
}

/// Unwraps a key with AES Key Wrap (RFC 3394). `None` if its check fails.
pub(crate) fn unwrap_key(with: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // RFC 3394 §2: a key of two blocks at least. `aes-kw` unwraps shorter ones too.
    if wrapped.len() < 24 {
        return None;
    }
    let mut out = Zeroizing::new(vec![0; wrapped.len()]);
    let length = match with.len() {
        16 => KwAes128::new_from_slice(with).ok()?.unwrap_key(wrapped, &mut out).ok()?.len(),
        32 => KwAes256::new_from_slice(with).ok()?.unwrap_key(wrapped, &mut out).ok()?.len(),
        _ => return None,
    };
    out.truncate(length);
    Some(out)
}

pub(super) type Gcm<C> = AesGcm<C, U12>;

/// Verifies and decrypts AES-GCM in place. `None` if the tag is wrong; the text is then unspecified.
pub(crate) fn open_gcm(
    key: &[u8],
    iv: &[u8],
    extra: &[u8],
    text: &mut [u8],
    tag: &[u8],
) -> Option<()> {
    let (iv, tag) = (iv.try_into().ok()?, tag.try_into().ok()?);
    match key.len() {
        16 => Gcm::<Aes128>::new_from_slice(key).ok()?.decrypt_inout_detached(
            iv,
            extra,
            text.into(),
            tag,
        ),
        32 => Gcm::<Aes256>::new_from_slice(key).ok()?.decrypt_inout_detached(
            iv,
            extra,
            text.into(),
            tag,
        ),
        _ => return None,
    }
    .ok()
}

/// Decrypts AES-CBC with the padding of PKCS #7, in place. Returns the length. The caller has verified the text.
pub(crate) fn decrypt_cbc(key: &[u8], iv: &[u8], text: &mut [u8]) -> Option<usize> {
    let text = match key.len() {
        16 => {
            cbc::Decryptor::<Aes128>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(text)
        }
        32 => {
            cbc::Decryptor::<Aes256>::new_from_slices(key, iv).ok()?.decrypt_padded::<Pkcs7>(text)
        }
        _ => return None,
    };
    Some(text.ok()?.len())
}

/// Returns the begin of the HMAC of the parts, as long as the key. SHA-256 for a key of 16 bytes, and SHA-512 for one of
/// 32.
pub(crate) fn cut_hmac(key: &[u8], parts: &[&[u8]]) -> Option<Vec<u8>> {
    fn tag<M: Mac + KeyInit>(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = keyed::<M>(key).0;
        for part in parts {
            mac.update(part);
        }
        mac.finalize().into_bytes().to_vec()
    }
    let mut found = match key.len() {
        16 => tag::<Hmac<Sha256>>(key, parts),
        32 => tag::<Hmac<Sha512>>(key, parts),
        _ => return None,
    };
    found.truncate(key.len());
    Some(found)
}

/// Compares in constant time.
pub(crate) fn are_equal(one: &[u8], other: &[u8]) -> bool {
    one.ct_eq(other).into()
}

/// Writes the SHA-256 hash of the parts.
pub(crate) fn hash(parts: &[&[u8]], out: &mut [u8; 32]) {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    out.copy_from_slice(&hash.finalize());
}

/// Fills the bytes with randomness. `None` if the system has none.
pub(crate) fn fill_random(bytes: &mut [u8]) -> Option<()> {
    getrandom::fill(bytes).ok()
}
