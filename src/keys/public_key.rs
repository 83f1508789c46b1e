use super::{VerifyingKey, jwk, public_jwk};
use crate::config_error::KeyProblem;
use crate::jose::Algorithm;
use crate::jose::crypto::Material;

/// A public key that is read and not yet prepared to verify with.
pub(crate) struct PublicKey {
    material: Material,
    /// The algorithm that the key names.
    algorithm: Option<Algorithm>,
}

impl PublicKey {
    /// Reads a JWK. A private key, and a secret, is refused. `use` and `key_ops` do not count: some clients write those of
    /// the private key.
    pub(crate) fn from_jwk(text: &str) -> Result<Self, KeyProblem> {
        let (material, algorithm) = jwk::read_public(text)?;
        Ok(Self { material, algorithm })
    }

    /// Returns the size of an RSA key.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        self.material.rsa_bits()
    }

    /// Returns the thumbprint (RFC 7638), in base64url.
    pub(crate) fn thumbprint(&self) -> Option<String> {
        public_jwk::thumbprint(&self.material)
    }

    /// Prepares the key for one algorithm of its own kind.
    pub(crate) fn into_verifying_key(
        self,
        algorithm: Algorithm,
    ) -> Result<VerifyingKey, KeyProblem> {
        match self.algorithm {
            Some(named) if named.canonical() != algorithm.canonical() => {
                Err(KeyProblem::AlgorithmNotAllowed { algorithm: named.to_string() })
            }
            _ => VerifyingKey::new(algorithm, &self.material),
        }
    }
}
