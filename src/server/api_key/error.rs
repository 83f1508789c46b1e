use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::error::{ApiKeysUnavailable, RevocationsUnavailable};

/// An API key that could not be made, rotated or changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The owner has no such key; or it is disabled, has expired or has ended, and cannot be rotated.
    Unknown,
    /// The owner has as many keys as it may have.
    TooMany,
    /// The request cannot be met. The sentence says why, and quotes nothing of it.
    Invalid(&'static str),
    /// The operating system has no randomness to give, or the crate was built without a back end for signatures.
    NotMade,
    /// The store does not answer.
    Unavailable(ApiKeysUnavailable),
    /// The key is refused from now on, but not yet on nodes that keep an answer about it: the revocation could not be
    /// stored. The same call again tries again.
    NotRevoked(RevocationsUnavailable),
}

impl ApiKeyError {
    /// Returns how long to wait before the same call. `None` where that would not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable(error) => Some(error.retry_after()),
            Self::NotRevoked(error) => Some(error.retry_after()),
            Self::Unknown | Self::TooMany | Self::Invalid(_) | Self::NotMade => None,
        }
    }
}

impl fmt::Display for ApiKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("the owner has no such API key, or it is not good any more")
            }
            Self::TooMany => f.write_str("the owner has as many API keys as it may have"),
            Self::Invalid(problem) => write!(f, "the API key cannot be made: {problem}"),
            Self::NotMade => {
                f.write_str("there is no randomness or no back end to make an API key with")
            }
            Self::Unavailable(error) => error.fmt(f),
            Self::NotRevoked(_) => {
                f.write_str("the API key is refused, but could not be revoked on all nodes yet")
            }
        }
    }
}

impl Error for ApiKeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(error) => error.source(),
            Self::NotRevoked(error) => Some(error),
            Self::Unknown | Self::TooMany | Self::Invalid(_) | Self::NotMade => None,
        }
    }
}

impl From<ApiKeysUnavailable> for ApiKeyError {
    fn from(error: ApiKeysUnavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<RevocationsUnavailable> for ApiKeyError {
    fn from(error: RevocationsUnavailable) -> Self {
        Self::NotRevoked(error)
    }
}
