//! Verifies bearer tokens in a tower layer.
//!
//! A [`BearerLayer`] takes the token of a request, verifies it with a [`Verifier`], and puts a [`Principal`] with typed
//! claims into the request's extensions. It answers all other requests as RFC 6750 says. Inside, axum handlers take
//! [`Claims<C>`], [`Option<Claims<C>>`](Claims), [`Require<R>`](Require) or [`Principal`]; other services call
//! [`Principal::from_extensions`].
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
//!     .route_layer(BearerLayer::new(verifier)); // routes that are added after it are open
//! # Ok(app)
//! # }
//! ```
//!
//! The [`guide`] explains one task per page: [routes](guide::routes), [authorization](guide::authorization), [the map of the routes](guide::route_map), [providers](guide::providers), [several
//! issuers](guide::several_issuers), [configuration](guide::configuration), [revocation](guide::revocation),
//! [issuing](guide::issuing), [signing in](guide::signing_in), [API keys](guide::api_keys), [resource metadata](guide::clients), [cookies](guide::cookies), [DPoP](guide::dpop), [mutual TLS](guide::mtls), [MCP servers](guide::mcp), [WebSockets, streams and
//! gRPC](guide::streams), [without the
//! layer](guide::without_layer), [extending](guide::extending), [moving](guide::moving), [testing](guide::testing),
//! [operating](guide::operating).
//!
//! # Parts
//!
//! | part | |
//! |---|---|
//! | keys | [`KeySet`] of PEM, DER, JWK sets and secrets; [`RemoteKeys`] of an identity provider; [`FileKeys`](keys::FileKeys); [`CachedKeys`](keys::CachedKeys) of a loader of your own; [`DecryptionKeys`](keys::DecryptionKeys) decrypt |
//! | other documents | [`Refreshed`](refresh::Refreshed) keeps one fresh; [`FormClient`](net::FormClient) posts forms |
//! | issuers | one, or several with [`Issuers`]; all of it as data with [`Config`] |
//! | rules | [`Validation`], with issuer and audience as arguments |
//! | permissions | [`policy::role`], [`policy::scope`] and others with `and` and `or`; as the layer [`require`], as the extractor [`Require`], in a handler with [`Principal::check`] |
//! | the map of an application | [`Routes`](routes::Routes) knows the policy of every route; [`RouteMap`](routes::RouteMap) prints, checks and probes them, and adds them to an OpenAPI document |
//! | revocation | [`MemoryRevocations`](revocation::MemoryRevocations), [`RedisRevocations`](revocation::RedisRevocations), a view of your own ([`Revocations`](revocation::Revocations)); [`ActiveCheck`](active_check::ActiveCheck) asks a database |
//! | answers | [`render::Empty`], [`render::Json`], [`render::ProblemJson`], [`render::Grpc`], or a function ([`render::from_fn`]) |
//! | tokens in cookies | [`Cookies`](cookies::Cookies), with protection from other sites |
//! | other tokens | [`HeaderToken`](source::HeaderToken) of a proxy, [`TokenSource`](source::TokenSource), [`Introspection`](introspection::Introspection) of opaque tokens, [`Authenticator`](middleware::Authenticator), [`Binding`](binding::Binding) |
//! | tokens bound to a key | [`Dpop`](dpop::Dpop) with [`Nonces`](dpop::Nonces) and [`RedisReplays`](dpop::RedisReplays); [`DowngradeAlarm`](binding::DowngradeAlarm); [`Preset::Fapi2`](validation::Preset::Fapi2) |
//! | tokens bound to a certificate | [`CertificateBinding`](mtls::CertificateBinding) with [`ClientCertificateLayer`](mtls::ClientCertificateLayer) and [`TlsListener`](mtls::TlsListener) (mutual TLS) |
//! | MCP servers | [`Mcp`](mcp::Mcp) protects one by one line: [`Operations`](mcp::Operations), [`McpSessions`](mcp::McpSessions), [`HostCheck`](mcp::HostCheck) |
//! | tokens of your own | [`TokenIssuer`] with a [`SigningKey`], or with [`IssuerKeys`](issue::IssuerKeys) that are replaced |
//! | sign-in | [`SignInEndpoints`](sign_in::SignInEndpoints) signs users in; [`Sessions`](session::Sessions) exchanges refresh tokens and ends sessions |
//! | passwords | [`Passwords`](password::Passwords) hashes and verifies them |
//! | API keys | [`ApiKeys`](api_key::ApiKeys) authenticates by them, [`ApiKeyEndpoints`](api_key::ApiKeyEndpoints) makes and ends them |
//! | endpoints | [`RevocationService`](endpoints::RevocationService), [`LogoutService`](endpoints::LogoutService), [`JwksService`](endpoints::JwksService), [`MetadataService`](endpoints::MetadataService) |
//! | explanations | [`Verifier::explain`] says why a token is refused, check by check, and what would have to change |
//! | tests | [`test_util`] |
//!
//! # The way of a request
//!
#![doc = include_str!("../docs/request.svg")]
//!
//! # Answers
//!
//! | [`Reason`] | status | challenge |
//! |---|---|---|
//! | [`MissingToken`](Reason::MissingToken) | 401 | no `error` |
//! | [`MalformedAuthorization`](Reason::MalformedAuthorization), [`RepeatedAuthorization`](Reason::RepeatedAuthorization), [`MalformedSubprotocol`](Reason::MalformedSubprotocol), [`RepeatedCookie`](Reason::RepeatedCookie), [`SeveralTokens`](Reason::SeveralTokens) | 400 | `invalid_request` |
//! | [`TokenTooLarge`](Reason::TokenTooLarge), [`Malformed`](Reason::Malformed), [`Encrypted`](Reason::Encrypted), [`NotEncrypted`](Reason::NotEncrypted), [`UnsupportedAlgorithm`](Reason::UnsupportedAlgorithm), [`AlgorithmNotAllowed`](Reason::AlgorithmNotAllowed), [`CriticalHeader`](Reason::CriticalHeader), [`UnknownKey`](Reason::UnknownKey), [`InvalidSignature`](Reason::InvalidSignature), [`WrongTokenType`](Reason::WrongTokenType), [`BoundToken`](Reason::BoundToken), [`WrongBinding`](Reason::WrongBinding), [`UnboundToken`](Reason::UnboundToken), [`DowngradedToken`](Reason::DowngradedToken), [`MissingClaim`](Reason::MissingClaim), [`InvalidClaim`](Reason::InvalidClaim), [`Expired`](Reason::Expired), [`TooOld`](Reason::TooOld), [`NotYetValid`](Reason::NotYetValid), [`WrongIssuer`](Reason::WrongIssuer), [`WrongAudience`](Reason::WrongAudience), [`NotTrusted`](Reason::NotTrusted), [`Revoked`](Reason::Revoked), [`Inactive`](Reason::Inactive) | 401 | `invalid_token` |
//! | [`MissingProof`](Reason::MissingProof), [`InvalidProof`](Reason::InvalidProof), [`ProofForOtherRequest`](Reason::ProofForOtherRequest), [`StaleProof`](Reason::StaleProof), [`ReplayedProof`](Reason::ReplayedProof) | 401 | `invalid_dpop_proof` |
//! | [`NonceNeeded`](Reason::NonceNeeded) | 401 | `use_dpop_nonce`; `DPoP-Nonce` |
//! | [`InsufficientAuthentication`](Reason::InsufficientAuthentication) | 401 | `insufficient_user_authentication` with `acr_values`, `max_age`, `scope` |
//! | [`InsufficientScope`](Reason::InsufficientScope) | 403 | `insufficient_scope` with `scope` |
//! | [`Forbidden`](Reason::Forbidden), [`ClaimsMismatch`](Reason::ClaimsMismatch), [`CrossSite`](Reason::CrossSite), [`MissingCsrfToken`](Reason::MissingCsrfToken), [`ForeignOrigin`](Reason::ForeignOrigin), [`ForeignHost`](Reason::ForeignHost) | 403 | no `error` |
//! | [`ForeignSession`](Reason::ForeignSession) | 404 | none |
//! | [`KeysUnavailable`](Reason::KeysUnavailable), [`RevocationsUnavailable`](Reason::RevocationsUnavailable), [`ActiveCheckFailed`](Reason::ActiveCheckFailed), [`AuthenticatorFailed`](Reason::AuthenticatorFailed), [`ReplaysUnavailable`](Reason::ReplaysUnavailable) | 503 | none; `Retry-After` |
//! | [`LayerMissing`](Reason::LayerMissing), [`ClaimsTypeMissing`](Reason::ClaimsTypeMissing), [`MisusedPolicy`](Reason::MisusedPolicy) | 500 | none; the log says what to add |
//!
//! A client is told the same of all faults that are found before the signature is verified. The [`Reason`] is in the
//! extensions of the response, for access logs and metrics. The [`Principal`] of an accepted request is there too if
//! [`with_principal_in_responses`](BearerLayer::with_principal_in_responses) asks for it.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `axum` | yes | Adds the axum extractors `Claims`, `Require`, `Verified` and `Principal`. Depends on axum-core only. |
//! | `axum-router` | | Adds `Routes`, which knows the policy of every route, and `policy::path`. Depends on axum. |
//! | `aws-lc-rs` | yes | Verifies (and, with `issue`, makes) signatures with aws-lc-rs. |
//! | `rust-crypto` | | Verifies (and, with `issue`, makes) signatures in pure Rust, for builds without a C compiler. `aws-lc-rs` wins. |
//! | `jsonwebtoken` | yes | Adds conversions from and to the types of jsonwebtoken: keys, JWKs, algorithms and headers. |
//! | `tracing` | yes | Emits one event for every refused request, with its reason. |
//! | `issue` | | Adds `TokenIssuer`, which signs tokens and gives out the public keys to verify them with. |
//! | `jwe` | | Adds `DecryptionKeys` and `EncryptionKey`, which decrypt and encrypt tokens (JWE, RFC 7516). |
//! | `passwords` | | Adds `Passwords`, which hashes passwords with Argon2id and verifies hashes of Argon2, bcrypt and scrypt. Needs tokio. |
//! | `active-check` | | Adds `ActiveCheck`, which asks whether a subject is still active: a database, say. Needs tokio. |
//! | `refresh` | | Adds `CachedKeys`, which keeps the keys of any source fresh, `FileKeys`, which reads them from a file, and `Refreshed`, which keeps any other document fresh. Needs tokio. |
//! | `jwks` | | Adds `RemoteKeys`, which fetches keys over HTTPS from an address or by OpenID discovery, and `FormClient`, which posts forms. |
//! | `introspection` | | Adds `Introspection`, which asks the authorization server about tokens that are no JWTs (RFC 7662, RFC 9701). |
//! | `config` | | Adds `Config`, which reads issuers, keys and rules from JSON or TOML. |
//! | `endpoints` | | Adds `RevocationService` (RFC 7009) and `LogoutService` (OpenID Connect Back-Channel Logout), which revoke. |
//! | `redis` | | Adds `RedisRevocations`, which shares revocations between nodes through Redis, with `sessions` `RedisSessions`, which keeps sessions there, and with `dpop` `RedisReplays`, which remembers used proofs. Needs tokio. |
//! | `cookies` | | Adds `Cookies`, which keeps tokens in cookies of a browser and refuses requests of other sites that would use them. |
//! | `mtls` | | Adds `CertificateBinding`, which checks tokens that are bound to the client's certificate (mutual TLS, RFC 8705), behind a proxy or with `TlsListener`. Needs tokio. |
//! | `tonic` | | Adds `From<Rejection>` for `tonic::Status`, for gRPC services that refuse a request themselves. |
//! | `sessions` | | Adds `Sessions`, which gives out refresh tokens, exchanges each once, and notices their theft. Needs tokio. |
//! | `sign-in` | | Adds `SignInEndpoints`: sign-in with a password, refresh, sign-out, the list of sessions, another password. |
//! | `sqlite` | | Adds `SqliteSessions`, which keeps sessions in a SQLite file, and with `api-keys` `SqliteApiKeys`. Needs tokio, a C compiler and Rust 1.94. |
//! | `postgres` | | Adds `PostgresSessions`, which keeps sessions in PostgreSQL and shares them between nodes, and with `api-keys` `PostgresApiKeys`. Needs tokio, a C compiler and Rust 1.94. |
//! | `api-keys` | | Adds `ApiKeys`, which authenticates requests by API keys, and `ApiKeyEndpoints`, which makes, lists, rotates and ends keys. Needs tokio. |
//! | `dpop` | | Adds `Dpop`, which accepts tokens that are bound to a key with a proof of its possession (RFC 9449), and makes such proofs. |
//! | `mcp` | | Adds `mcp`: authorization of each operation of an MCP or other JSON-RPC server, sessions that belong to their principal, and the check of `Origin` and `Host`. |
//! | `metadata` | | Adds `Resource`, which tells clients where to get a token and for what: metadata and challenges of RFC 9728. |
//! | `test-util` | | Adds what tests need: a clock to set, tokens good and broken, an OpenID provider in process, and claims without a token. |
//!
//! A feature only adds items. Items of a feature are marked with it.
//!
//! ## Without a C compiler
//!
//! ```toml
//! tower-bearer = { version = "0.1", default-features = false, features = ["axum", "tracing", "rust-crypto"] }
//! ```
//!
//! `rust-crypto` verifies and signs with every algorithm in pure Rust, and decides as `aws-lc-rs` does. A signature takes
//! 4 times as long to verify with RSA, 2 to 6 times with ECDSA, and no longer with Ed25519 and HMAC. If one crate of an
//! application switches `aws-lc-rs` on, that one is used for every key. `axum-router`, `issue`, `passwords`, `cookies`, `dpop`, `mcp`, `metadata`, `sessions`, `sign-in`,
//! `active-check`, `refresh`, `endpoints`, `api-keys`, `jwe` and `test-util` need no C either. `sqlite` does, and `jwks`, `introspection`, `config`, `redis`, `mtls`
//! and `postgres` do, for TLS: load keys with a client of your own and [`CachedKeys`](keys::CachedKeys) instead. Before you
//! sign or decrypt with RSA in pure Rust, read `SECURITY.md`.
//!
//! # Versions
//!
//! Semantic versioning: before 1.0, a minor version may break. The minimum Rust version is 1.88, or 1.94 with `sqlite` or
//! `postgres`, and a higher one is a minor change.
//!
//! - Part of the API: statuses, error codes of challenges and bodies (`invalid_token`, `forbidden` …),
//!   [`Reason::as_str`], and the default of every option. Another default is a breaking change, unless it only refuses more
//!   for safety; the changelog then says so.
//! - Not part of the API: sentences. `error_description`, `detail`, messages and details of errors and events may be
//!   reworded in any version, so match on codes and reasons.
//! - Types of other crates in the public API: those of `http`, `http-body`, `bytes`, `tower-layer`, `tower-service` and
//!   `serde`; with the feature of the same name those of `jsonwebtoken` and `tonic`; with `axum` those of `axum-core`; with
//!   `axum-router` those of `axum` and `serde_json`; with `test-util` those of `serde_json`; with `jwe` those of `zeroize`; with `mtls` the traits of
//!   `tokio` for streams; with `sqlite` or `postgres` the pools of `sqlx`. A new major version of one of them is a breaking change here.

