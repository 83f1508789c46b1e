use jsonwebtoken::Header as Theirs;
use jsonwebtoken::errors::Error;

use crate::error::{AuthError, Reason};
use crate::jose::Header;

impl TryFrom<&Theirs> for Header {
    type Error = AuthError;

    /// Converts a header that jsonwebtoken has read, under the rules of this crate: one with `crit`, or with a key id
    /// of more than 256 bytes, is refused. So [`KeySource`](crate::keys::KeySource)s can be asked for its key.
    fn try_from(theirs: &Theirs) -> Result<Self, AuthError> {
        let json = serde_json::to_vec(theirs).map_err(|_| {
            AuthError::with_detail(Reason::Malformed, "the header cannot be written as JSON")
        })?;
        Self::parse(&json)
    }
}

impl TryFrom<&Header> for Theirs {
    type Error = Error;

    /// Converts to a header of jsonwebtoken, with `alg`, `kid`, `typ` and `cty`. Fails for the algorithms that it does
    /// not know.
    fn try_from(ours: &Header) -> Result<Self, Error> {
        let mut theirs = Self::new(ours.algorithm().try_into()?);
        theirs.kid = ours.key_id().map(str::to_owned);
        theirs.typ = ours.token_type().map(str::to_owned);
        theirs.cty = ours.content_type().map(str::to_owned);
        Ok(theirs)
    }
}
