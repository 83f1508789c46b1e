use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{DecodingKey, DecodingKeyKind};

use super::check_family;
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::crypto::{Curve, Material};
use crate::jose::{Algorithm, Family};
use crate::keys::{VerifyingKey, read_pkcs1, read_spki};

impl VerifyingKey {
    /// Reads a key of jsonwebtoken, for one algorithm of its family.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be used, or not for this algorithm.
    ///
    /// ```
    /// use jsonwebtoken::DecodingKey;
    /// use tower_bearer::Algorithm;
    /// use tower_bearer::keys::VerifyingKey;
    ///
    /// # fn load(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// let theirs = DecodingKey::from_ec_pem(pem)?;
    /// let key = VerifyingKey::from_decoding_key(Algorithm::ES256, &theirs)?;
    ///
    /// let back = DecodingKey::try_from(&key)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn from_decoding_key(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, ConfigError> {
        match read(algorithm, key)? {
            Material::Secret(secret) => Self::from_secret(algorithm, &*secret),
            material => Ok(Self::new(algorithm, &material)?),
        }
    }
}

impl TryFrom<&VerifyingKey> for DecodingKey {
    type Error = Error;

    /// Converts to a key of jsonwebtoken, which cannot verify with P-521. Algorithm and key id are lost.
    fn try_from(key: &VerifyingKey) -> Result<Self, Error> {
        match key.material() {
            Material::Secret(secret) => Self::from_secret(secret),
            Material::Rsa { modulus, exponent } => {
                Ok(Self::from_rsa_raw_components(modulus, exponent))
            }
            Material::Ec { curve: Curve::P521, .. } => Err(ErrorKind::UnsupportedAlgorithm.into()),
            Material::Ec { x, y, .. } => Ok(Self::from_ec_der(&Material::uncompressed(x, y))),
            Material::Ed25519(x) => Ok(Self::from_ed_der(x)),
        }
    }
}

/// Reads the key for one algorithm; a family of curves does not say which curve.
fn read(algorithm: Algorithm, key: &DecodingKey) -> Result<Material, KeyProblem> {
    check_family(key.family(), algorithm)?;
    let bytes = match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, e } => return Material::rsa(n, e),
        DecodingKeyKind::SecretOrDer(bytes) => bytes,
    };
    // `from_*_der` takes what it is given, so both forms occur: the bare key and the
    // `SubjectPublicKeyInfo` around it, which starts as a DER sequence.
    let wrapped = bytes.first() == Some(&SEQUENCE);
    match algorithm.family() {
        Family::Hmac => Ok(Material::secret(bytes)),
        Family::Rsa => read_pkcs1(bytes).or_else(|bare| match bare {
            KeyProblem::Unreadable(_) => read_spki(bytes),
            problem => Err(problem),
        }),
        Family::Ec if wrapped => read_spki(bytes),
        Family::Ec => {
            let curve =
                Curve::ALL.into_iter().find(|curve| bytes.len() == 1 + 2 * curve.field_bytes());
            let wrong = || {
                let bytes = bytes.len();
                KeyProblem::Unreadable(format!(
                    "a point of {bytes} bytes is on none of P-256, P-384 and P-521"
                ))
            };
            Material::ec_point(curve.ok_or_else(wrong)?, bytes)
        }
        Family::Ed25519 if wrapped && bytes.len() != ED25519_BYTES => read_spki(bytes),
        Family::Ed25519 => Material::ed25519(bytes),
    }
}

const SEQUENCE: u8 = 0x30;
const ED25519_BYTES: usize = 32;
