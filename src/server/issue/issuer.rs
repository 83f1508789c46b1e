use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{AlgorithmFamily, EncodingKey};

use super::PublicKeys;
use crate::clock::{Clock, SystemClock};
use crate::config_error::{ConfigError, KeyProblem, placeholder};
use crate::jose::crypto::{self, Material, Sign};
use crate::jose::{Algorithm, Family, MAX_KEY_ID};
use crate::keys::{PublicJwk, VerifyingKey};
use crate::state::revocation::Revocations;

/// Signs access tokens.
///
/// ```
/// use jsonwebtoken::EncodingKey;
/// use tower_bearer::{Algorithm, TokenIssuer, Validation, Verifier};
///
/// # #[derive(serde::Deserialize)] struct User { name: String }
/// # #[derive(serde::Serialize)] struct Profile { name: &'static str }
/// let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
/// let secret = EncodingKey::from_secret(b"at least 32 bytes of randomness, please");
/// let tokens = TokenIssuer::new(issuer, audience, Algorithm::HS256, &secret)?;
///
/// let issued = tokens
///     .token_for("alice")
///     .with_roles(["user"])
///     .with_claims(&Profile { name: "Alice" })
///     .issue()
///     .expect("these claims are an object");
///
/// let verifier =
///     Verifier::<User>::new(tokens.verifying_key(), Validation::new(issuer, audience))?;
/// # let check = async {
/// assert_eq!(verifier.verify(issued.as_str()).await.unwrap().name, "Alice");
/// # };
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(check);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Tokens follow RFC 9068: `typ` is `at+jwt`, and `iss`, `aud`, `sub`, `iat`, `nbf`, `exp` and a
/// random `jti` are there. It asks for `client_id` too, which only the application knows:
/// [`with_client_id`](Self::with_client_id).
pub struct TokenIssuer {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) algorithm: Algorithm,
    pub(super) signer: Box<dyn Sign>,
    pub(super) lifetime: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) key_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) revocations: Option<Arc<dyn Revocations>>,
    material: Material,
}

