//! Keys that encrypt tokens (JWE, RFC 7516) for an API, each for one `alg`.

use std::fmt;
use std::sync::Arc;

use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode as _;
use zeroize::Zeroizing;

use super::decryption::{Family, check_length};
use super::jwk::{self, Jwk};
use super::key_id::check_key_id;
use super::{der, pem};
use crate::config_error::{ConfigError, KeyProblem, SkippedKey};
use crate::jose::crypto::decryption;
use crate::jose::crypto::encryption::{self, RsaEncryption};
use crate::jose::crypto::{AgreementCurve, Material};
use crate::jose::jwe::{Sender, SenderKey};
use crate::jose::{ContentEncryption, KeyManagement};
use crate::text::utf8;

/// The public key of an API, or a secret shared with it, for which tokens are encrypted in one way alone.
///
/// ```
/// use tower_bearer::keys::EncryptionKey;
/// use tower_bearer::{ConfigError, TokenIssuer};
///
/// # fn build(tokens: TokenIssuer, jwks: &str) -> Result<TokenIssuer, ConfigError> {
/// let key = EncryptionKey::from_jwks(jwks)?; // published by the API
/// Ok(tokens.with_encryption(key))
/// # }
/// ```
///
/// The content is encrypted with `A256GCM` by default; [`with_content_encryption`](Self::with_content_encryption)
/// chooses another one. Cloning is cheap.
///
/// With `dir`, or with `A128GCMKW` and `A256GCMKW`, replace the secret before 2³² tokens were encrypted with it: their
/// random initialisation vectors could repeat (NIST SP 800-38D §8.3). `A256CBC-HS512` has no such limit.
///
/// A back end must be compiled in (`aws-lc-rs` or `rust-crypto`): without one, every key is refused with
/// [`KeyProblem::NoDecryption`].
#[derive(Clone)]
pub struct EncryptionKey {
    sender: Arc<Sender>,
    key_id: Option<Arc<str>>,
    encryption: ContentEncryption,
}

impl EncryptionKey {
    /// Reads a public JWK (RFC 7517), or a secret of the kind `oct`.
    ///
    /// The kinds are RSA, EC (P-256, P-384, P-521), OKP (X25519) and `oct`. The algorithm is `alg`. A key that names none
    /// is used with `RSA-OAEP-256` if it is an RSA key, and with `ECDH-ES+A256KW` if it is on a curve. The key id is
    /// `kid`, if there is one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key is private, cannot be used, is a secret without `alg`, or has `use` or `key_ops`
    /// for signatures; [`ConfigError::UnreadableKeys`] when the text is no single JWK; [`ConfigError::KeyIdTooLong`].
    pub fn from_jwk(jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let text = utf8(jwk.as_ref(), EXPECTED_JWK)?;
        match entries(text, EXPECTED_JWK)? {
            None => Self::read_jwk(text, false),
            Some(_) => Err(ConfigError::UnreadableKeys {
                expected: EXPECTED_JWK,
                problem: "it is a JWK set; read it with `from_jwks`".to_owned(),
            }),
        }
    }

    /// Reads a JWK set, as APIs publish it, and takes the first key that says, by `use`, `key_ops` or `alg`, that it
    /// encrypts. Keys for signatures, and those that cannot be used, are skipped. A single JWK is read as a set of one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoUsableKey`] with the reason why each key was skipped; [`ConfigError::UnreadableKeys`] when the
    /// text is neither a JWK nor a set.
    pub fn from_jwks(jwks: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let text = utf8(jwks.as_ref(), EXPECTED_SET)?;
        let Some(entries) = entries(text, EXPECTED_SET)? else {
            return Self::read_jwk(text, false);
        };
        let mut skipped = Vec::new();
        for (index, entry) in entries.into_iter().enumerate() {
            let problem = match Self::read_jwk(entry, true) {
                Ok(key) => return Ok(key),
                Err(ConfigError::Key(problem)) => problem,
                Err(error) => KeyProblem::Unreadable(error.to_string()),
            };
            let key_id = jwk::read_object::<Jwk>(entry).ok().and_then(|jwk| jwk.kid);
            skipped.push(SkippedKey { index, key_id, problem });
        }
        Err(ConfigError::NoUsableKey { skipped })
    }

