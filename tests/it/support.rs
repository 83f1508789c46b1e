//! Holds the fixtures that tests share: one issuer, one key, one moment in time.

pub mod jumping_clock;
pub mod libraries;
pub mod log;
pub mod mutants;
pub mod named_keys;
pub mod nginx;
pub mod scripted;
pub mod sealed;

use std::sync::OnceLock;

use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use tower::ServiceExt;
use tower_bearer::keys::KeySource;
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::{Algorithm, AuthError, BearerLayer, Reason, Validation, Verified, Verifier};

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const NOW: u64 = 1_800_000_000;

/// A claims type as an application would write it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct User {
    pub sub: Option<String>,
    pub email: Option<String>,
}

/// The key that most tests sign with.
pub fn key() -> TestKey {
    static KEY: OnceLock<TestKey> = OnceLock::new();
    KEY.get_or_init(|| TestKey::generate(Algorithm::HS256)).clone()
}

/// A key for an algorithm; RSA keys take a moment to generate, so there is one of each.
pub fn key_for(algorithm: Algorithm) -> TestKey {
    static KEYS: [OnceLock<TestKey>; Algorithm::ALL.len()] =
        [const { OnceLock::new() }; Algorithm::ALL.len()];
    let at = Algorithm::ALL.iter().position(|one| *one == algorithm).unwrap();
    KEYS[at].get_or_init(|| TestKey::generate(algorithm)).clone()
}

pub fn token() -> TestToken {
    TestToken::new(ISSUER, AUDIENCE).at(NOW)
}

/// A valid token of the usual key.
pub fn good() -> String {
    token().sign(&key())
}

pub fn validation() -> Validation {
    Validation::new(ISSUER, AUDIENCE)
}

pub fn verifier_of(keys: impl KeySource) -> Verifier<User> {
    verifier_with(keys, validation())
}

pub fn verifier_with(keys: impl KeySource, validation: Validation) -> Verifier<User> {
    Verifier::new(keys, validation).unwrap().with_clock(TestClock::at(NOW))
}

pub fn verifier() -> Verifier<User> {
    verifier_of(key().verifying_key())
}

pub fn layer() -> BearerLayer<User> {
    BearerLayer::new(verifier())
}

/// Verifies with the usual key.
pub async fn verify(token: &str) -> Result<Verified<User>, AuthError> {
    verifier().verify(token).await
}

/// Returns the reason why the usual verifier refuses a token.
pub async fn reason(token: &str) -> Reason {
    verify(token).await.expect_err("the token was accepted").reason()
}

pub fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

pub trait WithBearer {
    fn bearer(self, token: impl AsRef<str>) -> Self;
    fn field(self, name: &'static str, value: impl AsRef<[u8]>) -> Self;
}

impl<B> WithBearer for Request<B> {
    fn bearer(self, token: impl AsRef<str>) -> Self {
        self.field(AUTHORIZATION.as_str(), format!("Bearer {}", token.as_ref()))
    }

    fn field(mut self, name: &'static str, value: impl AsRef<[u8]>) -> Self {
        self.headers_mut().append(name, value.as_ref().try_into().unwrap());
        self
    }
}

/// A response as a client and an access log see it.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    /// The reason that access logs find in the response.
    pub reason: Option<Reason>,
    pub subject: Option<String>,
}

impl Answer {
    /// The only challenge, if there is one.
    pub fn challenge(&self) -> Option<&str> {
        assert!(self.headers.get_all(WWW_AUTHENTICATE).iter().count() <= 1, "{self:?}");
        self.headers.get(WWW_AUTHENTICATE).map(|value| value.to_str().unwrap())
    }

    /// Checks status, challenge and reason together.
    #[track_caller]
    pub fn is_refused(&self, status: u16, challenge: Option<&str>, reason: Reason) -> &Self {
        let seen = (self.status.as_u16(), self.challenge(), self.reason);
        assert_eq!(seen, (status, challenge, Some(reason)));
        self
    }

    #[track_caller]
    pub fn is_ok(&self, body: &str) -> &Self {
        assert_eq!((self.status, &*self.body, self.reason), (StatusCode::OK, body, None));
        assert_eq!(self.challenge(), None);
        self
    }
}

pub async fn send(app: &Router, request: Request<Body>) -> Answer {
    Answer::of(app.clone().oneshot(request).await.unwrap()).await
}

impl Answer {
    pub async fn of(response: http::Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let principal = parts.extensions.get::<tower_bearer::Principal>();
        Self {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            reason: parts.extensions.get().copied(),
            subject: principal.and_then(|principal| principal.subject().map(str::to_owned)),
        }
    }
}

/// A challenge of the default realm.
pub fn challenge(error: &str, description: &str) -> String {
    format!("Bearer realm=\"api\", error=\"{error}\", error_description=\"{description}\"")
}

pub fn invalid_token(description: &str) -> String {
    challenge("invalid_token", description)
}

pub const PLAIN: &str = "Bearer realm=\"api\"";
