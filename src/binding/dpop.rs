//! Accepts tokens that are bound to a key, with a proof that the sender of the request has the key
//! (DPoP, RFC 9449).
//!
//! The checks stand in the order of what they cost here: a proof that is wrong in a cheap way is
//! refused before its key is parsed and its signature verified. A proof is remembered after all
//! else, so that no client can fill the memory with proofs that are not accepted.

mod proof;
mod key;
mod public_url;
mod nonces;
mod client;

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL};
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Uri, request};

use self::key::{ProofKey, ProofKeys};
use self::proof::{Proof, ProofClaims};
use self::public_url::PublicUrl;
use super::{Binding, BindingVerdict, Proved};
use crate::challenge::AuthScheme;
use crate::claims::{ConfirmationMethod, NumericDate, Principal};
use crate::clock::{Clock, Time};
use crate::config_error::{ConfigError, KeyProblem};
use crate::error::{AuthError, Reason, shown};
use crate::jose::{Algorithm, Family, crypto};
use crate::state::replay::{MemoryReplays, ProofId, ProofUse, Remembering, ReplayStore};
use crate::verify::presented::Presented;

pub use self::client::{DpopClientLayer, DpopClientService, DpopKey, NewProof};
pub use self::nonces::Nonces;

/// Accepts tokens that are bound to a key (`cnf.jkt`), each with a proof that the sender of the
/// request has the key: DPoP (RFC 9449).
///
/// [`BearerLayer::with_dpop`](crate::BearerLayer::with_dpop) adds it to a layer. All checks of RFC
/// 9449 §4.3 are made for every request, those with a remembered token included.
///
/// ```
/// use tower_bearer::dpop::Dpop;
/// use tower_bearer::{BearerLayer, ConfigError};
///
/// # fn add(layer: BearerLayer<()>) -> Result<BearerLayer<()>, ConfigError> {
/// let layer = layer.with_dpop(Dpop::new("https://api.example.com")?);
/// # Ok(layer)
/// # }
/// ```
///
/// Without another setting, every token has to be bound; a proof is accepted once, and for 60 seconds
/// after it was made.
#[derive(Clone)]
pub struct Dpop {
    urls: Vec<PublicUrl>,
    original_uri: Option<OriginalUri>,
    algorithms: Vec<Algorithm>,
    keys: Arc<ProofKeys>,
    lifetime: Duration,
    max_ahead: Duration,
    nonces: Option<Arc<Nonces>>,
    replays: Arc<dyn ReplayStore>,
    bearer_allowed: bool,
    time: Time,
}

/// Finds the URI of a request before routers changed it.
type OriginalUri = fn(&Extensions) -> Option<&Uri>;

impl Dpop {
    /// Accepts proofs for an API at this public URL: what clients write before the path of a request,
    /// for example `https://api.example.com`.
    ///
    /// The `htu` of a proof has to be this URL with the path of the request behind it. `Host` and
    /// forwarded fields are never read, because clients write them. Where a proxy takes a prefix off
    /// the path, give the URL with the prefix: `https://example.com/orders-api`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when this is not an absolute `https` or `http` URL, or when it has a
    /// user, a query or a fragment.
    pub fn new(public_url: impl AsRef<str>) -> Result<Self, ConfigError> {
        Ok(Self {
            urls: vec![PublicUrl::new(public_url.as_ref())?],
            original_uri: None,
            algorithms: ALGORITHMS.to_vec(),
            keys: Arc::new(ProofKeys::new(DEFAULT_KEYS)),
            lifetime: DEFAULT_LIFETIME,
            max_ahead: DEFAULT_AHEAD,
            nonces: None,
            replays: Arc::new(MemoryReplays::new()),
            bearer_allowed: false,
            time: Time::OfSystem,
        })
    }

