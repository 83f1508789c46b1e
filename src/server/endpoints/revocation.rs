//! Serves the revocation endpoint (RFC 7009).
//!
//! Takes keys and not a `Verifier`: it must revoke whatever any verifier might accept (another audience, bound
//! to a key, dated tomorrow, longer than 16 KiB). A verifier's refusal would be answered 200 (RFC 7009 §2.2),
//! and the client would believe the token dead. It knows one issuer, because its clients are that issuer's.
//! "Nothing to do" is an error where 200 would be a lie: a token without `jti`, one of another kind, an unknown
//! one that is said to be a refresh token.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode};
use http_body::Body;
use serde::de::IgnoredAny;

use super::answer::{Answer, EndpointFuture, Refusal, answer, endpoint};
use super::clients::{Clients, ErasedClients};
use super::credentials::Credentials;
use super::form::Form;
use super::request::{MAX_BODY_BYTES, read_form};
use crate::claims::validation::{Kind, MAX_LEEWAY, Validation};
use crate::clock::Clock;
use crate::config_error::ConfigError;
use crate::error::{AuthError, Reason};
#[cfg(feature = "jwe")]
use crate::keys::DecryptionKeys;
use crate::keys::KeySource;
use crate::observe::trace::{self, Pace};
use crate::server::erased_store::ErasedStore;
use crate::state::revocation::{Revocation, RevocationStore};
use crate::verify::verifier::Verifier;

/// Lets clients revoke the access tokens that were issued to them (RFC 7009).
///
/// For the server that issues the tokens: [`new`](Self::new) takes the keys and the name of its one
/// issuer.
///
/// ```
/// use axum::Router;
/// use tower_bearer::endpoints::{ClientList, RevocationService};
/// use tower_bearer::revocation::MemoryRevocations;
/// # use tower_bearer::keys::SigningKey;
/// # use tower_bearer::{Algorithm, TokenIssuer};
/// # let secret = "at least 32 bytes of randomness, please";
/// # let key = SigningKey::from_secret(Algorithm::HS256, secret)?;
/// # let (issuer, audience) = ("https://id.example.com", "https://api.example.com");
/// # let tokens = TokenIssuer::new(issuer, audience, key)?;
///
/// # let secret = "a long one, from the environment";
/// let revocations = MemoryRevocations::new(); // the same as the verifier has
/// let clients = ClientList::new().with_client("shop", secret)?;
/// let revoke = RevocationService::new(tokens.verifying_key(), issuer, clients, revocations.clone())?;
/// let app: Router = Router::new().route_service("/revoke", revoke);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// A client sends `token` in a form, and authenticates by HTTP Basic or with `client_id` and
/// `client_secret` in the form. `token_type_hint` is read only when the token is not of this
/// issuer.
///
/// | request | answer |
/// |---|---|
/// | a token that is now revoked, has expired, is broken, or is of another issuer | 200 |
/// | no form, no `token`, a parameter twice, two ways of authentication | 400 `invalid_request` |
/// | a token that was issued to another client, or to none | 400 `invalid_grant` |
/// | a token of another kind or without `jti`; an unknown token with the hint `refresh_token` | 400 `unsupported_token_type` |
/// | a client that fails to authenticate | 401 `invalid_client`, with a challenge for Basic |
/// | another method than `POST` | 405 |
/// | a form of more than 64 KiB | 413 |
/// | keys, clients or store unavailable | 503 with `Retry-After` |
///
/// The service answers 200 when the store has the revocation, or when there is nothing to revoke.
/// After a 503 from the store, the client must take the token for valid and try again (RFC 7009
/// §2.2.1), although the revocation may hold already, on this node or everywhere. After any other
/// answer nothing was revoked. The audience and `nbf` of the token do not matter. Tokens need the
/// claim `client_id`: see [`TokenIssuer::with_client_id`](crate::TokenIssuer::with_client_id). If a
/// token was at fault, its [`Reason`] is in the response's extensions.
#[derive(Clone)]
pub struct RevocationService {
    verifier: Verifier<IgnoredAny>,
    clients: Arc<dyn ErasedClients>,
    /// Limits how often the log repeats itself for this endpoint.
    pace: Arc<Pace>,
    store: Arc<dyn ErasedStore>,
}

