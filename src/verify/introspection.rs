//! Asks the authorization server about tokens (RFC 7662).
//!
//! Positive answers are kept by the layer, which is told for how long. Kept here is what the layer does not see:
//! refusals for a short time, calls that are under way, and which tokens were active, by a keyed hash. The token itself
//! is kept nowhere.
//!
//! An answer that cannot be used is never a verdict about the token: it is a 503, as any other failure of the server.

mod opaque_tokens;
mod assertion;
mod client_authentication;
mod problem;
mod discovery;
mod endpoint;
mod answer;
mod signed;
mod token_hash;
mod recent;
mod failure_log;
mod calls;
mod dangerous;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub use client_authentication::ClientAuthentication;
pub use dangerous::DangerousIntrospection;
pub use opaque_tokens::OpaqueTokens;

use self::answer::{Answer, JSON, SIGNED};
use self::calls::{Calls, Limits};
use self::discovery::DiscoveredEndpoint;
use self::endpoint::{Endpoint, Place};
use self::problem::Problem;
use self::signed::SignedAnswers;
use self::token_hash::HashKey;
use crate::config_error::ConfigError;
use crate::error::{AuthError, Reason};
use crate::jose::DEFAULT_MAX_TOKEN_BYTES;
use crate::keys::KeySource;
use crate::net::HttpClient;
use crate::net::address::{Address, Allowed, shown_address};
use crate::net::exchange::Exchange;
use crate::verify::authenticator::{Authenticated, Authenticator};
use crate::verify::presented::Presented;

/// Asks an authorization server whether a token is good, for opaque tokens or for all (RFC 7662).
///
/// ```
/// use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
/// use tower_bearer::{BearerLayer, ConfigError, Validation};
///
/// fn with_opaque_tokens(
///     layer: BearerLayer<serde_json::Value>,
///     secret: &str,
/// ) -> Result<BearerLayer<serde_json::Value>, ConfigError> {
///     let issuer = "https://id.example.com";
///     let client = ClientAuthentication::client_secret_basic("orders-api", secret);
///     let introspection = Introspection::discover(issuer, client, OpaqueTokens::by_shape())?;
///     layer.with_authenticator(introspection, Validation::new(issuer, "https://api.example.com"))
/// }
/// ```
///
/// The layer checks `exp`, `nbf`, `iss`, `aud` and `cnf` of the answer by the [`Validation`](crate::Validation), as if
/// the answer were a token. Guards and the claims `C` are read from the answer. An answer without `iss` or `aud` is good:
/// the server has to know whether the token is for the API that asks (RFC 7662 §4).
/// [`with_required_members`](Self::with_required_members) is stricter.
///
/// - **Only `true` is true.** A token is accepted if `active` is the JSON value `true`, and refused with
///   [`Reason::Inactive`] if it is `false`. Any other answer is no verdict: 503, never 401.
/// - **A failure is a 503.** If the server does not answer in time, refuses the client, redirects, or says
///   nonsense, the request is answered 503 with `Retry-After`. The log says why, once a minute.
/// - **Answers are kept.** The layer keeps a positive answer for [a minute](Self::with_freshness), and never beyond `exp`.
///   A refusal is kept for [5 seconds](Self::with_inactive_for). Requests with one token share one call.
/// - **A flood is bounded.** Calls about unknown tokens have a [budget](Self::with_budget), and
///   [limits](Self::with_call_limits). Beyond these, requests are answered 503 at once. Tokens that were active within
///   the last hour have places of their own, so a flood of invented tokens neither refuses nor delays them.
/// - **Only access tokens.** An answer whose `token_type` or `token_use` names a refresh token or an ID token is
///   refused with [`Reason::WrongTokenType`].
///
/// # Defaults
///
/// | | |
/// |---|---|
/// | a call may take | 5 seconds, with the time that it waits for others |
/// | an answer may have | 256 KiB |
/// | a token may have | 16 KiB |
/// | calls at once | 32, and 32 for known tokens |
/// | tokens whose call waits | 256, and 256 for known tokens |
/// | calls about unknown tokens | 200, and one more every 10 milliseconds |
///
/// The usual client opens a connection for each call. Where that is too slow, give it
/// [a client of your own](Self::with_client) that keeps connections.
///
/// To keep a handle, for [`forget`](Self::forget) for example, put it into an [`Arc`].
pub struct Introspection {
    tokens: OpaqueTokens,
    endpoint: Arc<Endpoint>,
    signed: Option<Arc<SignedAnswers>>,
    required: Arc<[String]>,
    max_age: Duration,
    max_token_bytes: usize,
    limits: Limits,
    calls: Arc<Calls>,
    key: HashKey,
    generation: AtomicU64,
}

