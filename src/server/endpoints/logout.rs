//! Receives logout tokens (OpenID Connect Back-Channel Logout).
//!
//! A logout token may come again: a provider that lost our answer tries again, and what the token names is
//! fixed. A subject is revoked up to the token's `iat` and not up to now, or a replayed token ends sessions
//! that began after the logout. `LogoutScope` has no default: by session alone a logout ends nothing where
//! access tokens have no `sid`; by subject alone the phone is logged out with the laptop. `typ` is strict
//! because oidc-provider sends `logout+jwt`; Keycloak does not, so an application must ask.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use http_body::Body;
use serde::de::IgnoredAny;
use tower_service::Service;

use super::answer::{EndpointFuture, Refusal};
use super::request::read_form;
use super::store::ErasedStore;
use crate::claims::Principal;
use crate::claims::validation::{Kind, Validation};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::dangerous::Dangerous;
use crate::error::{AuthError, Reason};
use crate::keys::KeySource;
use crate::observe::trace::Pace;
use crate::server::body::ServiceBody;
use crate::state::revocation::{Revocation, RevocationStore};
use crate::verify::issuers::Issuers;
use crate::verify::verifier::Verifier;

/// Hears from an identity provider that a user has logged out (OpenID Connect Back-Channel Logout), and
/// revokes.
///
/// Its address is registered at the provider as `backchannel_logout_uri` of a client; that client's id
/// is the audience here. Keys can be the same as the API's, shared in an `Arc`.
///
/// ```
/// use std::sync::Arc;
/// use axum::Router;
/// use tower_bearer::endpoints::{LogoutScope, LogoutService};
/// use tower_bearer::revocation::MemoryRevocations;
/// use tower_bearer::Validation;
/// # let keys = Arc::new(tower_bearer::keys::VerifyingKey::from_secret(
/// #     tower_bearer::Algorithm::HS256, "at least 32 bytes of randomness, please")?);
///
/// let revocations = MemoryRevocations::new(); // which the API's verifier asks, too
/// let rules = Validation::new("https://id.example.com", "the-client-id");
/// let ends = LogoutScope::Session; // since access tokens of this provider carry `sid`
/// let logout = LogoutService::new(Arc::clone(&keys), rules, ends, revocations.clone())?;
/// let app: Router = Router::new().route_service("/backchannel-logout", logout);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// The provider posts a form with `logout_token`, which is verified in full: signature, `iss`, `aud`,
/// `exp`, `iat`, the header's `typ` (`logout+jwt`), `events`, `jti`, `sid` or `sub`, and no `nonce`. Of the
/// rules, issuer, audiences, algorithms, leeway and maximum age count; what they say of access tokens
/// (kinds, presets, required claims, an audience that does not matter) does not.
///
/// | request | answer |
/// |---|---|
/// | a logout token; also the same again | 200 |
/// | no form, no `logout_token`, or a token that is no good | 400 `invalid_request` |
/// | another method than `POST` | 405 |
/// | a form of more than 64 KiB | 413 |
/// | keys or store cannot be had | 503 with `Retry-After` |
///
/// 200 is said when the store has all of it. After a 503 some of it may hold already, or all (see
/// [`RevocationStore::add_all`]); the same token again does the rest. If the token was at fault, its [`Reason`]
/// is in the response's extensions.
///
/// A token may come again, since a provider that has not heard the answer tries again: it names a session
/// for good, or a subject up to its own `iat`, so it revokes nothing the second time that it has not the
/// first.
#[derive(Clone)]
pub struct LogoutService {
    verifier: Verifier<IgnoredAny>,
    ends: LogoutScope,
    store: Arc<dyn ErasedStore>,
    /// What the log has heard.
    pace: Arc<Pace>,
}

