//! jsonwebtoken's `DecodingKey`, which knows its family and nothing else.

use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};

use super::der;
use crate::config_error::KeyProblem;
use crate::crypto::{Curve, Material};
use crate::jose::{Algorithm, Family};

/// Reads the key for one algorithm; a family of curves does not say which curve.
pub(super) fn read(algorithm: Algorithm, key: &DecodingKey) -> Result<Material, KeyProblem> {
    let (family, kind) = match key.family() {
        AlgorithmFamily::Hmac => (Family::Hmac, "a secret"),
        AlgorithmFamily::Rsa => (Family::Rsa, "an RSA key"),
        AlgorithmFamily::Ec => (Family::Ec, "an elliptic curve key"),
        AlgorithmFamily::Ed => (Family::Ed25519, "an Ed25519 key"),
    };
    if family != algorithm.family() {
        return Err(KeyProblem::AlgorithmMismatch { algorithm: algorithm.as_str(), kind });
    }
    let bytes = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => return Material::rsa(n, e),
        DecodingKeyKind::SecretOrDer(bytes) => bytes,
    };
    // `from_*_der` takes what it is given, so both forms occur: the bare key and the
    // `SubjectPublicKeyInfo` around it.
    match (family, curve_of(algorithm)) {
        (Family::Hmac, _) => Ok(Material::secret(bytes)),
        (Family::Rsa, _) => der::read_pkcs1(bytes).or_else(|bare| match bare {
            KeyProblem::Unreadable(_) => der::read_spki(bytes),
            problem => Err(problem),
        }),
        (Family::Ec, Some(curve)) => {
            Material::ec_point(curve, bytes).or_else(|_| der::read_spki(bytes))
        }
        (Family::Ec | Family::Ed25519, _) => {
            Material::ed25519(bytes).or_else(|_| der::read_spki(bytes))
        }
    }
}

fn curve_of(algorithm: Algorithm) -> Option<Curve> {
    [Curve::P256, Curve::P384, Curve::P521].into_iter().find(|curve| curve.algorithm() == algorithm)
}
