use std::fmt;
use std::net::IpAddr;

use http::Uri;

use crate::config_error::{ConfigError, placeholder};
use crate::loopback::is_loopback;

/// The addresses that are allowed besides public addresses over HTTPS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Plain HTTP to other machines than this one.
    pub(crate) plain_http: bool,
    /// Documents of the provider may lead into private networks and to this machine.
    pub(crate) private_networks: bool,
}

/// An address to fetch from: HTTPS, or HTTP on this machine and where it is allowed.
///
/// The text stays as it was written: an issuer is compared to the letter, and a URL type that
/// normalises would add a slash.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    text: Box<str>,
    uri: Uri,
    /// The host as the client understands it: `https://2130706433` is 127.0.0.1.
    host: Box<str>,
}

impl Address {
    pub(crate) fn parse(text: &str, allowed: Allowed) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::Address { address: shown_address(text), problem };
        check_text(text).map_err(wrong)?;
        // `Uri` drops a fragment without an error.
        if text.contains('#') {
            return Err(wrong("has a fragment, which no server would see"));
        }
        let no_scheme = "is not a URL; write it with https:// and a host";
        let no_url = if text.contains("://") { "is not a URL" } else { no_scheme };
        let uri: Uri = text.parse().map_err(|_| wrong(no_url))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong(no_scheme));
        };
        // `Uri` accepts ports that the client refuses.
        let url = reqwest::Url::parse(text).map_err(|_| wrong("is not a URL"))?;
        let host = url.host_str().ok_or_else(|| wrong(no_scheme))?.into();
        if authority.as_str().contains('@') {
            return Err(wrong("has a user in it, which logs would show"));
        }
        match scheme {
            "https" => {}
            "http" if is_loopback(authority.host()) || allowed.plain_http => {}
            "http" => {
                return Err(wrong(
                    "is not HTTPS, so an attacker on the way could insert keys; plain \
                     HTTP is for this machine only (127.0.0.1, [::1], localhost), and for a private \
                     network with `allow_plain_http` (`HttpFetch::dangerous`, `dangerous` under \
                     `keys`)",
                ));
            }
            _ => return Err(wrong("is not an address for HTTP")),
        }
        Ok(Self { text: text.into(), uri, host })
    }

    /// Parses an issuer (RFC 8414 §2): an address without query and fragment.
    pub(crate) fn parse_issuer(text: &str, allowed: Allowed) -> Result<Self, ConfigError> {
        let wrong = |problem| ConfigError::Address { address: shown_address(text), problem };
        let issuer = Self::parse(text, allowed)?;
        if issuer.uri.query().is_some() {
            return Err(wrong("has a query, which no issuer has"));
        }
        if issuer.uri.path().contains("/.well-known/") {
            return Err(wrong(
                "is that of the metadata and not the issuer; give what stands before /.well-known/",
            ));
        }
        Ok(issuer)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(self.uri.host().unwrap_or_default())
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.uri.scheme_str() == Some("http")
    }

    /// Returns the host in lower case, and in brackets if it is an IPv6 address.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns the IP address if the host is written as one. The client then resolves no name.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        let bare = self.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        bare.unwrap_or(&self.host).parse().ok()
    }

    /// Returns whether both have the same host, whatever the port. All names of this machine are the same host.
    pub(crate) fn is_same_host(&self, other: &Self) -> bool {
        self.host == other.host || self.is_loopback() && other.is_loopback()
    }

    /// Returns whether both have the same origin (RFC 6454 §5): scheme, host and port.
    pub(crate) fn is_same_origin(&self, other: &Self) -> bool {
        self.uri.scheme_str() == other.uri.scheme_str()
            && self.host == other.host
            && self.port() == other.port()
    }

    /// Parses an address that the document at this address names. Whether its host is allowed is checked when
    /// a connection is made.
    pub(crate) fn lead(&self, text: &str, allowed: Allowed) -> Result<Self, ConfigError> {
        let address = Self::parse(text, allowed)?;
        if !self.is_plain() && address.is_plain() {
            let problem = "is not HTTPS, and what leads there is";
            return Err(ConfigError::Address { address: shown_address(text), problem });
        }
        Ok(address)
    }

    /// Returns the target of a redirect, whose `Location` may be relative (RFC 9110 §10.2.2).
    pub(crate) fn join(&self, location: &str, allowed: Allowed) -> Result<Self, ConfigError> {
        let joined = reqwest::Url::parse(&self.text).and_then(|url| url.join(location));
        match joined {
            Ok(url) => self.lead(url.as_str(), allowed),
            Err(_) => self.lead(location, allowed),
        }
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

/// Returns an address for an error: shortened, and without text that may be a password. All text before an
/// `@` may belong to a password that was not escaped.
pub(crate) fn shown_address(text: &str) -> String {
    let shown: String = match text.rsplit_once('@') {
        Some((_, rest)) => ["…@", rest].concat(),
        None => text.to_owned(),
    };
    match shown.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", &shown[..end]),
        None => shown,
    }
}

