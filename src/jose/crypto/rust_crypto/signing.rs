//! Makes signatures, for the feature `issue`. Randomness comes from the operating system.

use std::marker::PhantomData;

use getrandom::SysRng;
use hmac::{Hmac, Mac};
use p256::NistP256;
use p256::elliptic_curve::pkcs8::AssociatedOid;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point, ValidatePublicKey};
use p256::elliptic_curve::{AffinePoint, CurveArithmetic, FieldBytesSize, SecretKey};
use p384::NistP384;
use p521::NistP521;
use rsa::pkcs8::{DecodePrivateKey, PrivateKeyInfoRef};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use rsa::{pkcs1v15, pss};
use sha2::{Digest, Sha256, Sha384, Sha512};

use super::super::{Curve, Material, Sign};
use super::{Keyed, keyed, mismatch};
use crate::config_error::KeyProblem;
use crate::jose::{Algorithm, Family};

pub(in super::super) fn signer(
    algorithm: Algorithm,
    encoded: &[u8],
) -> Result<(Box<dyn Sign>, Material), KeyProblem> {
    match algorithm.family() {
        Family::Hmac => {
            let signer: Box<dyn Sign> = match algorithm {
                Algorithm::HS256 => Box::new(keyed::<Hmac<Sha256>>(encoded)),
                Algorithm::HS384 => Box::new(keyed::<Hmac<Sha384>>(encoded)),
                Algorithm::HS512 => Box::new(keyed::<Hmac<Sha512>>(encoded)),
                other => return Err(mismatch(other, "a secret")),
            };
            Ok((signer, Material::secret(encoded)))
        }
        Family::Rsa => rsa(algorithm, encoded),
        Family::Ec => match algorithm {
            Algorithm::ES256 => ec::<NistP256, p256::ecdsa::SigningKey, p256::ecdsa::Signature>(
                Curve::P256,
                encoded,
            ),
            Algorithm::ES384 => ec::<NistP384, p384::ecdsa::SigningKey, p384::ecdsa::Signature>(
                Curve::P384,
                encoded,
            ),
            Algorithm::ES512 => ec::<NistP521, p521::ecdsa::SigningKey, p521::ecdsa::Signature>(
                Curve::P521,
                encoded,
            ),
            other => Err(mismatch(other, "an elliptic curve key")),
        },
        Family::Ed25519 => {
            let key = ed25519_dalek::SigningKey::from_pkcs8_der(encoded)
                .map_err(|_| unreadable(algorithm))?;
            let public = Material::ed25519(key.verifying_key().as_bytes())?;
            Ok((Box::new(Ed25519(key)), public))
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "as the other back ends have it")]
pub(in super::super) fn sha256(data: &[u8]) -> Option<[u8; 32]> {
    Some(Sha256::digest(data).into())
}

/// Generates a private key (PKCS#8) or a secret.
#[cfg(feature = "test-util")]
pub(in super::super) fn generate(algorithm: Algorithm) -> Option<Vec<u8>> {
    use rsa::pkcs8::EncodePrivateKey;
    match algorithm.family() {
        Family::Hmac => {
            let mut secret = vec![0; 64];
            getrandom::fill(&mut secret).ok()?;
            Some(secret)
        }
        Family::Rsa => {
            let key = rsa::PrivateKey::new(&mut SysRng, 2048).ok()?;
            Some(key.to_pkcs8_der().ok()?.as_bytes().to_vec())
        }
        Family::Ec => match algorithm {
            Algorithm::ES256 => generate_ec::<NistP256>(),
            Algorithm::ES384 => generate_ec::<NistP384>(),
            _ => generate_ec::<NistP521>(),
        },
        Family::Ed25519 => {
            let mut secret_key = [0; 32];
            getrandom::fill(&mut secret_key).ok()?;
            let key = ed25519_dalek::pkcs8::KeypairBytes { secret_key, public_key: None };
            Some(key.to_pkcs8_der().ok()?.as_bytes().to_vec())
        }
    }
}

impl<M: Mac + Clone + Send + Sync> Sign for Keyed<M> {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

struct Ed25519(ed25519_dalek::SigningKey);

impl Sign for Ed25519 {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.try_sign(message).ok()?.to_vec())
    }
}