#![cfg_attr(docsrs, feature(doc_cfg))]

// In the order in which they may import from each other: each from those above it only.
pub mod error;
mod config_error;
pub mod clock;
mod dangerous;
mod text;
mod request_head;
#[cfg(any(feature = "endpoints", feature = "introspection"))]
mod media_type;
#[cfg(any(feature = "cookies", feature = "mcp"))]
mod web_origin;
#[cfg(any(feature = "issue", feature = "jwks", feature = "metadata", feature = "redis"))]
mod loopback;
#[cfg(any(feature = "issue", feature = "metadata"))]
mod web_address;
mod observe;
#[cfg(any(feature = "redis", feature = "refresh"))]
mod task;
#[cfg(feature = "refresh")]
pub mod refresh;
pub mod challenge;
#[cfg(feature = "metadata")]
mod protected_resource;
pub mod jose;
#[cfg(feature = "jwks")]
pub mod net;
pub mod keys;
mod adapters;
pub mod claims;
mod state;
pub mod verify;
pub mod binding;
pub mod middleware;
#[cfg(feature = "axum-router")]
pub mod routes;
#[cfg(any(feature = "issue", feature = "endpoints", feature = "metadata", feature = "passwords"))]
mod server;
#[cfg(feature = "mcp")]
pub mod mcp;
#[cfg(feature = "config")]
mod config;
#[cfg(feature = "test-util")]
pub mod test_util;
#[cfg(any(doc, doctest))]
pub mod guide;

