use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::keys::IssuerKeys;
use crate::clock::{Clock, SystemClock};
use crate::config_error::{ConfigError, placeholder};
#[cfg(feature = "jwe")]
use crate::keys::EncryptionKey;
use crate::keys::{BoxSigner, PublicKeys, Signer, SigningKey, VerifyingKey, check_key_id};
use crate::state::revocation::Revocations;

/// Signs access tokens.
///
/// ```
/// use tower_bearer::{Algorithm, SigningKey, TokenIssuer, Validation, Verifier};
///
/// # #[derive(serde::Deserialize)] struct User { name: String }
/// # #[derive(serde::Serialize)] struct Profile { name: &'static str }
/// let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
/// let key = SigningKey::from_secret(Algorithm::HS256, "at least 32 bytes of randomness, please")?;
/// let tokens = TokenIssuer::new(issuer, audience, key)?;
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
/// Tokens follow RFC 9068: `typ` is `at+jwt`, and they have `iss`, `aud`, `sub`, `iat`, `nbf`, `exp` and a
/// random `jti`. RFC 9068 asks for `client_id` too, which only the application knows:
/// [`with_client_id`](Self::with_client_id).
///
/// # Keys that are elsewhere
///
/// With a [`Signer`] in place of a [`SigningKey`], tokens are signed by
/// [`issue_async`](super::TokenRequest::issue_async), which waits for the signature:
///
/// ```
/// use tower_bearer::TokenIssuer;
/// use tower_bearer::issue::{IssueError, IssuedToken};
/// # use tower_bearer::SigningKey as KmsKey;
///
/// async fn sign_in(tokens: &TokenIssuer<KmsKey>, user: &str) -> Result<IssuedToken, IssueError> {
///     tokens.token_for(user).with_roles(["user"]).issue_async().await
/// }
/// ```
///
/// # Keys that are replaced
///
/// With [`IssuerKeys`] in place of a [`SigningKey`], the key is replaced while tokens are issued and verified, and
/// no token is refused for it.
#[derive(Clone)]
pub struct TokenIssuer<K = SigningKey> {
    pub(in crate::server) issuer: String,
    pub(super) audiences: Vec<String>,
    /// Shared with the services that publish its keys.
    pub(in crate::server) signer: Arc<K>,
    pub(super) lifetime: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) client_id: Option<String>,
    pub(super) revocations: Option<Arc<dyn Revocations>>,
    #[cfg(feature = "jwe")]
    pub(super) encryption: Option<EncryptionKey>,
}

