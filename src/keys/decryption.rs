//! Keys that decrypt tokens (JWE, RFC 7516), each bound to one `alg`.

use std::fmt;
use std::sync::Arc;

use der::Decode as _;
use der::asn1::OctetStringRef;
use pkcs8::PrivateKeyInfoRef;
use zeroize::Zeroizing;

use super::jwk::{self, Jwk};
use super::key_id::check_key_id;
use super::pem::Block;
use super::private_der::{self, PrivateKey};
use super::private_jwk::{self, PrivateNumbers};
use crate::config_error::{ConfigError, KeyProblem};
use crate::error::{AuthError, Reason, shown};
use crate::jose::crypto::decryption::{self, AgreementKey, RsaDecryption};
use crate::jose::crypto::{AgreementCurve, Material, PrivateMaterial};
use crate::jose::jwe::{EncryptedToken, EncryptionHeader, Recipient, RecipientKey};
use crate::jose::{ContentEncryption, DEFAULT_MAX_TOKEN_BYTES, KeyManagement};
use crate::text::utf8;

/// A private key or secret that decrypts tokens, for one `alg` alone.
///
/// ```
/// use tower_bearer::jose::KeyManagement;
/// use tower_bearer::keys::DecryptionKey;
///
/// # fn load(pem: &str) -> Result<(), tower_bearer::ConfigError> {
/// let key = DecryptionKey::from_pem(KeyManagement::RsaOaep256, pem)?.with_key_id("2026-11")?;
/// # Ok(())
/// # }
/// ```
///
/// Tokens with another `alg` are never decrypted with the key, whatever their header says. All four encryptions of
/// [`ContentEncryption`] are allowed, unless [`with_content_encryptions`](Self::with_content_encryptions) names fewer.
///
/// Cloning is cheap. The key is overwritten when the last clone is dropped, and neither `Debug` nor an error shows one
/// of its bytes.
///
/// A back end must be compiled in (`aws-lc-rs` or `rust-crypto`): without one, every key is refused with
/// [`KeyProblem::NoDecryption`].
#[derive(Clone)]
pub struct DecryptionKey {
    recipient: Arc<Recipient>,
    key_id: Option<Arc<str>>,
    encryptions: Arc<[ContentEncryption]>,
}

impl DecryptionKey {
    /// Reads a private JWK (RFC 7517), or a secret of the kind `oct`. It must name its `alg`.
    ///
    /// The kinds are RSA, EC (P-256, P-384, P-521), OKP (X25519) and `oct`. An RSA key needs all of `d`, `p`, `q`, `dp`,
    /// `dq` and `qi`. The key id is `kid`, if there is one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be used, names no `alg`, or has `use` or `key_ops` for signatures;
    /// [`ConfigError::UnreadableKeys`] when the text is no single JWK; [`ConfigError::KeyIdTooLong`].
    pub fn from_jwk(jwk: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let text = utf8(jwk.as_ref(), EXPECTED_JWK)?;
        match entries(text, EXPECTED_JWK)? {
            None => Self::read_jwk(text),
            Some(_) => Err(ConfigError::UnreadableKeys {
                expected: EXPECTED_JWK,
                problem: "it is a JWK set; give one of its `keys` alone".to_owned(),
            }),
        }
    }

    /// Reads a private key in PEM: PKCS#8 (`PRIVATE KEY`), PKCS#1 (`RSA PRIVATE KEY`) or SEC 1 (`EC PRIVATE KEY`), for
    /// one `alg`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key cannot be used, or not for this `alg`; [`ConfigError::UnreadableKeys`] when the
    /// text holds no private key or several.
    pub fn from_pem(algorithm: KeyManagement, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let text = utf8(pem.as_ref(), private_der::EXPECTED)?;
        let key = private_der::read_pem_with(text, |block| match x25519(block)? {
            Some(key) => Ok(Numbers { private: PrivateNumbers::X25519(key), public: None }),
            None => private_der::read_block(block, None).map(Numbers::from),
        })?;
        Ok(Self::new(algorithm, &key)?)
    }

    /// Takes a shared secret, for `dir`, `A128KW`, `A256KW`, `A128GCMKW` or `A256GCMKW`.
    ///
    /// Its length is that of the algorithm: 16 or 32 bytes. For `dir` it is that of the content's key: 16 bytes for
    /// `A128GCM`, 32 for `A256GCM` or `A128CBC-HS256`, 64 for `A256CBC-HS512`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the secret has another length, is a public key, or the algorithm needs another kind of
    /// key.
    pub fn from_secret(
        algorithm: KeyManagement,
        secret: impl AsRef<[u8]>,
    ) -> Result<Self, ConfigError> {
        let private = PrivateNumbers::Of(PrivateMaterial::secret(secret.as_ref()));
        Ok(Self::new(algorithm, &Numbers { private, public: None })?)
    }