#[doc(inline)]
pub use crate::claims::policy::Requirement;
#[doc(inline)]
pub use crate::claims::validation::Validation;
#[doc(inline)]
pub use crate::claims::{Principal, Verified};
#[cfg(feature = "config")]
pub use crate::config::Config;
pub use crate::config_error::ConfigError;
pub use crate::dangerous::Dangerous;
#[doc(inline)]
pub use crate::error::{AuthError, Reason};
#[doc(inline)]
pub use crate::jose::Algorithm;
#[doc(inline)]
pub use crate::keys::KeySet;
#[cfg(feature = "jwks")]
#[doc(inline)]
pub use crate::keys::RemoteKeys;
#[cfg(feature = "issue")]
#[doc(inline)]
pub use crate::keys::SigningKey;
#[cfg(feature = "axum")]
pub use crate::middleware::axum::{Claims, Require};
pub use crate::middleware::reject::Rejection;
#[doc(inline)]
pub use crate::middleware::{BearerLayer, require};
#[cfg(feature = "issue")]
#[doc(inline)]
pub use crate::server::issue::TokenIssuer;
#[doc(inline)]
pub use crate::verify::{Issuers, Verifier};

#[cfg(feature = "active-check")]
#[doc(inline)]
pub use crate::state::active_check;
#[doc(inline)]
pub use crate::state::revocation;