impl Introspection {
    /// Asks this endpoint. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is no URL, or not HTTPS; [`ConfigError::Client`] when id or secret of the client
    /// is empty; [`ConfigError::KeyIdTooLong`]; [`ConfigError::Key`] without a back end for signatures;
    /// [`ConfigError::NoRandomness`].
    pub fn new(
        endpoint: &str,
        client: ClientAuthentication,
        tokens: OpaqueTokens,
    ) -> Result<Self, ConfigError> {
        Self::at(endpoint, client, tokens, Allowed::default())
    }

    /// Asks the endpoint that the metadata of this issuer names as `introspection_endpoint` (RFC 8414, OpenID Connect
    /// Discovery). The metadata is looked for as [`HttpFetch::discover`](crate::keys::HttpFetch::discover) says, and
    /// fetched with the first token.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and [`ConfigError::Address`] when the issuer has a query or a fragment.
    pub fn discover(
        issuer: &str,
        client: ClientAuthentication,
        tokens: OpaqueTokens,
    ) -> Result<Self, ConfigError> {
        Self::of_issuer(issuer, client, tokens, Allowed::default())
    }

    fn at(
        endpoint: &str,
        client: ClientAuthentication,
        tokens: OpaqueTokens,
        allowed: Allowed,
    ) -> Result<Self, ConfigError> {
        let address = Address::parse(endpoint, allowed)?;
        let exchange = Exchange::new(vec![address.clone()], allowed);
        Self::with_place(Place::Known(address), exchange, client, tokens)
    }

    fn of_issuer(
        issuer: &str,
        client: ClientAuthentication,
        tokens: OpaqueTokens,
        allowed: Allowed,
    ) -> Result<Self, ConfigError> {
        let issuer = Address::parse_issuer(issuer, allowed)?;
        let exchange = Exchange::new(vec![issuer.clone()], allowed);
        let place = Place::Discovered(DiscoveredEndpoint::new(issuer, None));
        Self::with_place(place, exchange, client, tokens)
    }

    fn with_place(
        place: Place,
        mut exchange: Exchange,
        client: ClientAuthentication,
        tokens: OpaqueTokens,
    ) -> Result<Self, ConfigError> {
        client.check()?;
        let limits = Limits::default();
        exchange.timeout = limits.timeout;
        let endpoint = Endpoint { place, exchange, client, assertion_audience: None };
        Ok(Self {
            tokens,
            calls: Arc::new(Calls::new(limits, endpoint.name())),
            endpoint: Arc::new(endpoint),
            signed: None,
            required: Arc::new([]),
            max_age: MAX_AGE,
            max_token_bytes: DEFAULT_MAX_TOKEN_BYTES,
            limits,
            key: HashKey::generate()?,
            generation: AtomicU64::new(0),
        })
    }

    /// Reads the metadata at this address instead of looking for it at the issuer's, for networks in which the server has
    /// another name than outside. The issuer in the metadata must still be the one of [`discover`](Self::discover).
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is no URL, or neither HTTPS nor allowed to be plain HTTP, and when nothing is
    /// discovered because the endpoint was given.
    pub fn with_metadata_url(mut self, url: &str) -> Result<Self, ConfigError> {
        let address = Address::parse(url, self.endpoint.exchange.allowed)?;
        let endpoint = Arc::make_mut(&mut self.endpoint);
        let Place::Discovered(found) = &mut endpoint.place else {
            return Err(ConfigError::Address {
                address: shown_address(url),
                problem: "means nothing where the address of the endpoint is given",
            });
        };
        let issuer = found.issuer().clone();
        endpoint.exchange.own = vec![issuer.clone(), address.clone()];
        *found = DiscoveredEndpoint::new(issuer, Some(address));
        Ok(self)
    }

