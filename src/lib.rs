//! Bearer token authentication and authorization as a tower layer.
//!
//! A [`BearerLayer`] takes the `Authorization: Bearer` token of a request, verifies it with a
//! [`Verifier`], and puts typed claims into the request's extensions; what does not pass is answered
//! as RFC 6750 says. Inside, axum handlers take [`Claims<C>`], [`Option<Claims<C>>`](Claims) or
//! [`Require<R>`](Require); any other tower service takes
//! the [`Principal`] from the request's extensions, and the claims from it ([`Principal::claims`]).
//!
//! ```
//! use axum::{Router, routing::{get, post}};
//! use serde::Deserialize;
//! use tower_bearer::policy::{role, scope};
//! use tower_bearer::{BearerLayer, Claims, KeySet, Validation, Verifier, require};
//!
//! #[derive(Deserialize)]
//! struct User {
//!     email: String,
//! }
//!
//! # async fn create() {}
//! # fn app(jwks: &str) -> Result<Router, tower_bearer::ConfigError> {
//! let verifier = Verifier::<User>::new(
//!     KeySet::from_jwks(jwks)?,
//!     Validation::new("https://id.example.com", "https://api.example.com"),
//! )?;
//! let app = Router::new()
//!     .route("/me", get(|Claims(user): Claims<User>| async move { user.email.clone() }))
//!     .route("/orders", post(create).layer(require(scope("orders:write").or(role("admin")))))
//!     .route_layer(BearerLayer::new(verifier));
//! # Ok(app)
//! # }
//! ```
//!
//! # Parts
//!
//! - Keys: [`KeySet`] from PEM, JWK sets or secrets; `RemoteKeys` of an identity provider (feature
//!   `jwks`); `FileKeys`, and `CachedKeys` for a `Fetch` of your own (feature `refresh`).
//! - Issuers: one, or several with [`Issuers`]; all of it as data with `Config` (feature `config`).
//! - Rules: [`Validation`], with issuer and audience as arguments.
//! - Revocation: [`MemoryRevocations`], `RedisRevocations` (feature `redis`), or a view of your own
//!   ([`Revocations`]), with [`Verifier::with_revocations`]; a database asked for each subject, `ActiveCheck`
//!   (feature `active-check`).
//! - Permissions: [`policy::role`], [`policy::scope`] and others with `and` and `or`; as the layer
//!   [`require`], as the extractor [`Require`], or in a handler with [`Principal::check`].
//! - Answers: [`render::Empty`], [`render::Json`], [`render::ProblemJson`], [`render::Grpc`], or a function
//!   ([`render::from_fn`]).
//! - Routes that revoke: `RevocationService` and `LogoutService` (feature `endpoints`).
//! - Tokens of your own: `TokenIssuer` (feature `issue`).
//! - Tests: `test_util` (feature `test-util`).
//!
//! # Answers
//!
//! | [`Reason`] | status | challenge |
//! |---|---|---|
//! | [`MissingToken`](Reason::MissingToken) | 401 | realm only |
//! | [`MalformedAuthorization`](Reason::MalformedAuthorization), [`RepeatedAuthorization`](Reason::RepeatedAuthorization), [`MalformedSubprotocol`](Reason::MalformedSubprotocol), [`SeveralTokens`](Reason::SeveralTokens) | 400 | `invalid_request` |
//! | [`TokenTooLarge`](Reason::TokenTooLarge), [`Malformed`](Reason::Malformed), [`Encrypted`](Reason::Encrypted), [`UnsupportedAlgorithm`](Reason::UnsupportedAlgorithm), [`AlgorithmNotAllowed`](Reason::AlgorithmNotAllowed), [`CriticalHeader`](Reason::CriticalHeader), [`UnknownKey`](Reason::UnknownKey), [`InvalidSignature`](Reason::InvalidSignature), [`WrongTokenType`](Reason::WrongTokenType), [`BoundToken`](Reason::BoundToken), [`MissingClaim`](Reason::MissingClaim), [`InvalidClaim`](Reason::InvalidClaim), [`Expired`](Reason::Expired), [`TooOld`](Reason::TooOld), [`NotYetValid`](Reason::NotYetValid), [`WrongIssuer`](Reason::WrongIssuer), [`WrongAudience`](Reason::WrongAudience), [`Revoked`](Reason::Revoked), [`Inactive`](Reason::Inactive) | 401 | `invalid_token` |
//! | [`InsufficientScope`](Reason::InsufficientScope) | 403 | `insufficient_scope` with `scope` |
//! | [`Forbidden`](Reason::Forbidden), [`ClaimsMismatch`](Reason::ClaimsMismatch) | 403 | realm only |
//! | [`KeysUnavailable`](Reason::KeysUnavailable), [`RevocationsUnavailable`](Reason::RevocationsUnavailable), [`ActiveCheckFailed`](Reason::ActiveCheckFailed) | 503 | none; `Retry-After` |
//! | [`LayerMissing`](Reason::LayerMissing), [`ClaimsTypeMissing`](Reason::ClaimsTypeMissing) | 500 | none; the log says what to mend |
//!
//! Clients are told the same of everything that is found out before the signature was verified. The
//! [`Reason`] is in the response's extensions, for access logs and metrics. For requests that were
//! let in the [`Principal`] is there, if
//! [`with_principal_in_responses`](BearerLayer::with_principal_in_responses) asks for it.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `axum` | yes | Adds the axum extractors `Claims`, `Require`, `Verified` and `Principal`. Depends on axum-core only. |
//! | `aws-lc-rs` | yes | Verifies (and, with `issue`, makes) signatures with aws-lc-rs. |
//! | `rust-crypto` | | Verifies (and, with `issue`, makes) signatures in pure Rust, for builds without a C compiler. `aws-lc-rs` wins. |
//! | `tracing` | yes | Emits one event for every refused request, with its reason. |
//! | `issue` | | Adds `TokenIssuer`, which signs tokens and gives out the public keys to verify them with. |
//! | `active-check` | | Adds `ActiveCheck`, which asks whether a subject is still active: a database, say. Needs tokio. |
//! | `refresh` | | Adds `CachedKeys`, which keeps the keys of any source fresh, and `FileKeys`, which reads them from a file. Needs tokio. |
//! | `jwks` | | Adds `RemoteKeys`, which fetches keys over HTTPS from an address or by OpenID discovery. |
//! | `config` | | Adds `Config`, which reads issuers, keys and rules from JSON or TOML. |
//! | `redis` | | Adds `RedisRevocations`, which shares revocations between nodes through Redis. Needs tokio. |
//! | `endpoints` | | Adds `RevocationService` (RFC 7009) and `LogoutService` (OpenID Connect Back-Channel Logout), which revoke. |
//! | `tonic` | | Adds `From<Rejection>` for `tonic::Status`, for gRPC services that refuse a request themselves. |
//! | `test-util` | | Adds what tests need: a clock to set, tokens good and broken, an OpenID provider in process, and claims without a token. |

