use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm};

use crate::config_error::ConfigError;
use crate::jose::Algorithm;
use crate::keys::{KeySet, VerifyingKey};

impl TryFrom<&Jwk> for VerifyingKey {
    type Error = ConfigError;

    /// Reads a JWK as [`KeySet::from_jwks`] does.
    fn try_from(jwk: &Jwk) -> Result<Self, ConfigError> {
        let keys = read(jwk)?;
        keys.keys().first().cloned().ok_or(ConfigError::NoUsableKey { skipped: vec![] })
    }
}

impl TryFrom<&JwkSet> for KeySet {
    type Error = ConfigError;

    /// Reads a JWK set as [`KeySet::from_jwks`] does.
    fn try_from(jwks: &JwkSet) -> Result<Self, ConfigError> {
        read(jwks)
    }
}

impl TryFrom<&VerifyingKey> for Jwk {
    type Error = Error;

    /// Converts to a public JWK. Fails for secrets, which are not published, and for P-521, which jsonwebtoken cannot
    /// verify with.
    fn try_from(key: &VerifyingKey) -> Result<Self, Error> {
        // It knows Ed25519 by the older name, and a key is for both.
        let algorithm = match key.algorithm() {
            Algorithm::Ed25519 => Algorithm::EdDSA,
            other => other,
        };
        let algorithm = jsonwebtoken::Algorithm::try_from(algorithm)?;
        let public = key.to_public_jwk().ok_or(ErrorKind::InvalidKeyFormat)?;
        let mut jwk: Self = serde_json::from_value(serde_json::to_value(public)?)?;
        jwk.common.key_algorithm = Some(KeyAlgorithm::from(algorithm));
        Ok(jwk)
    }
}

impl TryFrom<&KeySet> for JwkSet {
    type Error = Error;

    /// Converts to a public JWK set. Fails if one of the keys cannot be converted.
    fn try_from(keys: &KeySet) -> Result<Self, Error> {
        let keys = keys.keys().iter().map(Jwk::try_from).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }
}

fn read(jwks: &impl serde::Serialize) -> Result<KeySet, ConfigError> {
    let json = serde_json::to_vec(jwks).map(zeroize::Zeroizing::new);
    KeySet::from_jwks(&*json.map_err(|error| ConfigError::UnreadableKeys {
        expected: "a JWK or a JWK set",
        problem: error.to_string(),
    })?)
}
