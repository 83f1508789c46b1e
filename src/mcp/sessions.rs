//! Binds sessions to the principal that has begun them, without a store: a MAC in the session id.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use subtle::ConstantTimeEq as _;
use tower_layer::Layer;
use tower_service::Service;
use zeroize::Zeroizing;

use crate::claims::Principal;
use crate::config_error::{ConfigError, KeyProblem};
use crate::error::{AuthError, Reason};
use crate::jose::crypto;
use crate::middleware::reject::{self, EmptyBody, Rejection};
use crate::middleware::release;

/// Lets an MCP session be used by the principal alone that has begun it.
///
/// A session id in the wrong hands is worth nothing then, whatever token comes with it. This is a layer for the inside of
/// a [`BearerLayer`](crate::BearerLayer). It adds a MAC to each `Mcp-Session-Id` that the server gives out, over the id
/// and the issuer, subject and client of the principal. It checks and removes the MAC from each id that comes, for every
/// method: `POST`, the stream of `GET`, and `DELETE`. The server sees its own ids.
///
/// A session of another principal is answered 404, as one that does not exist
/// ([`Reason::ForeignSession`]). Clients then begin a new one. Tokens may be refreshed meanwhile: what counts is the
/// principal. A principal without subject and client cannot be told from others, so it gets no session.
///
/// ```
/// use tower_bearer::mcp::McpSessions;
/// # use axum::Router;
/// # use tower_bearer::{BearerLayer, ConfigError, Verifier};
///
/// # fn protect(mcp: Router, verifier: Verifier<()>) -> Result<Router, ConfigError> {
/// let app = mcp.layer(McpSessions::generate()?).layer(BearerLayer::new(verifier));
/// # Ok(app)
/// # }
/// ```
///
/// Versions of MCP from 2026-07-28 on have no sessions. Their requests pass unchanged.
#[derive(Clone)]
pub struct McpSessions {
    secret: Arc<Zeroizing<Vec<u8>>>,
}

impl McpSessions {
    /// Binds sessions by a secret that all nodes of the server share. Another API needs another secret.
    ///
    /// # Errors
    ///
    /// [`KeyProblem::SecretTooShort`] for less than 32 bytes.
    pub fn from_secret(secret: impl AsRef<[u8]>) -> Result<Self, ConfigError> {
        let secret = Zeroizing::new(secret.as_ref().to_vec());
        if secret.len() < MIN_SECRET {
            let (bits, required) = (secret.len() * 8, MIN_SECRET * 8);
            return Err(KeyProblem::SecretTooShort { bits, required }.into());
        }
        // A back end that hashes once hashes always.
        crypto::hmac_sha256(&secret, b"").ok_or(KeyProblem::NoBackEnd)?;
        Ok(Self { secret: Arc::new(secret) })
    }

    /// Binds sessions by a new secret, for a server on one node. Its sessions end with the process.
    ///
    /// # Errors
    ///
    /// [`ConfigError::NoRandomness`].
    pub fn generate() -> Result<Self, ConfigError> {
        let mut secret = Zeroizing::new([0; MIN_SECRET]);
        getrandom::fill(&mut *secret).map_err(|_| ConfigError::NoRandomness)?;
        Self::from_secret(*secret)
    }

    /// Removes the MAC from the session id of a request.
    fn check(&self, principal: &Principal, headers: &mut HeaderMap) -> Result<(), Rejection> {
        let mut ids = headers.get_all(SESSION_ID).iter();
        let Some(id) = ids.next() else { return Ok(()) };
        let own = if ids.next().is_some() { None } else { self.own_id(principal, id.as_bytes()) };
        let Some(own) = own else {
            let error = AuthError::with_detail(Reason::ForeignSession, FOREIGN);
            return Err(Rejection::new(error, principal.layer().cloned().unwrap_or_default()));
        };
        headers.insert(SESSION_ID, own);
        Ok(())
    }

    /// Returns the server's id of a session that belongs to the principal.
    fn own_id(&self, principal: &Principal, id: &[u8]) -> Option<HeaderValue> {
        let dot = id.iter().rposition(|byte| *byte == b'.')?;
        let (own, mac) = (id.get(..dot)?, id.get(dot + 1..)?);
        let expected = self.mac(principal, own)?;
        bool::from(expected.as_bytes().ct_eq(mac)).then(|| HeaderValue::from_bytes(own).ok())?
    }

