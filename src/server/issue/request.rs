use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::TokenIssuer;
use super::keys::IssuerKeys;
#[cfg(feature = "mtls")]
use crate::binding::mtls::ClientCertificate;
use crate::challenge::is_scope_token;
use crate::claims::NumericDate;
use crate::jose::unsigned::{random_id, segment};
#[cfg(feature = "jwe")]
use crate::keys::EncryptionKey;
use crate::keys::{SignError, Signer, SigningKey, VerifyingKey, check_key_id};
use crate::state::revocation::{MAX_DATED_AHEAD, Revocable, Revoked};

/// Builds one token; see [`TokenIssuer::token_for`].
#[must_use = "nothing is signed before `issue` or `issue_async`"]
pub struct TokenRequest<'i, K = SigningKey> {
    issuer: &'i TokenIssuer<K>,
    lifetime: Duration,
    /// In place of the issuer's, if there are any.
    audiences: Option<Vec<String>>,
    claims: Map<String, Value>,
    problem: Option<IssueError>,
}

// Here, so that the issuer's module need not import this one.
impl<K> TokenIssuer<K> {
    /// Starts a token for this subject.
    pub fn token_for(&self, subject: impl Into<String>) -> TokenRequest<'_, K> {
        TokenRequest::new(self, subject.into())
    }
}

impl TokenRequest<'_> {
    /// Signs the token in this process, without waiting.
    ///
    /// # Errors
    ///
    /// [`IssueError`] when the claims given to [`with_claims`](Self::with_claims) cannot be put into
    /// a token, when it would be revoked already, or when the machine has no randomness to give.
    pub fn issue(self) -> Result<IssuedToken, IssueError> {
        let key = Arc::clone(&self.issuer.signer);
        self.issue_with(&key)
    }
}

impl TokenRequest<'_, IssuerKeys> {
    /// Signs the token, with the key that is active.
    ///
    /// If the keys are replaced [by age](super::KeyRotation::with_rotation_after) and the worker is late, this
    /// replaces the key first, which can take as long as making a key and writing a file.
    ///
    /// # Errors
    ///
    /// Those of [`issue`](TokenRequest::issue), and [`IssueError::LifetimeTooLong`].
    pub fn issue(self) -> Result<IssuedToken, IssueError> {
        let key = self.issuer.signer.active();
        self.issue_with(&key)
    }
}

impl<K: Signer> TokenRequest<'_, K> {
    /// Asks the [`Signer`] for a signature, and waits for it.
    ///
    /// The signature is verified before the token is returned. So an exchanged key, or a signature in another form,
    /// is an error here and does not reach clients.
    ///
    /// # Errors
    ///
    /// [`IssueError`]: those of [`issue`](TokenRequest::issue), [`Signer`](IssueError::Signer) when the signer
    /// fails, and [`InvalidSignature`](IssueError::InvalidSignature).
    pub async fn issue_async(self) -> Result<IssuedToken, IssueError> {
        let signer = Arc::clone(&self.issuer.signer);
        match signer.current() {
            Some(current) => self.issue_by(&current).await,
            None => self.issue_by(&*signer).await,
        }
    }

    async fn issue_by(self, signer: &impl Signer) -> Result<IssuedToken, IssueError> {
        let key = signer.verifying_key().or_thumbprint();
        check_key_id(key.key_id()).map_err(SignError::new)?;
        let unsigned = self.prepare(&key)?;
        let message = unsigned.message.as_bytes();
        let signature = signer.sign(message).await?;
        if key.verify(key.algorithm(), message, &signature) {
            unsigned.with_signature(&signature)
        } else {
            Err(IssueError::InvalidSignature)
        }
    }

    fn issue_with(self, key: &SigningKey) -> Result<IssuedToken, IssueError> {
        let unsigned = self.prepare(&key.verifying_key())?;
        let signature = key.sign(unsigned.message.as_bytes())?;
        unsigned.with_signature(&signature)
    }

    /// Everything but the signature.
    fn prepare(mut self, key: &VerifyingKey) -> Result<Unsigned, IssueError> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        if self.claims["sub"].as_str().is_none_or(str::is_empty) {
            return Err(IssueError::EmptySubject);
        }
        if self.lifetime < Duration::from_secs(1) {
            return Err(IssueError::LifetimeTooShort);
        }
        if let Some(most) = self.issuer.signer.max_lifetime()
            && self.lifetime > most
        {
            return Err(IssueError::LifetimeTooLong { most });
        }
        let issuer = self.issuer;
        if let Some(client_id) = &issuer.client_id {
            self.claims.entry("client_id").or_insert_with(|| client_id.as_str().into());
        }
        let now = NumericDate::from(issuer.clock.now()).as_seconds();
        let issued_at = self.issued_at(now)?;
        let lifetime = self.lifetime.as_secs();
        let expires_at = issued_at.saturating_add(i64::try_from(lifetime).unwrap_or(i64::MAX));
        let token_id = random_id().ok_or(IssueError::NoRandomness)?;
        let audiences = self.audiences.as_ref().unwrap_or(&issuer.audiences);
        // RFC 7519 §4.1.3: one audience is a string, several are a list.
        let audience = match &audiences[..] {
            [] => return Err(IssueError::EmptyAudience),
            [audience] => audience.as_str().into(),
            several => several.into(),
        };
        for (name, value) in [
            ("iss", Value::from(issuer.issuer.as_str())),
            ("aud", audience),
            ("iat", issued_at.into()),
            ("nbf", now.into()),
            ("exp", expires_at.into()),
            ("jti", token_id.as_str().into()),
        ] {
            self.claims.insert(name.to_owned(), value);
        }
        let header = Header { alg: key.algorithm().as_str(), typ: "at+jwt", kid: key.key_id() };
        Ok(Unsigned {
            message: format!("{}.{}", segment(&header), segment(&self.claims)),
            token_id,
            lifetime: Duration::from_secs(lifetime),
            expires_at: NumericDate::from_seconds(expires_at).to_system_time(),
            #[cfg(feature = "jwe")]
            encryption: issuer.encryption.clone(),
        })
    }
}

