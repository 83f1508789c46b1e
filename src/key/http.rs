//! Keys over HTTP: a JWK set at an address, or wherever an issuer's metadata says.

mod address;
mod client;
mod discovery;
mod exchange;
mod freshness;
mod problem;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

pub use client::HttpClient;

use self::address::Address;
use self::exchange::{Document, Exchange};
use self::problem::Problem;
use super::KeySet;
use super::cached::{CachedKeys, Fetch, Fetched};
use crate::clock::Moment;
use crate::config_error::ConfigError;
use crate::error::{KeysUnavailable, chain};
use crate::jose::Algorithm;
use crate::trace;

/// Keys of an identity provider, kept fresh.
///
/// ```no_run
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tower_bearer::{RemoteKeys, Validation, Verifier};
///
/// # #[derive(serde::Deserialize)] struct User {}
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let issuer = "https://id.example.com";
/// let keys = Arc::new(RemoteKeys::discover(issuer)?);
/// // To rather not start without: keys.await_ready(Duration::from_secs(30)).await?;
/// let verifier = Verifier::<User>::new(
///     Arc::clone(&keys),
///     Validation::new(issuer, "https://api.example.com"),
/// )?;
/// // For a readiness probe: keys.status().is_ready()
/// # Ok(())
/// # }
/// ```
///
/// Everything that can be set about keeping them is a method of [`CachedKeys`]; for what is about
/// fetching, make an [`HttpFetch`] first and give it to [`CachedKeys::new`].
pub type RemoteKeys = CachedKeys<HttpFetch>;

impl RemoteKeys {
    /// Finds the keys by the issuer's metadata (OpenID Connect Discovery, RFC 8414); see
    /// [`HttpFetch::discover`].
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`]. Nothing is fetched yet.
    pub fn discover(issuer: &str) -> Result<Self, ConfigError> {
        HttpFetch::discover(issuer).map(Self::new)
    }

    /// Fetches the keys from where they are; see [`HttpFetch::new`].
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`]. Nothing is fetched yet.
    pub fn from_url(jwks_url: &str) -> Result<Self, ConfigError> {
        HttpFetch::new(jwks_url).map(Self::new)
    }
}

/// Fetches a JWK set over HTTPS, once each time it is asked. [`CachedKeys`] decides when.
///
/// - HTTPS only, except on this machine (`127.0.0.1`, `[::1]`, `localhost`), where nothing from
///   elsewhere leads to.
/// - 5 seconds to connect, 10 for each document; 256 KiB of it, counted while reading; of the set the
///   first 100 keys. Redirects are not followed. All of it is one `GET`, or two with discovery.
/// - An unchanged set is not sent again (`ETag`, `Last-Modified`); how long it is fresh is what
///   `Cache-Control`, `Expires` and `Age` say (RFC 9111 §4.2).
/// - Whatever the content type says, an answer is keys if it is a JWK set, and nothing else is.
/// - A key that cannot be used is left out and costs no other. Secrets and private keys have no place in
///   a public set: they are left out and reported as errors.
///
/// Proxies named by the environment (`HTTPS_PROXY`, …) are used, and certificates are checked as the
/// operating system does.
pub struct HttpFetch {
    place: Place,
    exchange: Exchange,
    algorithms: Option<Vec<Algorithm>>,
    kept: Mutex<Kept>,
}

enum Place {
    Jwks(Address),
    Issuer(Address),
}

/// What was found the last time.
#[derive(Default)]
struct Kept {
    metadata: Option<Metadata>,
    set: Option<Set>,
}

#[derive(Clone)]
struct Metadata {
    found_at: Address,
    document: Document,
    jwks_uri: Address,
    confirmed: Moment,
}

#[derive(Clone)]
struct Set {
    address: Address,
    document: Document,
    keys: KeySet,
}

impl HttpFetch {
    /// Fetches the JWK set at this address.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is no URL, or not HTTPS.
    pub fn new(jwks_url: &str) -> Result<Self, ConfigError> {
        Address::parse(jwks_url).map(Place::Jwks).map(Self::at)
    }

