//! Fetches keys over HTTP: a JWK set at a given address, or at the address in the metadata of an issuer.

mod dangerous;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;

pub use dangerous::DangerousFetch;

use crate::clock::Moment;
use crate::config_error::ConfigError;
use crate::error::{KeysUnavailable, chain};
use crate::jose::Algorithm;
use crate::keys::KeySet;
use crate::keys::cached::{CachedKeys, Fetch, Fetched};
use crate::net::address::{Address, Allowed, shown_address};
use crate::net::bearer_file::BearerFile;
use crate::net::client::HttpClient;
use crate::net::discovery;
use crate::net::error::FetchError;
use crate::net::exchange::{Document, Exchange};
use crate::observe::trace;

/// Fetches the keys of an identity provider, and keeps them fresh.
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
/// // To wait for the keys at the start: keys.await_ready(Duration::from_secs(30)).await?;
/// let verifier = Verifier::<User>::new(
///     Arc::clone(&keys),
///     Validation::new(issuer, "https://api.example.com"),
/// )?;
/// // For a readiness probe: keys.status().is_ready()
/// # Ok(())
/// # }
/// ```
///
/// The options about keeping keys are methods of [`CachedKeys`]. For options about fetching, make an [`HttpFetch`]
/// first and give it to [`CachedKeys::new`].
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

    /// Finds the keys by the issuer's metadata at this address; see [`HttpFetch::discover_at`].
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] and [`ConfigError::Name`]. Nothing is fetched yet.
    pub fn discover_at(issuer: &str, metadata_url: &str) -> Result<Self, ConfigError> {
        HttpFetch::discover_at(issuer, metadata_url).map(Self::new)
    }

    /// Fetches the JWK set at this address; see [`HttpFetch::new`].
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
/// - HTTPS only, except on this machine (`127.0.0.1`, `[::1]`, `localhost`). [`dangerous`](Self::dangerous)
///   allows plain HTTP inside of a private network.
/// - A host that is configured here may be anywhere. A host that the provider's metadata or a redirect
///   names is connected to at public addresses only: not at one of this machine, of a private network,
///   or link-local. [`dangerous`](Self::dangerous) allows private networks. Through a proxy it is the
///   proxy that resolves names and decides. An issuer that comes from a user of the application is treated
///   as configured too, so check it first.
/// - 5 seconds to connect, 10 for each document; 256 KiB of it, counted while reading; of the set the
///   first 100 keys. Redirects are not followed. All of it is one `GET`, or two with discovery.
/// - An unchanged set is not sent again (`ETag`, `Last-Modified`); how long it is fresh is what
///   `Cache-Control`, `Expires` and `Age` say (RFC 9111 §4.2).
/// - An answer is accepted if and only if it is a JWK set, whatever its content type says.
/// - A key that cannot be used is left out, and the others stay usable. Secrets and private keys have no place in
///   a public set: they are left out and reported as errors.
///
/// Proxies named by the environment (`HTTPS_PROXY`, …) are used, and certificates are checked by rustls as
/// the operating system does, whatever other crates of a program switch on in reqwest.
pub struct HttpFetch {
    place: Place,
    exchange: Exchange,
    algorithms: Option<Vec<Algorithm>>,
    max_keys: usize,
    last: Mutex<LastFetch>,
}

enum Place {
    Jwks(Address),
    Issuer {
        issuer: Address,
        /// The address of its metadata, if that does not follow from the issuer.
        metadata: Option<Address>,
    },
    /// The issuer of several tenants, which is no address.
    Template {
        issuer: Box<str>,
        metadata: Address,
    },
}