    /// Sets the key id. A token that names another `kid` is not decrypted with the key. Without a key id, the key is for
    /// tokens with any `kid` that no other key has.
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

    /// Allows these encryptions of the content and no others. The default is all of [`ContentEncryption::ALL`].
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoAlgorithms`] when there are none.
    pub fn with_content_encryptions(
        mut self,
        encryptions: impl IntoIterator<Item = ContentEncryption>,
    ) -> Result<Self, ConfigError> {
        self.encryptions = encryptions.into_iter().collect();
        if self.encryptions.is_empty() {
            return Err(ConfigError::NoAlgorithms);
        }
        Ok(self)
    }

    /// Returns the `alg` that the key is for.
    pub fn algorithm(&self) -> KeyManagement {
        self.recipient.algorithm()
    }

    /// Returns the key id.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    fn read_jwk(text: &str) -> Result<Self, ConfigError> {
        let unreadable = |problem| ConfigError::UnreadableKeys { expected: EXPECTED_JWK, problem };
        let jwk: Jwk = jwk::read_object(text).map_err(unreadable)?;
        if !jwk.is_for_decryption() {
            return Err(KeyProblem::NotForDecryption.into());
        }
        jwk.check_consistency()?;
        let name = jwk.algorithm_name().ok_or(KeyProblem::MissingAlgorithm)?;
        let unknown = |_| KeyProblem::AlgorithmNotAllowed { algorithm: name.to_owned() };
        let algorithm: KeyManagement = name.parse().map_err(unknown)?;
        let public = match jwk.x25519() {
            Some(point) => Public::X25519(point?),
            None => Public::Of(jwk.material()?),
        };
        let private = private_jwk::read_private(text, public.material())?;
        let key = Self::new(algorithm, &Numbers { private, public: Some(public) })?;
        match jwk.kid {
            Some(key_id) => key.with_key_id(key_id),
            None => Ok(key),
        }
    }

    fn new(algorithm: KeyManagement, numbers: &Numbers) -> Result<Self, KeyProblem> {
        decryption::available()?;
        let key = numbers.recipient_key(algorithm)?;
        Ok(Self {
            recipient: Arc::new(Recipient::new(algorithm, key)),
            key_id: None,
            encryptions: ContentEncryption::ALL.into(),
        })
    }

    fn fits(&self, header: &EncryptionHeader) -> bool {
        self.recipient.fits(header) && self.encryptions.contains(&header.encryption)
    }
}

impl fmt::Debug for DecryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptionKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id())
            .field("content_encryptions", &self.encryptions)
            .finish_non_exhaustive()
    }
}

/// A private key as it was read, with the public key that stood beside it, if any.
struct Numbers {
    private: PrivateNumbers,
    public: Option<Public>,
}

enum Public {
    Of(Material),
    X25519(Vec<u8>),
}

impl Public {
    fn material(&self) -> Option<&Material> {
        match self {
            Self::Of(material) => Some(material),
            Self::X25519(_) => None,
        }
    }

    /// Returns the key in the form of back ends, if it is on a curve.
    fn point(&self) -> Option<Vec<u8>> {
        match self {
            Self::Of(Material::Ec { x, y, .. }) => Some(Material::uncompressed(x, y)),
            Self::Of(_) => None,
            Self::X25519(point) => Some(point.clone()),
        }
    }
}

impl From<PrivateKey> for Numbers {
    fn from(key: PrivateKey) -> Self {
        Self { private: PrivateNumbers::Of(key.private), public: key.public.map(Public::Of) }
    }
}

impl Numbers {
    fn recipient_key(&self, algorithm: KeyManagement) -> Result<RecipientKey, KeyProblem> {
        let (kind, family) = match &self.private {
            PrivateNumbers::Of(PrivateMaterial::Secret(_)) => ("a secret", Family::Secret),
            PrivateNumbers::Of(PrivateMaterial::Rsa(_)) => ("an RSA key", Family::Rsa),
            PrivateNumbers::Of(PrivateMaterial::Ec { .. }) => ("a key on a curve", Family::Curve),
            PrivateNumbers::Of(PrivateMaterial::Ed25519(_)) => ("an Ed25519 key", Family::None),
            PrivateNumbers::X25519(_) => ("a key on X25519", Family::Curve),
        };
        family.check_for(algorithm, kind)?;
        match &self.private {
            PrivateNumbers::Of(PrivateMaterial::Secret(secret)) => {
                check_length(algorithm, secret.len())?;
                if super::der::is_public_key(secret) || jwk::is_public_key(secret) {
                    return Err(KeyProblem::PublicKeyAsSecret);
                }
                Ok(RecipientKey::Secret(secret.clone()))
            }
            PrivateNumbers::Of(PrivateMaterial::Rsa(pkcs1)) => {
                Ok(RecipientKey::Rsa(RsaDecryption::new(pkcs1)?))
            }
            PrivateNumbers::Of(PrivateMaterial::Ec { curve, scalar }) => {
                self.agreement(AgreementCurve::Ec(*curve), scalar)
            }
            PrivateNumbers::X25519(key) => self.agreement(AgreementCurve::X25519, key),
            PrivateNumbers::Of(PrivateMaterial::Ed25519(_)) => {
                Err(KeyProblem::AlgorithmMismatch { algorithm: algorithm.as_str(), kind })
            }
        }
    }

    fn agreement(&self, curve: AgreementCurve, private: &[u8]) -> Result<RecipientKey, KeyProblem> {
        let key = AgreementKey::new(curve, private)?;
        let beside = self.public.as_ref().and_then(Public::point);
        if beside.is_some() && beside != key.public() {
            return Err(KeyProblem::MismatchedPair);
        }
        Ok(RecipientKey::Agreement(curve, key))
    }
}

/// The kind of key an algorithm works with.
#[derive(PartialEq)]
pub(super) enum Family {
    Secret,
    Rsa,
    Curve,
    None,
}

impl Family {
    /// Checks that the algorithm works with keys of this kind.
    pub(super) fn check_for(
        &self,
        algorithm: KeyManagement,
        kind: &'static str,
    ) -> Result<(), KeyProblem> {
        if *self == Self::of(algorithm) {
            Ok(())
        } else {
            Err(KeyProblem::AlgorithmMismatch { algorithm: algorithm.as_str(), kind })
        }
    }

    fn of(algorithm: KeyManagement) -> Self {
        match algorithm {
            KeyManagement::Dir
            | KeyManagement::A128KW
            | KeyManagement::A256KW
            | KeyManagement::A128GCMKW
            | KeyManagement::A256GCMKW => Self::Secret,
            KeyManagement::RsaOaep | KeyManagement::RsaOaep256 => Self::Rsa,
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA128KW | KeyManagement::EcdhEsA256KW => {
                Self::Curve
            }
        }
    }
}

/// Checks the length of a secret.
pub(super) fn check_length(algorithm: KeyManagement, bytes: usize) -> Result<(), KeyProblem> {
    let (is_right, required) = match algorithm {
        KeyManagement::A128KW | KeyManagement::A128GCMKW => (bytes == 16, "128"),
        KeyManagement::A256KW | KeyManagement::A256GCMKW => (bytes == 32, "256"),
        _ => (matches!(bytes, 16 | 32 | 64), "128, 256 or 512"),
    };
    if is_right { Ok(()) } else { Err(KeyProblem::SecretLength { bits: bytes * 8, required }) }
}

/// Returns the key of a PKCS#8 block if it is on X25519 (RFC 8410 §7).
fn x25519(block: &Block<'_>) -> Result<Option<Zeroizing<Vec<u8>>>, KeyProblem> {
    if block.label != "PRIVATE KEY" {
        return Ok(None);
    }
    let bytes = block.decode()?;
    let Ok(info) = PrivateKeyInfoRef::from_der(&bytes) else { return Ok(None) };
    if info.algorithm.oid != super::der::X25519 {
        return Ok(None);
    }
    let key = <&OctetStringRef>::from_der(info.private_key.as_bytes());
    let key =
        key.map_err(|_| KeyProblem::Unreadable("it holds no private X25519 key".to_owned()))?;
    Ok(Some(Zeroizing::new(key.as_bytes().to_vec())))
}

/// Returns the text of each key of a set, or `None` if the text is no set.
fn entries<'t>(text: &'t str, expected: &'static str) -> Result<Option<Vec<&'t str>>, ConfigError> {
    jwk::entries(text).map_err(|problem| ConfigError::UnreadableKeys { expected, problem })
}

/// The keys of a recipient of encrypted tokens: several at once, so that one can replace another.
///
/// ```
/// use tower_bearer::keys::DecryptionKeys;
///
/// # fn load(jwks: &str, token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let keys = DecryptionKeys::from_jwks(jwks)?;
/// let inner = keys.decrypt(token)?; // verifies no signature
/// # Ok(())
/// # }
/// ```
///
/// A token that names a `kid` is decrypted with the keys of that name, or else with those that have none; a token without
/// `kid` with every key of its `alg`, 16 at the most.
#[derive(Clone, Debug, Default)]
pub struct DecryptionKeys {
    keys: Vec<DecryptionKey>,
}

impl DecryptionKeys {
    /// Reads a private JWK set, or a single private JWK. All keys of it must be good, since all are the operator's own.
    ///
    /// # Errors
    ///
    /// [`ConfigError::At`] with the place of a key and its error, which is one of [`DecryptionKey::from_jwk`];
    /// [`ConfigError::UnreadableKeys`]; [`ConfigError::NoUsableKey`] when the set is empty.
    pub fn from_jwks(jwks: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let text = utf8(jwks.as_ref(), EXPECTED_SET)?;
        let Some(entries) = entries(text, EXPECTED_SET)? else {
            return Ok(Self { keys: vec![DecryptionKey::read_jwk(text)?] });
        };
        if entries.is_empty() {
            return Err(ConfigError::NoUsableKey { skipped: Vec::new() });
        }
        let read = |(index, entry): (usize, &str)| {
            DecryptionKey::read_jwk(entry).map_err(|problem| ConfigError::At {
                path: format!("keys[{index}]"),
                problem: Box::new(problem),
            })
        };
        let keys = entries.into_iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { keys })
    }

