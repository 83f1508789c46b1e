//! Reads the credentials of the client from a request (RFC 6749 §2.3.1).
//!
//! RFC 6749 §2.3.1 encodes id and secret as in forms; Authlib and curl do not. Secrets of letters, digits and
//! `-._~` are the same either way. Trying both spellings would be two guesses for each request.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use zeroize::Zeroizing;

use super::answer::Refusal;
use super::clients::ClientSecret;
use super::form::{Form, decode};

/// The credentials that a client sent. They are not verified yet.
pub(super) struct Credentials {
    pub(super) client_id: String,
    /// `None` for clients without a secret.
    pub(super) secret: Option<ClientSecret>,
}

impl Credentials {
    /// Finds the credentials in the `Authorization` field or in the form, and refuses a request
    /// with both.
    pub(super) fn find(headers: &HeaderMap, form: &Form) -> Result<Self, Refusal> {
        let (id, secret) = (form.get("client_id"), form.get("client_secret"));
        // RFC 7521 §4.2: a client assertion is another way to authenticate, which this endpoint
        // does not support.
        if form.get("client_assertion").or(form.get("client_assertion_type")).is_some() {
            return Err(Refusal::invalid_client("Client assertions are not supported"));
        }
        if let Some(basic) = Self::basic(headers)? {
            if secret.is_some() {
                let description = "The client authenticates in two ways";
                return Err(Refusal::invalid_request(description));
            }
            if id.is_some_and(|id| id != basic.client_id) {
                return Err(Refusal::invalid_request("There are two clients"));
            }
            return Ok(basic);
        }
        let id = id.ok_or_else(|| Refusal::invalid_client("The client does not say who it is"))?;
        Ok(Self { client_id: id.to_owned(), secret: secret.map(ClientSecret::new) })
    }

    fn basic(headers: &HeaderMap) -> Result<Option<Self>, Refusal> {
        let mut fields = headers.get_all(AUTHORIZATION).iter();
        let Some(field) = fields.next() else { return Ok(None) };
        if fields.next().is_some() {
            return Err(Refusal::invalid_request("There is more than one Authorization field"));
        }
        match read_basic(field.as_bytes()) {
            Some(credentials) => Ok(Some(credentials)),
            None => Err(Refusal::invalid_client("The Authorization field is not valid for Basic")),
        }
    }
}

fn read_basic(field: &[u8]) -> Option<Credentials> {
    let (scheme, rest) = field.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) || rest.first() != Some(&b' ') {
        return None;
    }
    let pair = Zeroizing::new(STANDARD.decode(rest.trim_ascii()).ok()?);
    let colon = pair.iter().position(|&byte| byte == b':')?;
    // RFC 6749 §2.3.1: both are encoded as in forms before they are joined.
    let (client_id, secret) = (decode(&pair[..colon])?, decode(&pair[colon + 1..])?);
    if client_id.is_empty() {
        return None;
    }
    // RFC 6749 §2.3.1: an empty secret counts as absent.
    let secret = Some(ClientSecret::new(secret)).filter(|secret| !secret.expose().is_empty());
    Some(Credentials { client_id, secret })
}

const SCHEME: &[u8] = b"Basic";
