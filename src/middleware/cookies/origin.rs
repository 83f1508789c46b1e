//! Decides by `Sec-Fetch-Site` and `Origin` whether another site has sent a request.
//!
//! The rule is that of the `csrf` layer of tower-http 0.7, which has it from Go 1.25. Its code
//! cannot be called: it is private to a service that stands around every request, those with a
//! token in the header included. It differs here in four ways, each of which only refuses more. The
//! scheme of the origin counts and is configured, because a page over plain HTTP may be of an attacker in
//! the network. An empty field counts as a foreign origin, and so does a repeated one. A request
//! with neither field is not accepted; it needs a signed token. A trusted origin that no browser
//! sends is a mistake and not a rule without effect.
//!
//! `TRACE` counts as safe, which no browser sends.

use http::header::{HOST, HeaderName, ORIGIN};
use http::uri::Scheme;
use http::{HeaderMap, Uri};

use crate::config_error::ConfigError;
use crate::web_origin::check_spelling;

/// The sites whose requests may use cookies.
#[derive(Clone)]
pub(super) struct Origins {
    scheme: Scheme,
    trusted: Vec<Box<str>>,
}

/// The site that has sent a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// This origin, a trusted one, or the user.
    Trusted,
    Foreign,
    /// An old browser, or another program.
    Unknown,
}

impl Origins {
    pub(super) fn new(scheme: Scheme) -> Self {
        Self { scheme, trusted: Vec::new() }
    }

    pub(super) fn trusted(&self) -> &[Box<str>] {
        &self.trusted
    }

    pub(super) fn trust(&mut self, origin: &str) -> Result<(), ConfigError> {
        check_spelling(origin, self.scheme == Scheme::HTTP)
            .map_err(|problem| ConfigError::Origin { origin: origin.to_owned(), problem })?;
        self.trusted.push(origin.into());
        Ok(())
    }

    pub(super) fn sender(&self, uri: &Uri, headers: &HeaderMap) -> Sender {
        let fields = (single(headers, &SEC_FETCH_SITE), single(headers, &ORIGIN));
        let (Ok(site), Ok(origin)) = fields else { return Sender::Foreign };
        match (site, origin) {
            (Some(b"same-origin" | b"none"), _) => Sender::Trusted,
            (_, Some(origin)) if self.trusts(origin) => Sender::Trusted,
            (None, Some(origin)) if self.is_own(origin, uri, headers) => Sender::Trusted,
            (None, None) => Sender::Unknown,
            _ => Sender::Foreign,
        }
    }

    fn trusts(&self, origin: &[u8]) -> bool {
        self.trusted.iter().any(|trusted| trusted.as_bytes() == origin)
    }

    /// Returns whether the origin is the one that the request was sent to.
    fn is_own(&self, origin: &[u8], uri: &Uri, headers: &HeaderMap) -> bool {
        // RFC 9112 §3.2.2: the authority of the target, which is `:authority` in HTTP/2, replaces
        // the field.
        let host = match uri.authority() {
            Some(authority) => Some(authority.as_str().as_bytes()),
            None => single(headers, &HOST).ok().flatten(),
        };
        let start = if self.scheme == Scheme::HTTP { "http://" } else { "https://" };
        let own = origin.strip_prefix(start.as_bytes());
        own.zip(host).is_some_and(|(own, host)| {
            let host = host.strip_suffix(self.default_port()).unwrap_or(host);
            !host.is_empty() && own.eq_ignore_ascii_case(host)
        })
    }

    fn default_port(&self) -> &'static [u8] {
        if self.scheme == Scheme::HTTP { b":80" } else { b":443" }
    }
}

/// Returns the value of a field that may come once.
pub(super) fn single<'r>(
    headers: &'r HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'r [u8]>, ()> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(()) } else { Ok(first.map(http::HeaderValue::as_bytes)) }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn origins() -> Origins {
        let mut origins = Origins::new(Scheme::HTTPS);
        origins.trust("https://app.example.com").unwrap();
        origins
    }

    fn sender(uri: &str, fields: &[(&'static str, &'static str)]) -> Sender {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        origins().sender(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn origin_has_to_be_the_host_of_the_request_with_scheme_and_port() {
        for (host, origin, expected) in [
            ("api.example.com", "https://api.example.com", Sender::Trusted),
            ("API.example.com", "https://api.example.com", Sender::Trusted),
            ("api.example.com:443", "https://api.example.com", Sender::Trusted),
            ("api.example.com:8443", "https://api.example.com:8443", Sender::Trusted),
            ("api.example.com", "http://api.example.com", Sender::Foreign),
            ("api.example.com:80", "https://api.example.com", Sender::Foreign),
            ("api.example.com", "https://api.example.com:8443", Sender::Foreign),
            ("api.example.com", "https://api.example.com.evil.com", Sender::Foreign),
            ("api.example.com", "https://evil-api.example.com", Sender::Foreign),
            ("api.example.com", "api.example.com", Sender::Foreign),
            ("api.example.com", "null", Sender::Foreign),
            ("api.example.com", "", Sender::Foreign),
            ("", "https://", Sender::Foreign),
            (":443", "https://", Sender::Foreign),
        ] {
            assert_eq!(
                sender("/", &[("host", host), ("origin", origin)]),
                expected,
                "{host} {origin}"
            );
        }
    }

    #[test]
    fn authority_of_the_target_replaces_the_host_field() {
        let uri = "https://api.example.com/orders";

        assert_eq!(sender(uri, &[("origin", "https://api.example.com")]), Sender::Trusted);
        let other = [("host", "evil.com"), ("origin", "https://evil.com")];
        assert_eq!(sender(uri, &other), Sender::Foreign);
    }

    #[test]
    fn repeated_field_is_foreign() {
        for fields in [
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
            &[("origin", "https://app.example.com"), ("origin", "https://evil.com")],
            &[("host", "a.com"), ("host", "b.com"), ("origin", "https://a.com")],
        ] {
            assert_eq!(sender("/", fields), Sender::Foreign, "{fields:?}");
        }
    }

    #[test]
    fn trusted_origin_has_the_spelling_of_browsers() {
        for origin in ["https://app.example.com", "https://app.example.com:8443", "https://[::1]:1"]
        {
            origins().trust(origin).unwrap();
        }
        for origin in [
            "",
            "app.example.com",
            "null",
            "*",
            "https://",
            "https://:443",
            "https://*.example.com",
            "https://app.example.com/",
            "https://app.example.com/path",
            "https://app.example.com?x",
            "https://app.example.com#x",
            "https://user@app.example.com",
            "https://App.example.com",
            "https://äpp.example.com",
            "https://app.example.com:443",
            "https://app example.com",
            "HTTPS://app.example.com",
            "http://app.example.com",
            "ftp://app.example.com",
        ] {
            let refused = origins().trust(origin);
            assert!(matches!(refused, Err(ConfigError::Origin { .. })), "{origin} {refused:?}");
        }
    }

    #[test]
    fn trusted_origin_may_be_plain_where_cookies_are() {
        let mut origins = Origins::new(Scheme::HTTP);

        origins.trust("http://localhost:5173").unwrap();
        origins.trust("http://localhost:80").unwrap_err();
    }
}
