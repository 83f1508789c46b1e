use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::error::{RevocationsUnavailable, SessionsUnavailable};
use crate::server::issue::IssueError;
use crate::state::session::MAX_SUBJECT;

/// A session that could not be begun, refreshed or ended.
///
/// `Display` says why, for logs. A client is told `invalid_grant` (RFC 6749 §5.2) for every refused token, because
/// the difference would help a thief.
#[derive(Debug)]
#[non_exhaustive]
pub enum SessionError {
    /// The refresh token is not one of this server, or its session was removed.
    UnknownToken,
    /// The session has expired: it was idle for too long, or has reached its longest lifetime.
    Expired,
    /// The session had ended before: by a sign-out, or because its token was used twice.
    Ended,
    /// The refresh token was used although its successor was used already. The session has ended, and its
    /// access tokens are revoked.
    Reused,
    /// The refresh token is bound to another client.
    WrongClient,
    /// The refresh token is bound to a key of the client, and the request has no proof by it. The session goes on.
    WrongKey,
    /// All sessions of the subject were ended while it signed in, or the sign-in took longer than ten minutes.
    Superseded,
    /// The subject is longer than the 1,024 bytes that every store can keep.
    SubjectTooLong {
        /// The length of the subject in bytes.
        bytes: usize,
    },
    /// The store does not answer.
    Unavailable(SessionsUnavailable),
    /// The access tokens of a session that ended could not be revoked yet. The same call again tries again.
    NotRevoked(RevocationsUnavailable),
    /// The access token could not be made.
    NotIssued(IssueError),
}

impl SessionError {
    /// Returns whether the client has to sign in again. Otherwise, the same request may succeed later, or the
    /// application has made a mistake.
    pub fn is_final(&self) -> bool {
        match self {
            Self::UnknownToken
            | Self::Expired
            | Self::Ended
            | Self::Reused
            | Self::WrongClient
            | Self::Superseded => true,
            Self::SubjectTooLong { .. }
            | Self::WrongKey
            | Self::Unavailable(_)
            | Self::NotRevoked(_)
            | Self::NotIssued(_) => false,
        }
    }

    /// Returns how long a client should wait before it sends the same again. `None` where that would not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable(error) => Some(error.retry_after()),
            Self::NotRevoked(error) => Some(error.retry_after()),
            _ => None,
        }
    }
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownToken => f.write_str("the refresh token is not known"),
            Self::Expired => f.write_str("the session has expired"),
            Self::Ended => f.write_str("the session has ended"),
            Self::Reused => f.write_str(
                "the refresh token was used again after its successor; the session was ended, as one of the two \
                 users of the token may be a thief",
            ),
            Self::WrongClient => f.write_str("the refresh token is bound to another client"),
            Self::WrongKey => f.write_str(
                "the refresh token is bound to a key, and the request has no proof by it",
            ),
            Self::Superseded => {
                f.write_str("all sessions of the subject were ended during this sign-in")
            }
            Self::SubjectTooLong { bytes } => write!(
                f,
                "the subject has {bytes} bytes, and a session keeps no more than {MAX_SUBJECT}"
            ),
            Self::Unavailable(error) => error.fmt(f),
            Self::NotRevoked(_) => {
                f.write_str("the session has ended, but its access tokens could not be revoked yet")
            }
            Self::NotIssued(error) => error.fmt(f),
        }
    }
}

impl Error for SessionError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unavailable(error) => error.source(),
            Self::NotRevoked(error) => Some(error),
            Self::NotIssued(error) => error.source(),
            _ => None,
        }
    }
}

impl From<SessionsUnavailable> for SessionError {
    fn from(error: SessionsUnavailable) -> Self {
        Self::Unavailable(error)
    }
}

impl From<RevocationsUnavailable> for SessionError {
    fn from(error: RevocationsUnavailable) -> Self {
        Self::NotRevoked(error)
    }
}

impl From<IssueError> for SessionError {
    fn from(error: IssueError) -> Self {
        Self::NotIssued(error)
    }
}
