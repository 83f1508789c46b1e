//! Has a development provider sign.

use serde_json::{Value, json};

use super::args::MintArgs;
use super::parts::Parts;
use crate::failure::Failure;
use crate::fetch;
use crate::output::printable;

/// Posts header and claims to `<issuer>/mint`, which answers with the token as text.
///
/// The provider adds what its tokens usually have. `null` keeps it from adding a claim: one that is to be left out, or
/// one that the token of `--like` does not have.
pub(super) fn sign(issuer: &str, args: &MintArgs, parts: &Parts) -> Result<String, Failure> {
    let url = fetch::address(&format!("{}/mint", issuer.trim_end_matches('/')))?;
    let (mut header, mut claims) = (parts.header.clone(), parts.claims.clone());
    let usual = USUAL.iter().filter(|_| args.like.is_some()).map(|name| (*name).to_owned());
    for name in args.without.iter().cloned().chain(usual) {
        claims.entry(name).or_insert(Value::Null);
    }
    for name in &args.without_header {
        header.entry(name.clone()).or_insert(Value::Null);
    }
    let body = json!({ "header": header, "claims": claims }).to_string();
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

/// The claims that a provider adds (RFC 9068 §2.2).
const USUAL: [&str; 9] = ["sub", "aud", "iat", "nbf", "exp", "jti", "client_id", "roles", "scope"];
