//! Bearer token authentication and authorization as a tower layer.
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "axum")]
mod axum;
pub mod challenge;
mod claims;
mod clock;
mod config_error;
mod crypto;
mod error;
#[cfg(feature = "issue")]
mod issue;
mod jose;
mod json;
mod key;
mod middleware;
pub mod policy;
mod reject;
mod source;
#[cfg(feature = "test-util")]
pub mod test_util;
mod token;
mod trace;
mod validation;
mod verifier;

#[cfg(feature = "axum")]
pub use crate::axum::{Claims, Require};
pub use crate::claims::{Audience, Grants, NumericDate, Principal, Registered, Speaker, Verified};
pub use crate::clock::{Clock, SystemClock};
pub use crate::config_error::{ConfigError, KeyProblem, SkippedKey};
pub use crate::error::{AuthError, KeysUnavailable, Reason};
#[cfg(feature = "issue")]
pub use crate::issue::{
    IssueError, IssuedToken, JwksBody, JwksService, PublicKeys, TokenIssuer, TokenRequest,
};
pub use crate::jose::{Algorithm, Header, UnknownAlgorithm};
pub use crate::key::{Candidates, KeySet, KeySource, Lookup, VerifyingKey};
pub use crate::middleware::{
    Bearer, BearerLayer, RequireFuture, RequireLayer, RequireService, ResponseFuture, require,
};
pub use crate::policy::Requirement;
pub use crate::reject::{Empty, Json, ProblemJson, Rejection, Render};
pub use crate::source::{AuthorizationHeader, TokenSource};
pub use crate::validation::Validation;
pub use crate::verifier::Verifier;