impl<'i, K> TokenRequest<'i, K> {
    fn new(issuer: &'i TokenIssuer<K>, subject: String) -> Self {
        let claims = Map::from_iter([("sub".to_owned(), subject.into())]);
        Self { issuer, lifetime: issuer.lifetime, audiences: None, claims, problem: None }
    }

    /// Grants roles: the claim `roles`, a list.
    pub fn with_roles<R: Into<String>>(self, roles: impl IntoIterator<Item = R>) -> Self {
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.set("roles", roles)
    }

    /// Grants scopes: the claim `scope`, separated by spaces (RFC 8693 §4.2).
    ///
    /// Each entry is one scope (RFC 6749 §3.3), without spaces; [`issue`](Self::issue) refuses others,
    /// so that `"read admin"` from a request does not become two.
    pub fn with_scopes<R: Into<String>>(mut self, scopes: impl IntoIterator<Item = R>) -> Self {
        let scopes: Vec<String> = scopes.into_iter().map(Into::into).collect();
        if let Some(scope) = scopes.iter().find(|scope| !is_scope_token(scope)) {
            self.problem.get_or_insert(IssueError::InvalidScope(scope.clone()));
        }
        self.set("scope", scopes.join(" "))
    }

    /// Sets the client that asked for the token: the claim `client_id`.
    pub fn with_client_id(self, client_id: impl Into<String>) -> Self {
        self.set("client_id", client_id.into())
    }

    /// Binds the token to the key with this thumbprint (`cnf` with `jkt`, RFC 9449 §6.1): that of a proof which the client
    /// has sent with its request ([`Dpop::thumbprint_of`](crate::dpop::Dpop::thumbprint_of)). The type of such a token
    /// is `DPoP` in the answer to the client, and not `Bearer`.
    #[cfg(feature = "dpop")]
    pub fn with_key_thumbprint(mut self, thumbprint: impl Into<String>) -> Self {
        let thumbprint: String = thumbprint.into();
        self.confirm("jkt", thumbprint);
        self
    }

    /// Binds the token to this certificate of a client (`cnf` with `x5t#S256`, RFC 8705 §3.1): that of the connection over
    /// which the client has asked for the token.
    #[cfg(feature = "mtls")]
    pub fn with_client_certificate(mut self, certificate: &ClientCertificate) -> Self {
        self.confirm("x5t#S256", certificate.thumbprint());
        self
    }

    /// Adds a method to `cnf`.
    #[cfg(any(feature = "dpop", feature = "mtls"))]
    fn confirm(&mut self, method: &str, value: impl Into<Value>) {
        let cnf = self.claims.entry("cnf").or_insert_with(|| Value::Object(Map::new()));
        cnf[method] = value.into();
    }