    /// Decrypts a token in compact form and returns its content, which is a signed token as a rule.
    ///
    /// Nothing says who made the content: every client may encrypt for a public key. Verify the signature inside.
    ///
    /// # Errors
    ///
    /// What can be seen without a key: [`Reason::TokenTooLarge`] beyond 16 KiB; [`Reason::Malformed`] for a token that is
    /// not five segments with a header that has unique members, an `alg` and an `enc`, and no `zip`;
    /// [`Reason::CriticalHeader`]; [`Reason::UnsupportedAlgorithm`].
    ///
    /// All else is [`Reason::Encrypted`], without a detail: there is no key for the token, its key or its content cannot
    /// be decrypted, the content is no text, or is encrypted once more.
    pub fn decrypt(&self, token: &str) -> Result<Zeroizing<String>, AuthError> {
        let token = EncryptedToken::parse(token, DEFAULT_MAX_TOKEN_BYTES)
            .map_err(AuthError::before_signature)?;
        self.open(&token)
    }

    /// Returns the content of a token, which is neither verified nor encrypted once more.
    pub(crate) fn open(&self, token: &EncryptedToken<'_>) -> Result<Zeroizing<String>, AuthError> {
        let candidates = self.candidates(token.header());
        let content = candidates.iter().find_map(|key| token.decrypt(&key.recipient));
        let refused = || AuthError::from(Reason::Encrypted).before_signature();
        content.and_then(inner_token).ok_or_else(refused)
    }