#[cfg(any(feature = "issue", feature = "endpoints", feature = "metadata"))]
#[doc(inline)]
pub use crate::server::endpoints;
#[cfg(feature = "issue")]
#[doc(inline)]
pub use crate::server::issue;
#[cfg(feature = "passwords")]
#[doc(inline)]
pub use crate::server::password;
#[cfg(feature = "sign-in")]
#[doc(inline)]
pub use crate::server::sign_in;

/// Decides whether a principal may do something: permissions for [`require`] and [`Require`].
///
/// There is no `not`. With it, a policy could accept a token because a claim is absent. If the name of the claim were
/// misspelt, the policy would accept every token.
pub mod policy {
    #[cfg(feature = "axum-router")]
    #[doc(inline)]
    pub use crate::claims::policy::path;
    #[doc(inline)]
    pub use crate::claims::policy::{
        Access, Acr, ActingForUser, ActorIs, AllOf, Amr, And, AnyOf, Bound, ClaimsWhere, Details,
        Equals, EqualsText, NoDelegation, Or, Policy, PolicyDescription, Remedy, RequestHead,
        RequestPart, Requirement, Role, Scope, SignedInWithin, When, acr, acting_for_user, actor,
        all_of, amr, any_of, bound, bound_by, claims_where, details, header_field, host_label,
        no_delegation, path_segment, role, scope, signed_in_within, when,
    };
}

