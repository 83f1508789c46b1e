//! Has a development provider sign.

use serde_json::json;

use super::parts::Parts;
use crate::failure::Failure;
use crate::fetch;
use crate::output::printable;

/// Posts header and claims to `<issuer>/mint`, which answers with the token as text.
pub(super) fn sign(issuer: &str, parts: &Parts) -> Result<String, Failure> {
    let url = fetch::address(&format!("{}/mint", issuer.trim_end_matches('/')))?;
    let body = json!({ "header": parts.header, "claims": parts.claims }).to_string();
    let answer = fetch::wait_for(fetch::post_json(&url, body.into_bytes()))?;
    let text = str::from_utf8(&answer.body).unwrap_or_default().trim();
    if answer.status != 200 {
        let said: String = printable(text).chars().take(200).collect();
        let failure =
            Failure::new(format_args!("{url} answers with status {}: {said}", answer.status));
        return Err(failure.with_hint("it must be the issuer of a running `bearer serve`"));
    }
    let is_token_byte =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(is_token_byte) {
        return Err(Failure::new(format_args!("{url} answers with something that is no token"))
            .with_hint("it must be the issuer of a running `bearer serve`"));
    }
    Ok(text.to_owned())
}