impl TokenIssuer {
    /// Signs with this key (PKCS#8, PKCS#1 or SEC 1) or secret.
    ///
    /// The `kid` is the key's thumbprint (RFC 7638), so it changes with the key; secrets have none
    /// until [`with_key_id`](Self::with_key_id).
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] when the key is not for the algorithm, cannot be read, or is too weak;
    /// [`ConfigError::EmptyIssuer`], [`ConfigError::EmptyAudience`] and [`ConfigError::Name`].
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        algorithm: Algorithm,
        key: &EncodingKey,
    ) -> Result<Self, ConfigError> {
        let (family, kind) = match key.family() {
            AlgorithmFamily::Hmac => (Family::Hmac, "a secret"),
            AlgorithmFamily::Rsa => (Family::Rsa, "an RSA key"),
            AlgorithmFamily::Ec => (Family::Ec, "an elliptic curve key"),
            AlgorithmFamily::Ed => (Family::Ed25519, "an Ed25519 key"),
        };
        if family != algorithm.family() {
            let algorithm = algorithm.as_str();
            return Err(KeyProblem::AlgorithmMismatch { algorithm, kind }.into());
        }
        let (issuer, audience) = (issuer.into(), audience.into());
        if issuer.is_empty() {
            return Err(ConfigError::EmptyIssuer);
        }
        if audience.is_empty() {
            return Err(ConfigError::EmptyAudience);
        }
        placeholder::check("issuer", &issuer)?;
        placeholder::check("audience", &audience)?;
        if family == Family::Hmac {
            // For what a secret must not be: a public key, or too short.
            VerifyingKey::from_secret(algorithm, key.as_bytes())?;
        }
        let (signer, material) = crypto::signer(algorithm, key.as_bytes())?;
        Ok(Self {
            issuer,
            audience,
            algorithm,
            signer,
            lifetime: DEFAULT_LIFETIME,
            clock: Arc::new(SystemClock),
            key_id: thumbprint(&material),
            client_id: None,
            revocations: None,
            material,
        })
    }

    /// Sets the `kid`, of which verifiers read 256 bytes at the most.
    ///
    /// # Errors
    ///
    /// [`ConfigError::KeyIdTooLong`].
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Result<Self, ConfigError> {
        let key_id = key_id.into();
        if key_id.len() > MAX_KEY_ID {
            return Err(ConfigError::KeyIdTooLong { bytes: key_id.len() });
        }
        self.key_id = Some(key_id);
        Ok(self)
    }

    /// Sets the `client_id` of tokens that name no other.
    #[must_use]
    pub fn with_client_id(mut self, client_id: impl Into<String>) -> Self {
        self.client_id = Some(client_id.into());
        self
    }

    /// Sets how long tokens are valid. The default is 15 minutes.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Looks into these revocations before a token is made, so that a token that is issued after a
    /// revocation is accepted: when everything of its subject or client was revoked up to a moment, `iat` is
    /// later than that, by a second or two in the future if need be.
    ///
    /// Give the same revocations to the verifier. It then adds no leeway to the moments up to which tokens of
    /// this issuer were revoked, so a user who was locked can sign in again at once. For that, clocks must
    /// agree to a second where several programs issue and revoke (also if only one of them has this setting and
    /// they issue under one name), and must not be set back; otherwise set a leeway
    /// ([`with_revocation_leeway`](crate::Validation::with_revocation_leeway)), and new tokens are
    /// refused for as long after a revocation.
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use jsonwebtoken::EncodingKey;
    /// # use tower_bearer::revocation::{MemoryRevocations, Revocation};
    /// # use tower_bearer::{Algorithm, TokenIssuer, Validation, Verifier};
    /// # let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
    /// # let secret = EncodingKey::from_secret(b"at least 32 bytes of randomness, please");
    /// let revocations = MemoryRevocations::new();
    /// let tokens = TokenIssuer::new(issuer, audience, Algorithm::HS256, &secret)?
    ///     .with_revocations(revocations.clone());
    /// let rules = Validation::new(issuer, audience);
    /// let verifier = Verifier::<serde_json::Value>::new(tokens.verifying_key(), rules)?
    ///     .with_revocations(revocations.clone());
    ///
    /// let stolen = tokens.token_for("alice").issue().expect("nothing is revoked");
    /// revocations.revoke(Revocation::subject(issuer, "alice", SystemTime::now()));
    /// let fresh = tokens.token_for("alice").issue().expect("revoked up to now only");
    /// # let check = async {
    /// assert!(verifier.verify(stolen.as_str()).await.is_err());
    /// assert!(verifier.verify(fresh.as_str()).await.is_ok());
    /// # };
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(check);
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn with_revocations(mut self, revocations: impl Revocations) -> Self {
        revocations.heeded_by(&self.issuer);
        self.revocations = Some(Arc::new(revocations));
        self
    }

    /// Asks another clock for the time. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The key that verifies these tokens, for a [`Verifier`](crate::Verifier) in the same program.
    ///
    /// # Panics
    ///
    /// Never: what was good enough to sign with can be verified with.
    pub fn verifying_key(&self) -> VerifyingKey {
        let key = VerifyingKey::new(self.algorithm, &self.material)
            .expect("the material was checked for this algorithm");
        match &self.key_id {
            Some(key_id) => key.with_key_id(key_id),
            None => key,
        }
    }

    /// The public key as a JWK set. Empty when tokens are signed with a secret: that has no public
    /// part.
    pub fn public_keys(&self) -> PublicKeys {
        PublicKeys::new(PublicJwk::new(&self.material, self.algorithm, self.key_id.clone()))
    }
}

fn thumbprint(material: &Material) -> Option<String> {
    let hash = crypto::sha256(&PublicJwk::thumbprint_input(material)?)?;
    Some(URL_SAFE_NO_PAD.encode(hash))
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

const DEFAULT_LIFETIME: Duration = Duration::from_secs(15 * 60);