/// Authenticates programs by API keys.
///
/// [`ApiKeys`](api_key::ApiKeys) is where to begin.
#[cfg(feature = "api-keys")]
pub mod api_key {
    #[doc(inline)]
    pub use crate::server::api_key::{
        ApiKeyEndpoints, ApiKeyError, ApiKeyManager, ApiKeyRequest, ApiKeyService, IssuedApiKey,
    };
    #[cfg(feature = "postgres")]
    #[doc(inline)]
    pub use crate::state::api_key::PostgresApiKeys;
    #[cfg(feature = "sqlite")]
    #[doc(inline)]
    pub use crate::state::api_key::SqliteApiKeys;
    #[doc(inline)]
    pub use crate::state::api_key::{
        ApiKey, ApiKeyChange, ApiKeyCreation, ApiKeyFault, ApiKeyHash, ApiKeyPrefix, ApiKeyRecord,
        ApiKeyRotation, ApiKeyRotationOutcome, ApiKeySource, ApiKeyStore, ApiKeysUnavailable,
        BoxApiKeyStore, FileApiKeys, MemoryApiKeys, NewApiKeyRecord,
    };
    #[doc(inline)]
    pub use crate::verify::api_keys::ApiKeys;
}

/// Keeps users signed in: sessions, and refresh tokens that are good once.
///
/// [`Sessions`](session::Sessions) is where to begin.
#[cfg(feature = "sessions")]
pub mod session {
    #[doc(inline)]
    pub use crate::server::session::{
        RefreshToken, SessionError, SessionKey, SessionTokens, Sessions, SignIn,
    };
    #[cfg(feature = "redis")]
    #[doc(inline)]
    pub use crate::state::session::RedisSessions;
    #[doc(inline)]
    pub use crate::state::session::{
        BoxSessionStore, CreationOutcome, MemorySessions, NewSession, Rotation, RotationOutcome,
        RotationVerdict, Session, SessionStore, SessionsUnavailable, Swept, TokenHash,
    };