    /// Adds another public URL of the same API.
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new).
    pub fn with_public_url(mut self, public_url: impl AsRef<str>) -> Result<Self, ConfigError> {
        self.urls.push(PublicUrl::new(public_url.as_ref())?);
        Ok(self)
    }

    /// Accepts tokens that are bound to no key too, under the scheme `Bearer`. A token that is bound
    /// still needs its proof. The layer then offers both schemes.
    ///
    /// A route can ask for more with [`policy::bound`](crate::policy::bound).
    #[must_use]
    pub fn with_bearer_allowed(mut self) -> Self {
        self.bearer_allowed = true;
        self
    }

    /// Reads the URI of a request from an extension, where a router in front of the layer has taken a
    /// prefix off the path. In axum, [`Router::nest`] does so, and leaves the whole URI in
    /// `axum::extract::OriginalUri`:
    ///
    /// ```
    /// use axum::extract::OriginalUri;
    /// # use tower_bearer::dpop::Dpop;
    ///
    /// let dpop = Dpop::new("https://api.example.com")?.with_original_uri::<OriginalUri>();
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    ///
    /// A request without the extension has its own URI.
    ///
    /// [`Router::nest`]: https://docs.rs/axum/latest/axum/struct.Router.html#method.nest
    #[must_use]
    pub fn with_original_uri<U>(mut self) -> Self
    where
        U: Deref<Target = Uri> + Any + Send + Sync + Clone,
    {
        self.original_uri = Some(|extensions| extensions.get::<U>().map(|uri| &**uri));
        self
    }

    /// Sets the algorithms that proofs may be signed with. The default is all that this crate
    /// verifies with a public key.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoAlgorithms`] for an empty list, and [`KeyProblem::AlgorithmNotAllowed`] for
    /// HS256, HS384 and HS512: a proof is never signed with a secret (RFC 9449 §11.6).
    pub fn with_algorithms(
        mut self,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> Result<Self, ConfigError> {
        self.algorithms = algorithms.into_iter().collect();
        if self.algorithms.is_empty() {
            return Err(ConfigError::NoAlgorithms);
        }
        match self.algorithms.iter().find(|algorithm| algorithm.family() == Family::Hmac) {
            Some(secret) => {
                Err(KeyProblem::AlgorithmNotAllowed { algorithm: secret.to_string() }.into())
            }
            None => Ok(self),
        }
    }

    /// Sets how long a proof is accepted after it was made (`iat`). The default is 60 seconds, and one
    /// hour is the most.
    ///
    /// With [nonces](Self::with_nonces) the age of the nonce counts, and `iat` does not.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`].
    pub fn with_lifetime(mut self, lifetime: Duration) -> Result<Self, ConfigError> {
        self.lifetime = within("the lifetime of a proof", lifetime, 1, MAX_LIFETIME)?;
        Ok(self)
    }

    /// Sets how far in the future the `iat` of a proof may be, because the clock of a client may be
    /// fast. The default is 10 seconds, and five minutes are the most.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`].
    pub fn with_max_ahead(mut self, ahead: Duration) -> Result<Self, ConfigError> {
        self.max_ahead = within("the time ahead of a proof", ahead, 0, MAX_AHEAD)?;
        Ok(self)
    }

    /// Requires a nonce of this server in every proof (RFC 9449 §9), so that a client cannot make
    /// proofs in advance, and its clock need not be right.
    ///
    /// A proof without a nonce, or with an old one, is answered 401 `use_dpop_nonce` with the field
    /// `DPoP-Nonce`. An admitted request gets a new nonce in its answer when its own becomes old.
    #[must_use]
    pub fn with_nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = Some(Arc::new(nonces));
        self
    }

    /// Sets the store of used proofs. The default is a [`MemoryReplays`] of its own. An API on several
    /// nodes needs one store for all.
    #[must_use]
    pub fn with_replays(mut self, replays: impl ReplayStore) -> Self {
        self.replays = Arc::new(replays);
        self
    }

    /// Sets how many keys of clients stay parsed. The default is 4,096, which take about 4 MB. A
    /// client whose key is not among them costs a few microseconds more.
    #[must_use]
    pub fn with_max_keys(mut self, keys: usize) -> Self {
        self.keys = Arc::new(ProofKeys::new(keys));
        self
    }

    /// Sets the clock. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.time = Time::OfClock(Arc::new(clock));
        self
    }

    /// Returns whether tokens that are bound to no key are accepted too.
    pub(crate) fn is_bearer_allowed(&self) -> bool {
        self.bearer_allowed
    }

    /// Returns the algorithms for the challenge (RFC 9449 §7.1).
    pub(crate) fn algs(&self) -> String {
        let names: Vec<_> = self.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        names.join(" ")
    }

    /// Returns the thumbprint of the key that the token is bound to. `None` for a bearer token that
    /// needs no proof.
    fn needed_key(
        &self,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> Result<Option<String>, AuthError> {
        let confirmation = principal.confirmation();
        let thumbprint = confirmation.as_ref().and_then(|keys| keys.jwk_thumbprint());
        match (thumbprint, presented.scheme() == AuthScheme::DPOP) {
            (Some(thumbprint), true) => Ok(Some(thumbprint.to_owned())),
            // RFC 9449 §7.2: such a token is never accepted as a bearer token.
            (Some(_), false) => Err(AuthError::with_detail(Reason::BoundToken, SENT_AS_BEARER)),
            (None, true) => Err(AuthError::with_detail(Reason::UnboundToken, NOT_BOUND)),
            (None, false) if self.bearer_allowed => Ok(None),
            (None, false) => Err(AuthError::with_detail(Reason::UnboundToken, BINDING_NEEDED)),
        }
    }

    /// Makes all checks of a proof but the one whether it was used before.
    fn verify(
        &self,
        request: &request::Parts,
        token: &[u8],
        thumbprint: &str,
    ) -> Result<VerifiedProof, AuthError> {
        let proof = Proof::parse(proof_in(&request.headers)?)?;
        let key = self.keys.find(proof.header());
        let mut buffer = proof::Buffer::new();
        let claims = proof.claims(&mut buffer)?;
        // The header is as cheap to read as the claims, and its key is not.
        let header = match key {
            Some(_) => None,
            None => Some(key::ProofHeader::read(proof.header(), &self.algorithms)?),
        };

        if *claims.method != *request.method.as_str() {
            return Err(AuthError::with_detail(
                Reason::ProofForOtherRequest,
                format!(
                    "`htm` is \"{}\", and the method {}",
                    shown(&claims.method),
                    request.method
                ),
            ));
        }
        self.check_uri(request, &claims)?;
        let is_nonce_current = self.check_nonce(&claims)?;
        self.check_dates(&claims)?;
        check_token(&claims, token)?;
        let key = match (key, header) {
            (Some(key), _) => key,
            (None, Some(header)) => Arc::new(header.into_key()?),
            (None, None) => return Err(invalid("there is no key")),
        };
        if !key.is_allowed(&self.algorithms) {
            return Err(invalid("`alg` is not allowed"));
        }
        if key.thumbprint() != thumbprint {
            let detail = "the proof is signed with another key than `cnf.jkt` of the token names";
            return Err(AuthError::with_detail(Reason::WrongBinding, detail));
        }
        if !proof.is_signed_by(&key) {
            return Err(invalid("the signature is wrong"));
        }
        self.keys.remember(proof.header(), &key);
        let id = proof_id(&key, &claims)?;
        Ok(VerifiedProof { id, is_nonce_current })
    }

    fn check_uri(
        &self,
        request: &request::Parts,
        claims: &ProofClaims<'_>,
    ) -> Result<(), AuthError> {
        let original = self.original_uri.and_then(|find| find(&request.extensions));
        let path = original.unwrap_or(&request.uri).path();
        if self.urls.iter().any(|url| url.is_for(path, &claims.uri)) {
            return Ok(());
        }
        let wanted = self.urls.first().map(|url| url.with_path(path)).unwrap_or_default();
        let hint = if self.original_uri.is_none() { PREFIX_HINT } else { "" };
        let detail = format!(
            "`htu` is \"{}\", and the request is for \"{}\"{hint}",
            shown(&claims.uri),
            shown(&wanted),
        );
        Err(AuthError::with_detail(Reason::ProofForOtherRequest, detail))
    }

    /// Checks the nonce, and returns whether it is the newest one.
    fn check_nonce(&self, claims: &ProofClaims<'_>) -> Result<bool, AuthError> {
        let Some(nonces) = &self.nonces else { return Ok(true) };
        let detail = match &claims.nonce {
            None => "the proof has no `nonce`",
            Some(nonce) => match nonces.check(nonce, &self.time) {
                Some(is_current) => return Ok(is_current),
                None => "`nonce` is old, or not of this server",
            },
        };
        Err(AuthError::with_detail(Reason::NonceNeeded, detail))
    }

    fn check_dates(&self, claims: &ProofClaims<'_>) -> Result<(), AuthError> {
        let now = NumericDate::from(self.time.now());
        let stale = |name: &str, date: NumericDate| {
            let (date, now) = (date.as_seconds(), now.as_seconds());
            let detail = format!("`{name}` is {date}, and now is {now}");
            Err(AuthError::with_detail(Reason::StaleProof, detail))
        };
        // RFC 9449 §4.3: the time of the nonce counts in place of the client's clock.
        let made = claims.issued_at;
        if self.nonces.is_none()
            && (made > now.saturating_add(self.max_ahead)
                || made.saturating_add(self.lifetime) <= now)
        {
            return stale("iat", made);
        }
        // RFC 7519 §4.1: claims that need not be there, but count if they are.
        match (claims.expires_at, claims.not_before) {
            (Some(end), _) if end.saturating_add(self.max_ahead) <= now => stale("exp", end),
            (_, Some(start)) if start > now.saturating_add(self.max_ahead) => stale("nbf", start),
            _ => Ok(()),
        }
    }

    /// Returns for how long a used proof could be accepted again.
    fn window(&self) -> Duration {
        match &self.nonces {
            Some(nonces) => nonces.window(),
            None => self.lifetime.saturating_add(self.max_ahead),
        }
    }

    /// Returns the fields that tell a client the nonce of its next proof.
    fn nonce_fields(&self) -> Option<[(HeaderName, HeaderValue); 3]> {
        let nonce = self.nonces.as_ref()?.current(&self.time);
        Some([
            (DPOP_NONCE, nonce),
            // RFC 9449 §8: an old nonce from a cache is of no use.
            (CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("DPoP-Nonce, WWW-Authenticate"),
            ),
        ])
    }

    fn judge(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> Result<BindingVerdict, AuthError> {
        let Some(thumbprint) = self.needed_key(presented, principal)? else {
            return Ok(BindingVerdict::NotApplicable);
        };
        let verified = self.verify(request, presented.token(), &thumbprint);
        let VerifiedProof { id, is_nonce_current } = verified.map_err(|error| {
            let fields = self.nonce_fields().into_iter().flatten();
            fields.fold(error, |error, (name, value)| error.with_response_field(name, value))
        })?;
        let proved = Proved::by(ConfirmationMethod::Dpop);
        let proved = if is_nonce_current {
            proved
        } else {
            let fields = self.nonce_fields().into_iter().flatten();
            fields.fold(proved, |proved, (name, value)| proved.with_response_field(name, value))
        };
        match self.replays.remember(id, self.window()) {
            Remembering::Done(answer) => once(answer).map(|()| BindingVerdict::Proved(proved)),
            Remembering::Pending(answer) => {
                let pending = Box::pin(async move { once(answer.await) });
                Ok(BindingVerdict::Pending(proved, pending))
            }
        }
    }
}

/// A proof that passes all checks but the one whether it was used before.
struct VerifiedProof {
    id: ProofId,
    /// Whether the client need not be told another nonce.
    is_nonce_current: bool,
}

impl Binding for Dpop {
    fn check(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> BindingVerdict {
        self.judge(request, presented, principal).unwrap_or_else(BindingVerdict::Refused)
    }
}

impl fmt::Debug for Dpop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dpop")
            .field("public_urls", &self.urls)
            .field("algorithms", &self.algorithms)
            .field("lifetime", &self.lifetime)
            .field("has_nonces", &self.nonces.is_some())
            .field("bearer_allowed", &self.bearer_allowed)
            .finish_non_exhaustive()
    }
}