/// Keeps the results of the last fetch.
#[derive(Default)]
struct LastFetch {
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
        Self::dangerous().from_url(jwks_url)
    }

    /// Finds the JWK set by the metadata of an issuer, which is looked for, in this order, at
    ///
    /// 1. `<issuer>/.well-known/openid-configuration` (OpenID Connect Discovery §4),
    /// 2. `<host>/.well-known/oauth-authorization-server/<path>` (RFC 8414 §3),
    /// 3. `<host>/.well-known/openid-configuration/<path>` (RFC 8414 §5), if the issuer has a path.
    ///
    /// The issuer in the metadata must be this one, to the letter (RFC 8414 §3.3), and `jwks_uri` HTTPS.
    /// The metadata is read again when it is not fresh any more, and when the keys are not at their address any
    /// more. While that fails, the old metadata stays in use for a day.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the issuer is no URL, not HTTPS, or has a query or a fragment.
    pub fn discover(issuer: &str) -> Result<Self, ConfigError> {
        Self::dangerous().discover(issuer)
    }

    /// Finds the JWK set by the metadata at this address, which must be of this issuer, to the letter.
    ///
    /// The issuer may be a template for several [tenants](crate::Validation::with_tenants), with `{tenantid}` in
    /// place of the tenant. Nothing is fetched from the template: only from the address of the metadata and the
    /// `jwks_uri` in it.
    ///
    /// ```
    /// use tower_bearer::keys::HttpFetch;
    ///
    /// let fetch = HttpFetch::discover_at(
    ///     "https://login.microsoftonline.com/{tenantid}/v2.0",
    ///     "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
    /// )?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when one of them is no URL or not HTTPS, or the issuer has a query or a fragment;
    /// [`ConfigError::Name`] when a template has another placeholder.
    pub fn discover_at(issuer: &str, metadata_url: &str) -> Result<Self, ConfigError> {
        Self::dangerous().discover_at(issuer, metadata_url)
    }

    fn at(place: Place, allowed: Allowed) -> Self {
        let (Place::Jwks(own)
        | Place::Issuer { issuer: own, .. }
        | Place::Template { metadata: own, .. }) = &place;
        let exchange = Exchange::new(vec![own.clone()], allowed);
        let last = Mutex::default();
        Self { place, exchange, algorithms: None, max_keys: DEFAULT_MAX_KEYS, last }
    }

    /// Reads the metadata at this address instead of looking for it at the issuer's, for networks in which
    /// the provider has another name than outside.
    ///
    /// The issuer in the metadata must still be the one that was given to [`discover`](Self::discover), to the
    /// letter.
    ///
    /// ```
    /// use tower_bearer::keys::HttpFetch;
    ///
    /// // Browsers know Keycloak as id.example.com, and containers as keycloak:8080.
    /// let fetch = HttpFetch::dangerous()
    ///     .allow_plain_http()
    ///     .discover("https://id.example.com/realms/shop")?
    ///     .with_metadata_url(
    ///         "http://keycloak:8080/realms/shop/.well-known/openid-configuration",
    ///     )?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is no URL, or neither HTTPS nor allowed to be plain HTTP, and when
    /// nothing is discovered because the address of the keys was given.
    pub fn with_metadata_url(mut self, url: &str) -> Result<Self, ConfigError> {
        let address = || Address::parse(url, self.exchange.allowed);
        match &mut self.place {
            Place::Jwks(_) => {
                return Err(ConfigError::Address {
                    address: shown_address(url),
                    problem: "means nothing where the address of the keys is given",
                });
            }
            Place::Issuer { issuer, metadata } => {
                let address = address()?;
                self.exchange.own = vec![issuer.clone(), address.clone()];
                *metadata = Some(address);
            }
            Place::Template { metadata, .. } => {
                *metadata = address()?;
                self.exchange.own = vec![metadata.clone()];
            }
        }
        self.check_bearer()?;
        Ok(self)
    }

    /// Trusts the authorities in this PEM text besides those of the operating system, for providers whose
    /// certificates are signed by an authority of their own.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when there is no certificate in it, or none that can be used.
    pub fn with_root_certificates(mut self, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        self.exchange.transport = Arc::new(self.exchange.transport.with_roots(pem.as_ref())?);
        Ok(self)
    }

    /// Sends requests through this proxy, and none that the environment names. Plain HTTP on this machine
    /// stays direct.
    ///
    /// The proxy resolves the names of hosts, so it decides whether a name leads into a private network.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is not the `http` or `https` URL of a proxy.
    pub fn with_proxy(mut self, url: &str) -> Result<Self, ConfigError> {
        self.exchange.transport = Arc::new(self.exchange.transport.with_proxy(url)?);
        Ok(self)
    }

    /// Sends the bearer token in this file when keys and metadata are fetched, as Kubernetes asks for. The
    /// file is read for each fetch, so the token may be replaced.
    ///
    /// The token is sent to the scheme, host and port that are configured, and to no other that metadata or
    /// a redirect names. A Kubernetes API server names an address of its own in its metadata, so
    /// give the address of its keys to [`HttpFetch::new`]:
    ///
    /// ```no_run
    /// use tower_bearer::keys::HttpFetch;
    ///
    /// let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    /// let fetch = HttpFetch::new("https://kubernetes.default.svc/openid/v1/jwks")?
    ///     .with_root_certificates(std::fs::read(format!("{account}/ca.crt"))?)?
    ///     .with_bearer_file(format!("{account}/token"))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableFile`] when there is no token in the file, and [`ConfigError::Address`] when
    /// it would be sent over plain HTTP to another machine.
    pub fn with_bearer_file(mut self, path: impl Into<PathBuf>) -> Result<Self, ConfigError> {
        self.exchange.bearer = Some(BearerFile::open(path.into())?);
        self.check_bearer()?;
        Ok(self)
    }

    fn check_bearer(&self) -> Result<(), ConfigError> {
        let (Place::Jwks(asked)
        | Place::Issuer { metadata: Some(asked), .. }
        | Place::Template { metadata: asked, .. }
        | Place::Issuer { issuer: asked, metadata: None }) = &self.place;
        if self.exchange.bearer.is_some() && asked.is_plain() && !asked.is_loopback() {
            return Err(ConfigError::Address {
                address: shown_address(asked.as_str()),
                problem: "is not HTTPS, so an attacker on the way could read the bearer token",
            });
        }
        Ok(())
    }

    /// Sends requests with this client. Limits, timeouts and checks of addresses stay as they are;
    /// [`HttpClient`] lists the duties of a client.
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

    /// Follows up to this number of redirects, each to an address from which keys may come. The default is none.
    #[must_use]
    pub fn with_redirects(mut self, most: usize) -> Self {
        self.exchange.redirects = most;
        self
    }

    /// Sets how long a document may be, in bytes. The default is 262,144 (256 KiB).
    #[must_use]
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.exchange.max_bytes = bytes;
        self
    }

    /// Sets how many keys of a set are used. The default is the first 100;
    /// [`KeysStatus::skipped`](crate::keys::KeysStatus::skipped) reports the others.
    #[must_use]
    pub fn with_max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    /// Uses the keys for these algorithms only; RSA keys that name no `alg` for each RSA algorithm in
    /// the list instead of RS256. See [`KeySet::from_jwks_for`].
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Accepts a `jwks_uri`, and redirects, of the issuer's own scheme, host and port only, or those of
    /// [its metadata](Self::with_metadata_url). Some providers keep their keys elsewhere, so this is off by
    /// default.
    #[must_use]
    pub fn with_same_origin_only(mut self) -> Self {
        self.exchange.same_origin_only = true;
        self
    }

    #[cfg(feature = "config")]
    pub(crate) fn effective(&self) -> EffectiveFetch {
        let Exchange { timeout, redirects, max_bytes, same_origin_only, .. } = self.exchange;
        EffectiveFetch { timeout, redirects, max_bytes, max_keys: self.max_keys, same_origin_only }
    }

    async fn fetch_keys(&self) -> Result<Fetched, FetchError> {
        let issuer = match &self.place {
            Place::Jwks(address) => return self.load(address).await,
            Place::Issuer { issuer, .. } => issuer.as_str(),
            Place::Template { issuer, .. } => issuer,
        };
        let (jwks_uri, is_new) = self.locate(issuer).await?;
        match self.load(&jwks_uri).await {
            // The provider may have moved its keys, and the metadata was still fresh.
            Err(problem) if !is_new && problem.may_have_moved() => {
                let known = self.last().metadata.clone();
                match self.discover_again(issuer, known).await {
                    Ok(metadata) if metadata.jwks_uri != jwks_uri => {
                        let moved = metadata.jwks_uri.clone();
                        self.last().metadata = Some(metadata);
                        self.load(&moved).await
                    }
                    // The known address stays: the keys may be missing for a moment only.
                    _ => Err(problem),
                }
            }
            result => result,
        }
    }

    /// Returns the address of an issuer's keys, and whether its metadata was read for that.
    async fn locate(&self, issuer: &str) -> Result<(Address, bool), FetchError> {
        let known = self.last().metadata.clone();
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
            return Ok((known.jwks_uri.clone(), false));
        }
        match (self.discover_again(issuer, known.clone()).await, known) {
            (Ok(metadata), _) => {
                let jwks_uri = metadata.jwks_uri.clone();
                self.last().metadata = Some(metadata);
                Ok((jwks_uri, true))
            }
            (Err(problem), Some(known)) if known.confirmed.elapsed() < METADATA_KEPT => {
                trace::metadata_not_fetched(issuer, &chain(&problem));
                Ok((known.jwks_uri, false))
            }
            (Err(problem), _) => Err(problem),
        }
    }

    async fn discover_again(
        &self,
        issuer: &str,
        mut known: Option<Metadata>,
    ) -> Result<Metadata, FetchError> {
        let mut places = match &self.place {
            Place::Jwks(place)
            | Place::Issuer { metadata: Some(place), .. }
            | Place::Template { metadata: place, .. } => vec![place.clone()],
            Place::Issuer { issuer, metadata: None } => {
                discovery::places(issuer, self.exchange.allowed)
            }
        };
        // The address of the last time is the best guess.
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
                (Ok(None), None) => Err(FetchError::Status(StatusCode::NOT_MODIFIED)),
                (Ok(Some(document)), _) => self.read_metadata(issuer, &place, document),
                (Err(problem), _) => Err(problem),
            };
            match metadata {
                Ok(metadata) => return Ok(metadata),
                Err(problem) => {
                    let is_silent = matches!(problem, FetchError::Timeout(_));
                    problems.push(problem.at(place));
                    // All places are on one host. What is left of the time is for the keys.
                    if is_silent {
                        break;
                    }
                }
            }
        }
        Err(FetchError::NoMetadata(problems))
    }

    fn read_metadata(
        &self,
        issuer: &str,
        place: &Address,
        document: Document,
    ) -> Result<Metadata, FetchError> {
        let jwks_uri = discovery::read(&document.body, issuer, place, self.exchange.allowed)?;
        if self.exchange.same_origin_only && !self.exchange.is_own_origin(&jwks_uri) {
            return Err(FetchError::OtherOrigin(jwks_uri.to_string()));
        }
        let (found_at, confirmed) = (place.clone(), Moment::now());
        Ok(Metadata { found_at, document, jwks_uri, confirmed })
    }

    async fn load(&self, address: &Address) -> Result<Fetched, FetchError> {
        let mut known = self.last().set.clone().filter(|set| set.address == *address);
        let document = known.as_mut().map(|known| &mut known.document);
        let answer = self.exchange.get(address, ACCEPT_KEYS, document).await;
        let set = match (answer.map_err(|problem| problem.at(address))?, known) {
            (None, Some(known)) => known,
            (None, None) => return Err(FetchError::Status(StatusCode::NOT_MODIFIED).at(address)),
            (Some(document), Some(known)) if document.body == known.document.body => {
                Set { document, ..known }
            }
            (Some(document), _) => {
                let algorithms = self.algorithms.as_deref();
                let keys = KeySet::read_remote(&document.body, algorithms, self.max_keys)
                    .map_err(|error| FetchError::Keys(error).at(address))?;
                Set { address: address.clone(), document, keys }
            }
        };
        let fetched = Fetched::from(set.keys.clone());
        let fresh_for = set.document.fresh_for;
        // The last step, so that a fetch that ends early changes nothing.
        self.last().set = Some(set);
        Ok(match fresh_for {
            Some(fresh_for) => fetched.with_fresh_for(fresh_for),
            None => fetched,
        })
    }

    fn last(&self) -> MutexGuard<'_, LastFetch> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
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
            Place::Jwks(address) | Place::Issuer { issuer: address, .. } => address.to_string(),
            Place::Template { issuer, .. } => issuer.to_string(),
        }
    }
}

