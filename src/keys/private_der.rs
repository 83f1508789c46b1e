//! Reads private keys in PEM and DER: PKCS#8, PKCS#1 and SEC 1.
//!
//! The back ends do not read them, so that both accept the same encodings and an error names the mistake.

use der::asn1::{AnyRef, OctetStringRef};
use der::{Decode, Tag, Tagged as _};
use pkcs8::PrivateKeyInfoRef;
use sec1::{EcParameters, EcPrivateKey};

use super::der::{self as public, curve_of};
use super::pem::{self, Block, PEM_BEGIN};
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::Algorithm;
use crate::jose::crypto::{Curve, Material, PrivateMaterial};
use crate::text;

/// A private key as it was read, with the public key that stood beside it, if any.
pub(super) struct PrivateKey {
    pub(super) private: PrivateMaterial,
    pub(super) public: Option<Material>,
}

impl From<PrivateMaterial> for PrivateKey {
    fn from(private: PrivateMaterial) -> Self {
        Self { private, public: None }
    }
}

/// Reads the one private key of a PEM text. Parameters of a curve, certificates and public keys may stand
/// beside it.
pub(super) fn read_pem(text: &str, algorithm: Algorithm) -> Result<PrivateKey, ConfigError> {
    read_pem_with(text, |block| read_block(block, Curve::of(algorithm)))
}

