//! Writes the parts of a token that is to be signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// Returns a segment: the JSON of a header or of claims, in base64url.
pub(crate) fn segment(value: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).expect("string keys and JSON values"))
}

/// Returns a random `jti` of 128 bits. `None` if the operating system has no randomness.
pub(crate) fn random_id() -> Option<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).ok()?;
    Some(URL_SAFE_NO_PAD.encode(bytes))
}
