//! Turns the errors of the parts into answers.

use std::fmt;
use std::time::Duration;

use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use crate::error::AccountsUnavailable;
use crate::middleware::reject::whole_seconds;
use crate::server::endpoints::answer::Refusal;
use crate::server::password::PasswordError;
use crate::server::session::SessionError;

/// Refuses a password or a refresh token.
pub(super) fn invalid_grant(description: &'static str) -> Refusal {
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED, INVALID_GRANT, description);
    // RFC 9110 §15.5.2: a 401 has a challenge. No browser asks for a password because of this one.
    refusal.with_headers(|headers| {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"sign-in\""));
    })
}

impl Refusal {
    pub(super) fn too_many(wait: Duration) -> Self {
        let description = "There were too many attempts";
        Self::new(StatusCode::TOO_MANY_REQUESTS, "slow_down", description).with_headers(|headers| {
            headers.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        })
    }
}

impl From<AccountsUnavailable> for Refusal {
    fn from(error: AccountsUnavailable) -> Self {
        let after = error.retry_after();
        Self::unavailable(after).caused_by(error)
    }
}

impl From<SessionError> for Refusal {
    fn from(error: SessionError) -> Self {
        match error.retry_after() {
            _ if matches!(error, SessionError::WrongKey) => {
                // Not final: the client may have the right key elsewhere, in another tab.
                let description = "The refresh token is bound to another key";
                Self::bad_request(INVALID_GRANT, description).caused_by(error)
            }
            Some(after) => Self::unavailable(after).caused_by(error),
            None if error.is_final() => invalid_grant("The session has ended").caused_by(error),
            None => Self::internal().caused_by(error),
        }
    }
}

impl From<PasswordError> for Refusal {
    fn from(error: PasswordError) -> Self {
        let invalid = |description| Self::bad_request("invalid_password", description);
        match error {
            PasswordError::Busy { retry_after } => Self::unavailable(retry_after),
            PasswordError::Unavailable { .. } => {
                Self::unavailable(Duration::from_secs(1)).caused_by(error)
            }
            PasswordError::TooShort { .. } => invalid("The password is too short"),
            PasswordError::TooLong { .. } => invalid("The password is longer than 1 KiB"),
            PasswordError::Refused => invalid("The password is too easy to guess"),
            error => Self::internal().caused_by(error),
        }
    }
}

/// A message as an error.
#[derive(Debug)]
pub(super) struct SentenceError(pub(super) String);

impl fmt::Display for SentenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SentenceError {}

pub(super) const INVALID_GRANT: &str = "invalid_grant";
