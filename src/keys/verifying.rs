//! Binds a key to its algorithm.
//!
//! A secret that reads as a public key (PEM, DER, JWK) is refused: an RSA public key that is configured as an
//! HMAC secret lets every reader of the key sign tokens.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};

use super::epoch::next_epoch;
use super::identity::KeyIdentity;
#[cfg(feature = "issue")]
use super::public_jwk;
use super::public_jwk::PublicJwk;
use super::{der, jwk};
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::crypto::{self, Material, Verify};
use crate::jose::{Algorithm, Family};
use crate::observe::trace;
use crate::text::{self, utf8};

/// A key together with the one algorithm it verifies.
///
/// The key is parsed once, when it is made. The algorithm that a token names chooses among the keys, and never the
/// use of a key, so a public RSA key cannot be read as an HMAC secret. Cloning is cheap.
#[derive(Clone)]
pub struct VerifyingKey(Arc<Inner>);

struct Inner {
    algorithm: Algorithm,
    key_id: Option<Box<str>>,
    /// The only issuer whose tokens the key may sign, or a template of it.
    issuer: Option<Box<str>>,
    verifier: Arc<dyn Verify>,
    material: Arc<Material>,
    /// The identity of the numbers alone.
    numbers: KeyIdentity,
    /// The identity of the numbers together with the issuer.
    identity: KeyIdentity,
    epoch: u64,
}