    /// Reads a public key in PEM (SPKI, PKCS#1 or a certificate), for one `alg`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be used, or not for this `alg`; [`ConfigError::UnreadableKeys`] when the
    /// text holds no key or several.
    pub fn from_pem(algorithm: KeyManagement, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let text = utf8(pem.as_ref(), EXPECTED_PEM)?;
        if let Some(point) = x25519_in_pem(text)? {
            return Ok(Self::new(algorithm, &PublicNumbers::X25519(point))?);
        }
        let mut keys = der::read_pem(text)?;
        match (keys.pop(), keys.len()) {
            (Some(key), 0) => Ok(Self::new(algorithm, &PublicNumbers::Of(key?))?),
            _ => Err(ConfigError::UnreadableKeys {
                expected: EXPECTED_PEM,
                problem: "there are several".to_owned(),
            }),
        }
    }

    /// Takes a shared secret, for `dir`, `A128KW`, `A256KW`, `A128GCMKW` or `A256GCMKW`.
    ///
    /// Its length is that of the algorithm: 16 or 32 bytes. For `dir` it is that of the content's key, which is then
    /// encrypted with `A128GCM` (16 bytes), `A256GCM` (32) or `A256CBC-HS512` (64).
    ///
    /// # Errors
    ///
    /// Those of [`DecryptionKey::from_secret`](super::DecryptionKey::from_secret).
    pub fn from_secret(
        algorithm: KeyManagement,
        secret: impl AsRef<[u8]>,
    ) -> Result<Self, ConfigError> {
        let secret = secret.as_ref();
        if der::is_public_key(secret) || jwk::is_public_key(secret) {
            return Err(KeyProblem::PublicKeyAsSecret.into());
        }
        Ok(Self::new(algorithm, &PublicNumbers::Of(Material::secret(secret)))?)
    }

    /// Sets the key id, which tokens carry in `kid`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::KeyIdTooLong`] when it has more than 256 bytes.
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Result<Self, ConfigError> {
        let key_id = key_id.into();
        check_key_id(Some(&key_id))?;
        self.key_id = Some(key_id.into());
        Ok(self)
    }

    /// Sets the encryption of the content. The default is `A256GCM`, except for `dir`, whose secret decides.
    ///
    /// # Errors
    ///
    /// [`KeyProblem::SecretLength`] for `dir`, when the secret has not the length of the encryption's key.
    pub fn with_content_encryption(
        mut self,
        encryption: ContentEncryption,
    ) -> Result<Self, ConfigError> {
        if let (KeyManagement::Dir, Some(bytes)) = (self.algorithm(), self.sender.secret_bytes())
            && bytes != encryption.key_bytes()
        {
            let required = match encryption {
                ContentEncryption::A128GCM => "128",
                ContentEncryption::A256GCM | ContentEncryption::A128CbcHs256 => "256",
                ContentEncryption::A256CbcHs512 => "512",
            };
            return Err(KeyProblem::SecretLength { bits: bytes * 8, required }.into());
        }
        self.encryption = encryption;
        Ok(self)
    }

    /// Returns the `alg` of the tokens.
    pub fn algorithm(&self) -> KeyManagement {
        self.sender.algorithm()
    }

    /// Returns the `enc` of the tokens.
    pub fn content_encryption(&self) -> ContentEncryption {
        self.encryption
    }

    /// Returns the key id.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Encrypts a signed token (RFC 7519 §5.2). `None` if the system has no randomness.
    pub(crate) fn encrypt(&self, token: &str) -> Option<String> {
        self.sender.encrypt(self.encryption, self.key_id(), token)
    }

    fn read_jwk(text: &str, is_in_set: bool) -> Result<Self, ConfigError> {
        let unreadable = |problem| ConfigError::UnreadableKeys { expected: EXPECTED_JWK, problem };
        let jwk: Jwk = jwk::read_object(text).map_err(unreadable)?;
        if !jwk.is_for_encryption() || (is_in_set && !jwk.names_encryption()) {
            return Err(KeyProblem::NotForEncryption.into());
        }
        if jwk.is_private() {
            return Err(KeyProblem::Private.into());
        }
        jwk.check_consistency()?;
        let numbers = match jwk.x25519() {
            Some(point) => PublicNumbers::X25519(point?),
            None => PublicNumbers::Of(jwk.material()?),
        };
        let algorithm = match jwk.algorithm_name() {
            None => numbers.default_algorithm().ok_or(KeyProblem::MissingAlgorithm)?,
            Some(name) => {
                let unknown = |_| KeyProblem::AlgorithmNotAllowed { algorithm: name.to_owned() };
                name.parse().map_err(unknown)?
            }
        };
        let key = Self::new(algorithm, &numbers)?;
        match jwk.kid {
            Some(key_id) => key.with_key_id(key_id),
            None => Ok(key),
        }
    }

