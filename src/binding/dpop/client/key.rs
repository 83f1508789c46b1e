use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Method};
use serde::Serialize;

use crate::claims::NumericDate;
use crate::clock::{Clock as _, SystemClock};
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::unsigned::{random_id, segment};
use crate::jose::{Algorithm, crypto};
use crate::keys::{SignError, SigningKey};

/// The key of a client, which makes DPoP proofs (RFC 9449 §4). Cloning is cheap.
///
/// ```
/// use http::Method;
/// use tower_bearer::Algorithm;
/// use tower_bearer::dpop::DpopKey;
///
/// let key = DpopKey::generate(Algorithm::ES256)?;
/// let proof = key.proof(&Method::GET, "https://api.example.com/orders").with_token("token").sign()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`DpopClientLayer`](super::DpopClientLayer) adds proofs to all requests of a client.
#[derive(Clone)]
pub struct DpopKey(Arc<Inner>);

struct Inner {
    key: SigningKey,
    thumbprint: String,
    /// The header of all proofs, encoded.
    header: String,
}

impl DpopKey {
    /// Makes a key.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Key`] for HS256, HS384 and HS512, which no proof is signed with, and without a
    /// back end; [`ConfigError::NoRandomness`].
    pub fn generate(algorithm: Algorithm) -> Result<Self, ConfigError> {
        Self::new(SigningKey::generate(algorithm)?)
    }

    /// Makes proofs with this key.
    ///
    /// # Errors
    ///
    /// [`KeyProblem::AlgorithmNotAllowed`] for a secret.
    pub fn new(key: SigningKey) -> Result<Self, ConfigError> {
        let (algorithm, public) = (key.algorithm(), key.verifying_key());
        let not_allowed = || KeyProblem::AlgorithmNotAllowed { algorithm: algorithm.to_string() };
        let thumbprint = public.thumbprint().ok_or_else(not_allowed)?;
        let jwk = public.bare_public_jwk().ok_or_else(not_allowed)?;
        let header = Header { typ: "dpop+jwt", alg: algorithm.as_str(), jwk: &jwk };
        let header = segment(&header);
        Ok(Self(Arc::new(Inner { key, thumbprint, header })))
    }

    /// Returns the thumbprint of the key (RFC 7638): the `cnf.jkt` of tokens that are bound to it, and the `dpop_jkt` of
    /// an authorization request (RFC 9449 §10).
    pub fn thumbprint(&self) -> &str {
        &self.0.thumbprint
    }

    /// Begins a proof for a request. The URI is absolute. Its query and fragment are left out of the proof.
    pub fn proof<'p>(&'p self, method: &'p Method, uri: &'p str) -> ProofRequest<'p> {
        ProofRequest { key: self, method, uri, token: None, nonce: None, issued_at: None }
    }
}

/// A proof that is not signed yet.
#[must_use]
pub struct ProofRequest<'p> {
    key: &'p DpopKey,
    method: &'p Method,
    uri: &'p str,
    token: Option<&'p str>,
    nonce: Option<&'p str>,
    issued_at: Option<SystemTime>,
}

impl<'p> ProofRequest<'p> {
    /// Binds the proof to the access token of the request (`ath`). A request to a token endpoint has none.
    pub fn with_token(mut self, token: &'p str) -> Self {
        self.token = Some(token);
        self
    }

    /// Adds the nonce that the server has sent in `DPoP-Nonce`.
    pub fn with_nonce(mut self, nonce: &'p str) -> Self {
        self.nonce = Some(nonce);
        self
    }

    /// Sets the time of the proof (`iat`). The default is now.
    pub fn with_issued_at(mut self, time: SystemTime) -> Self {
        self.issued_at = Some(time);
        self
    }

    /// Signs the proof, and returns the value of the field `DPoP`.
    ///
    /// # Errors
    ///
    /// [`SignError`] without randomness or a back end.
    ///
    /// # Panics
    ///
    /// Never: base64url is legal in a field.
    pub fn sign(self) -> Result<HeaderValue, SignError> {
        let Self { key, method, uri, token, nonce, issued_at } = self;
        let hash = token.map(|token| {
            crypto::sha256(token.as_bytes()).ok_or_else(|| SignError::new("there is no back end"))
        });
        let claims = Claims {
            jti: random_id().ok_or_else(|| SignError::new("there is no randomness"))?,
            htm: method.as_str(),
            htu: &uri[..uri.find(['?', '#']).unwrap_or(uri.len())],
            iat: NumericDate::from(issued_at.unwrap_or_else(|| SystemClock.now())).as_seconds(),
            ath: hash.transpose()?.map(|hash| URL_SAFE_NO_PAD.encode(hash)),
            nonce,
        };
        let mut proof = [&*key.0.header, &*segment(&claims)].join(".");
        let signature = key.0.key.sign(proof.as_bytes())?;
        proof.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut proof);
        let mut field = HeaderValue::from_str(&proof).expect("base64url is legal in a field");
        // It may still be good when a log is read.
        field.set_sensitive(true);
        Ok(field)
    }
}

#[derive(Serialize)]
struct Header<'h> {
    typ: &'static str,
    alg: &'static str,
    jwk: &'h serde_json::Value,
}

#[derive(Serialize)]
struct Claims<'c> {
    jti: String,
    htm: &'c str,
    htu: &'c str,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'c str>,
}

// The thumbprint identifies a device.
impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey")
            .field("algorithm", &self.0.key.algorithm())
            .finish_non_exhaustive()
    }
}

// The token is a secret.
impl fmt::Debug for ProofRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProofRequest").field("method", &self.method).finish_non_exhaustive()
    }
}
