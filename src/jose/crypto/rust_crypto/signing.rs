//! Makes signatures, for the feature `issue`. Randomness comes from the operating system.

use std::marker::PhantomData;

use getrandom::SysRng;
use hmac::{Hmac, Mac};
use p256::NistP256;
use p256::elliptic_curve::pkcs8::AssociatedOid;
use p256::elliptic_curve::sec1::{FromSec1Point, ModulusSize, ToSec1Point, ValidatePublicKey};
use p256::elliptic_curve::{
    AffinePoint, CurveArithmetic, FieldBytesSize, Generate as _, SecretKey,
};
use p384::NistP384;
use p521::NistP521;
use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
use rsa::{pkcs1v15, pss};
use sha2::{Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::super::private::rsa_public;
use super::super::{Curve, Material, PrivateMaterial, RsaSize, Sign};
use super::{Keyed, keyed, mismatch};
use crate::config_error::KeyProblem;
use crate::jose::{Algorithm, Family};

pub(in super::super) fn signer(
    algorithm: Algorithm,
    private: &PrivateMaterial,
) -> Result<(Box<dyn Sign>, Material), KeyProblem> {
    match private {
        PrivateMaterial::Secret(secret) => {
            let signer: Box<dyn Sign> = match algorithm {
                Algorithm::HS256 => Box::new(keyed::<Hmac<Sha256>>(secret)),
                Algorithm::HS384 => Box::new(keyed::<Hmac<Sha384>>(secret)),
                Algorithm::HS512 => Box::new(keyed::<Hmac<Sha512>>(secret)),
                other => return Err(mismatch(other, "a secret")),
            };
            Ok((signer, Material::secret(secret)))
        }
        PrivateMaterial::Rsa(pkcs1) => rsa(algorithm, pkcs1),
        PrivateMaterial::Ec { curve, scalar } => match curve {
            Curve::P256 => {
                ec::<NistP256, p256::ecdsa::SigningKey, p256::ecdsa::Signature>(*curve, scalar)
            }
            Curve::P384 => {
                ec::<NistP384, p384::ecdsa::SigningKey, p384::ecdsa::Signature>(*curve, scalar)
            }
            Curve::P521 => {
                ec::<NistP521, p521::ecdsa::SigningKey, p521::ecdsa::Signature>(*curve, scalar)
            }
        },
        PrivateMaterial::Ed25519(seed) => {
            let key = ed25519_dalek::SigningKey::from_bytes(seed);
            let public = Material::ed25519(key.verifying_key().as_bytes())?;
            Ok((Box::new(Ed25519(key)), public))
        }
    }
}

pub(in super::super) fn generate(algorithm: Algorithm) -> Result<PrivateMaterial, KeyProblem> {
    match (algorithm.family(), Curve::of(algorithm)) {
        (Family::Hmac, _) => {
            let mut secret = Zeroizing::new(vec![0; 64]);
            getrandom::fill(&mut secret).map_err(|_| failed())?;
            Ok(PrivateMaterial::Secret(secret))
        }
        (Family::Rsa, _) => generate_rsa(RsaSize::default()),
        (Family::Ec, Some(curve)) => match curve {
            Curve::P256 => generate_ec::<NistP256>(curve),
            Curve::P384 => generate_ec::<NistP384>(curve),
            Curve::P521 => generate_ec::<NistP521>(curve),
        },
        (Family::Ed25519 | Family::Ec, _) => {
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *seed).map_err(|_| failed())?;
            Ok(PrivateMaterial::Ed25519(seed))
        }
    }
}

pub(in super::super) fn generate_rsa(size: RsaSize) -> Result<PrivateMaterial, KeyProblem> {
    let key = rsa::PrivateKey::new(&mut SysRng, size.bits()).map_err(|_| failed())?;
    let pkcs1 = key.to_pkcs1_der().map_err(|_| failed())?;
    PrivateMaterial::rsa(pkcs1.as_bytes())
}

/// Returns the error of a back end that lacks randomness.
fn failed() -> KeyProblem {
    KeyProblem::Unreadable("the back end could not make a key".to_owned())
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
/// RSA takes randomness to blind its arithmetic with, PSS for its salt too; ECDSA mixes it into the
/// nonce of RFC 6979, so that neither bad randomness nor a fault in the arithmetic gives keys away.
struct Randomized<K, S>(K, PhantomData<fn() -> S>);

impl<K, S> Sign for Randomized<K, S>
where
    K: RandomizedSigner<S> + Send + Sync,
    S: SignatureEncoding,
{
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.try_sign_with_rng(&mut SysRng, message).ok()?.to_vec())
    }
}

fn randomized<K, S>(key: K) -> Box<dyn Sign>
where
    K: RandomizedSigner<S> + Send + Sync + 'static,
    S: SignatureEncoding + 'static,
{
    Box::new(Randomized(key, PhantomData))
}

fn ec<C, K, S>(curve: Curve, scalar: &[u8]) -> Result<(Box<dyn Sign>, Material), KeyProblem>
where
    C: AssociatedOid + CurveArithmetic + ValidatePublicKey,
    AffinePoint<C>: FromSec1Point<C> + ToSec1Point<C>,
    FieldBytesSize<C>: ModulusSize,
    K: From<SecretKey<C>> + RandomizedSigner<S> + Send + Sync + 'static,
    S: SignatureEncoding + 'static,
{
    let key = SecretKey::<C>::from_slice(scalar).map_err(|_| PrivateMaterial::not_on(curve))?;
    let public = Material::ec_point(curve, key.public_key().to_sec1_point(false).as_bytes())?;
    Ok((randomized(K::from(key)), public))
}

fn generate_ec<C: CurveArithmetic>(curve: Curve) -> Result<PrivateMaterial, KeyProblem> {
    let key = SecretKey::<C>::try_generate_from_rng(&mut SysRng).map_err(|_| failed())?;
    PrivateMaterial::ec(curve, &Zeroizing::new(key.to_bytes()))
}

fn rsa(algorithm: Algorithm, encoded: &[u8]) -> Result<(Box<dyn Sign>, Material), KeyProblem> {
    let public = rsa_public(encoded)?;
    let key = rsa::PrivateKey::from_pkcs1_der(encoded).map_err(|_| PrivateMaterial::not_rsa())?;
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

fn pkcs1<K>(key: K) -> Box<dyn Sign>
where
    K: RandomizedSigner<pkcs1v15::Signature> + Send + Sync + 'static,
{
    randomized(key)
}

fn pss<K: RandomizedSigner<pss::Signature> + Send + Sync + 'static>(key: K) -> Box<dyn Sign> {
    randomized(key)
}
