use serde::Serialize;

use super::VerifyingKey;
use super::public_jwk::PublicJwk;

/// Holds public keys to publish, as a JWK set (RFC 7517 §5). Serializes to one.
///
/// While one key replaces another, publish both: the next key before the first token is signed with it, and the
/// last one until its tokens have expired.
///
/// ```
/// # #[cfg(feature = "issue")]
/// # fn main() -> Result<(), tower_bearer::ConfigError> {
/// use tower_bearer::{Algorithm, SigningKey, TokenIssuer};
///
/// # fn new_key() -> Result<SigningKey, tower_bearer::ConfigError> { SigningKey::generate(Algorithm::ES256) }
/// let next = new_key()?;
/// let tokens = TokenIssuer::new("https://id.example.com", "https://api.example.com", new_key()?)?;
///
/// let published = tokens.public_keys().and(next.public_keys()).to_json();
/// # assert_eq!(tower_bearer::KeySet::from_jwks(published)?.keys().len(), 2);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "issue"))]
/// # fn main() {}
/// ```
#[derive(Clone, Debug, Serialize)]
pub struct PublicKeys {
    keys: Vec<PublicJwk>,
}

impl PublicKeys {
    /// Adds other keys behind these.
    #[must_use]
    pub fn and(mut self, others: Self) -> Self {
        self.keys.extend(others.keys);
        self
    }

    /// Writes the set as JSON text.
    ///
    /// # Panics
    ///
    /// Never: strings can always be written.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("strings serialise")
    }
}

impl From<&VerifyingKey> for PublicKeys {
    /// Takes the public part of a key. A secret has none, so the set is empty.
    fn from(key: &VerifyingKey) -> Self {
        Self { keys: key.to_public_jwk().into_iter().collect() }
    }
}