    /// Adds the MAC to the session id of a response.
    fn mark(&self, principal: &Principal, headers: &mut HeaderMap) {
        let ids: Vec<_> = headers.get_all(SESSION_ID).iter().cloned().collect();
        headers.remove(SESSION_ID);
        for id in ids {
            let Some(mac) = self.mac(principal, id.as_bytes()) else { continue };
            let marked = [id.as_bytes(), b".", mac.as_bytes()].concat();
            if let Ok(marked) = HeaderValue::from_bytes(&marked) {
                headers.append(SESSION_ID, marked);
            }
        }
    }

    fn mac(&self, principal: &Principal, id: &[u8]) -> Option<String> {
        let (subject, client) = (principal.subject(), principal.registered().client_id());
        let is_named = |name: Option<&str>| name.is_some_and(|name| !name.is_empty());
        if !is_named(subject) && !is_named(client) {
            return None;
        }
        let mut message = Zeroizing::new(Vec::with_capacity(256));
        message.extend_from_slice(LABEL);
        let parts = [Some(id), Some(principal.issuer().as_bytes())];
        let names = [subject, client].map(|name| name.map(str::as_bytes));
        // With their lengths, so no two lists of parts make the same text.
        for part in parts.into_iter().chain(names) {
            let length = part.map_or(u64::MAX, |part| part.len() as u64);
            message.extend_from_slice(&length.to_be_bytes());
            message.extend_from_slice(part.unwrap_or_default());
        }
        let mac = crypto::hmac_sha256(&self.secret, &message);
        let mac = mac.expect("a back end hashed when the secret was set");
        Some(URL_SAFE_NO_PAD.encode(mac))
    }
}

/// The service of [`McpSessions`].
#[derive(Clone)]
pub struct McpSessionsService<S> {
    inner: S,
    sessions: McpSessions,
}

impl<S> Layer<S> for McpSessions {
    type Service = McpSessionsService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        McpSessionsService { inner, sessions: self.clone() }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for McpSessionsService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: EmptyBody,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = McpSessionsFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let checked = reject::known(request.extensions()).cloned().and_then(|principal| {
            self.sessions.check(&principal, request.headers_mut())?;
            Ok(principal)
        });
        let state = match checked {
            Ok(principal) => {
                let sessions = self.sessions.clone();
                State::Calling { future: self.inner.call(request), sessions, principal }
            }
            Err(rejection) => {
                release(&mut self.inner);
                let rejection = rejection.asked_with(request.method(), request.headers());
                State::Refused { response: Some(rejection.into_response()) }
            }
        };
        McpSessionsFuture { state }
    }
}

pin_project! {
    /// The response of an [`McpSessionsService`].
    pub struct McpSessionsFuture<F, ResBody> {
        #[pin]
        state: State<F, ResBody>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, ResBody> {
        Calling { #[pin] future: F, sessions: McpSessions, principal: Principal },
        Refused { response: Option<Response<ResBody>> },
    }
}

impl<F, ResBody, E> Future for McpSessionsFuture<F, ResBody>
where
    F: Future<Output = Result<Response<ResBody>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Calling { future, sessions, principal } => {
                let mut response = ready!(future.poll(cx))?;
                if response.headers().contains_key(SESSION_ID) {
                    sessions.mark(principal, response.headers_mut());
                }
                Poll::Ready(Ok(response))
            }
            StateProj::Refused { response } => Poll::Ready(Ok(response
                .take()
                .expect("a future is not polled after it has completed"))),
        }
    }
}

// The secret makes session ids.
impl fmt::Debug for McpSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSessions").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for McpSessionsService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSessionsService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<F, ResBody> fmt::Debug for McpSessionsFuture<F, ResBody> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpSessionsFuture").finish_non_exhaustive()
    }
}

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const MIN_SECRET: usize = 32;
const LABEL: &[u8] = b"tower-bearer mcp session\0";
const FOREIGN: &str = "the id has no mark, or that of another principal or secret";