/// Refuses text that no address may contain, before it is parsed.
pub(crate) fn check_text(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("is empty; give a URL")
    } else if text.len() > MAX_BYTES {
        Err("is longer than 8192 bytes")
    } else if text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        Err("has a blank, a line break or another invisible character in it, which no URL has")
    } else if placeholder::is_in(text) {
        Err("has a placeholder in it; put in what it stands for")
    } else {
        Ok(())
    }
}

const MAX_SHOWN: usize = 200;
const MAX_BYTES: usize = 8192;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, ConfigError> {
        Address::parse(text, Allowed::default())
    }

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
            assert!(parse(address).is_ok(), "{address}");
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
            ("localhost:8080/keys", "https://"),
            (" https://id.example.com", "blank"),
            ("https://id.example.com\n", "blank"),
            ("https://id.example.com/\u{7f}", "invisible"),
            ("https://{tenant}.example.com", "placeholder"),
            ("https://id.example.com/<tenant>/keys", "placeholder"),
            ("https://id.example.com/${TENANT}", "placeholder"),
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
            let error = parse(address).unwrap_err().to_string();
            assert!(error.contains(problem), "{address}: {error}");
            assert!(!error.contains("word"), "{address}: {error}");
        }
    }

    #[test]
    fn address_of_8192_bytes_is_read_and_a_longer_one_is_not() {
        let of = |length: usize| format!("https://id.example.com/{}", "a".repeat(length - 23));

        assert!(parse(&of(8192)).is_ok());
        let error = parse(&of(8193)).unwrap_err().to_string();
        assert!(error.contains("longer than 8192 bytes"), "{error}");
    }

    #[test]
    fn issuer_is_neither_its_metadata_nor_has_a_query() {
        let issuer = |text: &str| Address::parse_issuer(text, Allowed::default());
        for (text, problem) in [
            ("https://id.example.com/?a=b", "query"),
            ("https://id.example.com/a/.well-known/openid-configuration", "before /.well-known/"),
        ] {
            let error = issuer(text).unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
        assert!(issuer("https://id.example.com/a").is_ok());
    }

    #[test]
    fn host_is_what_the_client_connects_to_however_it_is_written() {
        for (address, host) in [
            ("https://ID.example.com", "id.example.com"),
            ("https://127.0.0.1", "127.0.0.1"),
            ("https://2130706433", "127.0.0.1"),
            ("https://0x7f.1", "127.0.0.1"),
            ("https://0177.0.0.1", "127.0.0.1"),
            ("https://127.0.0.1.", "127.0.0.1"),
            ("https://[0:0::ffff:7f00:1]", "[::ffff:7f00:1]"),
        ] {
            let address = parse(address).unwrap();
            assert_eq!(address.host(), host);
            assert_eq!(address.ip().is_some(), host != "id.example.com", "{address}");
        }
    }

    #[test]
    fn plain_http_elsewhere_has_to_be_allowed_and_is_no_way_from_https() {
        let allowed = Allowed { plain_http: true, ..Allowed::default() };
        let inner = Address::parse("http://keycloak:8080/realms/shop", allowed).unwrap();
        let outer = Address::parse("https://id.example.com", allowed).unwrap();

        assert!(inner.lead("http://keycloak:8080/keys", allowed).is_ok());
        assert!(inner.lead("https://id.example.com/keys", allowed).is_ok());
        assert!(outer.lead("http://keycloak:8080/keys", allowed).is_err());
        assert!(inner.lead("http://keycloak:8080/keys", Allowed::default()).is_err());
    }

    #[test]
    fn origin_is_scheme_host_and_port() {
        let one = parse("https://id.example.com/a").unwrap();
        let is_same = |other: &str| one.is_same_origin(&parse(other).unwrap());

        assert!(is_same("https://id.example.com:443/b") && is_same("https://ID.example.com"));
        assert!(!is_same("https://id.example.com:8443"));
        assert!(!is_same("https://keys.example.com"));
    }

    #[test]
    fn redirect_is_followed_from_where_it_stands_and_only_to_where_keys_may_come_from() {
        let from = parse("https://id.example.com/a/keys").unwrap();
        let join = |location: &str| from.join(location, Allowed::default());

        assert_eq!(join("/b").unwrap().as_str(), "https://id.example.com/b");
        assert_eq!(join("b").unwrap().as_str(), "https://id.example.com/a/b");
        assert_eq!(join("https://x.example.com/").unwrap().as_str(), "https://x.example.com/");
        assert!(join("http://id.example.com/").is_err());
        assert!(join("file:///etc/passwd").is_err());
    }
}
