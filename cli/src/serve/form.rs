//! Reads the form of a token request (RFC 6749 §4.4.2) and the name of its client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use super::reply::{self, Refusal};

/// The fields of a form, in their order.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let kind =
            headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(
                reply::invalid("the body is a form: application/x-www-form-urlencoded").into()
            );
        }
        Ok(Self(form_urlencoded::parse(body).into_owned().collect()))
    }

    /// Returns the value of a field. A field without a value counts as absent (RFC 6749 §3.2).
    pub(super) fn one(&self, name: &str) -> Result<Option<String>, Refusal> {
        let mut values = self.all(name).into_iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            // RFC 6749 §3.2: no parameter is there twice.
            _ => Err(reply::invalid(format!("{name} is there twice")).into()),
        }
    }

    /// Returns the values of a field that may be repeated.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let fields = self.0.iter().filter(|(field, value)| field == name && !value.is_empty());
        fields.map(|(_, value)| value.clone()).collect()
    }

    /// Returns the name of the client. Its secret is not looked at.
    pub(super) fn client(&self, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        match headers.get(AUTHORIZATION) {
            None => self.one("client_id"),
            Some(value) => {
                let client = value.to_str().ok().and_then(basic).filter(|name| !name.is_empty());
                client.map(Some).ok_or_else(|| {
                    reply::invalid("the field Authorization holds no client in the scheme Basic")
                        .into()
                })
            }
        }
    }
}

/// Reads the client of `Basic` (RFC 6749 §2.3.1), whose name is encoded as in a form.
fn basic(credentials: &str) -> Option<String> {
    let (scheme, credentials) = credentials.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (name, _) = decoded.split_once(':')?;
    let name = form_urlencoded::parse(name.as_bytes()).next()?.0;
    Some(name.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_of_basic_is_decoded() {
        let encoded = |text: &str| format!("Basic {}", STANDARD.encode(text));

        assert_eq!(basic(&encoded("orders:secret")).as_deref(), Some("orders"));
        assert_eq!(basic(&encoded("a%3Ab+c:s:e")).as_deref(), Some("a:b c"));
        assert_eq!(basic(&encoded("no colon")), None);
        assert_eq!(basic("Bearer abc"), None);
        assert_eq!(basic("Basic %%%"), None);
    }
}
