use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A password that was not hashed or not verified.
///
/// No variant and no message holds a password, a hash, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PasswordError {
    /// As many passwords as allowed are being hashed or wait for it. Answer 503 with `Retry-After`.
    Busy {
        /// The time after which the client may try again.
        retry_after: Duration,
    },
    /// The password is too long.
    TooLong {
        /// The number of bytes that a password may have: [`MAX_PASSWORD_BYTES`](super::MAX_PASSWORD_BYTES).
        most: usize,
    },
    /// The new password has too few characters.
    TooShort {
        /// The number of characters that a new password needs.
        required: usize,
    },
    /// The new password is one of the [refused](super::Passwords::with_refused) ones.
    Refused,
    /// The stored hash is damaged, of an unknown kind, or too expensive to verify.
    ///
    /// It took as long to find out as a wrong password, so a client can be given the same answer.
    UnreadableHash {
        /// The reason, with the limit if the hash exceeds one.
        problem: &'static str,
    },
    /// The server cannot hash now. Answer 503.
    Unavailable {
        /// The resource that is missing: memory, randomness or a tokio runtime.
        problem: &'static str,
    },
}

impl fmt::Display for PasswordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy { retry_after } => write!(
                f,
                "too many passwords are being hashed; try again in {} s",
                retry_after.as_secs()
            ),
            Self::TooLong { most } => write!(f, "the password is longer than {most} bytes"),
            Self::TooShort { required } => {
                write!(f, "the password has fewer than {required} characters")
            }
            Self::Refused => f.write_str("the password is in a list of refused passwords"),
            Self::UnreadableHash { problem } => {
                write!(f, "the stored hash cannot be verified: {problem}")
            }
            Self::Unavailable { problem } => write!(f, "passwords cannot be hashed now: {problem}"),
        }
    }
}

impl Error for PasswordError {}
