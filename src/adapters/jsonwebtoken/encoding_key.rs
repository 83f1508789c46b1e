use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::{AlgorithmFamily, EncodingKey};

use super::check_family;
use crate::config_error::ConfigError;
use crate::jose::Algorithm;
use crate::jose::crypto::{Curve, PrivateMaterial};
use crate::keys::{SigningKey, to_pkcs8};

impl SigningKey {
    /// Reads a key of jsonwebtoken, for one algorithm of its family.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be used, or not for this algorithm.
    ///
    /// ```
    /// use jsonwebtoken::EncodingKey;
    /// use tower_bearer::{Algorithm, SigningKey};
    ///
    /// let theirs = EncodingKey::from_secret(b"at least 32 bytes of randomness, please")?;
    /// let key = SigningKey::from_encoding_key(Algorithm::HS256, &theirs)?;
    ///
    /// let back = EncodingKey::try_from(&key)?;
    /// # assert_eq!(back.as_bytes(), theirs.as_bytes());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_encoding_key(algorithm: Algorithm, key: &EncodingKey) -> Result<Self, ConfigError> {
        check_family(key.family(), algorithm)?;
        match key.family() {
            AlgorithmFamily::Hmac => Self::from_secret(algorithm, key.as_bytes()),
            _ => Self::from_der(algorithm, key.as_bytes()),
        }
    }
}

impl TryFrom<&SigningKey> for EncodingKey {
    type Error = Error;

    /// Converts to a key of jsonwebtoken, which cannot sign with P-521. Algorithm and key id are lost.
    fn try_from(key: &SigningKey) -> Result<Self, Error> {
        // The forms that its back ends read: PKCS#1 and PKCS#8.
        match key.private() {
            PrivateMaterial::Secret(secret) => Self::from_secret(secret),
            PrivateMaterial::Rsa(pkcs1) => Ok(Self::from_rsa_der(pkcs1)),
            PrivateMaterial::Ec { curve: Curve::P521, .. } => {
                Err(ErrorKind::UnsupportedAlgorithm.into())
            }
            PrivateMaterial::Ec { curve, scalar } => to_pkcs8::ec(*curve, scalar, key.material())
                .map(|pkcs8| Self::from_ec_der(&pkcs8))
                .ok_or_else(|| ErrorKind::InvalidEcdsaKey.into()),
            PrivateMaterial::Ed25519(seed) => to_pkcs8::ed25519(seed)
                .map(|pkcs8| Self::from_ed_der(&pkcs8))
                .ok_or_else(|| ErrorKind::InvalidEddsaKey.into()),
        }
    }
}
