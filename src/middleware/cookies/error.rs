use std::error::Error;
use std::fmt;

/// A token that cannot be put into a cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// The token is empty or holds a character that no bearer token has (RFC 6750 §2.1).
    IllegalToken {
        /// The name of the cookie.
        cookie: String,
    },
    /// The cookie is longer than browsers store. They drop such a cookie without an error.
    TooLarge {
        /// The name of the cookie.
        cookie: String,
        /// The length of the cookie with its name and attributes, in bytes.
        bytes: usize,
        /// The largest length, in bytes.
        most: usize,
    },
    /// The operating system gives no random bytes for the CSRF token.
    NoRandomness,
}

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IllegalToken { cookie } => write!(
                f,
                "the token for the cookie `{cookie}` is empty or holds a character that no token has"
            ),
            Self::TooLarge { cookie, bytes, most } => write!(
                f,
                "the cookie `{cookie}` has {bytes} bytes, and browsers drop cookies of more than {most}; \
                 put fewer claims into the token"
            ),
            Self::NoRandomness => f.write_str("the operating system gives no random bytes"),
        }
    }
}

impl Error for CookieError {}