    /// Requires signed answers (RFC 9701), of this issuer and signed with these keys. Plain answers are then failures.
    ///
    /// An answer is asked for as `application/token-introspection+jwt`. It must have this media type, the `typ`
    /// `token-introspection+jwt`, a signature by one of the keys, this issuer as `iss`, the id of the client in `aud`, and
    /// an `iat` of the last 5 minutes. The claims about the token are read from its member `token_introspection` and from
    /// nowhere else. Encrypted answers are not supported.
    ///
    /// ```
    /// use tower_bearer::RemoteKeys;
    /// use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
    ///
    /// let issuer = "https://id.example.com";
    /// let client = ClientAuthentication::client_secret_basic("orders-api", "secret of the API");
    /// let introspection = Introspection::discover(issuer, client, OpaqueTokens::by_shape())?
    ///     .with_signed_answers(issuer, RemoteKeys::discover(issuer)?)?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyIssuer`] and [`ConfigError::Name`]: also when it is another issuer than the one that the
    /// endpoint is discovered by.
    pub fn with_signed_answers(
        mut self,
        issuer: &str,
        keys: impl KeySource,
    ) -> Result<Self, ConfigError> {
        if let Place::Discovered(found) = &self.endpoint.place
            && !issuer.is_empty()
            && found.issuer().as_str() != issuer
        {
            return Err(ConfigError::Name {
                member: "issuer",
                name: issuer.to_owned(),
                problem: "is not the one whose endpoint is discovered; give the same to both",
            });
        }
        let client_id = self.endpoint.client.client_id();
        self.signed = Some(Arc::new(SignedAnswers::new(issuer, client_id, keys)?));
        Ok(self)
    }

    /// Refuses tokens whose answer lacks one of these members, or has `null` there. The default is none but `active`.
    ///
    /// - `aud` for a server that tells any API about any token.
    /// - `token_type` for a server that introspects refresh tokens too, and names the type of access tokens only
    ///   (`oidc-provider`). Otherwise a refresh token of such a server is accepted as an access token.
    ///
    /// Such a token is refused with [`Reason::MissingClaim`].
    #[must_use]
    pub fn with_required_members<M: Into<String>>(
        mut self,
        members: impl IntoIterator<Item = M>,
    ) -> Self {
        self.required = members.into_iter().map(Into::into).collect();
        self
    }

    /// Sets for how long the layer may keep a positive answer, counted from the question. The default is 60 seconds, and
    /// the answer is never kept beyond `exp`. Zero asks about every request.
    ///
    /// A token that is revoked at the server is accepted here for as long.
    #[must_use]
    pub fn with_freshness(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Sets for how long a refusal is kept. The default is 5 seconds. Zero keeps none.
    #[must_use]
    pub fn with_inactive_for(self, time: Duration) -> Self {
        self.change_limits(|limits| limits.inactive_for = time)
    }

    /// Sets how many calls about unknown tokens there may be at once, and after how much time there is one more. The
    /// default is 200, and one more every 10 milliseconds.
    ///
    /// A token is unknown if the server has not called it active within the last hour. A budget that is too small for
    /// all new tokens of a busy minute refuses good ones with 503.
    #[must_use]
    pub fn with_budget(self, calls: u32, refill_every: Duration) -> Self {
        self.change_limits(|limits| limits.budget = (calls, refill_every))
    }

    /// Sets how many calls there may be at the same moment (at least 1), and how many tokens may wait for theirs.
    /// The default is 32 and 256. Known tokens have as many places of their own.
    #[must_use]
    pub fn with_call_limits(self, calls: usize, waiting: usize) -> Self {
        self.change_limits(|limits| (limits.calls, limits.waiting) = (calls, waiting))
    }

    /// Sets how long a call may take, from the moment in which a request needs it to the last byte of the answer. The
    /// default is 5 seconds.
    #[must_use]
    pub fn with_timeout(self, timeout: Duration) -> Self {
        self.change_limits(|limits| limits.timeout = timeout)
            .change_exchange(|exchange| exchange.timeout = timeout)
    }

    /// Sets how long an answer may be, in bytes. The default is 262,144 (256 KiB).
    #[must_use]
    pub fn with_max_bytes(self, bytes: usize) -> Self {
        self.change_exchange(|exchange| exchange.max_bytes = bytes)
    }

    /// Sets how long a token may be, in bytes. The default is 16,384 (16 KiB). A longer one is refused with
    /// [`Reason::TokenTooLarge`], and the server is not asked.
    #[must_use]
    pub fn with_max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Sets the audience of the assertions of [`private_key_jwt`](ClientAuthentication::private_key_jwt).
    #[must_use]
    pub fn with_assertion_audience(mut self, audience: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.endpoint).assertion_audience = Some(audience.into().into());
        self
    }