    /// Returns the algorithm and key id of each key, for people.
    pub(crate) fn names(&self) -> Vec<String> {
        let name = |key: &DecryptionKey| match key.key_id() {
            Some(key_id) => format!("{} \"{}\"", key.algorithm(), shown(key_id)),
            None => key.algorithm().to_string(),
        };
        self.keys.iter().map(name).collect()
    }

    /// Returns whether a key is for tokens with this header.
    pub(crate) fn has_key_for(&self, header: &EncryptionHeader) -> bool {
        !self.candidates(header).is_empty()
    }

    fn candidates(&self, header: &EncryptionHeader) -> Vec<&DecryptionKey> {
        let fitting = self.keys.iter().filter(|key| key.fits(header));
        let Some(wanted) = header.key_id.as_deref() else {
            return fitting.take(MAX_CANDIDATES).collect();
        };
        let (named, unnamed): (Vec<_>, Vec<_>) = fitting
            .filter(|key| key.key_id().is_none_or(|key_id| key_id == wanted))
            .partition(|key| key.key_id().is_some());
        let mut found = if named.is_empty() { unnamed } else { named };
        found.truncate(MAX_CANDIDATES);
        found
    }
}

impl FromIterator<DecryptionKey> for DecryptionKeys {
    fn from_iter<I: IntoIterator<Item = DecryptionKey>>(keys: I) -> Self {
        Self { keys: keys.into_iter().collect() }
    }
}

impl From<DecryptionKey> for DecryptionKeys {
    fn from(key: DecryptionKey) -> Self {
        Self { keys: vec![key] }
    }
}

/// Returns the content as text, unless it has the five segments of a token that is encrypted once more.
fn inner_token(mut content: Zeroizing<Vec<u8>>) -> Option<Zeroizing<String>> {
    let content = String::from_utf8(std::mem::take(&mut *content));
    let content = content.map(Zeroizing::new).map_err(|error| Zeroizing::new(error.into_bytes()));
    let content = content.ok()?;
    let is_base64url = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let segments: Vec<_> = content.split('.').collect();
    let is_encrypted =
        segments.len() == 5 && segments.iter().all(|segment| segment.chars().all(is_base64url));
    (!is_encrypted).then_some(content)
}

const EXPECTED_JWK: &str = "a private JWK";
const EXPECTED_SET: &str = "a private JWK or a set of private JWKs";
/// The number of keys that are tried on one token.
const MAX_CANDIDATES: usize = 16;
