use std::fmt;
use std::sync::Arc;

use super::key_id::check_key_id;
use super::private_der::PrivateKey;
use super::private_jwk::PrivateJwk;
use super::{PublicKeys, SignError, Signer, VerifyingKey, private_der, private_jwk};
use crate::config_error::{ConfigError, KeyProblem};
#[cfg(any(feature = "jsonwebtoken", feature = "test-util"))]
use crate::jose::crypto::Material;
use crate::jose::crypto::{self, PrivateMaterial, RsaSize, Sign};
use crate::jose::{Algorithm, Family};
use crate::text::utf8;

/// A private key or secret together with the one algorithm it signs with.
///
/// ```
/// use tower_bearer::{Algorithm, SigningKey, TokenIssuer};
///
/// # fn load(pem: &str) -> Result<(), tower_bearer::ConfigError> {
/// let key = SigningKey::from_pem(Algorithm::ES256, pem)?;
/// let tokens = TokenIssuer::new("https://id.example.com", "https://api.example.com", key)?;
/// # Ok(())
/// # }
/// ```
///
/// The key is parsed once, when it is made. Cloning is cheap. Its bytes are overwritten when the last clone is
/// dropped, and neither `Debug` nor an error shows one of them.
///
/// # Making a key
///
/// ```sh
/// openssl ecparam -genkey -name prime256v1 -out key.pem                # ES256
/// openssl genpkey -algorithm ed25519 -out key.pem                      # Ed25519, EdDSA
/// openssl genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048 -out key.pem   # RS256 and the like
/// ```
///
/// [`generate`](Self::generate) makes a key that lives as long as the process.
#[derive(Clone)]
pub struct SigningKey {
    signer: Arc<dyn Sign>,
    /// The private numbers, to write the key and to convert it to the type of jsonwebtoken.
    private: Arc<PrivateMaterial>,
    public: VerifyingKey,
}