impl VerifyingKey {
    /// Takes a secret for HMAC, as raw bytes.
    ///
    /// # Errors
    ///
    /// [`KeyProblem`]s in [`ConfigError::Key`]: a secret shorter than the algorithm's output, an
    /// algorithm other than HS256, HS384 or HS512, or a public key in place of a secret.
    ///
    /// ```
    /// use tower_bearer::keys::VerifyingKey;
    /// use tower_bearer::Algorithm;
    ///
    /// let secret = std::env::var("SECRET").unwrap_or("thirty-two bytes at the very least".into());
    /// let key = VerifyingKey::from_secret(Algorithm::HS256, secret)?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn from_secret(
        algorithm: Algorithm,
        secret: impl AsRef<[u8]>,
    ) -> Result<Self, ConfigError> {
        let secret = secret.as_ref();
        if der::is_public_key(secret) || jwk::is_public_key(secret) {
            return Err(KeyProblem::PublicKeyAsSecret.into());
        }
        Ok(Self::new(algorithm, &Material::secret(secret))?)
    }

    /// Takes a secret for HMAC that may be shorter than the algorithm's output, to accept tokens that were signed with
    /// such a secret until the secret is replaced.
    ///
    /// A thief who has one token can try secrets on another machine, at billions a second, until one fits,
    /// and then sign tokens for any user. So this key only verifies, and each secret that is too short is a `WARN` in
    /// the log.
    ///
    /// # Replacing the secret
    ///
    /// Sign new tokens with a good secret from now on, and verify with both until the last token of the old
    /// one has expired:
    ///
    /// ```
    /// use tower_bearer::keys::VerifyingKey;
    /// use tower_bearer::{Algorithm, KeySet};
    ///
    /// let new = VerifyingKey::from_secret(Algorithm::HS256, "32 bytes of randomness, at the very least")?;
    /// let old = VerifyingKey::dangerously_from_short_secret(Algorithm::HS256, "secret123")?;
    /// let keys: KeySet = [new.with_key_id("2026"), old].into_iter().collect();
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    ///
    /// A token that names no key is tried with both, the first one first. Give the new key an id that its
    /// tokens carry in `kid`: then a token that names it is never tried with the old one.
    ///
    /// # Errors
    ///
    /// Those of [`from_secret`](Self::from_secret), but [`KeyProblem::SecretTooShort`] for an empty secret
    /// only.
    pub fn dangerously_from_short_secret(
        algorithm: Algorithm,
        secret: impl AsRef<[u8]>,
    ) -> Result<Self, ConfigError> {
        let (key, problem) = Self::of_any_secret(algorithm, secret.as_ref())?;
        if let Some(problem) = problem {
            trace::short_secret(algorithm.as_str(), &problem, "");
        }
        Ok(key)
    }

    /// Takes a secret of any length, and returns the problem with its length, if any.
    pub(crate) fn of_any_secret(
        algorithm: Algorithm,
        secret: &[u8],
    ) -> Result<(Self, Option<KeyProblem>), ConfigError> {
        if der::is_public_key(secret) || jwk::is_public_key(secret) {
            return Err(KeyProblem::PublicKeyAsSecret.into());
        }
        let material = Material::secret(secret);
        let verifier = crypto::verifier_of_any_secret(algorithm, &material)?;
        let problem = material.check_for(algorithm).err();
        Ok((Self::with_verifier(algorithm, &material, None, verifier), problem))
    }

    /// Decodes a secret that is written in base64url with or without padding.
    pub(crate) fn decode_secret(secret: &str) -> Result<zeroize::Zeroizing<Vec<u8>>, ConfigError> {
        let engine = if secret.ends_with('=') { &URL_SAFE } else { &URL_SAFE_NO_PAD };
        // The decoder's own error would quote a byte of the secret.
        let unreadable = |_| KeyProblem::Unreadable(text::instead_of_secret(secret).to_owned());
        if der::is_public_key(secret.as_bytes()) || jwk::is_public_key(secret.as_bytes()) {
            return Err(KeyProblem::PublicKeyAsSecret.into());
        }
        let secret = engine.decode(secret).map_err(unreadable)?;
        Ok(zeroize::Zeroizing::new(secret))
    }

    /// Takes a secret for HMAC, written in base64url with or without padding.
    ///
    /// # Errors
    ///
    /// Those of [`from_secret`](Self::from_secret), and [`KeyProblem::Unreadable`].
    pub fn from_base64url_secret(algorithm: Algorithm, secret: &str) -> Result<Self, ConfigError> {
        Self::from_secret(algorithm, Self::decode_secret(secret)?)
    }

    /// Reads a public key in PEM (SPKI, PKCS#1 or a certificate), for one algorithm.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be used, or not for this algorithm;
    /// [`ConfigError::UnreadableKeys`] when the text holds no key or several.
    pub fn from_pem(algorithm: Algorithm, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let text = utf8(pem.as_ref(), "a public key in PEM")?;
        let mut keys = der::read_pem(text)?;
        match (keys.pop(), keys.len()) {
            (Some(key), 0) => Ok(Self::new(algorithm, &key?)?),
            _ => Err(ConfigError::UnreadableKeys {
                expected: "one public key in PEM",
                problem: "there are several; load them with `KeySet::from_pem`".to_owned(),
            }),
        }
    }

    /// Reads a public key in DER (SPKI, PKCS#1 or a certificate), for one algorithm.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be read or used, or not for this algorithm.
    pub fn from_der(algorithm: Algorithm, der: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        Ok(Self::new(algorithm, &der::read_der(der.as_ref())?)?)
    }

    /// Gives the key a name. Tokens with another `kid` are then not checked with it; without a name
    /// a key is tried for every token of its algorithm.
    #[must_use]
    pub fn with_key_id(self, key_id: impl Into<String>) -> Self {
        Self(Arc::new(Inner {
            algorithm: self.0.algorithm,
            key_id: Some(key_id.into().into_boxed_str()),
            issuer: self.0.issuer.clone(),
            verifier: Arc::clone(&self.0.verifier),
            material: Arc::clone(&self.0.material),
            numbers: self.0.numbers,
            identity: self.0.identity,
            epoch: next_epoch(),
        }))
    }

    /// Names the issuer that the key is for, as the member `issuer` of a JWK of Microsoft Entra ID
    /// does. It may be a template with `{tenantid}` in place of the tenant.
    ///
    /// Heeded by verifiers with [tenants](crate::Validation::with_tenants) only: they refuse a token
    /// whose key is for another issuer. A key without an issuer is for every issuer.
    #[must_use]
    pub fn with_issuer(self, issuer: impl Into<String>) -> Self {
        let issuer = issuer.into().into_boxed_str();
        Self(Arc::new(Inner {
            algorithm: self.0.algorithm,
            key_id: self.0.key_id.clone(),
            identity: self.0.numbers.with_issuer(&issuer),
            issuer: Some(issuer),
            verifier: Arc::clone(&self.0.verifier),
            material: Arc::clone(&self.0.material),
            numbers: self.0.numbers,
            epoch: next_epoch(),
        }))
    }

    /// Returns the issuer that the key is for, if it names one.
    pub fn issuer(&self) -> Option<&str> {
        self.0.issuer.as_deref()
    }

    /// Returns the algorithm this key verifies.
    pub fn algorithm(&self) -> Algorithm {
        self.0.algorithm
    }

    /// Returns the name of the key, as tokens write it in `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.0.key_id.as_deref()
    }

    /// Returns the thumbprint of the key (RFC 7638): the SHA-256 hash of its public numbers, in base64url.
    ///
    /// `None` for a secret, because a hash of it can be compared with those of guessed secrets, and when the crate was
    /// built without a back end.
    ///
    /// ```
    /// use tower_bearer::{Algorithm, SigningKey};
    ///
    /// let key = SigningKey::generate(Algorithm::Ed25519)?;
    /// assert_eq!(key.verifying_key().thumbprint().as_deref(), key.key_id());
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[cfg(feature = "issue")]
    pub fn thumbprint(&self) -> Option<String> {
        public_jwk::thumbprint(&self.0.material)
    }

    pub(crate) fn new(algorithm: Algorithm, material: &Material) -> Result<Self, KeyProblem> {
        Self::named(algorithm, material, None)
    }

    pub(super) fn named(
        algorithm: Algorithm,
        material: &Material,
        key_id: Option<&str>,
    ) -> Result<Self, KeyProblem> {
        let verifier = crypto::verifier(algorithm, material)?;
        Ok(Self::with_verifier(algorithm, material, key_id, verifier))
    }

    fn with_verifier(
        algorithm: Algorithm,
        material: &Material,
        key_id: Option<&str>,
        verifier: Box<dyn Verify>,
    ) -> Self {
        let (verifier, key_id) = (verifier.into(), key_id.map(Into::into));
        let numbers = KeyIdentity::new(algorithm, material);
        let (material, epoch) = (Arc::new(material.clone()), next_epoch());
        let (issuer, identity) = (None, numbers);
        Self(Arc::new(Inner {
            algorithm,
            key_id,
            issuer,
            verifier,
            material,
            numbers,
            identity,
            epoch,
        }))
    }

    /// Verifies a signature by this key, for a token that names `algorithm`.
    pub(crate) fn verify(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        // RFC 8725 §3.1: enforced when the key is used, whatever a key source has answered.
        self.is_for(algorithm) && self.0.verifier.verify(message, signature)
    }

    /// Returns the key as a JWK. `None` for a secret, which has no public part.
    pub(crate) fn to_public_jwk(&self) -> Option<PublicJwk> {
        let key_id = self.key_id().map(str::to_owned);
        PublicJwk::new(&self.0.material, self.algorithm(), key_id)
    }

    /// Returns the public key as a JWK without another member. `None` for a secret.
    #[cfg(feature = "dpop")]
    pub(crate) fn bare_public_jwk(&self) -> Option<serde_json::Value> {
        public_jwk::bare(&self.0.material)
    }

    /// Gives the key its thumbprint (RFC 7638) as its id, unless it has an id or is a secret.
    #[cfg(feature = "issue")]
    pub(crate) fn or_thumbprint(self) -> Self {
        if self.key_id().is_some() {
            return self;
        }
        match self.thumbprint() {
            Some(thumbprint) => self.with_key_id(thumbprint),
            None => self,
        }
    }

    /// Returns the numbers of the key.
    #[cfg(any(feature = "issue", feature = "jsonwebtoken"))]
    pub(crate) fn material(&self) -> &Material {
        &self.0.material
    }

    /// Returns whether both are the same key for the same algorithm, whatever their issuers.
    pub(crate) fn is_same_key(&self, other: &Self) -> bool {
        self.0.numbers == other.0.numbers
    }

    /// Returns the identity of the key together with its issuer, which stays the same when the key is read again.
    pub(crate) fn identity(&self) -> KeyIdentity {
        self.0.identity
    }

    /// Returns a number that no other key has. `with_key_id` gives the key another number.
    pub(super) fn made(&self) -> u64 {
        self.0.epoch
    }

    pub(super) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.0.algorithm.canonical() == algorithm.canonical()
    }
}

