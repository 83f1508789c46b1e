//! aws-lc-rs: the fastest back end measured, and the default.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use aws_lc_rs::signature::{EcdsaVerificationAlgorithm, VerificationAlgorithm};

use super::{Curve, Material, Verify};
use crate::config_error::KeyProblem;
use crate::jose::Algorithm;

pub(super) fn verifier(
    algorithm: Algorithm,
    material: &Material,
) -> Result<Box<dyn Verify>, KeyProblem> {
    Ok(match material {
        Material::Secret(secret) => {
            Box::new(Hmac(hmac::Key::new(hmac_algorithm(algorithm)?, secret)))
        }
        Material::Rsa { modulus, exponent } => {
            let key = RsaPublicKeyComponents { n: modulus, e: exponent }
                .to_parsed_public_key(rsa_parameters(algorithm)?)
                .map_err(|_| KeyProblem::RsaParameters)?;
            Box::new(Public(key))
        }
        Material::Ec { curve, x, y } => {
            // Parsing checks that the point is on the curve (RFC 8725 §3.4).
            let point = Material::uncompressed(x, y);
            Box::new(Public(parse(ecdsa(*curve), &point)?))
        }
        Material::Ed25519(x) => Box::new(Public(parse(&signature::ED25519, x)?)),
    })
}

struct Hmac(hmac::Key);

impl Verify for Hmac {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        hmac::verify(&self.0, message, signature).is_ok()
    }
}

struct Public(ParsedPublicKey);

impl Verify for Public {
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify_sig(message, signature).is_ok()
    }
}

fn parse(
    algorithm: &'static dyn VerificationAlgorithm,
    key: &[u8],
) -> Result<ParsedPublicKey, KeyProblem> {
    ParsedPublicKey::new(algorithm, key).map_err(|_| KeyProblem::Curve)
}

fn hmac_algorithm(algorithm: Algorithm) -> Result<hmac::Algorithm, KeyProblem> {
    match algorithm {
        Algorithm::HS256 => Ok(hmac::HMAC_SHA256),
        Algorithm::HS384 => Ok(hmac::HMAC_SHA384),
        Algorithm::HS512 => Ok(hmac::HMAC_SHA512),
        other => Err(mismatch(other, "a secret")),
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Result<&'static RsaParameters, KeyProblem> {
    match algorithm {
        Algorithm::RS256 => Ok(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Ok(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Ok(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Ok(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Ok(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Ok(&signature::RSA_PSS_2048_8192_SHA512),
        other => Err(mismatch(other, "an RSA key")),
    }
}

const fn ecdsa(curve: Curve) -> &'static EcdsaVerificationAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED,
    }
}

fn mismatch(algorithm: Algorithm, kind: &'static str) -> KeyProblem {
    KeyProblem::AlgorithmMismatch { algorithm: algorithm.as_str(), kind }
}

#[cfg(feature = "test-util")]
pub(super) use signing::generate;
#[cfg(feature = "issue")]
pub(super) use signing::{sha256, signer};

#[cfg(feature = "issue")]
mod signing {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding, RsaKeyPair,
    };
    use aws_lc_rs::{digest, hmac, signature};

    use super::super::{Curve, Material, Sign};
    use super::{hmac_algorithm, mismatch};
    use crate::config_error::KeyProblem;
    use crate::jose::{Algorithm, Family};

    pub(in super::super) fn signer(
        algorithm: Algorithm,
        encoded: &[u8],
    ) -> Result<(Box<dyn Sign>, Material), KeyProblem> {
        let unreadable = |_| {
            KeyProblem::Unreadable(match algorithm.family() {
                Family::Rsa => "it is no private RSA key of 2048 to 8192 bits in DER".to_owned(),
                _ => format!("it is no private key for {algorithm} in DER"),
            })
        };
        match algorithm.family() {
            Family::Hmac => {
                let key = hmac::Key::new(hmac_algorithm(algorithm)?, encoded);
                Ok((Box::new(Hmac(key)), Material::secret(encoded)))
            }
            Family::Rsa => {
                let key = RsaKeyPair::from_pkcs8(encoded)
                    .or_else(|_| RsaKeyPair::from_der(encoded))
                    .map_err(unreadable)?;
                let public = rsa_material(key.public_key().as_ref())?;
                Ok((Box::new(Rsa(key, rsa_encoding(algorithm)?)), public))
            }
            Family::Ec => {
                let (curve, signing) = ecdsa(algorithm)?;
                let key = EcdsaKeyPair::from_pkcs8(signing, encoded)
                    .or_else(|_| EcdsaKeyPair::from_private_key_der(signing, encoded))
                    .map_err(unreadable)?;
                let public = Material::ec_point(curve, key.public_key().as_ref())?;
                Ok((Box::new(Ec(key)), public))
            }
            Family::Ed25519 => {
                let key =
                    Ed25519KeyPair::from_pkcs8_maybe_unchecked(encoded).map_err(unreadable)?;
                let public = Material::ed25519(key.public_key().as_ref())?;
                Ok((Box::new(Ed25519(key)), public))
            }
        }
    }

    pub(in super::super) fn sha256(data: &[u8]) -> Option<[u8; 32]> {
        digest::digest(&digest::SHA256, data).as_ref().try_into().ok()
    }

    /// Generates a private key (PKCS#8) or a secret.
    #[cfg(feature = "test-util")]
    pub(in super::super) fn generate(algorithm: Algorithm) -> Option<Vec<u8>> {
        use aws_lc_rs::encoding::AsDer;
        let rng = SystemRandom::new();
        match algorithm.family() {
            Family::Hmac => {
                let mut secret = vec![0; 64];
                aws_lc_rs::rand::fill(&mut secret).ok()?;
                Some(secret)
            }
            Family::Rsa => {
                let key = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).ok()?;
                Some(AsDer::as_der(&key).ok()?.as_ref().to_vec())
            }
            Family::Ec => {
                let (_, signing) = ecdsa(algorithm).ok()?;
                Some(EcdsaKeyPair::generate_pkcs8(signing, &rng).ok()?.as_ref().to_vec())
            }
            Family::Ed25519 => Some(Ed25519KeyPair::generate_pkcs8(&rng).ok()?.as_ref().to_vec()),
        }
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

    fn rsa_material(pkcs1: &[u8]) -> Result<Material, KeyProblem> {
        use der::Decode;
        let key = pkcs1::RsaPublicKeyRef::from_der(pkcs1)
            .map_err(|error| KeyProblem::Unreadable(error.to_string()))?;
        Material::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
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

    fn ecdsa(algorithm: Algorithm) -> Result<(Curve, &'static EcdsaSigningAlgorithm), KeyProblem> {
        match algorithm {
            Algorithm::ES256 => Ok((Curve::P256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING)),
            Algorithm::ES384 => Ok((Curve::P384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING)),
            Algorithm::ES512 => Ok((Curve::P521, &signature::ECDSA_P521_SHA512_FIXED_SIGNING)),
            other => Err(mismatch(other, "an elliptic curve key")),
        }
    }
}
