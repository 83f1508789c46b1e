use std::fmt;

use http::Uri;

use crate::config_error::ConfigError;

/// An address to fetch from: HTTPS, or HTTP on this very machine.
///
/// The text stays as it was written: an issuer is compared to the letter, and a URL type that
/// normalises would add a slash.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Address {
    text: Box<str>,
    uri: Uri,
}

impl Address {
    pub(super) fn parse(text: &str) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::Address { address: shown_address(text), problem };
        // `Uri` drops a fragment without a word.
        if text.contains('#') {
            return Err(wrong("has a fragment, which no server would see"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("is not a URL"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("is not a URL; write it with https:// and a host"));
        };
        // `Uri` takes ports that the client does not.
        if reqwest::Url::parse(text).is_err() {
            return Err(wrong("is not a URL"));
        }
        if authority.as_str().contains('@') {
            return Err(wrong("has a user in it, whom logs would show"));
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(authority.host()) => {}
            "http" => {
                return Err(wrong(
                    "is not HTTPS, so anybody on the way could put keys of their own in; plain \
                     HTTP is for this machine only (127.0.0.1, [::1], localhost)",
                ));
            }
            _ => return Err(wrong("is not an address for HTTP")),
        }
        Ok(Self { text: text.into(), uri })
    }

    /// An issuer (RFC 8414 §2): an address without query and fragment.
    pub(super) fn parse_issuer(text: &str) -> Result<Self, ConfigError> {
        let issuer = Self::parse(text)?;
        if issuer.uri.query().is_some() {
            let problem = "has a query, which no issuer has";
            return Err(ConfigError::Address { address: shown_address(text), problem });
        }
        Ok(issuer)
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(super) fn is_loopback(&self) -> bool {
        is_loopback(self.host())
    }

    /// Whether both are of one origin (RFC 6454 §5): scheme, host and port.
    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        self.uri.scheme_str() == other.uri.scheme_str()
            && self.host().eq_ignore_ascii_case(other.host())
            && self.port() == other.port()
    }

    /// An address that what is at this one leads to. From elsewhere nothing leads to this machine:
    /// it would be a provider's way to whatever else listens here.
    pub(super) fn lead(&self, text: &str) -> Result<Self, ConfigError> {
        let address = Self::parse(text)?;
        if self.uri.scheme_str() == Some("https") && address.uri.scheme_str() != Some("https") {
            let problem = "is not HTTPS, and what leads there is";
            return Err(ConfigError::Address { address: shown_address(text), problem });
        }
        Ok(address)
    }

    /// Where a redirect leads, whose `Location` may be relative (RFC 9110 §10.2.2).
    pub(super) fn join(&self, location: &str) -> Result<Self, ConfigError> {
        let joined = reqwest::Url::parse(&self.text).and_then(|url| url.join(location));
        match joined {
            Ok(url) => self.lead(url.as_str()),
            Err(_) => self.lead(location),
        }
    }

    fn host(&self) -> &str {
        self.uri.host().unwrap_or_default()
    }

    fn port(&self) -> u16 {
        let usual = if self.uri.scheme_str() == Some("https") { 443 } else { 80 };
        self.uri.port_u16().unwrap_or(usual)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

/// An address as an error may show it: not too long, and without what may be a password. Whatever
/// stands before an `@` may be a part of one, if it was not escaped.
fn shown_address(text: &str) -> String {
    let shown: String = match text.rsplit_once('@') {
        Some((_, rest)) => ["…@", rest].concat(),
        None => text.to_owned(),
    };
    match shown.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

fn is_loopback(host: &str) -> bool {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    host.eq_ignore_ascii_case("localhost")
        || host.parse().is_ok_and(|address: Ipv4Addr| address.is_loopback())
        || bare.and_then(|bare| bare.parse().ok()).is_some_and(|a: Ipv6Addr| a.is_loopback())
}

const MAX_SHOWN: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_anywhere_and_http_on_this_machine_are_addresses() {
        for address in [
            "https://id.example.com",
            "https://id.example.com/keys?tenant=a",
            "HTTPS://id.example.com/",
            "https://[2001:db8::1]:8443/keys",
            "http://127.0.0.1:3000/keys",
            "http://127.9.9.9",
            "http://localhost:3000",
            "http://[::1]:3000",
        ] {
            assert!(Address::parse(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn other_addresses_are_refused_with_what_is_wrong() {
        // RFC 8414 §2: the issuer is https, without query and fragment
        for (address, problem) in [
            ("http://id.example.com", "not HTTPS"),
            ("http://127.0.0.1.example.com", "not HTTPS"),
            ("http://localhost.example.com", "not HTTPS"),
            ("http://10.0.0.1", "not HTTPS"),
            ("http://[::2]", "not HTTPS"),
            ("ftp://id.example.com", "for HTTP"),
            ("file:///etc/passwd", "URL"),
            ("id.example.com", "https://"),
            ("/keys", "https://"),
            ("", "URL"),
            ("https://", "URL"),
            ("https://a b", "URL"),
            ("https://id.example.com:99999", "URL"),
            ("http://127.1", "not HTTPS"),
            ("http://127.0.0.1.", "not HTTPS"),
            ("http://[::ffff:127.0.0.1]", "not HTTPS"),
            ("https://id.example.com\\@example.com", "URL"),
            ("https://user:word@id.example.com", "user"),
            ("http://127.0.0.1@id.example.com", "user"),
            ("https://id.example.com/#keys", "fragment"),
        ] {
            let error = Address::parse(address).unwrap_err().to_string();
            assert!(error.contains(problem), "{address}: {error}");
            assert!(!error.contains("word"), "{address}: {error}");
        }
        assert!(Address::parse_issuer("https://id.example.com/?a=b").is_err());
        assert!(Address::parse_issuer("https://id.example.com/a").is_ok());
    }

    #[test]
    fn origin_is_scheme_host_and_port() {
        let one = Address::parse("https://id.example.com/a").unwrap();
        let is_same = |other: &str| one.is_same_origin(&Address::parse(other).unwrap());

        assert!(is_same("https://id.example.com:443/b") && is_same("https://ID.example.com"));
        assert!(!is_same("https://id.example.com:8443"));
        assert!(!is_same("https://keys.example.com"));
    }

    #[test]
    fn redirect_is_followed_from_where_it_stands_and_only_to_where_keys_may_come_from() {
        let from = Address::parse("https://id.example.com/a/keys").unwrap();

        assert_eq!(from.join("/b").unwrap().as_str(), "https://id.example.com/b");
        assert_eq!(from.join("b").unwrap().as_str(), "https://id.example.com/a/b");
        assert_eq!(from.join("https://x.example.com/").unwrap().as_str(), "https://x.example.com/");
        assert!(from.join("http://id.example.com/").is_err());
        assert!(from.join("file:///etc/passwd").is_err());
    }
}