#![cfg_attr(docsrs, feature(doc_cfg))]

// In the order in which they may import from each other: each from those above it only.
mod error;
mod config_error;
mod clock;
mod dangerous;
mod text;
mod observe;
pub mod challenge;
mod jose;
#[cfg(feature = "jwks")]
mod net;
mod keys;
mod claims;
mod state;
mod verify;
mod middleware;
#[cfg(any(feature = "issue", feature = "endpoints"))]
mod server;
#[cfg(feature = "config")]
mod config;
#[cfg(feature = "test-util")]
pub mod test_util;

#[doc(inline)]
pub use crate::claims::policy::{self, Requirement};
pub use crate::claims::validation::{ParsePresetError, Preset, Validation};
pub use crate::claims::{
    Audience, Grants, NumericDate, Principal, PrincipalKind, RegisteredClaims, Verified,
};
pub use crate::clock::{Clock, SystemClock};
#[cfg(feature = "config")]
pub use crate::config::Config;
pub use crate::config_error::{ConfigError, KeyProblem, SkippedKey};
pub use crate::dangerous::Dangerous;
#[cfg(feature = "endpoints")]
pub use crate::error::ClientsUnavailable;
pub use crate::error::{AuthError, KeysUnavailable, Reason, ReasonClass, RevocationsUnavailable};
pub use crate::jose::{Algorithm, Header, ParseAlgorithmError};
#[cfg(feature = "refresh")]
pub use crate::keys::{CachedKeys, Fetch, FetchBudget, Fetched, FileKeys, KeyFile};
pub use crate::keys::{
    Candidates, FetchFailure, KeySet, KeySource, KeysState, KeysStatus, Lookup, VerifyingKey,
};
#[cfg(feature = "jwks")]
pub use crate::keys::{DangerousFetch, HttpFetch, RemoteKeys};
#[cfg(feature = "axum")]
pub use crate::middleware::axum::{Claims, Require};
pub use crate::middleware::reject::{Rejection, render};
pub use crate::middleware::source::{AuthorizationHeader, TokenSource, WebSocketProtocol};
pub use crate::middleware::{
    Bearer, BearerLayer, RequireFuture, RequireLayer, RequireService, ResponseFuture, require,
};
#[cfg(feature = "jwks")]
pub use crate::net::client::HttpClient;
#[cfg(any(feature = "issue", feature = "endpoints"))]
pub use crate::server::body::ServiceBody;
#[cfg(feature = "endpoints")]
pub use crate::server::endpoints::{
    ClientList, ClientSecret, Clients, LogoutScope, LogoutService, RevocationService, RouteFuture,
};
#[cfg(feature = "issue")]
pub use crate::server::issue::{
    IssueError, IssuedToken, JwksService, PublicKeys, TokenIssuer, TokenRequest,
};
#[cfg(feature = "active-check")]
pub use crate::state::active::{ActiveCheck, ActiveVerdict, CheckActive};
pub use crate::state::revocation::{
    MemoryRevocations, MissingTokenId, Revocable, Revocation, RevocationKind, RevocationKinds,
    RevocationStore, Revocations, Revoked,
};
#[cfg(feature = "redis")]
pub use crate::state::revocation::{RedisRevocations, RedisStatus};
pub use crate::verify::cache::CacheStats;
pub use crate::verify::issuers::Issuers;
pub use crate::verify::verifier::Verifier;

/// Runs the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