    /// Finds the JWK set by the metadata of an issuer, which is looked for, in this order, at
    ///
    /// 1. `<issuer>/.well-known/openid-configuration` (OpenID Connect Discovery §4),
    /// 2. `<host>/.well-known/oauth-authorization-server/<path>` (RFC 8414 §3),
    /// 3. `<host>/.well-known/openid-configuration/<path>` (RFC 8414 §5), if the issuer has a path.
    ///
    /// The issuer in the metadata must be this one, to the letter (RFC 8414 §3.3), and `jwks_uri` HTTPS.
    /// The metadata is read again when it is not fresh any more, and when the keys are not where they
    /// were. While that fails, what it has said stays in use for a day.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the issuer is no URL, not HTTPS, or has a query or a fragment.
    pub fn discover(issuer: &str) -> Result<Self, ConfigError> {
        Address::parse_issuer(issuer).map(Place::Issuer).map(Self::at)
    }

    fn at(place: Place) -> Self {
        let exchange = Exchange {
            client: None,
            timeout: DEFAULT_TIMEOUT,
            redirects: 0,
            same_origin_only: false,
        };
        Self { place, exchange, algorithms: None, kept: Mutex::default() }
    }

    /// Sends requests with this client. Limits, timeouts and checks of addresses stay as they are.
    #[must_use]
    pub fn with_client(mut self, client: impl HttpClient) -> Self {
        self.exchange.client = Some(Arc::new(client));
        self
    }

