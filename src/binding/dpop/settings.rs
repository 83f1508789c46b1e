//! The settings of DPoP.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, Uri};

use super::key::ProofKeys;
use super::nonces::{MAX_LIFETIME, Nonces};
use super::public_url::PublicUrl;
use crate::clock::{Clock, Time};
use crate::config_error::{ConfigError, KeyProblem};
use crate::jose::{Algorithm, Family};
use crate::state::replay::{MemoryReplays, ReplayStore};

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
/// Without another setting, every token has to be bound. A proof is accepted once, within 60 seconds
/// after it was made. It covers the token, the method, and the URI without its query: not the query,
/// the other fields or the body (RFC 9449 §11.7).
///
/// A request that is sent twice needs two proofs: a proxy or a client that repeats requests on its own
/// gets 401 for the second one.
#[derive(Clone)]
pub struct Dpop {
    pub(super) urls: Vec<PublicUrl>,
    pub(super) original_uri: Option<OriginalUri>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: Arc<ProofKeys>,
    pub(super) lifetime: Duration,
    pub(super) max_ahead: Duration,
    pub(super) nonces: Option<Arc<Nonces>>,
    pub(super) replays: Arc<dyn ReplayStore>,
    pub(super) bearer_allowed: bool,
    pub(super) time: Time,
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
    /// With [nonces](Self::with_nonces) the age of the nonce counts, and the dates of the proof do not.
    ///
    /// Used proofs are remembered for this time and a little longer, so a long one needs
    /// [room](MemoryReplays::with_max_proofs).
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`].
    pub fn with_lifetime(mut self, lifetime: Duration) -> Result<Self, ConfigError> {
        self.lifetime = ConfigError::within("the lifetime of a proof", lifetime, 1, MAX_LIFETIME)?;
        Ok(self)
    }

    /// Sets how far in the future the `iat` of a proof may be, because the clock of a client may be
    /// fast. The default is 10 seconds, and five minutes are the most.
    ///
    /// # Errors
    ///
    /// [`ConfigError::OutOfRange`].
    pub fn with_max_ahead(mut self, ahead: Duration) -> Result<Self, ConfigError> {
        self.max_ahead = ConfigError::within("the time ahead of a proof", ahead, 0, MAX_AHEAD)?;
        Ok(self)
    }

    /// Requires a nonce of this server in every proof (RFC 9449 §9), so that a client cannot make
    /// proofs in advance, and its clock need not be right.
    ///
    /// A proof without a nonce, or with an old one, is answered 401 `use_dpop_nonce` with the field
    /// `DPoP-Nonce`. An admitted request gets a new nonce in its answer when its own becomes old; that
    /// answer is `no-store`, whatever the application says.
    #[must_use]
    pub fn with_nonces(mut self, nonces: Nonces) -> Self {
        self.nonces = Some(Arc::new(nonces));
        self
    }

    /// Sets the store of used proofs. The default is a [`MemoryReplays`] of its own,
    /// which clones of this share. An API on several
    /// nodes needs one store for all.
    #[must_use]
    pub fn with_replay_store(mut self, replays: impl ReplayStore) -> Self {
        self.replays = Arc::new(replays);
        self
    }

    /// Sets how many keys of clients stay parsed. The default is 4,096, which take about 4 MB (20 MB with
    /// large RSA keys). A
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

    /// Returns whether proofs are those of FAPI 2.0.
    pub(crate) fn is_fapi2(&self) -> bool {
        let is_allowed = |one: &Algorithm| {
            let allowed = [Algorithm::PS256, Algorithm::ES256, Algorithm::Ed25519];
            allowed.contains(&one.canonical())
        };
        self.algorithms.iter().all(is_allowed) && (10..=60).contains(&self.max_ahead.as_secs())
    }

    /// Returns the algorithms for the challenge (RFC 9449 §7.1).
    pub(crate) fn algs(&self) -> String {
        let names: Vec<_> = self.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        names.join(" ")
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
const DEFAULT_AHEAD: Duration = Duration::from_secs(10);
const MAX_AHEAD: Duration = Duration::from_secs(300);