impl<K: Signer> TokenIssuer<K> {
    /// Makes an issuer of this name (`iss`) for this audience (`aud`) that signs with this key.
    ///
    /// Tokens carry the key's id in `kid`. If no id is set, it is the thumbprint (RFC 7638), so it changes
    /// with the key; secrets have no id until [`SigningKey::with_key_id`] gives one.
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyIssuer`], [`ConfigError::EmptyAudience`] and [`ConfigError::Name`];
    /// [`ConfigError::KeyIdTooLong`] for the key of a signer of your own.
    pub fn new(
        issuer: impl Into<String>,
        audience: impl Into<String>,
        key: K,
    ) -> Result<Self, ConfigError> {
        let (issuer, audience) = (issuer.into(), audience.into());
        if issuer.is_empty() {
            return Err(ConfigError::EmptyIssuer);
        }
        if audience.is_empty() {
            return Err(ConfigError::EmptyAudience);
        }
        placeholder::check("issuer", &issuer)?;
        placeholder::check("audience", &audience)?;
        check_key_id(key.verifying_key().key_id())?;
        Ok(Self {
            issuer,
            audiences: vec![audience],
            signer: Arc::new(key),
            lifetime: DEFAULT_LIFETIME,
            clock: Arc::new(SystemClock),
            client_id: None,
            revocations: None,
            #[cfg(feature = "jwe")]
            encryption: None,
        })
    }

    /// Adds further audiences. Tokens then carry all of them, in this order, as a list in `aud`.
    ///
    /// Each of these services can present the token to the others, so name services only that trust each other.
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyAudience`] and [`ConfigError::Name`].
    pub fn with_audiences<A: Into<String>>(
        mut self,
        audiences: impl IntoIterator<Item = A>,
    ) -> Result<Self, ConfigError> {
        for audience in audiences.into_iter().map(Into::into) {
            if audience.is_empty() {
                return Err(ConfigError::EmptyAudience);
            }
            placeholder::check("audience", &audience)?;
            if !self.audiences.contains(&audience) {
                self.audiences.push(audience);
            }
        }
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

    /// Checks these revocations before a token is issued, so that a token that is issued after a
    /// revocation is accepted: when all tokens of its subject or client were revoked up to a moment, `iat` is
    /// later than that moment, if necessary by a second or two in the future.
    ///
    /// Give the same revocations to the verifier. It then adds no leeway to the moments up to which tokens of
    /// this issuer were revoked, so a user who was locked can sign in again at once. For that, the clocks of all
    /// programs that issue under this name and revoke must agree to a second (also of programs without this
    /// setting), and must not be set back. Otherwise set a leeway
    /// ([`with_revocation_leeway`](crate::Validation::with_revocation_leeway)), and new tokens are
    /// refused for as long after a revocation.
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use tower_bearer::revocation::{MemoryRevocations, Revocation};
    /// # use tower_bearer::{Algorithm, SigningKey, TokenIssuer, Validation, Verifier};
    /// # let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
    /// # let secret = "at least 32 bytes of randomness, please";
    /// # let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
    /// let revocations = MemoryRevocations::new();
    /// let tokens = TokenIssuer::new(issuer, audience, key)?
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

    /// Encrypts each token for this key after it was signed, as a nested JWT (RFC 7519 §5.2, RFC 9068 §4). The API that has
    /// the private key decrypts it:
    /// [`Verifier::with_decryption_keys`](crate::Verifier::with_decryption_keys). Clients cannot read the claims. The
    /// default is not to encrypt.
    ///
    /// A token is encrypted for one key, so name the audiences only that have it.
    ///
    /// ```
    /// use tower_bearer::jose::KeyManagement;
    /// use tower_bearer::keys::{DecryptionKey, EncryptionKey};
    /// # use tower_bearer::{Algorithm, SigningKey, TokenIssuer, Validation, Verifier};
    /// # let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
    /// # let key = SigningKey::generate(Algorithm::ES256)?;
    /// # let secret = [7; 32];
    ///
    /// let shared = EncryptionKey::from_secret(KeyManagement::Dir, secret)?;
    /// let tokens = TokenIssuer::new(issuer, audience, key)?.with_encryption(shared);
    ///
    /// let rules = Validation::new(issuer, audience);
    /// let verifier = Verifier::<serde_json::Value>::new(tokens.verifying_key(), rules)?
    ///     .with_decryption_keys(DecryptionKey::from_secret(KeyManagement::Dir, secret)?)
    ///     .with_required_encryption();
    /// # let check = async {
    /// let issued = tokens.token_for("alice").issue().expect("nothing is wrong");
    /// assert!(verifier.verify(issued.as_str()).await.is_ok());
    /// # };
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(check);
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[cfg(feature = "jwe")]
    #[must_use]
    pub fn with_encryption(mut self, key: EncryptionKey) -> Self {
        self.encryption = Some(key);
        self
    }

    /// Replaces the clock, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Returns the key that verifies the tokens of this moment, for a [`Verifier`](crate::Verifier) in the same
    /// program.
    ///
    /// A key that is [replaced](super::IssuerKeys) is another one later: give the verifier the
    /// [keys](Self::keys) then, which is a source that follows.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.signer.verifying_key().or_thumbprint()
    }

    /// Returns the name of the issuer (`iss`).
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns how long tokens are valid that say nothing else.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Puts the signer behind a pointer, where its type is in the way.
    pub fn boxed(self) -> TokenIssuer<BoxSigner> {
        TokenIssuer {
            issuer: self.issuer,
            audiences: self.audiences,
            signer: Arc::new(BoxSigner::new(self.signer)),
            lifetime: self.lifetime,
            clock: self.clock,
            client_id: self.client_id,
            revocations: self.revocations,
            #[cfg(feature = "jwe")]
            encryption: self.encryption,
        }
    }

    /// Returns the public keys of this moment as a JWK set. It is empty when tokens are signed with a secret,
    /// which has no public part.
    pub fn public_keys(&self) -> PublicKeys {
        self.signer.public_keys()
    }
}

impl TokenIssuer<IssuerKeys> {
    /// Returns the keys, as a source for a [`Verifier`](crate::Verifier) or
    /// [`RevocationService`](crate::endpoints::RevocationService) in the same program.
    pub fn keys(&self) -> IssuerKeys {
        (*self.signer).clone()
    }
}

impl<K: Signer> fmt::Debug for TokenIssuer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer")
            .field("issuer", &self.issuer)
            .field("audiences", &self.audiences)
            .field("key", &self.verifying_key())
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

const DEFAULT_LIFETIME: Duration = Duration::from_secs(15 * 60);