    /// Sends requests with this client; see [`HttpClient`]. Limits, timeouts and checks of addresses stay as they are.
    #[must_use]
    pub fn with_client(self, client: impl HttpClient) -> Self {
        self.change_exchange(|exchange| exchange.client = Some(Arc::new(client)))
    }

    /// Trusts the authorities in this PEM text besides those of the operating system.
    ///
    /// # Errors
    ///
    /// [`ConfigError::UnreadableKeys`] when there is no certificate in it, or none that can be used.
    pub fn with_root_certificates(self, pem: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let transport = self.endpoint.exchange.transport.with_roots(pem.as_ref())?;
        Ok(self.change_exchange(|exchange| exchange.transport = Arc::new(transport)))
    }

    /// Sends requests through this proxy, and none that the environment names. Plain HTTP on this machine stays direct.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is not the `http` or `https` URL of a proxy.
    pub fn with_proxy(self, url: &str) -> Result<Self, ConfigError> {
        let transport = self.endpoint.exchange.transport.with_proxy(url)?;
        Ok(self.change_exchange(|exchange| exchange.transport = Arc::new(transport)))
    }

    /// Makes the layer forget all answers that it keeps, for an operator or a message of the server that tokens were
    /// revoked. Refusals stay, and so do calls under way, whose
    /// answers count for the requests that wait for them and are not kept.
    pub fn forget(&self) {
        // First, so that no request of the new generation joins a call of the old one.
        self.calls.part();
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    fn change_exchange(mut self, change: impl FnOnce(&mut Exchange)) -> Self {
        Arc::make_mut(&mut self.endpoint).change(change);
        self
    }

    fn change_limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self.calls = Arc::new(Calls::new(self.limits, self.endpoint.name()));
        self
    }

    /// Makes the call about a token.
    fn call(&self, token: &str) -> impl Future<Output = Result<Answer, Problem>> + Send + use<> {
        let token = zeroize::Zeroizing::new(token.to_owned());
        let (endpoint, required) = (Arc::clone(&self.endpoint), Arc::clone(&self.required));
        let signed = self.signed.clone();
        async move {
            match signed {
                None => answer::read(&endpoint.ask(&token, JSON).await?, &required),
                Some(signed) => {
                    let response = endpoint.ask(&token, SIGNED).await?;
                    signed.read(&response, &required).await
                }
            }
        }
    }
}

impl Authenticator for Introspection {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        self.tokens.include(presented)
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        if token.len() > self.max_token_bytes {
            return Err(Reason::TokenTooLarge.into());
        }
        let outcome = self.calls.ask(self.key.hash(token), || self.call(token)).await;
        match outcome {
            Ok((Answer::Active(claims), asked_at)) => {
                let fresh_for = self.max_age.saturating_sub(asked_at.elapsed());
                Ok(Authenticated::from_json(&claims)?.with_freshness(fresh_for))
            }
            Ok((Answer::Refused(reason), _)) => Err(reason.into()),
            Err(problem) => {
                let retry_after = problem.retry_after();
                Err(AuthError::introspection_failed(problem, retry_after))
            }
        }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection")
            .field("place", &self.endpoint.place)
            .field("client", &self.endpoint.client)
            .field("tokens", &self.tokens)
            .field("transport", &self.endpoint.exchange.transport)
            .field("has_signed_answers", &self.signed.is_some())
            .field("required_members", &self.required)
            .field("max_age", &self.max_age)
            .field("max_token_bytes", &self.max_token_bytes)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

const MAX_AGE: Duration = Duration::from_secs(60);
