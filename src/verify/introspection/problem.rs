use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::error::AuthError;
use crate::keys::SignError;
use crate::net::error::FetchError;
use crate::refresh::Unavailable;
use crate::task::NotHere;

/// The reason why there is no answer about a token. All requests that waited for the answer share it. It is for logs:
/// it holds neither token nor secret.
#[derive(Debug)]
pub(super) enum Problem {
    /// The endpoint of the issuer is not known.
    NoEndpoint(Unavailable),
    /// The assertion that authenticates the client could not be signed.
    Assertion(SignError),
    /// No complete answer came.
    Exchange(FetchError),
    Status(StatusCode),
    /// The answer is of another media type.
    OtherType {
        expected: &'static str,
        is_signed: bool,
    },
    /// The answer is not one that RFC 7662 describes.
    Malformed(String),
    /// The signed answer cannot be verified.
    Signed(AuthError),
    Timeout(Duration),
    /// More unknown tokens come than may be asked about.
    Spent {
        retry_after: Duration,
    },
    /// All places to wait are taken.
    Crowded,
    /// The call panicked, or its runtime ended.
    Ended,
    NotHere(NotHere),
}

impl Problem {
    /// Returns the value of `Retry-After`.
    pub(super) fn retry_after(&self) -> Duration {
        match self {
            Self::Spent { retry_after } => (*retry_after).max(SOON),
            Self::Crowded => SOON,
            _ => LATER,
        }
    }

    /// Returns whether clients cause it, by many tokens, and not the endpoint.
    pub(super) fn is_flood(&self) -> bool {
        matches!(self, Self::Spent { .. } | Self::Crowded)
    }

    /// Returns whether the endpoint may be at another address by now.
    pub(super) fn may_have_moved(&self) -> bool {
        match self {
            Self::Status(status) => {
                [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::GONE]
                    .contains(status)
            }
            Self::Exchange(FetchError::At(_, problem)) => matches!(
                **problem,
                FetchError::Redirected(_) | FetchError::Transport(_) | FetchError::Refused(_)
            ),
            _ => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoEndpoint(_) => f.write_str("the introspection endpoint is not known"),
            Self::Assertion(_) => {
                f.write_str("the assertion that authenticates the client could not be signed")
            }
            Self::Exchange(error) => error.fmt(f),
            Self::Status(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => write!(
                f,
                "the answer is {status}; check id, secret and method of the client, and whether it may introspect"
            ),
            Self::Status(status) => write!(f, "the answer is {status}"),
            Self::OtherType { expected, is_signed: true } => write!(
                f,
                "the answer is not {expected} but a signed one, which `with_signed_answers` reads"
            ),
            Self::OtherType { expected, is_signed: false } => {
                write!(f, "the answer is not {expected}; is this the address of the endpoint?")
            }
            Self::Malformed(problem) => write!(f, "the answer cannot be used: {problem}"),
            Self::Signed(error) => write!(f, "the signed answer cannot be verified: {error:#}"),
            Self::Timeout(after) => write!(f, "there is no answer after {after:?}"),
            Self::Spent { .. } => f.write_str(
                "the budget for questions about unknown tokens is spent; `with_budget` sets another",
            ),
            Self::Crowded => f.write_str(
                "too many requests wait for answers; `with_call_limits` sets how many may wait",
            ),
            Self::Ended => f.write_str("the question panicked, or its runtime ended"),
            Self::NotHere(NotHere::NoTimers) => {
                f.write_str("the timers of this tokio runtime are not enabled")
            }
            Self::NotHere(_) => {
                f.write_str("tokens can be introspected in a tokio runtime only")
            }
        }
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoEndpoint(error) => Some(error),
            Self::Assertion(error) => error.source(),
            Self::Exchange(error) => error.source(),
            Self::Signed(error) => error.source(),
            _ => None,
        }
    }
}

const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(5);
