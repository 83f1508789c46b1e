//! Reads public keys in PEM and DER, and those inside of certificates.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Encode, Tag, Tagged as _};
use spki::SubjectPublicKeyInfoRef;
use x509_cert::Certificate;
use zeroize::Zeroizing;

use super::pem::{self, Block, PEM_BEGIN};
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::crypto::{Curve, Material};

/// Reads every public key of a PEM text.
pub(super) fn read_pem(text: &str) -> Result<Vec<Result<Material, KeyProblem>>, ConfigError> {
    let text = pem::unescaped(text);
    let keys: Vec<_> = pem::blocks(&text).map(|block| read_block(&block?)).collect();
    if keys.is_empty() {
        let problem = pem::instead_of_blocks(&text).to_owned();
        return Err(ConfigError::UnreadableKeys { expected: "public keys in PEM", problem });
    }
    Ok(keys)
}

/// Reads a public key in DER: SPKI, PKCS#1, or a certificate.
pub(super) fn read_der(bytes: &[u8]) -> Result<Material, KeyProblem> {
    if SubjectPublicKeyInfoRef::from_der(bytes).is_ok() {
        read_spki(bytes)
    } else if pkcs1::RsaPublicKeyRef::from_der(bytes).is_ok() {
        read_pkcs1(bytes)
    } else if Certificate::from_der(bytes).is_ok() {
        read_certificate(bytes)
    } else if is_private_key(bytes) {
        Err(KeyProblem::Private)
    } else {
        Err(KeyProblem::Unreadable(
            match bytes {
                [] => "it is empty",
                _ if bytes.trim_ascii_start().starts_with(PEM_BEGIN.as_bytes()) => {
                    "it is PEM and not DER; read it with `from_pem`"
                }
                _ => "it is no SubjectPublicKeyInfo, RSAPublicKey or Certificate in DER",
            }
            .to_owned(),
        ))
    }
}

/// Returns whether the bytes begin like a private key in PKCS#8, PKCS#1 or SEC 1: a sequence that starts with a
/// version.
fn is_private_key(bytes: &[u8]) -> bool {
    let Ok(sequence) = AnyRef::from_der(bytes) else { return false };
    sequence.tag() == Tag::Sequence && matches!(sequence.value(), [0x02, 0x01, 0 | 1, _, ..])
}

/// Reads the key of an X.509 certificate of any version. Dates, names and the chain are not
/// checked: the operator who configures a certificate trusts its key.
fn read_certificate(bytes: &[u8]) -> Result<Material, KeyProblem> {
    let certificate = Certificate::from_der(bytes).map_err(unreadable)?;
    let info = certificate.tbs_certificate().subject_public_key_info();
    read_spki(&info.to_der().map_err(unreadable)?)
}

/// Reads a `SubjectPublicKeyInfo` (RFC 5280 §4.1), which names the kind of its key.
pub(crate) fn read_spki(bytes: &[u8]) -> Result<Material, KeyProblem> {
    let info = SubjectPublicKeyInfoRef::from_der(bytes).map_err(unreadable)?;
    let key = info
        .subject_public_key
        .as_bytes()
        .ok_or_else(|| KeyProblem::Unreadable("the key has a broken number of bits".to_owned()))?;
    match info.algorithm.oid {
        RSA => read_pkcs1(key),
        EC => {
            let curve = info
                .algorithm
                .parameters_oid()
                .map_err(|_| KeyProblem::Unreadable("it does not name its curve".to_owned()))?;
            Material::ec_point(curve_of(curve)?, key)
        }
        ED25519 => Material::ed25519(key),
        other => Err(KeyProblem::UnsupportedType { kty: other.to_string() }),
    }
}

/// Reads an `RSAPublicKey` (RFC 8017 §A.1.1).
pub(crate) fn read_pkcs1(bytes: &[u8]) -> Result<Material, KeyProblem> {
    let key = pkcs1::RsaPublicKeyRef::from_der(bytes).map_err(unreadable)?;
    Material::rsa(key.modulus.as_bytes(), key.public_exponent.as_bytes())
}

/// Returns whether the bytes are a public key in one of the forms of this file, or in base64 without the
/// lines around it, as some providers show it.
pub(super) fn is_public_key(bytes: &[u8]) -> bool {
    let is_filler = |byte: &u8| byte.is_ascii_whitespace() || *byte == b'=';
    // The bytes may be a secret.
    let bare: Zeroizing<Vec<u8>> =
        Zeroizing::new(bytes.iter().copied().filter(|byte| !is_filler(byte)).collect());
    bytes.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN.as_bytes())
        || is_public_der(bytes)
        || [STANDARD_NO_PAD, URL_SAFE_NO_PAD].iter().any(|base64| {
            base64.decode(&*bare).map(Zeroizing::new).is_ok_and(|bytes| is_public_der(&bytes))
        })
}

/// Returns whether the bytes are a public key in DER, or a certificate.
pub(super) fn is_public_der(bytes: &[u8]) -> bool {
    SubjectPublicKeyInfoRef::from_der(bytes).is_ok()
        || pkcs1::RsaPublicKeyRef::from_der(bytes).is_ok()
        || Certificate::from_der(bytes).is_ok()
}

fn read_block(block: &Block<'_>) -> Result<Material, KeyProblem> {
    if block.is_private() {
        return Err(KeyProblem::Private);
    }
    let read = match block.label {
        "PUBLIC KEY" => read_spki,
        "RSA PUBLIC KEY" => read_pkcs1,
        "CERTIFICATE" | "X509 CERTIFICATE" => read_certificate,
        label => return Err(KeyProblem::UnsupportedType { kty: label.to_owned() }),
    };
    read(&block.decode()?)
}

pub(super) fn curve_of(oid: ObjectIdentifier) -> Result<Curve, KeyProblem> {
    Curve::ALL.into_iter().find(|curve| curve.oid() == oid).ok_or_else(|| {
        let curve = if oid == SECP256K1 { "secp256k1".to_owned() } else { oid.to_string() };
        KeyProblem::UnsupportedCurve { curve }
    })
}

// By value: `map_err` hands it over.
#[expect(clippy::needless_pass_by_value)]
fn unreadable(error: impl ToString) -> KeyProblem {
    KeyProblem::Unreadable(error.to_string())
}

pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
#[cfg(feature = "jwe")]
pub(super) const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
pub(super) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