impl RevocationService {
    /// Revokes tokens of this issuer, signed with these keys, for these clients.
    ///
    /// # Errors
    ///
    /// [`ConfigError::EmptyIssuer`] and [`ConfigError::Name`].
    pub fn new(
        keys: impl KeySource,
        issuer: impl Into<String>,
        clients: impl Clients,
        store: impl RevocationStore,
    ) -> Result<Self, ConfigError> {
        // A token that some verifier may accept must not be taken here for one that is invalid
        // anyway.
        let rules = Validation::new(issuer, "any")
            .with_leeway(MAX_LEEWAY)
            .dangerous()
            .accept_any_audience()
            .dangerous()
            .accept_bound_tokens()
            .dangerous()
            .accept_missing_issuer()
            .dangerous()
            .accept_missing_expiry();
        let verifier = Verifier::new(keys, rules)?
            .of_kind(Kind::AccessToRevoke)
            .with_max_token_bytes(MAX_BODY_BYTES);
        let (clients, store) = (Arc::new(clients), Arc::new(store));
        Ok(Self { verifier, clients, store, pace: Arc::default() })
    }

    /// Decrypts tokens that are encrypted for one of these keys. Without the keys of the APIs,
    /// encrypted tokens are answered with 200 and not revoked: they cannot be told from tokens that are broken.
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
        let (parts, form) = read_form(request).await?;
        let client_id = self.authenticate(&parts.headers, &form).await?;
        let token = form.get("token");
        let token = token.ok_or_else(|| Refusal::invalid_request("There is no token"))?;
        let verified = match self.verifier.verify(token).await {
            Ok(verified) => verified,
            Err(error) => {
                nothing_to_do(error, form.get("token_type_hint"), &self.pace)?;
                return Ok(answer(StatusCode::OK));
            }
        };
        let principal = verified.principal();
        // RFC 7009 §2.1: the token was issued to the client that asks.
        if principal.registered().client_id() != Some(&client_id) {
            let description = "The token was not issued to this client";
            return Err(Refusal::bad_request("invalid_grant", description));
        }
        let nameless = |_| Refusal::bad_request(UNSUPPORTED, "The token has no `jti`");
        let revocation = Revocation::of(principal).map_err(nameless)?;
        self.store.add_all(vec![revocation]).await?;
        Ok(answer(StatusCode::OK))
    }

    /// Returns the id of the authenticated client.
    async fn authenticate(&self, headers: &HeaderMap, form: &Form) -> Result<String, Refusal> {
        let Credentials { client_id, secret } = Credentials::find(headers, form)?;
        let is_known = match &secret {
            Some(secret) => self.clients.authenticate(&client_id, secret).await,
            None => self.clients.is_public(&client_id).await,
        };
        match is_known {
            Ok(true) => Ok(client_id),
            Ok(false) => Err(Refusal::invalid_client("The client is not who it says it is")),
            Err(error) => {
                trace::clients_unavailable(&error, &self.pace);
                Err(Refusal::unavailable(error.retry_after()))
            }
        }
    }
}

// RFC 7009 §2.2: an invalid token is no error, as the client could do nothing about it. But a token
// that may be valid elsewhere must not look revoked.
fn nothing_to_do(cause: AuthError, hint: Option<&str>, pace: &Pace) -> Result<(), Refusal> {
    let description = match cause.reason() {
        Reason::KeysUnavailable | Reason::WrongTokenType => "The token is not an access token",
        reason if reason != Reason::Expired && hint == Some("refresh_token") => {
            "Refresh tokens are not known here"
        }
        _ => {
            trace::refused(&cause, pace);
            return Ok(());
        }
    };
    Err(Refusal::of(cause, UNSUPPORTED, description))
}

endpoint!(RevocationService, |service, request| {
    EndpointFuture::new(service.clone().answer(request), Arc::clone(&service.pace))
});

impl fmt::Debug for RevocationService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationService")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}

const UNSUPPORTED: &str = "unsupported_token_type";
