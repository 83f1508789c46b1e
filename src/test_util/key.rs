use std::fmt;

use crate::jose::Algorithm;
use crate::jose::crypto::{Material, PrivateMaterial};
use crate::keys::{PublicJwk, SigningKey, VerifyingKey};

/// Signs test tokens. Cloning is cheap.
#[derive(Clone)]
pub struct TestKey {
    key_id: Option<String>,
    key: SigningKey,
}

impl TestKey {
    /// Generates a key for an algorithm. It has no `kid`.
    ///
    /// # Panics
    ///
    /// When the crate was built without a back end for signatures.
    pub fn generate(algorithm: Algorithm) -> Self {
        let key = SigningKey::generate(algorithm).expect("a back end that makes keys");
        Self { key_id: None, key }
    }

    /// Creates a key from an HMAC secret.
    ///
    /// # Panics
    ///
    /// When the secret is too short for the algorithm, or the algorithm is not for secrets.
    pub fn from_secret(algorithm: Algorithm, secret: &[u8]) -> Self {
        let key = SigningKey::of(algorithm, PrivateMaterial::secret(secret));
        Self { key_id: None, key: key.expect("a secret for this algorithm") }
    }

    /// Reads a private key in DER: PKCS#8, PKCS#1 or SEC 1.
    ///
    /// # Panics
    ///
    /// When the key cannot be read, or not be used for the algorithm.
    pub fn from_encoded(algorithm: Algorithm, encoded: &[u8]) -> Self {
        let key = SigningKey::from_der(algorithm, encoded).expect("a key for this algorithm");
        Self { key_id: None, key }
    }

    /// Sets the key's name. Tokens signed with the key carry it in `kid`.
    #[must_use]
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Self {
        self.key_id = Some(key_id.into());
        self
    }

    /// Returns the public key for another algorithm of the same kind.
    ///
    /// # Panics
    ///
    /// When the key is not for that algorithm.
    #[must_use]
    pub fn verifying_key_for(&self, algorithm: Algorithm) -> VerifyingKey {
        let key = VerifyingKey::new(algorithm, self.key.material()).expect("a usable key");
        match &self.key_id {
            Some(key_id) => key.with_key_id(key_id),
            None => key,
        }
    }

    /// Returns the key that verifies the signatures of this key.
    ///
    /// # Panics
    ///
    /// Never: every key that signs can be verified with.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying_key_for(self.algorithm())
    }

    /// Returns the public key as a JWK. For a secret, returns the secret itself (`oct`).
    ///
    /// # Panics
    ///
    /// Never: strings can always be written.
    pub fn to_jwk(&self) -> serde_json::Value {
        use base64::Engine as _;
        let public = PublicJwk::new(self.key.material(), self.algorithm(), self.key_id.clone());
        let mut jwk = match (self.key.material(), public) {
            (Material::Secret(secret), _) => serde_json::json!({
                "kty": "oct",
                "alg": self.algorithm().as_str(),
                "k": base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&**secret),
            }),
            (_, public) => serde_json::to_value(public).expect("strings serialise"),
        };
        if let Some(key_id) = &self.key_id {
            jwk["kid"] = key_id.as_str().into();
        }
        jwk
    }

    /// Returns the algorithm that the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Returns the key's name.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Signs any bytes, and returns the signature.
    ///
    /// # Panics
    ///
    /// When the back end cannot sign.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).expect("a back end that can sign")
    }
}

impl fmt::Debug for TestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}
