//! jsonwebtoken's `DecodingKey`, which knows its family and nothing else.

use jsonwebtoken::{AlgorithmFamily, DecodingKey, DecodingKeyKind};

use super::der;
use crate::config_error::KeyProblem;
use crate::jose::crypto::{Curve, Material};
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
    // `SubjectPublicKeyInfo` around it, which starts as a DER sequence.
    let wrapped = bytes.first() == Some(&SEQUENCE);
    match family {
        Family::Hmac => Ok(Material::secret(bytes)),
        Family::Rsa => der::read_pkcs1(bytes).or_else(|bare| match bare {
            KeyProblem::Unreadable(_) => der::read_spki(bytes),
            problem => Err(problem),
        }),
        Family::Ec if wrapped => der::read_spki(bytes),
        Family::Ec => {
            let curve = [Curve::P256, Curve::P384, Curve::P521]
                .into_iter()
                .find(|curve| bytes.len() == 1 + 2 * curve.field_bytes());
            let wrong = || {
                let bytes = bytes.len();
                KeyProblem::Unreadable(format!(
                    "a point of {bytes} bytes is on none of P-256, P-384 and P-521"
                ))
            };
            Material::ec_point(curve.ok_or_else(wrong)?, bytes)
        }
        Family::Ed25519 if wrapped && bytes.len() != ED25519_BYTES => der::read_spki(bytes),
        Family::Ed25519 => Material::ed25519(bytes),
    }
}

const SEQUENCE: u8 = 0x30;
const ED25519_BYTES: usize = 32;