    #[cfg(feature = "postgres")]
    #[doc(inline)]
    pub use crate::state::session::PostgresSessions;
    #[cfg(feature = "sqlite")]
    #[doc(inline)]
    pub use crate::state::session::SqliteSessions;
}

/// Accepts tokens that are bound to a key, with proofs of its possession (DPoP, RFC 9449).
///
/// [`Dpop`](dpop::Dpop) is where to begin.
#[cfg(feature = "dpop")]
pub mod dpop {
    #[doc(inline)]
    pub use crate::binding::dpop::{
        Dpop, DpopClientLayer, DpopClientService, DpopKey, Nonces, ProofRequest,
    };
    #[doc(inline)]
    pub use crate::error::ReplaysUnavailable;
    #[cfg(feature = "redis")]
    #[doc(inline)]
    pub use crate::state::replay::RedisReplays;
    #[doc(inline)]
    pub use crate::state::replay::{MemoryReplays, ProofId, ProofUse, ReplayCheck, ReplayStore};
}

/// Finds the token in a request.
///
/// Tokens in query parameters are not supported: addresses end up in logs and histories, and OAuth 2.1 forbids
/// them there.
pub mod source {
    #[doc(inline)]
    pub use crate::middleware::source::{
        AuthorizationHeader, FirstOf, HeaderToken, Presented, TokenSource, WebSocketProtocol,
    };
}

#[cfg(feature = "cookies")]
/// Keeps tokens in cookies.
pub mod cookies {
    #[doc(inline)]
    pub use crate::middleware::cookies::{CookieError, CookieToken, Cookies};
}

/// Checks tokens that are bound to the certificate of a client (mutual TLS, RFC 8705 and RFC 9440).
///
/// [`CertificateBinding`](mtls::CertificateBinding) compares the certificates, and
/// [`ClientCertificateLayer`](mtls::ClientCertificateLayer) finds the one of a request. The [guide](guide::mtls) has
/// the set-up for each place where TLS ends.
#[cfg(feature = "mtls")]
pub mod mtls {
    #[doc(inline)]
    pub use crate::binding::mtls::{
        CertificateBinding, CertificateField, ClientAuthorities, ClientCertificate,
        ClientCertificateLayer, ClientCertificateService, InvalidCertificate, TlsConnection,
        TlsListener, TlsSettings,
    };
}

/// Tells clients where to get a token, and for what: the metadata of a protected resource (RFC 9728).
///
/// [`Resource`](resource::Resource) is where to begin.
#[cfg(feature = "metadata")]
pub mod resource {
    #[doc(inline)]
    pub use crate::protected_resource::Resource;
    #[doc(inline)]
    pub use crate::server::endpoints::ResourceMetadataService;
}

/// Renders the bodies of refusals.
///
/// Give a renderer to [`BearerLayer::with_rejection`]. The names stand in a module of their own because they are
/// common: `render::Json` is not `axum::Json`.
pub mod render {
    #[doc(inline)]
    pub use crate::middleware::reject::render::{
        AnyBody, AnyBodyFuture, AnyBodyLayer, AnyBodyService, Empty, EmptyBody, FromFn,
        FromFnWithRequest, Grpc, Json, ProblemJson, ProblemJsonWithInstance, Render, RequestHead,
        any_body, from_fn, from_fn_with_request,
    };
}

/// Says which claims a token must have to be accepted.
pub mod validation {
    #[doc(inline)]
    pub use crate::claims::validation::{ParsePresetError, Preset, TrustPolicy, Validation};
}

/// Asks the authorization server whether a token is good: token introspection (RFC 7662, RFC 9701).
///
/// [`Introspection`](introspection::Introspection) is where to begin.
#[cfg(feature = "introspection")]
pub mod introspection {
    #[doc(inline)]
    pub use crate::verify::introspection::{
        ClientAuthentication, DangerousIntrospection, Introspection, OpaqueTokens,
    };
}

/// Explains why a verifier accepts or refuses a token: each check, and the change with which the token would pass.
///
/// [`Verifier::explain`] is where to begin.
pub mod explain {
    #[doc(inline)]
    pub use crate::verify::explain::{
        Change, ChangeSide, Check, Explanation, Outcome, Step, UnverifiedToken,
    };
}

/// Compiles the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