/// Returns the only `DPoP` field.
fn proof_in(headers: &HeaderMap) -> Result<&HeaderValue, AuthError> {
    let mut fields = headers.get_all(DPOP).iter();
    match (fields.next(), fields.next()) {
        (Some(proof), None) => Ok(proof),
        (None, _) => Err(Reason::MissingProof.into()),
        (Some(_), Some(_)) => Err(invalid("there are several `DPoP` fields")),
    }
}

/// RFC 9449 §4.3: `ath` is the hash of the token that was sent.
fn check_token(claims: &ProofClaims<'_>, token: &[u8]) -> Result<(), AuthError> {
    let hash = crypto::sha256(token).ok_or_else(|| invalid("there is no back end"))?;
    let mut expected = [0; 43];
    let written = URL_SAFE_NO_PAD.encode_slice(hash, &mut expected);
    match &claims.token_hash {
        Some(found) if written == Ok(43) && found.as_bytes() == expected => Ok(()),
        Some(_) => Err(invalid("`ath` is the hash of another token")),
        None => Err(invalid("there is no `ath`")),
    }
}

/// Names a proof by its key, its `htu` and its `jti`, which the key has signed: another spelling of the URI is another
/// proof.
fn proof_id(key: &ProofKey, claims: &ProofClaims<'_>) -> Result<ProofId, AuthError> {
    // A thumbprint has a fixed length, and the length of the URI tells where `jti` begins.
    let uri_length = claims.uri.len().to_string();
    let name = [key.thumbprint(), &uri_length, "\n", &claims.uri, &claims.id].concat();
    let hash = crypto::sha256(name.as_bytes()).ok_or_else(|| invalid("there is no back end"))?;
    let (id, _) = hash.split_first_chunk().ok_or_else(|| invalid("there is no hash"))?;
    Ok(ProofId::from_bytes(*id))
}

