//! Finds the bearer token in a request.
//!
//! A request without a token is not an error here: sources answer `Ok(None)` and the layer decides
//! what that means. `Err` is for requests that *tried* to send one and got it wrong.
//!
//! Nothing in this module looks inside the token. There is no source for query parameters: what is
//! in a URL ends up in logs and histories, and OAuth 2.1 forbids it.

mod presented;
mod authorization;
mod subprotocol;

use http::{HeaderMap, StatusCode, request};

use crate::error::Reason;

pub use authorization::AuthorizationHeader;
pub use presented::Presented;
pub use subprotocol::WebSocketProtocol;

/// A place where a token travels.
pub trait TokenSource: Send + Sync + 'static {
    /// Finds the token as it was sent, and the scheme that it was sent under.
    ///
    /// # Errors
    ///
    /// A [`Reason`] when something was sent here that cannot be one token. The request is refused even
    /// where tokens are optional.
    fn find<'r>(&self, request: &'r request::Parts) -> Result<Option<Presented<'r>>, Reason>;

    /// Reads what was found here, if it is written as this place asks for.
    ///
    /// Not asked about what is, byte by byte, a token that was verified before: that is well-formed
    /// anywhere. The default asks for UTF-8.
    ///
    /// # Errors
    ///
    /// A [`Reason`], as of [`find`](Self::find).
    fn read<'t>(&self, token: &'t [u8]) -> Result<&'t str, Reason> {
        str::from_utf8(token).map_err(|_| Reason::Malformed)
    }

    /// Takes the token out of the request after it was found here, before inner services see it.
    ///
    /// The default leaves the request alone.
    fn strip(&self, request: &mut request::Parts) {
        _ = request;
    }

    /// Completes the headers of the response to a request whose token was found here.
    ///
    /// The default leaves them alone.
    fn complete(&self, status: StatusCode, headers: &mut HeaderMap) {
        _ = (status, headers);
    }
}
