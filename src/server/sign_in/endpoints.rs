use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::accounts::Accounts;
use super::attempt::SignInAttempt;
use super::desk::{Desk, Operation};
use super::service::SignInService;
use crate::middleware::cookies::Cookies;
use crate::server::password::Passwords;
use crate::server::session::Sessions;

/// Makes the services by which users sign in and out, and look after their sessions.
///
/// ```
/// use axum::Router;
/// use tower_bearer::password::Passwords;
/// use tower_bearer::session::Sessions;
/// use tower_bearer::sign_in::{Accounts, SignInEndpoints};
/// use tower_bearer::{BearerLayer, Verifier};
///
/// fn routes(
///     sessions: Sessions,
///     accounts: impl Accounts,
///     verifier: Verifier<serde_json::Value>,
/// ) -> Router {
///     let users = SignInEndpoints::new(sessions, accounts, Passwords::new());
///     let guarded = Router::new()
///         .route_service("/logout-everywhere", users.sign_out_everywhere())
///         .route_service("/sessions", users.sessions())
///         .route_service("/sessions/{id}", users.session())
///         .route_service("/password", users.change_password())
///         .route_layer(BearerLayer::new(verifier));
///     Router::new()
///         .route_service("/login", users.sign_in())
///         .route_service("/refresh", users.refresh())
///         .route_service("/logout", users.sign_out())
///         .merge(guarded)
/// }
/// ```
///
/// Bodies are JSON objects or forms of up to 8 KiB. A member that is not known is refused. Every answer forbids caches
/// to keep it.
///
/// | service | request | answer |
/// |---|---|---|
/// | [`sign_in`](Self::sign_in) | `POST` `username`, `password`; `device`, `client_id`, `keep` | 200 with tokens (RFC 6749 §5.1) |
/// | [`refresh`](Self::refresh) | `POST` `refresh_token`, or the cookie; `client_id` | 200 with new tokens |
/// | [`sign_out`](Self::sign_out) | `POST` `refresh_token`, or the cookie | 204 |
/// | [`sign_out_everywhere`](Self::sign_out_everywhere) | `POST` | 204 |
/// | [`sessions`](Self::sessions) | `GET` | 200 with a list |
/// | [`session`](Self::session) | `DELETE` with the name of the session at the end of the path | 204 |
/// | [`change_password`](Self::change_password) | `POST` `current`, `new` | 204 |
///
/// The last four stand behind a [`BearerLayer`](crate::BearerLayer), which says who the user is.
///
/// | refused because | answer |
/// |---|---|
/// | name or password is wrong, the refresh token is not good | 401 `invalid_grant` |
/// | a member is missing, unknown, or there twice | 400 `invalid_request` |
/// | the current password is wrong | 403 `invalid_grant` |
/// | the new password is too short, too long, or refused | 400 `invalid_password` |
/// | the password was changed by another request | 409 `conflict` |
/// | another site caused the request, with cookies | 403 `cross_site` |
/// | the user has no such session | 404 |
/// | another media type; another method; too large a body | 415; 405; 413 |
/// | too many attempts ([`with_throttle`](Self::with_throttle)) | 429 with `Retry-After` |
/// | too many passwords at once, or a store is away | 503 with `Retry-After` |
///
/// # Cookies
///
/// With [`with_cookies`](Self::with_cookies), a sign-in with `"keep": "cookies"` puts the tokens into cookies, and the
/// answer holds no token. Refresh and sign-out then need no body.
#[derive(Clone)]
pub struct SignInEndpoints {
    pub(super) desk: Arc<Desk>,
}

impl SignInEndpoints {
    /// Signs users of this table in.
    pub fn new(sessions: Sessions, accounts: impl Accounts, passwords: Passwords) -> Self {
        let desk = Desk {
            sessions,
            accounts: Arc::new(accounts),
            passwords,
            cookies: None,
            throttle: None,
            clients: Vec::new(),
            pace: Arc::default(),
        };
        Self { desk: Arc::new(desk) }
    }

    /// Lets browsers keep tokens in cookies. Give the same to the layer:
    /// [`Cookies::source`](crate::cookies::Cookies::source).
    #[must_use]
    pub fn with_cookies(self, cookies: Cookies) -> Self {
        self.with(|desk| desk.cookies = Some(cookies))
    }

    /// Names the clients that may sign users in, by `client_id` in the request. The tokens are then bound to the client,
    /// and carry its name. By default, a request that names a client is refused: a client has no secret here, so another
    /// server must not rely on the name.
    #[must_use]
    pub fn with_clients<C: Into<String>>(self, clients: impl IntoIterator<Item = C>) -> Self {
        let clients = clients.into_iter().map(Into::into).collect();
        self.with(|desk| desk.clients = clients)
    }

    /// Limits attempts to sign in. The function returns the time to wait if an attempt is one too many; the
    /// request is then answered 429, before the password is looked at.
    ///
    /// Limit attempts for each name here, and for each address here or by a layer in front, such as that of the crate
    /// `tower_governor`. The [guide](crate::guide::signing_in) says how.
    #[must_use]
    pub fn with_throttle(
        self,
        throttle: impl Fn(SignInAttempt<'_>) -> Result<(), Duration> + Send + Sync + 'static,
    ) -> Self {
        self.with(|desk| desk.throttle = Some(Arc::new(throttle)))
    }

    /// Returns the service that signs users in.
    pub fn sign_in(&self) -> SignInService {
        self.service(Operation::SignIn)
    }

    /// Returns the service that exchanges refresh tokens.
    pub fn refresh(&self) -> SignInService {
        self.service(Operation::Refresh)
    }

    /// Returns the service that ends the session of a refresh token.
    pub fn sign_out(&self) -> SignInService {
        self.service(Operation::SignOut)
    }

    /// Returns the service that ends all sessions of the user. Mount it behind the layer.
    pub fn sign_out_everywhere(&self) -> SignInService {
        self.service(Operation::SignOutEverywhere)
    }

    /// Returns the service that lists the sessions of the user. Mount it behind the layer.
    ///
    /// Each has `id`, `device` (or `null`), `created_at` and `last_seen` (RFC 3339), and `current`.
    pub fn sessions(&self) -> SignInService {
        self.service(Operation::ListSessions)
    }

    /// Returns the service that ends one session of the user, named by the last segment of the path. Mount it behind
    /// the layer.
    pub fn session(&self) -> SignInService {
        self.service(Operation::EndSession)
    }

    /// Returns the service that sets another password and ends the user's other sessions. Mount it behind the layer.
    /// It needs [`Accounts::replace_password_hash`].
    pub fn change_password(&self) -> SignInService {
        self.service(Operation::ChangePassword)
    }

    fn service(&self, operation: Operation) -> SignInService {
        SignInService { desk: Arc::clone(&self.desk), operation }
    }

    fn with(mut self, change: impl FnOnce(&mut Desk)) -> Self {
        change(Arc::make_mut(&mut self.desk));
        self
    }
}

impl fmt::Debug for SignInEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignInEndpoints")
            .field("sessions", &self.desk.sessions)
            .field("passwords", &self.desk.passwords)
            .field("cookies", &self.desk.cookies)
            .finish_non_exhaustive()
    }
}
