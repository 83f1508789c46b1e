//! Reads the body of a request for a key.

use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::media_type::is_of_type;
use crate::server::endpoints::answer::Refusal;

/// The body of a request, or the reason why it could not be read.
pub(super) type Sent = Result<Zeroizing<Vec<u8>>, Refusal>;

/// The members of a request for a key. A member that is not known, or is there twice, is refused.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    pub(super) label: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) scopes: Option<Vec<String>>,
    /// In seconds.
    pub(super) expires_in: Option<u64>,
    pub(super) owner: Option<String>,
}

/// Reads the members of a body. A body without content has none, whatever its type.
pub(super) fn read_wanted(parts: &Parts, sent: Sent) -> Result<Wanted, Refusal> {
    let body = sent?;
    if body.is_empty() {
        return Ok(Wanted::default());
    }
    if !is_of_type(&parts.headers, "application/json") {
        let (status, description) =
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not application/json");
        return Err(Refusal::new(status, "invalid_request", description));
    }
    serde_json::from_slice(&body).map_err(|error| {
        // The message of the parser may quote the body.
        Refusal::invalid_request(if error.is_data() {
            "The body is not an object of the known members, each once and of its type"
        } else {
            "The body is not JSON"
        })
    })
}

/// Refuses a body with content.
pub(super) fn expect_no_body(sent: Sent) -> Result<(), Refusal> {
    if sent?.is_empty() { Ok(()) } else { Err(Refusal::invalid_request("The body is not empty")) }
}

/// Enough for the most roles and scopes that a key can have.
pub(super) const MAX_BODY_BYTES: usize = 64 * 1024;
