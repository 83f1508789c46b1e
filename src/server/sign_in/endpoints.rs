use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::Response;
use http::request::Parts;

use super::accounts::Accounts;
use super::attempt::SignInAttempt;
use super::desk::{Desk, Operation};
use super::keep::Keep;
use super::service::SignInService;
#[cfg(feature = "dpop")]
use crate::binding::dpop::Dpop;
use crate::error::AccountsUnavailable;
use crate::middleware::cookies::Cookies;
use crate::server::body::ServiceBody;
use crate::server::carried_out::carried_out;
use crate::server::endpoints::answer::{EndpointFuture, Refusal};
use crate::server::password::{PasswordError, Passwords};
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
/// With [`with_cookies`](Self::with_cookies), a sign-in can ask for cookies. Refresh and sign-out then need no body, and
/// a request of another site is refused.
///
/// | `keep` | access token | refresh token |
/// |---|---|---|
/// | absent | in the answer | in the answer |
/// | `"refresh-cookie"` | in the answer, for the memory of a page | in the cookie `__Host-refresh-only` |
/// | `"cookies"` | in the cookie `__Host-access` | in the cookie `__Host-refresh` |
///
/// No script can read these cookies. A refresh answers in the way in which its token came. A script that was injected
/// into a page therefore cannot ask for the access token of a session whose tokens are both in cookies. Refresh tokens
/// in two cookies, or in a cookie and the body, are refused with 400.
///
/// A sign-in with cookies ends the session whose cookies the request brings.
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
            #[cfg(feature = "dpop")]
            dpop: None,
            throttle: None,
            on_outcome: None,
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

    /// Binds the tokens of a session to the key of the DPoP proof in the sign-in (RFC 9449 §5). A refresh then needs a
    /// proof by the same key, and the type of the access tokens is `DPoP`. The layer of the API needs
    /// [`with_dpop`](crate::BearerLayer::with_dpop).
    ///
    /// A request without a proof is refused, unless
    /// [`with_bearer_allowed`](crate::dpop::Dpop::with_bearer_allowed) is set. A proof that is refused is answered 400
    /// with `invalid_dpop_proof` or `use_dpop_nonce`. A session with both tokens in cookies cannot be bound: browsers
    /// send cookies without a proof.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn with_dpop(self, dpop: Dpop) -> Self {
        self.with(|desk| desk.dpop = Some(dpop))
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

    /// Sets a function that is called when the password of an attempt was looked at, with `true` if it was correct. By
    /// default there is none.
    ///
    /// A limit of [`with_throttle`](Self::with_throttle) can then forget the attempts before a correct password. Do
    /// not count wrong ones here only: many attempts at once would all be tried before the first of them is counted.
    /// Attempts that end without an answer, for example because too many passwords are checked at once, are not told.
    #[must_use]
    pub fn on_outcome(
        self,
        on_outcome: impl Fn(SignInAttempt<'_>, bool) + Send + Sync + 'static,
    ) -> Self {
        self.with(|desk| desk.on_outcome = Some(Arc::new(on_outcome)))
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

    /// Signs a user in without a password, and answers as [`sign_in`](Self::sign_in) does: for a user who has just
    /// registered, or was authenticated by other means.
    ///
    /// The subject is that of the account ([`Account::new`](super::Account::new)); the account is looked up. `device` is
    /// the name for the list of sessions; without one, that of the browser in `User-Agent`. If tokens go into cookies,
    /// a request that another site has caused is refused. A registration asks [`Cookies::check`] before it adds an
    /// account.
    ///
    /// No attempt is counted. Refusals are those of the table above; 401 if there is no such account. A sign-in that has
    /// begun goes on when its future is dropped.
    ///
    /// ```
    /// use http::request::Parts;
    /// use http::Response;
    /// use tower_bearer::endpoints::ServiceBody;
    /// use tower_bearer::sign_in::{Keep, SignInEndpoints};
    ///
    /// async fn registered(
    ///     endpoints: &SignInEndpoints,
    ///     user_id: &str,
    ///     request: &Parts,
    /// ) -> Response<ServiceBody> {
    ///     let Ok(response) = endpoints.sign_in_as(user_id, Keep::Cookies, None, request).await;
    ///     response
    /// }
    /// ```
    pub fn sign_in_as(
        &self,
        subject: &str,
        keep: Keep,
        device: Option<&str>,
        request: &Parts,
    ) -> EndpointFuture {
        let (desk, pace) = (Arc::clone(&self.desk), Arc::clone(&self.desk.pace));
        let (subject, device) = (subject.to_owned(), device.map(str::to_owned));
        let request = request.clone();
        let signed_in =
            async move { desk.sign_in_as(&subject, keep, device.as_deref(), &request).await };
        EndpointFuture::new(carried_out(signed_in), pace)
    }

    /// Returns the answer of the services to a password that was not hashed, for a registration: 400 if it is refused,
    /// 503 with `Retry-After` if no password can be hashed now. The log tells the reason.
    pub fn password_error(&self, error: PasswordError) -> Response<ServiceBody> {
        Refusal::from(error).into_response(&self.desk.pace)
    }

    /// Returns the answer of the services when the table of users does not answer: 503 with `Retry-After`. The log
    /// tells the reason.
    pub fn accounts_unavailable(&self, error: AccountsUnavailable) -> Response<ServiceBody> {
        Refusal::from(error).into_response(&self.desk.pace)
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