    /// Names the session that the token belongs to: the claim `sid`. All tokens of a session can be
    /// [revoked at once](crate::revocation::Revocation::session).
    pub fn with_session_id(mut self, session_id: impl Into<String>) -> Self {
        let session_id = session_id.into();
        if session_id.is_empty() {
            self.problem.get_or_insert(IssueError::EmptySessionId);
        }
        self.set("sid", session_id)
    }

    /// Sets the audiences of this one token. The default is the issuer's. Several are a list in `aud`.
    pub fn with_audiences<A: Into<String>>(
        mut self,
        audiences: impl IntoIterator<Item = A>,
    ) -> Self {
        let audiences: Vec<String> = audiences.into_iter().map(Into::into).collect();
        if audiences.is_empty() || audiences.iter().any(String::is_empty) {
            self.problem.get_or_insert(IssueError::EmptyAudience);
        }
        self.audiences = Some(audiences);
        self
    }

    /// Sets how long this one token is valid. The default is the issuer's.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Adds the application's own claims: anything that serialises to a JSON object.
    ///
    /// No claim replaces another: if the issuer or another method sets the same claim, [`issue`](Self::issue)
    /// returns an error.
    pub fn with_claims(mut self, claims: &impl Serialize) -> Self {
        match serde_json::to_value(claims) {
            Ok(Value::Object(own)) => {
                own.into_iter().fold(self, |token, (name, value)| token.set(&name, value))
            }
            other => {
                self.problem = Some(match other {
                    Ok(_) => IssueError::NotAnObject,
                    Err(error) => IssueError::Unserializable(error.to_string()),
                });
                self
            }
        }
    }

    fn set(mut self, name: &str, value: impl Into<Value>) -> Self {
        let is_set = self.claims.insert(name.to_owned(), value.into()).is_some();
        if OTHER_KINDS.contains(&name) {
            self.problem.get_or_insert(IssueError::ClaimOfAnotherKind(name.to_owned()));
        }
        if is_set || RESERVED.contains(&name) {
            self.problem.get_or_insert(IssueError::ClaimSetTwice(name.to_owned()));
        }
        self
    }

    /// Returns the date of issue to write into the token, so that no revocation covers it.
    fn issued_at(&self, now: i64) -> Result<i64, IssueError> {
        let Some(revocations) = &self.issuer.revocations else { return Ok(now) };
        let claim = |name| self.claims.get(name).and_then(Value::as_str);
        let names = [
            claim("sid").map(Revocable::Session),
            claim("sub").map(Revocable::Subject),
            claim("client_id").map(Revocable::Client),
            claim("azp").map(Revocable::Client),
            claim("cid").map(Revocable::Client),
            claim("appid").map(Revocable::Client),
        ];
        let names = names.into_iter().flatten();
        let mut issued_at = now;
        for name in names.clone() {
            match revocations.lookup(&self.issuer.issuer, name) {
                None => {}
                Some(Revoked::Entirely) => return Err(IssueError::Revoked { wait: None }),
                Some(Revoked::IssuedUpTo(moment)) => {
                    issued_at = issued_at.max(moment.rounded_up().as_seconds().saturating_add(1));
                }
            }
        }
        let ahead = Duration::from_secs(issued_at.abs_diff(now));
        if let Some(wait) = ahead.checked_sub(MAX_DATED_AHEAD).filter(|wait| !wait.is_zero()) {
            return Err(IssueError::Revoked { wait: Some(wait) });
        }
        if issued_at > now {
            let date = NumericDate::from_seconds(issued_at);
            names.for_each(|name| revocations.dated_ahead(&self.issuer.issuer, name, date));
        }
        Ok(issued_at)
    }
}

/// A token that lacks its signature.
struct Unsigned {
    message: String,
    token_id: String,
    lifetime: Duration,
    expires_at: SystemTime,
    #[cfg(feature = "jwe")]
    encryption: Option<EncryptionKey>,
}

impl Unsigned {
    #[cfg_attr(not(feature = "jwe"), expect(clippy::unnecessary_wraps, reason = "as with `jwe`"))]
    fn with_signature(self, signature: &[u8]) -> Result<IssuedToken, IssueError> {
        let mut token = self.message;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        #[cfg(feature = "jwe")]
        if let Some(key) = &self.encryption {
            token = key.encrypt(&token).ok_or(IssueError::NoRandomness)?;
        }
        Ok(IssuedToken {
            token,
            token_id: self.token_id,
            expires_in: self.lifetime,
            expires_at: self.expires_at,
        })
    }
}

#[derive(Serialize)]
struct Header<'h> {
    alg: &'static str,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'h str>,
}