/// By what a logout finds the access tokens that it ends.
///
/// Look at an access token of the provider: one without `sid` cannot be found by its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogoutScope {
    /// The session, by `sid`; if the provider names none, everything of the subject as below.
    ///
    /// For access tokens that carry `sid`: others outlive the logout. To make sure that there are none,
    /// name [`RevocationKind::Session`](crate::revocation::RevocationKind::Session) among the kinds that must be
    /// possible ([`MemoryRevocations::with_kinds`](crate::revocation::MemoryRevocations::with_kinds)).
    Session,
    /// Everything of the subject, on all devices, that was issued up to the logout token's `iat`; and
    /// the session, if one is named. A logout token without `sub` is refused.
    ///
    /// For access tokens that carry no `sid`. Their `sub` must be that of logout tokens, so not one that the
    /// provider makes up for each client.
    ///
    /// A leeway is added to the moment (60 seconds by default), so a user who signs in again within it is
    /// refused until it is over. If one clock of the provider dates both kinds of token, give the API's rules a
    /// smaller one: [`with_revocation_leeway`](crate::Validation::with_revocation_leeway).
    Subject,
}

impl LogoutService {
    /// Believes logout tokens that are signed with these keys and fit these rules, whose audience is the
    /// id of the client.
    ///
    /// # Errors
    ///
    /// Those of [`Verifier::new`](crate::Verifier::new).
    pub fn new(
        keys: impl KeySource,
        validation: Validation,
        ends: LogoutScope,
        store: impl RevocationStore,
    ) -> Result<Self, ConfigError> {
        Ok(Self::with_verifier(Verifier::new(keys, validation)?, ends, store))
    }

    /// Believes logout tokens of several issuers, which may come and go.
    ///
    /// Their audiences are the ids of clients, so these are usually not the issuers that an API's
    /// verifier has, but may share the keys.
    pub fn multi_issuer(issuers: &Issuers, ends: LogoutScope, store: impl RevocationStore) -> Self {
        Self::with_verifier(Verifier::multi_issuer(issuers), ends, store)
    }

    fn with_verifier(
        verifier: Verifier<IgnoredAny>,
        ends: LogoutScope,
        store: impl RevocationStore,
    ) -> Self {
        let verifier = verifier.of_kind(Kind::Logout { untyped: false });
        Self { verifier, ends, store: Arc::new(store), pace: Arc::default() }
    }

    /// Returns the switch that accepts more logout tokens.
    pub fn dangerous(self) -> Dangerous<Self> {
        Dangerous(self)
    }

    /// Asks another clock for the time. For tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.verifier = self.verifier.with_clock(clock);
        self
    }

    async fn answer<B: Body>(self, request: Request<B>) -> Result<(), Refusal> {
        let (_, form) = read_form(request).await?;
        let token = form.get("logout_token");
        let token = token.ok_or_else(|| Refusal::invalid_request("There is no logout token"))?;
        let refuse = |error| Refusal::of(error, "invalid_request", "The logout token is not valid");
        let verified = self.verifier.verify(token).await.map_err(refuse)?;
        let revocations = self.revocations(verified.principal()).map_err(refuse)?;
        Ok(self.store.add_all(revocations).await?)
    }

    fn revocations(&self, principal: &Principal) -> Result<Vec<Revocation>, AuthError> {
        let (issuer, claims) = (principal.issuer(), principal.registered());
        let session = claims.session_id().map(|session| Revocation::session(issuer, session));
        // The token's own date, and not ours: what is issued later was not logged out, whenever the token
        // arrives, and both dates come from one clock.
        let subject = claims.subject().zip(claims.issued_at());
        let subject =
            subject.map(|(subject, at)| Revocation::subject(issuer, subject, at.to_system_time()));
        match (self.ends, session, subject) {
            (LogoutScope::Session, Some(session), _) => Ok(vec![session]),
            (_, session, Some(subject)) => Ok(session.into_iter().chain([subject]).collect()),
            (_, _, None) => {
                let detail = "no `sub`, and access tokens cannot be found by `sid`";
                Err(AuthError::with_detail(Reason::MissingClaim, detail))
            }
        }
    }
}

impl Dangerous<LogoutService> {
    /// Accepts logout tokens whose `typ` header is `JWT` or absent. Keycloak sends such tokens.
    ///
    /// They are still told from other tokens by their event, and by having no `nonce`.
    pub fn accept_untyped_tokens(mut self) -> LogoutService {
        self.0.verifier = self.0.verifier.of_kind(Kind::Logout { untyped: true });
        self.0
    }
}

impl<B> Service<Request<B>> for LogoutService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = EndpointFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> EndpointFuture {
        EndpointFuture::new(self.clone().answer(request), Arc::clone(&self.pace))
    }
}

impl fmt::Debug for LogoutService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutService")
            .field("verifier", &self.verifier)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}