impl SigningKey {
    /// Reads a private key in PEM: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1
    /// (`EC PRIVATE KEY`), for one algorithm.
    ///
    /// The text may come from an environment variable: on one line, in quotes, with the two characters `\n` for line
    /// breaks. A block of `EC PARAMETERS` may precede the key, and a certificate may stand beside it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be used, or not for this algorithm;
    /// [`ConfigError::UnreadableKeys`] when the text holds no private key or several.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let text = utf8(pem.as_ref(), private_der::EXPECTED)?;
        Ok(Self::of_pair(algorithm, private_der::read_pem(text, algorithm)?)?)
    }

    /// Reads a private key in DER: PKCS#8, PKCS#1 or SEC 1, for one algorithm.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be read or used, or not for this algorithm.
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Ok(Self::of_pair(algorithm, private_der::read_der(der.as_ref(), algorithm)?)?)
    }

    /// Reads a private JWK (RFC 7517), or a secret of the kind `oct`.
    ///
    /// The algorithm is that of `alg`. RSA keys that name none are used for RS256, keys on curves for the algorithm of
    /// their curve; a secret must name its `alg`. An RSA key needs all of `d`, `p`, `q`, `dp`, `dq` and `qi`.
    /// The key id is `kid`, if there is one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be used; [`ConfigError::UnreadableKeys`] when the text is no
    /// single JWK; [`ConfigError::KeyIdTooLong`].
    pub fn from_jwk(jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let entry = private_jwk::read(utf8(jwk.as_ref(), "a private JWK")?)?;
        let key = Self::of_pair(entry.algorithm, entry.key)?;
        match entry.key_id {
            Some(key_id) => key.with_key_id(key_id),
            None => Ok(key),
        }
    }

    /// Takes a secret for HMAC, as raw bytes. It has no key id until [`with_key_id`](Self::with_key_id).
    ///
    /// # Errors
    ///
    /// [`KeyProblem`]s in [`ConfigError::Key`]: a secret shorter than the algorithm's output, an algorithm other
    /// than HS256, HS384 or HS512, or a public key in place of a secret.
    ///
    /// ```
    /// use tower_bearer::{Algorithm, SigningKey};
    ///
    /// let secret = std::env::var("SECRET").unwrap_or("thirty-two bytes at the very least".into());
    /// let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn from_secret(
        algorithm: Algorithm,
        secret: impl AsRef<[u8]>,
    ) -> Result<Self, ConfigError> {
        let secret = secret.as_ref();
        let public = VerifyingKey::from_secret(algorithm, secret)?;
        let private = PrivateMaterial::secret(secret);
        let (signer, _) = crypto::signer(algorithm, &private)?;
        Ok(Self::with_signer(signer, private, public))
    }

    /// Takes a secret for HMAC, written in base64url with or without padding.
    ///
    /// # Errors
    ///
    /// Those of [`from_secret`](Self::from_secret), and [`KeyProblem::Unreadable`].
    pub fn from_base64url_secret(algorithm: Algorithm, secret: &str) -> Result<Self, ConfigError> {
        Self::from_secret(algorithm, &*VerifyingKey::decode_secret(secret)?)
    }

    /// Makes a new key, with the operating system's randomness: an RSA key of 2,048 bits, a secret of 64 bytes.
    /// [`generate_rsa`](Self::generate_rsa) makes larger RSA keys.
    ///
    /// The key is gone when the process ends, and every other process has another one. An application that runs
    /// more than once loads its key: [`to_private_jwk`](Self::to_private_jwk) writes it down, and
    /// [`IssuerKeys`](crate::issue::IssuerKeys) keeps keys in a file and replaces them.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the crate was built without a back end for signatures, or the back end fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, ConfigError> {
        Ok(Self::of(algorithm, crypto::generate(algorithm)?)?)
    }

    /// Makes a new RSA key of a size, for one of the six algorithms of RSA. It takes from a tenth of a second to some
    /// seconds.
    ///
    /// # Errors
    ///
    /// [`KeyProblem::AlgorithmMismatch`] in [`ConfigError::Key`] for an algorithm of another kind, and the errors of
    /// [`generate`](Self::generate).
    ///
    /// ```
    /// use tower_bearer::keys::RsaSize;
    /// use tower_bearer::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate_rsa(Algorithm::PS256, RsaSize::Bits3072)?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn generate_rsa(algorithm: Algorithm, size: RsaSize) -> Result<Self, ConfigError> {
        if algorithm.family() != Family::Rsa {
            let (algorithm, kind) = (algorithm.as_str(), "an RSA key");
            return Err(KeyProblem::AlgorithmMismatch { algorithm, kind }.into());
        }
        Ok(Self::of(algorithm, crypto::generate_rsa(size)?)?)
    }

    /// Sets the key id, which tokens carry in `kid`. The default is the thumbprint (RFC 7638), so it changes with
    /// the key.
    ///
    /// # Errors
    ///
    /// [`ConfigError::KeyIdTooLong`] when it has more than the 256 bytes that verifiers read.
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Result<Self, ConfigError> {
        let key_id = key_id.into();
        check_key_id(Some(&key_id))?;
        self.public = self.public.with_key_id(key_id);
        Ok(self)
    }

    /// Sets the thumbprint as the id of a key that has none. A secret has no thumbprint.
    pub(crate) fn or_thumbprint(mut self) -> Self {
        self.public = self.public.or_thumbprint();
        self
    }

    /// Returns the algorithm the key signs with.
    pub fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
    }

    /// Returns the key id, which tokens carry in `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.public.key_id()
    }

    /// Returns the key that verifies the signatures. For HMAC that is the secret itself.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    /// Returns the public key as a JWK set. A secret has no public part, so the set is empty.
    pub fn public_keys(&self) -> PublicKeys {
        PublicKeys::from(&self.public)
    }

    /// Writes the key as a private JWK (RFC 7517), or a secret as one of the kind `oct`, for
    /// [`from_jwk`](Self::from_jwk).
    ///
    /// ```
    /// use tower_bearer::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::ES256)?;
    /// let again = SigningKey::from_jwk(key.to_private_jwk().as_str())?;
    /// assert_eq!(again.key_id(), key.key_id());
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn to_private_jwk(&self) -> PrivateJwk {
        PrivateJwk::new(&self.private, &self.public)
    }

    /// Signs a message, in the form of RFC 7518 §3.
    ///
    /// # Errors
    ///
    /// [`SignError`] when the back end fails, for lack of memory or randomness.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.signer.sign(message).ok_or_else(|| SignError::new("the back end could not sign"))
    }

    /// Returns the numbers of the public key, or the secret.
    #[cfg(any(feature = "jsonwebtoken", feature = "test-util"))]
    pub(crate) fn material(&self) -> &Material {
        self.public.material()
    }

    /// Returns the numbers of the private key, or the secret.
    #[cfg(feature = "jsonwebtoken")]
    pub(crate) fn private(&self) -> &PrivateMaterial {
        &self.private
    }

    /// Makes a key without the check for a public key that was given by mistake.
    pub(crate) fn of(algorithm: Algorithm, private: PrivateMaterial) -> Result<Self, KeyProblem> {
        let (signer, material) = crypto::signer(algorithm, &private)?;
        let public = VerifyingKey::new(algorithm, &material)?.or_thumbprint();
        Ok(Self::with_signer(signer, private, public))
    }

    fn with_signer(signer: Box<dyn Sign>, private: PrivateMaterial, public: VerifyingKey) -> Self {
        Self { signer: signer.into(), private: Arc::new(private), public }
    }

    fn of_pair(algorithm: Algorithm, pair: PrivateKey) -> Result<Self, KeyProblem> {
        let key = Self::of(algorithm, pair.private)?;
        match pair.public {
            Some(public) if public != *key.public.material() => Err(KeyProblem::MismatchedPair),
            _ => Ok(key),
        }
    }
}

impl Signer for SigningKey {
    fn verifying_key(&self) -> VerifyingKey {
        self.public.clone()
    }

    async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Self::sign(self, message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}
