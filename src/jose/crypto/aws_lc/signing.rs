//! Makes signatures, for the feature `issue`.

use aws_lc_rs::encoding::{
    AsBigEndian as _, AsDer as _, Curve25519SeedBin, EcPrivateKeyBin, Pkcs8V1Der,
};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
};
use aws_lc_rs::{hmac, signature};
use der::{Decode as _, Encode as _};
use pkcs8::PrivateKeyInfoRef;
use sec1::{EcParameters, EcPrivateKey};
use zeroize::Zeroizing;

use super::super::private::rsa_public;
use super::super::{Curve, Material, PrivateMaterial, RsaSize, Sign};
use super::{hmac_algorithm, mismatch};
use crate::config_error::KeyProblem;
use crate::jose::{Algorithm, Family};

pub(in super::super) fn signer(
    algorithm: Algorithm,
    private: &PrivateMaterial,
) -> Result<(Box<dyn Sign>, Material), KeyProblem> {
    match private {
        PrivateMaterial::Secret(secret) => {
            let key = hmac::Key::new(hmac_algorithm(algorithm)?, secret);
            Ok((Box::new(Hmac(key)), Material::secret(secret)))
        }
        PrivateMaterial::Rsa(pkcs1) => {
            let public = rsa_public(pkcs1)?;
            let key = RsaKeyPair::from_der(pkcs1).map_err(|_| PrivateMaterial::not_rsa())?;
            Ok((Box::new(Rsa(key, rsa_encoding(algorithm)?)), public))
        }
        PrivateMaterial::Ec { curve, scalar } => {
            let refused = || PrivateMaterial::not_on(*curve);
            let sec1 = sec1(*curve, scalar).ok_or_else(refused)?;
            let key =
                EcdsaKeyPair::from_private_key_der(ecdsa(*curve), &sec1).map_err(|_| refused())?;
            let public = Material::ec_point(*curve, key.public_key().as_ref())?;
            Ok((Box::new(Ec(key)), public))
        }
        PrivateMaterial::Ed25519(seed) => {
            let key = Ed25519KeyPair::from_seed_unchecked(&**seed).map_err(|_| failed())?;
            let public = Material::ed25519(key.public_key().as_ref())?;
            Ok((Box::new(Ed25519(key)), public))
        }
    }
}

/// Writes an `ECPrivateKey` (RFC 5915 §3) without the public key, which the back end computes.
fn sec1(curve: Curve, scalar: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let parameters = Some(EcParameters::NamedCurve(curve.oid()));
    let key = EcPrivateKey { private_key: scalar, parameters, public_key: None };
    key.to_der().ok().map(Zeroizing::new)
}

pub(in super::super) fn generate(algorithm: Algorithm) -> Result<PrivateMaterial, KeyProblem> {
    match (algorithm.family(), Curve::of(algorithm)) {
        (Family::Hmac, _) => {
            let mut secret = Zeroizing::new(vec![0; 64]);
            aws_lc_rs::rand::fill(&mut secret).map_err(|_| failed())?;
            Ok(PrivateMaterial::Secret(secret))
        }
        (Family::Rsa, _) => generate_rsa(RsaSize::default()),
        (Family::Ec, Some(curve)) => {
            let key = EcdsaKeyPair::generate(ecdsa(curve)).map_err(|_| failed())?;
            let scalar: EcPrivateKeyBin<'_> =
                key.private_key().as_be_bytes().map_err(|_| failed())?;
            PrivateMaterial::ec(curve, scalar.as_ref())
        }
        (Family::Ed25519 | Family::Ec, _) => {
            let key = Ed25519KeyPair::generate().map_err(|_| failed())?;
            let seed = key.seed().map_err(|_| failed())?;
            let seed: Curve25519SeedBin<'_> = seed.as_be_bytes().map_err(|_| failed())?;
            PrivateMaterial::ed25519(seed.as_ref())
        }
    }
}

pub(in super::super) fn generate_rsa(size: RsaSize) -> Result<PrivateMaterial, KeyProblem> {
    let size = match size {
        RsaSize::Bits2048 => KeySize::Rsa2048,
        RsaSize::Bits3072 => KeySize::Rsa3072,
        RsaSize::Bits4096 => KeySize::Rsa4096,
    };
    let key = RsaKeyPair::generate(size).map_err(|_| failed())?;
    let pkcs8: Pkcs8V1Der<'_> = key.as_der().map_err(|_| failed())?;
    let info = PrivateKeyInfoRef::from_der(pkcs8.as_ref()).map_err(|_| failed())?;
    PrivateMaterial::rsa(info.private_key.as_bytes())
}

/// Returns the error of a back end that lacks memory or randomness.
fn failed() -> KeyProblem {
    KeyProblem::Unreadable("the back end could not make a key".to_owned())
}

struct Hmac(hmac::Key);

impl Sign for Hmac {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

struct Rsa(RsaKeyPair, &'static dyn RsaEncoding);

impl Sign for Rsa {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(self.1, &SystemRandom::new(), message, &mut signature).ok()?;
        Some(signature)
    }
}

struct Ec(EcdsaKeyPair);

impl Sign for Ec {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.sign(&SystemRandom::new(), message).ok()?.as_ref().to_vec())
    }
}

struct Ed25519(Ed25519KeyPair);

impl Sign for Ed25519 {
    fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        Some(self.0.try_sign(message).ok()?.as_ref().to_vec())
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Result<&'static dyn RsaEncoding, KeyProblem> {
    match algorithm {
        Algorithm::RS256 => Ok(&signature::RSA_PKCS1_SHA256),
        Algorithm::RS384 => Ok(&signature::RSA_PKCS1_SHA384),
        Algorithm::RS512 => Ok(&signature::RSA_PKCS1_SHA512),
        Algorithm::PS256 => Ok(&signature::RSA_PSS_SHA256),
        Algorithm::PS384 => Ok(&signature::RSA_PSS_SHA384),
        Algorithm::PS512 => Ok(&signature::RSA_PSS_SHA512),
        other => Err(mismatch(other, "an RSA key")),
    }
}

const fn ecdsa(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}