    /// Sets how long one document may take, from the request to its last byte. The default is 10
    /// seconds. A fetch as a whole ends after 30 seconds, whatever is set here.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.exchange.timeout = timeout;
        self
    }

    /// Follows so many redirects, each to an address from which keys may come. The default is none.
    #[must_use]
    pub fn with_redirects(mut self, most: usize) -> Self {
        self.exchange.redirects = most;
        self
    }

    /// Uses the keys for these algorithms only; RSA keys that name no `alg` for each RSA algorithm in
    /// the list instead of RS256. See [`KeySet::from_jwks_for`].
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Accepts a `jwks_uri`, and redirects, of the issuer's own scheme, host and port only. Some
    /// providers keep their keys elsewhere, so this is off by default.
    #[must_use]
    pub fn with_same_origin_only(mut self) -> Self {
        self.exchange.same_origin_only = true;
        self
    }

    /// Timeout, redirects, and whether keys must be of the issuer's origin.
    #[cfg(feature = "config")]
    pub(crate) fn in_force(&self) -> (Duration, usize, bool) {
        let Exchange { timeout, redirects, same_origin_only, .. } = self.exchange;
        (timeout, redirects, same_origin_only)
    }

    async fn fetch_keys(&self) -> Result<Fetched, Problem> {
        let issuer = match &self.place {
            Place::Jwks(address) => return self.load(address).await,
            Place::Issuer(issuer) => issuer,
        };
        let (jwks_uri, is_new) = self.locate(issuer).await?;
        match self.load(&jwks_uri).await {
            // Their provider may have moved them, and its metadata was not to be read again so soon.
            Err(problem) if !is_new && problem.may_have_moved() => {
                let known = self.kept().metadata.clone();
                match self.discover_again(issuer, known).await {
                    Ok(metadata) if metadata.jwks_uri != jwks_uri => {
                        let moved = metadata.jwks_uri.clone();
                        self.kept().metadata = Some(metadata);
                        self.load(&moved).await
                    }
                    // What was known stays so: they may be away for a moment only.
                    _ => Err(problem),
                }
            }
            result => result,
        }
    }

    /// Where the keys of an issuer are, and whether its metadata was read for that.
    async fn locate(&self, issuer: &Address) -> Result<(Address, bool), Problem> {
        let known = self.kept().metadata.clone();
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
            return Ok((known.jwks_uri.clone(), false));
        }
        match (self.discover_again(issuer, known.clone()).await, known) {
            (Ok(metadata), _) => {
                let jwks_uri = metadata.jwks_uri.clone();
                self.kept().metadata = Some(metadata);
                Ok((jwks_uri, true))
            }
            (Err(problem), Some(known)) if known.confirmed.elapsed() < METADATA_KEPT => {
                trace::metadata_not_fetched(issuer.as_str(), &chain(&problem));
                Ok((known.jwks_uri, false))
            }
            (Err(problem), _) => Err(problem),
        }
    }

    async fn discover_again(
        &self,
        issuer: &Address,
        mut known: Option<Metadata>,
    ) -> Result<Metadata, Problem> {
        let mut places = discovery::places(issuer);
        // Where it was the last time is the best guess.
        if let Some(known) = &known {
            places.sort_by_key(|place| *place != known.found_at);
        }
        let mut problems = Vec::new();
        for place in places {
            let mut same = known.take_if(|known| known.found_at == place);
            let document = same.as_mut().map(|known| &mut known.document);
            let answer = self.exchange.get(&place, ACCEPT_METADATA, document).await;
            let metadata = match (answer, same) {
                (Ok(None), Some(known)) => Ok(Metadata { confirmed: Moment::now(), ..known }),
                (Ok(None), None) => Err(Problem::Status(StatusCode::NOT_MODIFIED)),
                (Ok(Some(document)), _) => self.read_metadata(issuer, &place, document),
                (Err(problem), _) => Err(problem),
            };
            match metadata {
                Ok(metadata) => return Ok(metadata),
                Err(problem) => {
                    let is_silent = matches!(problem, Problem::Timeout(_));
                    problems.push(problem.at(place));
                    // All places are on one host. What is left of the time is for the keys.
                    if is_silent {
                        break;
                    }
                }
            }
        }
        Err(Problem::NoMetadata(problems))
    }

    fn read_metadata(
        &self,
        issuer: &Address,
        place: &Address,
        document: Document,
    ) -> Result<Metadata, Problem> {
        let jwks_uri = discovery::read(&document.body, issuer)?;
        if self.exchange.same_origin_only && !jwks_uri.is_same_origin(issuer) {
            return Err(Problem::OtherOrigin(jwks_uri.to_string()));
        }
        let (found_at, confirmed) = (place.clone(), Moment::now());
        Ok(Metadata { found_at, document, jwks_uri, confirmed })
    }

    async fn load(&self, address: &Address) -> Result<Fetched, Problem> {
        let mut known = self.kept().set.clone().filter(|set| set.address == *address);
        let document = known.as_mut().map(|known| &mut known.document);
        let answer = self.exchange.get(address, ACCEPT_KEYS, document).await;
        let set = match (answer.map_err(|problem| problem.at(address))?, known) {
            (None, Some(known)) => known,
            (None, None) => return Err(Problem::Status(StatusCode::NOT_MODIFIED).at(address)),
            (Some(document), Some(known)) if document.body == known.document.body => {
                Set { document, ..known }
            }
            (Some(document), _) => {
                let algorithms = self.algorithms.as_deref();
                let keys = KeySet::read_remote(&document.body, algorithms, MAX_KEYS)
                    .map_err(|error| Problem::Keys(error).at(address))?;
                Set { address: address.clone(), document, keys }
            }
        };
        let fetched = Fetched::from(set.keys.clone());
        let fresh_for = set.document.fresh_for;
        // The last step, so that what was given up half-way leaves nothing behind.
        self.kept().set = Some(set);
        Ok(match fresh_for {
            Some(fresh_for) => fetched.with_fresh_for(fresh_for),
            None => fetched,
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Metadata {
    fn is_fresh(&self) -> bool {
        let fresh_for = self.document.fresh_for.unwrap_or(METADATA_FRESH_BY_DEFAULT);
        self.confirmed.elapsed() < fresh_for.clamp(METADATA_FRESH_AT_LEAST, METADATA_KEPT)
    }
}

impl Fetch for HttpFetch {
    async fn fetch(&self) -> Result<Fetched, KeysUnavailable> {
        self.fetch_keys().await.map_err(KeysUnavailable::new)
    }

    fn describe(&self) -> String {
        match &self.place {
            Place::Jwks(address) | Place::Issuer(address) => address.to_string(),
        }
    }
}

impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpFetch")
            .field("from", &self.describe())
            .field("timeout", &self.exchange.timeout)
            .field("redirects", &self.exchange.redirects)
            .field("same_origin_only", &self.exchange.same_origin_only)
            .finish_non_exhaustive()
    }
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const METADATA_FRESH_BY_DEFAULT: Duration = Duration::from_secs(10 * 60);
const METADATA_FRESH_AT_LEAST: Duration = Duration::from_secs(60);
const METADATA_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
const ACCEPT_KEYS: &str = "application/jwk-set+json, application/json";
const ACCEPT_METADATA: &str = "application/json";
const MAX_KEYS: usize = 100;
