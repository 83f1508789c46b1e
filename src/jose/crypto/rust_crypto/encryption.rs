//! Encrypts, for the feature `jwe`.

use aes::{Aes128, Aes256};
use aes_gcm::KeyInit as _;
use aes_gcm::aead::AeadInOut as _;
use aes_kw::{KwAes128, KwAes256};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
use getrandom::SysRng;
use p256::NistP256;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point, ValidatePublicKey};
use p256::elliptic_curve::{
    AffinePoint, CurveArithmetic, FieldBytesSize, Generate as _, SecretKey,
};
use p384::NistP384;
use p521::NistP521;
use rsa::oaep;
use rsa::traits::RandomizedEncryptor as _;
use sha1::Sha1;
use sha2::Sha256;
use x25519_dalek::StaticSecret;
use zeroize::Zeroizing;

use super::super::{AgreementCurve, Curve, Hash};
use super::decryption::{Gcm, agree, agree_on_x25519, point};
use super::rsa_key;
use crate::config_error::KeyProblem;

/// A public RSA key for OAEP.
pub(crate) struct RsaEncryption(rsa::PublicKey);

impl RsaEncryption {
    pub(crate) fn new(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyProblem> {
        rsa_key(modulus, exponent).map(Self)
    }

    /// Encrypts with one hash for OAEP and its mask, and no label (RFC 7518 §4.3).
    pub(crate) fn encrypt(&self, hash: Hash, text: &[u8]) -> Option<Vec<u8>> {
        let key = self.0.clone();
        match hash {
            Hash::Sha1 => {
                oaep::EncryptingKey::<Sha1>::new(key).encrypt_with_rng(&mut SysRng, text).ok()
            }
            Hash::Sha256 => {
                oaep::EncryptingKey::<Sha256>::new(key).encrypt_with_rng(&mut SysRng, text).ok()
            }
        }
    }
}

/// Makes a key for one token, and agrees on a secret with the owner of the public key. Returns the public key that was
/// made, and the secret. `None` if the other key is not on the curve, or the secret would not depend on the key that was
/// made.
pub(crate) fn agree_once(
    curve: AgreementCurve,
    other: &[u8],
) -> Option<(Vec<u8>, Zeroizing<Vec<u8>>)> {
    match curve {
        AgreementCurve::Ec(Curve::P256) => agree_once_on::<NistP256>(other),
        AgreementCurve::Ec(Curve::P384) => agree_once_on::<NistP384>(other),
        AgreementCurve::Ec(Curve::P521) => agree_once_on::<NistP521>(other),
        AgreementCurve::X25519 => {
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *seed).ok()?;
            let key = StaticSecret::from(*seed);
            let public = x25519_dalek::PublicKey::from(&key).to_bytes().to_vec();
            Some((public, agree_on_x25519(&key, other)?))
        }
    }
}

fn agree_once_on<C>(other: &[u8]) -> Option<(Vec<u8>, Zeroizing<Vec<u8>>)>
where
    C: CurveArithmetic + ValidatePublicKey,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    let key = SecretKey::<C>::try_generate_from_rng(&mut SysRng).ok()?;
    Some((point(&key.public_key()), agree(&key, other)?))
}

/// Wraps a key with AES Key Wrap (RFC 3394).
pub(crate) fn wrap_key(with: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; key.len() + 8];
    let length = match with.len() {
        16 => KwAes128::new_from_slice(with).ok()?.wrap_key(key, &mut out).ok()?.len(),
        32 => KwAes256::new_from_slice(with).ok()?.wrap_key(key, &mut out).ok()?.len(),
        _ => return None,
    };
    out.truncate(length);
    Some(out)
}

/// Encrypts with AES-GCM in place. Returns the tag.
pub(crate) fn seal_gcm(key: &[u8], iv: &[u8], extra: &[u8], text: &mut [u8]) -> Option<Vec<u8>> {
    let iv = iv.try_into().ok()?;
    let tag = match key.len() {
        16 => {
            Gcm::<Aes128>::new_from_slice(key).ok()?.encrypt_inout_detached(iv, extra, text.into())
        }
        32 => {
            Gcm::<Aes256>::new_from_slice(key).ok()?.encrypt_inout_detached(iv, extra, text.into())
        }
        _ => return None,
    };
    Some(tag.ok()?.to_vec())
}

/// Encrypts with AES-CBC and the padding of PKCS #7, in place.
pub(crate) fn encrypt_cbc(key: &[u8], iv: &[u8], text: &mut Vec<u8>) -> Option<()> {
    let length = text.len();
    // The padding fills the last block, or is one.
    text.resize((length / BLOCK + 1) * BLOCK, 0);
    let encrypted = match key.len() {
        16 => cbc::Encryptor::<Aes128>::new_from_slices(key, iv)
            .ok()?
            .encrypt_padded::<Pkcs7>(text, length),
        32 => cbc::Encryptor::<Aes256>::new_from_slices(key, iv)
            .ok()?
            .encrypt_padded::<Pkcs7>(text, length),
        _ => return None,
    };
    encrypted.ok().map(drop)
}

const BLOCK: usize = 16;