/// Reads the one private key of a PEM text with this function.
pub(super) fn read_pem_with<K>(
    text: &str,
    read: impl FnOnce(&Block<'_>) -> Result<K, KeyProblem>,
) -> Result<K, ConfigError> {
    let text = pem::unescaped(text);
    let blocks: Vec<_> = pem::blocks(&text).collect::<Result<_, _>>()?;
    let mut private = blocks.iter().filter(|block| block.is_private());
    let several = "there are several; give one of them alone";
    let problem = match (private.next(), private.next()) {
        (Some(block), None) => return Ok(read(block)?),
        (Some(_), Some(_)) => several,
        (None, _) if blocks.iter().any(|block| is_public(block.label)) => {
            return Err(KeyProblem::Public.into());
        }
        (None, _) if !blocks.is_empty() => "there is no block whose name ends in PRIVATE KEY",
        (None, _) => instead_of_private_key(&text),
    };
    Err(ConfigError::UnreadableKeys { expected: EXPECTED, problem: problem.to_owned() })
}

/// Reads a block. A SEC 1 key that names no curve has the given one.
pub(super) fn read_block(
    block: &Block<'_>,
    unnamed: Option<Curve>,
) -> Result<PrivateKey, KeyProblem> {
    if block.is_encrypted() {
        return Err(KeyProblem::Encrypted);
    }
    match block.label {
        "PRIVATE KEY" => read_pkcs8(&block.decode()?),
        "RSA PRIVATE KEY" => Ok(PrivateMaterial::rsa(&block.decode()?)?.into()),
        "EC PRIVATE KEY" => read_sec1(&block.decode()?, None, unnamed),
        "OPENSSH PRIVATE KEY" => Err(unreadable(
            "it is a key of OpenSSH; `ssh-keygen -p -m PKCS8 -f FILE` writes it as PEM",
        )),
        label => Err(KeyProblem::UnsupportedType { kty: label.to_owned() }),
    }
}

/// Reads a private key in DER.
pub(super) fn read_der(bytes: &[u8], algorithm: Algorithm) -> Result<PrivateKey, KeyProblem> {
    if PrivateKeyInfoRef::from_der(bytes).is_ok() {
        read_pkcs8(bytes)
    } else if EcPrivateKey::from_der(bytes).is_ok() {
        read_sec1(bytes, None, Curve::of(algorithm))
    } else if public::is_public_der(bytes) {
        Err(KeyProblem::Public)
    } else if is_encrypted(bytes) {
        Err(KeyProblem::Encrypted)
    } else {
        match bytes {
            [] => Err(unreadable("it is empty")),
            _ if bytes.trim_ascii_start().starts_with(PEM_BEGIN.as_bytes()) => {
                Err(unreadable("it is PEM and not DER; read it with `from_pem`"))
            }
            _ => Ok(PrivateMaterial::rsa(bytes)?.into()),
        }
    }
}

/// Reads a `PrivateKeyInfo` (RFC 5208 §5) or `OneAsymmetricKey` (RFC 5958 §2).
fn read_pkcs8(bytes: &[u8]) -> Result<PrivateKey, KeyProblem> {
    let info = PrivateKeyInfoRef::from_der(bytes)
        .map_err(|_| unreadable("it is no PrivateKeyInfo (PKCS#8) in DER, or is cut off"))?;
    let key = info.private_key.as_bytes();
    let beside = info.public_key.and_then(|public| public.as_bytes());
    match info.algorithm.oid {
        public::RSA => Ok(PrivateMaterial::rsa(key)?.into()),
        public::EC => {
            let curve = info
                .algorithm
                .parameters_oid()
                .map_err(|_| unreadable("it does not name its curve"))?;
            let curve = curve_of(curve)?;
            read_sec1(key, Some(curve), None)
        }
        public::ED25519 => {
            // RFC 8410 §7: an octet string within the octet string.
            let seed = <&OctetStringRef>::from_der(key)
                .map_err(|_| unreadable("it holds no private Ed25519 key"))?;
            let public = beside.map(Material::ed25519).transpose()?;
            Ok(PrivateKey { private: PrivateMaterial::ed25519(seed.as_bytes())?, public })
        }
        other => Err(KeyProblem::UnsupportedType { kty: other.to_string() }),
    }
}

/// Reads an `ECPrivateKey` (SEC 1 §C.4, RFC 5915 §3). If it does not name its curve and nothing around it does,
/// the curve is the last one, which the algorithm has chosen.
fn read_sec1(
    bytes: &[u8],
    curve: Option<Curve>,
    unnamed: Option<Curve>,
) -> Result<PrivateKey, KeyProblem> {
    let key = EcPrivateKey::from_der(bytes).map_err(|_| {
        unreadable("it is no ECPrivateKey (SEC 1) that names its curve, or is cut off")
    })?;
    let named = match key.parameters {
        Some(EcParameters::NamedCurve(oid)) => Some(curve_of(oid)?),
        None => None,
    };
    if let (Some(outer), Some(inner)) = (curve, named)
        && outer != inner
    {
        return Err(KeyProblem::Contradiction);
    }
    let curve =
        curve.or(named).or(unnamed).ok_or_else(|| unreadable("it does not name its curve"))?;
    let is_uncompressed = |point: &&[u8]| point.len() == 1 + 2 * curve.field_bytes();
    // A compressed point adds nothing to the private key.
    let public = key.public_key.filter(is_uncompressed);
    let public = public.map(|point| Material::ec_point(curve, point)).transpose()?;
    Ok(PrivateKey { private: PrivateMaterial::ec(curve, key.private_key)?, public })
}

/// Returns whether the bytes begin like an `EncryptedPrivateKeyInfo` (RFC 5958 §3): an algorithm, then an octet string.
fn is_encrypted(bytes: &[u8]) -> bool {
    let Ok(outer) = AnyRef::from_der(bytes) else { return false };
    let tags = outer.sequence(|reader| -> der::Result<_> {
        Ok((AnyRef::decode(reader)?.tag(), AnyRef::decode(reader)?.tag()))
    });
    tags.is_ok_and(|tags| tags == (Tag::Sequence, Tag::OctetString))
}

fn is_public(label: &str) -> bool {
    label.ends_with("PUBLIC KEY") || label.ends_with("CERTIFICATE")
}

fn instead_of_private_key(text: &str) -> &'static str {
    let text = text.trim();
    if text.starts_with('{') {
        "it is JSON; read a JWK with `from_jwk`"
    } else if ["MII", "MH", "MIG", "MC4", "MFE"].iter().any(|start| text.starts_with(start)) {
        "it is base64 alone; put it between the lines -----BEGIN PRIVATE KEY----- and \
         -----END PRIVATE KEY-----"
    } else {
        text::instead_of_keys(text).unwrap_or("there is no line that says -----BEGIN")
    }
}

fn unreadable(problem: &str) -> KeyProblem {
    KeyProblem::Unreadable(problem.to_owned())
}

pub(super) const EXPECTED: &str = "a private key in PEM";