fn once(answer: Result<ProofUse, crate::error::ReplaysUnavailable>) -> Result<(), AuthError> {
    match answer? {
        ProofUse::First => Ok(()),
        ProofUse::Again => Err(Reason::ReplayedProof.into()),
    }
}

#[cold]
fn invalid(detail: &'static str) -> AuthError {
    AuthError::with_detail(Reason::InvalidProof, detail)
}

fn within(
    what: &'static str,
    value: Duration,
    least: u64,
    most: Duration,
) -> Result<Duration, ConfigError> {
    if value.as_secs() >= least && value <= most {
        return Ok(value);
    }
    Err(ConfigError::OutOfRange { what, value: value.as_secs(), least, most: most.as_secs() })
}

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const ALGORITHMS: [Algorithm; 11] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::ES512,
    Algorithm::Ed25519,
    Algorithm::EdDSA,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
];
const DEFAULT_KEYS: usize = 4096;
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);
const MAX_LIFETIME: Duration = Duration::from_secs(3600);
const DEFAULT_AHEAD: Duration = Duration::from_secs(10);
const MAX_AHEAD: Duration = Duration::from_secs(300);
const SENT_AS_BEARER: &str =
    "the token is bound to a key for DPoP, and was not sent under the scheme `DPoP`";
const NOT_BOUND: &str = "the token was sent under the scheme `DPoP`, and has no `cnf.jkt`";
const BINDING_NEEDED: &str = "the token has no `cnf.jkt`, and this layer requires DPoP";
const PREFIX_HINT: &str =
    "; if a router has taken a prefix off the path, see `Dpop::with_original_uri`";
