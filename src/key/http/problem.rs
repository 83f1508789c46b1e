use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::config_error::ConfigError;
use crate::error::chain;

/// Why a document cannot be had. For logs and the status; requests see a 503.
#[derive(Debug)]
pub(super) enum Problem {
    /// The client cannot be built.
    Client(String),
    /// There is no response, or it breaks off.
    Transport(Box<dyn Error + Send + Sync>),
    Timeout(Duration),
    Status(StatusCode),
    TooLarge(usize),
    Redirect(ConfigError),
    Redirects(usize),
    /// It is not JSON, or not the JSON it should be.
    Malformed(String),
    /// It holds no key that can be used.
    Keys(ConfigError),
    /// The metadata is of another issuer.
    OtherIssuer(String),
    /// The metadata names an address that keys cannot come from.
    JwksUri(ConfigError),
    /// The keys are of another origin than the issuer, and that was ruled out.
    OtherOrigin(String),
    /// The issuer's metadata is in none of its places.
    NoMetadata(Vec<Problem>),
    /// Anything of these, and where.
    At(String, Box<Problem>),
}

impl Problem {
    pub(super) fn at(self, address: impl fmt::Display) -> Self {
        Self::At(address.to_string(), Box::new(self))
    }

    /// Whether the document may be in another place by now. A provider that is overloaded, or does
    /// not answer in time, says nothing about that and is asked nothing else.
    pub(super) fn may_have_moved(&self) -> bool {
        match self {
            Self::Status(status) => {
                !status.is_server_error() && *status != StatusCode::TOO_MANY_REQUESTS
            }
            Self::At(_, problem) => problem.may_have_moved(),
            Self::Transport(_)
            | Self::Redirect(_)
            | Self::Redirects(_)
            | Self::OtherOrigin(_)
            | Self::Keys(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(problem) => {
                write!(f, "the HTTP client cannot be made: {problem}; give another `with_client`")
            }
            Self::Transport(_) => f.write_str("no whole answer came"),
            Self::Timeout(after) => write!(f, "no whole answer came within {after:?}"),
            Self::Status(status) => write!(f, "the answer is {status}"),
            Self::TooLarge(most) => write!(f, "the answer is longer than {most} bytes"),
            Self::Redirect(_) => f.write_str("the answer is a redirect that is not followed"),
            Self::Redirects(most) => write!(f, "there are more than {most} redirects"),
            Self::Malformed(problem) => write!(f, "the answer is not what it should be: {problem}"),
            Self::Keys(_) => f.write_str("the answer has no keys to use"),
            Self::OtherIssuer(other) => write!(
                f,
                "the metadata is of the issuer {other:?}; configure that one, to the letter, if it \
                 is the one that is meant"
            ),
            Self::JwksUri(_) => f.write_str("the metadata has no good `jwks_uri`"),
            Self::OtherOrigin(address) => {
                write!(f, "keys at {address} would be of another origin than the issuer's")
            }
            Self::NoMetadata(problems) => {
                f.write_str("no metadata of the issuer")?;
                problems.iter().try_for_each(|problem| write!(f, "; {}", chain(problem)))
            }
            Self::At(address, problem) => write!(f, "{address}: {problem}"),
        }
    }
}

impl Error for Problem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Transport(error) => Some(&**error),
            Self::Redirect(error) | Self::Keys(error) | Self::JwksUri(error) => Some(error),
            Self::At(_, problem) => problem.source(),
            _ => None,
        }
    }
}