    fn new(algorithm: KeyManagement, numbers: &PublicNumbers) -> Result<Self, KeyProblem> {
        decryption::available()?;
        let key = numbers.sender_key(algorithm)?;
        let sender = Sender::new(algorithm, key);
        let encryption = match (algorithm, sender.secret_bytes()) {
            (KeyManagement::Dir, Some(16)) => ContentEncryption::A128GCM,
            (KeyManagement::Dir, Some(64)) => ContentEncryption::A256CbcHs512,
            _ => ContentEncryption::A256GCM,
        };
        Ok(Self { sender: Arc::new(sender), key_id: None, encryption })
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptionKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .field("content_encryption", &self.encryption)
            .finish_non_exhaustive()
    }
}

/// A public key or secret as it was read.
enum PublicNumbers {
    Of(Material),
    X25519(Vec<u8>),
}

impl PublicNumbers {
    fn default_algorithm(&self) -> Option<KeyManagement> {
        match self {
            Self::Of(Material::Rsa { .. }) => Some(KeyManagement::RsaOaep256),
            Self::Of(Material::Ec { .. }) | Self::X25519(_) => Some(KeyManagement::EcdhEsA256KW),
            Self::Of(Material::Secret(_) | Material::Ed25519(_)) => None,
        }
    }

    fn sender_key(&self, algorithm: KeyManagement) -> Result<SenderKey, KeyProblem> {
        match self {
            Self::Of(Material::Secret(secret)) => {
                Family::Secret.check_for(algorithm, "a secret")?;
                check_length(algorithm, secret.len())?;
                Ok(SenderKey::Secret(Zeroizing::new(secret.to_vec())))
            }
            Self::Of(Material::Rsa { modulus, exponent }) => {
                Family::Rsa.check_for(algorithm, "an RSA key")?;
                Ok(SenderKey::Rsa(RsaEncryption::new(modulus, exponent)?))
            }
            Self::Of(Material::Ec { curve, x, y }) => {
                Family::Curve.check_for(algorithm, "a key on a curve")?;
                agreement(AgreementCurve::Ec(*curve), Material::uncompressed(x, y))
            }
            Self::Of(Material::Ed25519(_)) => Err(KeyProblem::AlgorithmMismatch {
                algorithm: algorithm.as_str(),
                kind: "an Ed25519 key",
            }),
            Self::X25519(point) => {
                Family::Curve.check_for(algorithm, "a key on X25519")?;
                agreement(AgreementCurve::X25519, point.clone())
            }
        }
    }
}

/// Tries the key once: with a point that is not on its curve, or has a small order, there is no secret.
fn agreement(curve: AgreementCurve, point: Vec<u8>) -> Result<SenderKey, KeyProblem> {
    encryption::agree_once(curve, &point).ok_or(KeyProblem::Curve)?;
    Ok(SenderKey::Agreement(curve, point))
}

/// Returns the key of a PEM text that is one public key on X25519 (RFC 8410 §4).
fn x25519_in_pem(text: &str) -> Result<Option<Vec<u8>>, ConfigError> {
    let text = pem::unescaped(text);
    let mut blocks = pem::blocks(&text);
    let (Some(Ok(block)), None) = (blocks.next(), blocks.next()) else { return Ok(None) };
    if block.label != "PUBLIC KEY" {
        return Ok(None);
    }
    let bytes = block.decode()?;
    let Ok(info) = SubjectPublicKeyInfoRef::from_der(&bytes) else { return Ok(None) };
    let key = info.subject_public_key.as_bytes().filter(|key| key.len() == X25519_BYTES);
    Ok(key.filter(|_| info.algorithm.oid == der::X25519).map(<[u8]>::to_vec))
}

/// Returns the text of each key of a set, or `None` if the text is no set.
fn entries<'t>(text: &'t str, expected: &'static str) -> Result<Option<Vec<&'t str>>, ConfigError> {
    jwk::entries(text).map_err(|problem| ConfigError::UnreadableKeys { expected, problem })
}

const EXPECTED_JWK: &str = "a public JWK";
const EXPECTED_SET: &str = "a public JWK or a JWK set";
const EXPECTED_PEM: &str = "one public key in PEM";
const X25519_BYTES: usize = 32;
