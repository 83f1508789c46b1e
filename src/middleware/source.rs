//! Finds the bearer token in a request.
//!
//! A request without a token is not an error here: sources answer `Ok(None)`, and the layer decides
//! what follows. `Err` is for requests that *tried* to send a token and made a mistake.
//!
//! Sources do not look inside the token. There is no source for query parameters, because URLs end
//! up in logs and histories, and OAuth 2.1 forbids it.

mod authorization;
mod header_token;
mod subprotocol;

use http::{HeaderMap, StatusCode, request};

use crate::error::Reason;

pub use crate::verify::presented::Presented;
pub use authorization::AuthorizationHeader;
#[cfg(feature = "cookies")]
pub(crate) use authorization::is_b64token;
pub use header_token::{FirstOf, HeaderToken};
pub use subprotocol::WebSocketProtocol;
#[cfg(feature = "cookies")]
pub(crate) use subprotocol::lists;

/// Finds the token in one place of a request.
pub trait TokenSource: Send + Sync + 'static {
    /// Returns the token as it was sent, and the scheme that it was sent under.
    ///
    /// # Errors
    ///
    /// A [`Reason`] when this place holds something that cannot be one token. The request is
    /// refused even where tokens are optional.
    fn find<'r>(&self, request: &'r request::Parts) -> Result<Option<Presented<'r>>, Reason>;

    /// Returns the token as text, if it has the form that this place requires.
    ///
    /// A cache hit does not call this method: a token that was verified before is well-formed in
    /// every place. The default requires UTF-8.
    ///
    /// # Errors
    ///
    /// A [`Reason`], as for [`find`](Self::find).
    fn read<'t>(&self, token: &'t [u8]) -> Result<&'t str, Reason> {
        str::from_utf8(token).map_err(|_| Reason::Malformed)
    }

    /// Removes the token that was found here from the request, before inner services see it.
    ///
    /// The default leaves the request unchanged.
    fn strip(&self, request: &mut request::Parts) {
        _ = request;
    }

    /// Completes the headers of the response to a request whose token was found here. Refusals of
    /// the layer itself are not completed, those of guards inside are.
    ///
    /// The default leaves the headers unchanged.
    fn complete(&self, status: StatusCode, headers: &mut HeaderMap) {
        _ = (status, headers);
    }
}