/// A private key with the form of its signatures.
///
/// RSA uses randomness to blind its arithmetic, and PSS for its salt too. ECDSA mixes it into the
/// nonce of RFC 6979, so that neither bad randomness nor a fault in the arithmetic reveals the key.
struct Private<K, S>(K, PhantomData<fn() -> S>);

impl<K, S> Sign for Private<K, S>
where
    K: RandomizedSigner<S> + Send + Sync,
    S: SignatureEncoding,
{
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.try_sign_with_rng(&mut SysRng, message).ok()?.to_vec())
    }
}

fn private<K, S>(key: K) -> Box<dyn Sign>
where
    K: RandomizedSigner<S> + Send + Sync + 'static,
    S: SignatureEncoding + 'static,
{
    Box::new(Private(key, PhantomData))
}

fn ec<C, K, S>(curve: Curve, encoded: &[u8]) -> Result<(Box<dyn Sign>, Material), KeyProblem>
where
    C: AssociatedOid + CurveArithmetic + ValidatePublicKey,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
    K: From<SecretKey<C>> + RandomizedSigner<S> + Send + Sync + 'static,
    S: SignatureEncoding + 'static,
{
    let key = SecretKey::<C>::from_pkcs8_der(encoded)
        .ok()
        .or_else(|| SecretKey::<C>::from_sec1_der(encoded).ok())
        .ok_or_else(|| unreadable(curve.algorithm()))?;
    let public = Material::ec_point(curve, key.public_key().to_sec1_point(false).as_bytes())?;
    Ok((private(K::from(key)), public))
}

#[cfg(feature = "test-util")]
fn generate_ec<C>() -> Option<Vec<u8>>
where
    C: AssociatedOid + CurveArithmetic,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
{
    use p256::elliptic_curve::Generate;
    use rsa::pkcs8::EncodePrivateKey;
    let key = SecretKey::<C>::try_generate_from_rng(&mut SysRng).ok()?;
    Some(key.to_pkcs8_der().ok()?.as_bytes().to_vec())
}

fn rsa(algorithm: Algorithm, encoded: &[u8]) -> Result<(Box<dyn Sign>, Material), KeyProblem> {
    let key = rsa_key(encoded).ok_or_else(|| unreadable(algorithm))?;
    let public = Material::rsa(&key.n_bytes(), &key.e_bytes())?;
    let signer = match algorithm {
        Algorithm::RS256 => pkcs1(pkcs1v15::SigningKey::<Sha256>::new(key)),
        Algorithm::RS384 => pkcs1(pkcs1v15::SigningKey::<Sha384>::new(key)),
        Algorithm::RS512 => pkcs1(pkcs1v15::SigningKey::<Sha512>::new(key)),
        Algorithm::PS256 => pss(pss::SigningKey::<Sha256>::new(key)),
        Algorithm::PS384 => pss(pss::SigningKey::<Sha384>::new(key)),
        Algorithm::PS512 => pss(pss::SigningKey::<Sha512>::new(key)),
        other => return Err(mismatch(other, "an RSA key")),
    };
    Ok((signer, public))
}

fn rsa_key(encoded: &[u8]) -> Option<rsa::PrivateKey> {
    use rsa::pkcs1::DecodeRsaPrivateKey;
    match PrivateKeyInfoRef::try_from(encoded) {
        // Keys that are restricted to PSS are refused, as by aws-lc.
        Ok(info) => (info.algorithm.oid == rsa::pkcs1::ALGORITHM_OID)
            .then(|| rsa::PrivateKey::try_from(info).ok())
            .flatten(),
        Err(_) => rsa::PrivateKey::from_pkcs1_der(encoded).ok(),
    }
}

fn pkcs1<K>(key: K) -> Box<dyn Sign>
where
    K: RandomizedSigner<pkcs1v15::Signature> + Send + Sync + 'static,
{
    private(key)
}

fn pss<K: RandomizedSigner<pss::Signature> + Send + Sync + 'static>(key: K) -> Box<dyn Sign> {
    private(key)
}

fn unreadable(algorithm: Algorithm) -> KeyProblem {
    KeyProblem::Unreadable(match algorithm.family() {
        Family::Rsa => "it is no private RSA key of 2048 to 8192 bits in DER".to_owned(),
        _ => format!("it is no private key for {algorithm} in DER"),
    })
}