impl fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metadata = match &self.place {
            Place::Issuer { metadata, .. } => metadata.as_ref(),
            Place::Template { metadata, .. } => Some(metadata),
            Place::Jwks(_) => None,
        };
        f.debug_struct("HttpFetch")
            .field("from", &self.describe())
            .field("metadata", &metadata)
            .field("allowed", &self.exchange.allowed)
            .field("transport", &self.exchange.transport)
            .field("bearer", &self.exchange.bearer)
            .field("timeout", &self.exchange.timeout)
            .field("redirects", &self.exchange.redirects)
            .field("max_bytes", &self.exchange.max_bytes)
            .field("max_keys", &self.max_keys)
            .field("same_origin_only", &self.exchange.same_origin_only)
            .finish_non_exhaustive()
    }
}

/// The settings of fetches, defaults included.
#[cfg(feature = "config")]
pub(crate) struct EffectiveFetch {
    pub(crate) timeout: Duration,
    pub(crate) redirects: usize,
    pub(crate) max_bytes: usize,
    pub(crate) max_keys: usize,
    pub(crate) same_origin_only: bool,
}

const DEFAULT_MAX_KEYS: usize = 100;
const METADATA_FRESH_BY_DEFAULT: Duration = Duration::from_secs(10 * 60);
const METADATA_FRESH_AT_LEAST: Duration = Duration::from_secs(60);
const METADATA_KEPT: Duration = Duration::from_secs(24 * 60 * 60);
const ACCEPT_KEYS: &str = "application/jwk-set+json, application/json";
const ACCEPT_METADATA: &str = "application/json";