impl<K: Signer> fmt::Debug for TokenRequest<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenRequest").field("issuer", self.issuer).finish_non_exhaustive()
    }
}

/// A signed token, encrypted if the issuer [encrypts](TokenIssuer::with_encryption). `Debug` shows neither the token nor its `jti`.
#[derive(Clone)]
pub struct IssuedToken {
    token: String,
    token_id: String,
    expires_in: Duration,
    expires_at: SystemTime,
}

impl IssuedToken {
    /// Returns the token in compact form.
    pub fn as_str(&self) -> &str {
        &self.token
    }

    /// Returns the token in compact form, as an owned string.
    pub fn into_string(self) -> String {
        self.token
    }

    /// Returns `jti`, the id of the token.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// Returns how long the token is valid, for `expires_in` in a token response (RFC 6749 §5.1).
    pub fn expires_in(&self) -> Duration {
        self.expires_in
    }

    /// Returns when the token expires.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// A token that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IssueError {
    /// A claim was set twice, or is one that the issuer sets.
    ClaimSetTwice(String),
    /// A claim that marks another kind of token: verifiers refuse an access token with it.
    ClaimOfAnotherKind(String),
    /// An entry of the scopes is not one scope (RFC 6749 §3.3).
    InvalidScope(String),
    /// The subject is empty.
    EmptySubject,
    /// An audience is empty, or there is none.
    EmptyAudience,
    /// The session id is empty.
    EmptySessionId,
    /// The lifetime is below one second.
    LifetimeTooShort,
    /// The lifetime is longer than the signer keeps a key for, so the token could be refused before it expires.
    LifetimeTooLong {
        /// The longest lifetime that is possible.
        most: Duration,
    },
    /// The application's claims are not a JSON object.
    NotAnObject,
    /// The application's claims cannot be written as JSON.
    Unserializable(String),
    /// The session of the token is revoked, or all tokens of its subject or client up to a moment in the
    /// future are.
    Revoked {
        /// The time after which a token can be issued, if ever.
        wait: Option<Duration>,
    },
    /// The operating system has no randomness to give.
    NoRandomness,
    /// The signer made no signature.
    Signer(SignError),
    /// The signer made a signature that its own key does not verify.
    InvalidSignature,
}

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ClaimSetTwice(name) => {
                write!(f, "the claim `{name}` is set already, by the issuer or another method")
            }
            Self::ClaimOfAnotherKind(name) => {
                write!(f, "the claim `{name}` marks another kind of token than an access token")
            }
            Self::InvalidScope(scope) => write!(
                f,
                "the scope {scope:?} is not printable ASCII without spaces, `\"` and `\\`"
            ),
            Self::EmptySubject => f.write_str("the subject is empty"),
            Self::EmptyAudience => f.write_str("an audience is empty, or there is none"),
            Self::EmptySessionId => f.write_str("the session id is empty"),
            Self::LifetimeTooShort => f.write_str("a token must be valid for a second or more"),
            Self::LifetimeTooLong { most } => write!(
                f,
                "a token may be valid for {} s at the most, as long as a retired key is kept; see \
                 `KeyRotation::with_max_lifetime`",
                most.as_secs()
            ),
            Self::NotAnObject => f.write_str("own claims must be a JSON object"),
            Self::Unserializable(problem) => write!(f, "own claims cannot be written: {problem}"),
            Self::Revoked { wait: None } => f.write_str("the token would be revoked already"),
            Self::Revoked { wait: Some(wait) } => {
                write!(
                    f,
                    "the token would be revoked already; in {} s it would not",
                    wait.as_secs()
                )
            }
            Self::NoRandomness => f.write_str("the operating system has no randomness to give"),
            Self::Signer(error) => error.fmt(f),
            Self::InvalidSignature => f.write_str(
                "the signer's key does not verify its signature; it may be of another key or version, of a \
                 digest in place of the message, or in DER, which `keys::ecdsa_from_der` converts",
            ),
        }
    }
}

impl Error for IssueError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Signer(error) => error.source(),
            _ => None,
        }
    }
}

impl From<SignError> for IssueError {
    fn from(error: SignError) -> Self {
        Self::Signer(error)
    }
}

/// The claims that [`Validation`](crate::Validation) reads as marks of another kind of token.
const OTHER_KINDS: [&str; 7] = ["nonce", "at_hash", "c_hash", "events", "cnf", "typ", "token_use"];

const RESERVED: [&str; 7] = ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"];
