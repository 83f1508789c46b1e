//! Receives logout tokens (OpenID Connect Back-Channel Logout).
//!
//! A logout token may come again: a provider that lost our answer tries again, and what the token names is
//! fixed. A subject is revoked up to the token's `iat` and not up to now, or a replayed token ends sessions
//! that began after the logout. `LogoutScope` has no default: by session alone a logout ends nothing where
//! access tokens have no `sid`; by subject alone the phone is logged out with the laptop. `typ` is strict
//! because oidc-provider sends `logout+jwt`; Keycloak does not, so an application must ask.

use std::fmt;
use std::sync::Arc;

use http::{Request, StatusCode};
use http_body::Body;
use serde::de::IgnoredAny;

use super::answer::{Answer, EndpointFuture, Refusal, answer, endpoint};
use super::request::read_form;
use crate::claims::Principal;
use crate::claims::validation::{Kind, Validation};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::dangerous::Dangerous;
use crate::error::{AuthError, Reason};
#[cfg(feature = "jwe")]
use crate::keys::DecryptionKeys;
use crate::keys::KeySource;
use crate::observe::trace::Pace;
use crate::server::erased_store::ErasedStore;
use crate::state::revocation::{Revocation, RevocationStore};
use crate::verify::issuers::Issuers;
use crate::verify::verifier::Verifier;

/// Receives OpenID Connect Back-Channel Logout: revokes when an identity provider reports a logout.
///
/// Register its address at the provider as `backchannel_logout_uri` of a client. The audience in
/// the rules is the id of that client. The keys can be the same as the API's, shared in an `Arc`.
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
/// let revocations = MemoryRevocations::new(); // the same as the API's verifier has
/// let rules = Validation::new("https://id.example.com", "the-client-id");
/// let ends = LogoutScope::Session; // since access tokens of this provider carry `sid`
/// let logout = LogoutService::new(Arc::clone(&keys), rules, ends, revocations.clone())?;
/// let app: Router = Router::new().route_service("/backchannel-logout", logout);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// The provider posts a form with `logout_token`, which is verified in full: signature, `iss`,
/// `aud`, `exp`, `iat`, the header's `typ` (`logout+jwt`), `events`, `jti`, `sid` or `sub`, and no
/// `nonce`. Of the rules, the issuer, audiences, algorithms, leeway and maximum age apply. Rules
/// about access tokens (kinds, presets, required claims, an audience that does not matter) do not
/// apply.
///
/// | request | answer |
/// |---|---|
/// | a logout token, also one that was sent before | 200 |
/// | no form, no `logout_token`, or an invalid token | 400 `invalid_request` |
/// | another method than `POST` | 405 |
/// | a form of more than 64 KiB | 413 |
/// | keys or store unavailable | 503 with `Retry-After` |
///
/// The service answers 200 when the store has every revocation. After a 503, some or all of them
/// may hold already (see [`RevocationStore::add_all`]), and sending the same token again completes
/// them. If the token was at fault, its [`Reason`] is in the response's extensions.
///
/// A token may be sent twice, since a provider that received no answer tries again. A logout token
/// names a session for good, or a subject up to the token's own `iat`. The second time therefore
/// revokes nothing more than the first.
#[derive(Clone)]
pub struct LogoutService {
    verifier: Verifier<IgnoredAny>,
    ends: LogoutScope,
    store: Arc<dyn ErasedStore>,
    /// Limits how often the log repeats itself for this endpoint.
    pace: Arc<Pace>,
}

/// Selects the claim by which a logout finds the access tokens to revoke.
///
/// Look at an access token of the provider: a token without `sid` cannot be found by its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LogoutScope {
    /// Revokes the session, by `sid`. If the provider names no session, revokes as
    /// [`Subject`](Self::Subject) does.
    ///
    /// For access tokens that carry `sid`. Tokens without `sid` stay valid after the logout. To
    /// refuse them, name [`RevocationKind::Session`](crate::revocation::RevocationKind::Session)
    /// among the kinds that must be possible
    /// ([`MemoryRevocations::with_kinds`](crate::revocation::MemoryRevocations::with_kinds)).
    Session,
    /// Revokes all tokens of the subject, on all devices, issued up to the logout token's `iat`;
    /// and the session, if the token names one. A logout token without `sub` is refused.
    ///
    /// For access tokens that carry no `sid`. Their `sub` must equal the `sub` of logout tokens, so
    /// the provider must not make up another `sub` for each client.
    ///
    /// A leeway is added to the moment (60 seconds by default), so a user who signs in again within
    /// it is refused until it is over. If one clock of the provider dates both kinds of token, give
    /// the API's rules a smaller leeway:
    /// [`with_revocation_leeway`](crate::Validation::with_revocation_leeway).
    Subject,
}

impl LogoutService {
    /// Accepts logout tokens that are signed with these keys and fit these rules. The audience in
    /// the rules is the id of the client.
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

    /// Accepts logout tokens of several issuers, which can be added and removed later.
    ///
    /// The audiences of these issuers are client ids, so they are usually not the issuers of an
    /// API's verifier. They may share the keys.
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

    /// Decrypts tokens that are encrypted for one of these keys. Without keys, encrypted logout tokens are
    /// refused.
    #[cfg(feature = "jwe")]
    #[must_use]
    pub fn with_decryption_keys(mut self, keys: impl Into<DecryptionKeys>) -> Self {
        self.verifier = self.verifier.with_decryption_keys(keys);
        self
    }

    /// Replaces the clock, for tests.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.verifier = self.verifier.with_clock(clock);
        self
    }

    async fn answer<B: Body>(self, request: Request<B>) -> Answer {
        let (_, form) = read_form(request).await?;
        let token = form.get("logout_token");
        let token = token.ok_or_else(|| Refusal::invalid_request("There is no logout token"))?;
        let refuse = |error| Refusal::of(error, "invalid_request", "The logout token is not valid");
        let verified = self.verifier.verify(token).await.map_err(refuse)?;
        let revocations = self.revocations(verified.principal()).map_err(refuse)?;
        self.store.add_all(revocations).await?;
        Ok(answer(StatusCode::OK))
    }

    fn revocations(&self, principal: &Principal) -> Result<Vec<Revocation>, AuthError> {
        let (issuer, claims) = (principal.issuer(), principal.registered());
        let session = claims.session_id().map(|session| Revocation::session(issuer, session));
        // The token's own date, not the time of arrival: a token that is issued later was not
        // logged out, and both dates come from one clock.
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
    /// The `events` claim and the missing `nonce` still tell them from other tokens.
    pub fn accept_untyped_tokens(mut self) -> LogoutService {
        self.0.verifier = self.0.verifier.of_kind(Kind::Logout { untyped: true });
        self.0
    }
}

endpoint!(LogoutService, |service, request| {
    EndpointFuture::new(service.clone().answer(request), Arc::clone(&service.pace))
});

impl fmt::Debug for LogoutService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogoutService")
            .field("verifier", &self.verifier)
            .field("ends", &self.ends)
            .finish_non_exhaustive()
    }
}
