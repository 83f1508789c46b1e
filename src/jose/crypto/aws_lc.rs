//! aws-lc-rs: the fastest back end measured, and the default.

#[cfg(any(feature = "api-keys", feature = "issue", feature = "metadata", feature = "mtls"))]
use aws_lc_rs::digest;
use aws_lc_rs::hmac;
use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use aws_lc_rs::signature::{EcdsaVerificationAlgorithm, VerificationAlgorithm};

use super::{Curve, Material, Verify};
use crate::config_error::KeyProblem;
use crate::jose::Algorithm;

#[cfg(feature = "jwe")]
pub(crate) mod decryption;
#[cfg(feature = "jwe")]
pub(crate) mod encryption;
#[cfg(feature = "issue")]
mod signing;

#[cfg(feature = "issue")]
pub(super) use signing::{generate, generate_rsa, signer};

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

#[cfg(any(
    feature = "cookies",
    feature = "dpop",
    feature = "introspection",
    feature = "mcp",
    feature = "sessions"
))]
pub(super) fn hmac_sha256(secret: &[u8], message: &[u8]) -> Option<[u8; 32]> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message).as_ref().try_into().ok()
}

#[cfg(any(feature = "api-keys", feature = "issue", feature = "metadata", feature = "mtls"))]
pub(super) fn sha256(data: &[u8]) -> Option<[u8; 32]> {
    digest::digest(&digest::SHA256, data).as_ref().try_into().ok()
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
