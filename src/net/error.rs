use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::config_error::{ConfigError, placeholder};
use crate::error::chain;

/// Tells why a document is not available, or why a form cannot be posted. For logs and the status; requests see a 503.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// The client cannot be built.
    Client(String),
    /// There is no response, or it breaks off.
    Transport(Box<dyn Error + Send + Sync>),
    Timeout(Duration),
    Status(StatusCode),
    TooLarge(usize),
    /// The answer is a redirect, and none is followed.
    NotFollowed {
        status: StatusCode,
        to: String,
    },
    /// The answer to a form is a redirect.
    Redirected(StatusCode),
    Redirect(ConfigError),
    Redirects(usize),
    /// The answer is not JSON, or not the JSON that was expected.
    Malformed(String),
    /// The answer holds no key that can be used.
    Keys(ConfigError),
    /// A document names a host that documents must not lead to.
    Refused(String),
    /// The token for the fetch cannot be read.
    Bearer(ConfigError),
    /// The metadata is of another issuer.
    OtherIssuer(String),
    /// The metadata names an address that keys cannot come from.
    JwksUri(ConfigError),
    /// The metadata names no introspection endpoint.
    #[cfg(feature = "introspection")]
    NoIntrospectionEndpoint,
    /// The metadata names an introspection endpoint that no token may be sent to.
    #[cfg(feature = "introspection")]
    IntrospectionEndpoint(ConfigError),
    /// The keys are of another origin than the issuer, and that was ruled out.
    OtherOrigin(String),
    /// The issuer's metadata is in none of its places.
    NoMetadata(Vec<FetchError>),
    /// One of these errors, with the address.
    At(String, Box<FetchError>),
}

impl FetchError {
    pub(crate) fn at(self, address: impl fmt::Display) -> Self {
        Self::At(address.to_string(), Box::new(self))
    }

    /// Returns whether the document may be at another address by now. A provider that is overloaded, or does
    /// not answer in time, gives no sign of that, so it is asked no more.
    pub(crate) fn may_have_moved(&self) -> bool {
        match self {
            Self::Status(status) => {
                !status.is_server_error() && *status != StatusCode::TOO_MANY_REQUESTS
            }
            Self::At(_, problem) => problem.may_have_moved(),
            Self::Transport(_)
            | Self::Refused(_)
            | Self::NotFollowed { .. }
            | Self::Redirect(_)
            | Self::Redirects(_)
            | Self::OtherOrigin(_)
            | Self::Keys(_) => true,
            _ => false,
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(problem) => {
                write!(
                    f,
                    "the HTTP client cannot be made: {problem}; give authorities by \
                     `with_root_certificates` (`ca_file`), or another client by `with_client`"
                )
            }
            Self::Transport(error) => {
                f.write_str("no complete answer came")?;
                hint(&**error).map_or(Ok(()), |hint| write!(f, "; {hint}"))
            }
            Self::Timeout(after) => write!(f, "no complete answer came within {after:?}"),
            Self::Status(status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)) => write!(
                f,
                "the answer is {status}; a token that is asked for there can be given by \
                 `with_bearer_file` (`bearer_file`) and is sent to the configured origin only"
            ),
            Self::Status(status) => write!(f, "the answer is {status}"),
            Self::TooLarge(most) => write!(
                f,
                "the answer is longer than {most} bytes; `with_max_bytes` (`max_bytes`) allows more"
            ),
            Self::NotFollowed { status, to } => write!(
                f,
                "the answer is {status}, a redirect to {to:?}; give that address, or have it \
                 followed by `with_redirects` (`redirects`)"
            ),
            Self::Redirected(status) => write!(
                f,
                "the answer is {status}, a redirect, which is not followed with a form; give the address that it \
                 leads to"
            ),
            Self::Redirect(_) => f.write_str("the answer is a redirect that is not followed"),
            Self::Refused(problem) => f.write_str(problem),
            Self::Bearer(_) => f.write_str("the bearer token to fetch keys with is not available"),
            Self::Redirects(most) => write!(f, "there are more than {most} redirects"),
            Self::Malformed(problem) => {
                write!(f, "the answer is not an issuer's metadata: {problem}")
            }
            Self::Keys(_) => f.write_str("the answer has no keys to use"),
            Self::OtherIssuer(template) if placeholder::is_in(template) => write!(
                f,
                "the metadata is of {template:?}, a template for tenants; give the issuer of one \
                 tenant, with its id in place of the template, or the template itself with the \
                 address of its metadata (`discover_at`, `metadata_url`)"
            ),
            Self::OtherIssuer(other) => write!(
                f,
                "the metadata is of the issuer {other:?}; configure that one, to the letter, if it \
                 is the one that is meant"
            ),
            Self::JwksUri(_) => f.write_str("the metadata has no good `jwks_uri`"),
            #[cfg(feature = "introspection")]
            Self::NoIntrospectionEndpoint => f.write_str(
                "the metadata has no `introspection_endpoint`; give its address to `Introspection::new`",
            ),
            #[cfg(feature = "introspection")]
            Self::IntrospectionEndpoint(_) => {
                f.write_str("the metadata has no good `introspection_endpoint`")
            }
            Self::OtherOrigin(address) => write!(
                f,
                "keys at {address} would be of another origin than the issuer's, which \
                 `with_same_origin_only` (`same_origin_only`) rules out"
            ),
            Self::NoMetadata(problems) => {
                f.write_str("no metadata of the issuer")?;
                problems.iter().try_for_each(|problem| write!(f, "; {}", chain(problem)))
            }
            Self::At(address, problem) => write!(f, "{address}: {problem}"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Transport(error) => Some(&**error),
            Self::Redirect(error)
            | Self::Keys(error)
            | Self::JwksUri(error)
            | Self::Bearer(error) => Some(error),
            #[cfg(feature = "introspection")]
            Self::IntrospectionEndpoint(error) => Some(error),
            Self::At(_, problem) => problem.source(),
            _ => None,
        }
    }
}

/// An exchange of a [`FormClient`](super::FormClient) that brought no complete answer.
///
/// For logs: it may name internal addresses. It holds neither the form nor a secret.
#[derive(Debug)]
pub struct ExchangeError(FetchError);

impl From<FetchError> for ExchangeError {
    fn from(error: FetchError) -> Self {
        Self(error)
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for ExchangeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// Returns advice for an error that names only the failure.
fn hint(error: &(dyn Error + 'static)) -> Option<&'static str> {
    let text = chain(error);
    if text.contains("UnknownIssuer") || text.contains("BadSignature") {
        Some(
            "its certificate is of an authority that this system does not know: name that one by \
             `with_root_certificates` (`ca_file`)",
        )
    } else if text.contains("InvalidContentType") {
        Some("it does not speak TLS there: is the port right?")
    } else {
        None
    }
}