/// Makes the keys of one piece of material: one for each algorithm it is to be used with.
pub(super) fn bind(
    material: &Material,
    declared: Option<Algorithm>,
    allowed: Option<&[Algorithm]>,
    key_id: Option<&str>,
) -> Result<Vec<VerifyingKey>, KeyProblem> {
    let canonical = |algorithm: Algorithm| algorithm.canonical();
    let is_allowed = |algorithm: &Algorithm| {
        allowed.is_none_or(|allowed| allowed.iter().any(|a| canonical(*a) == canonical(*algorithm)))
    };
    // A key that names its algorithm, or a curve that has just one, is asked only whether that one
    // is allowed. RSA keys and secrets that name none are for whatever of their family is allowed.
    let several = |family| {
        let allowed = allowed.into_iter().flatten().copied();
        let mut algorithms: Vec<Algorithm> = Vec::new();
        for algorithm in allowed.filter(|one| one.family() == family) {
            if !algorithms.contains(&algorithm) {
                algorithms.push(algorithm);
            }
        }
        algorithms
    };
    let algorithms = match (declared, material) {
        (Some(algorithm), _) => vec![algorithm],
        (None, Material::Secret(_)) if several(Family::Hmac).is_empty() => {
            return Err(KeyProblem::SecretWithoutAlgorithm);
        }
        (None, Material::Secret(_)) => several(Family::Hmac),
        (None, Material::Rsa { .. }) if allowed.is_some() && !several(Family::Rsa).is_empty() => {
            several(Family::Rsa)
        }
        (None, other) => other.default_algorithm().into_iter().collect(),
    };
    if let Some(algorithm) = algorithms.iter().find(|algorithm| !is_allowed(algorithm)) {
        return Err(KeyProblem::AlgorithmNotAllowed { algorithm: algorithm.to_string() });
    }
    // A secret of 32 bytes is good for HS256 although it is too short for HS384.
    let (mut keys, mut problems) = (Vec::new(), Vec::new());
    for algorithm in algorithms {
        match VerifyingKey::named(algorithm, material, key_id) {
            Ok(key) => keys.push(key),
            Err(problem) => problems.push(problem),
        }
    }
    match problems.into_iter().next() {
        Some(problem) if keys.is_empty() => Err(problem),
        _ => Ok(keys),
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .finish_non_exhaustive()
    }
}
