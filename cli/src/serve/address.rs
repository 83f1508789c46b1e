//! Tells which addresses, hosts and origins are this machine's own.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

/// An address that only programs of this machine can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LoopbackAddress(SocketAddr);

impl LoopbackAddress {
    /// A free port that the system chooses.
    pub(crate) const ANY_PORT: Self = Self(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));

    pub(super) fn get(self) -> SocketAddr {
        self.0
    }
}

/// Reads a port, or an address with or without a port.
impl FromStr for LoopbackAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let local = match text.split_at_checked("localhost".len()) {
            Some((name, rest)) if name.eq_ignore_ascii_case("localhost") => {
                Some(format!("{}{rest}", Ipv4Addr::LOCALHOST))
            }
            _ => None,
        };
        let text = local.as_deref().unwrap_or(text);
        let address = if let Ok(port) = text.parse::<u16>() {
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        } else if let Ok(address) = text.parse::<SocketAddr>() {
            address
        } else if let Ok(address) = text.parse::<IpAddr>() {
            SocketAddr::from((address, 0))
        } else {
            return Err("this is neither a port nor an address; write 127.0.0.1:8080, say".into());
        };
        // 127.0.0.2 is this machine too, and no browser or client calls it so.
        if address.ip() == Ipv4Addr::LOCALHOST || address.ip() == std::net::Ipv6Addr::LOCALHOST {
            return Ok(Self(address));
        }
        Err("other machines could reach this address, and everyone who reaches it gets tokens; \
             use 127.0.0.1 or [::1]"
            .into())
    }
}

impl fmt::Display for LoopbackAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The names under which a browser may call this server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    port: u16,
}

impl Site {
    pub(super) fn new(port: u16) -> Self {
        Self { port }
    }

    /// Refuses requests that a web site of another name sends.
    ///
    /// A name of another site may resolve to this machine (DNS rebinding). The browser then takes the answer for that
    /// site's own, and only `Host` tells.
    pub(super) fn check(self, request: &Parts) -> Result<(), Foreign> {
        let host = single(&request.headers, HOST).ok().flatten();
        let Some(host) = host.filter(|host| self.is_own(host)) else { return Err(Foreign::Host) };
        // RFC 9112 §3.2.2: an address in the request line counts in place of `Host`.
        if request.uri.authority().is_some_and(|authority| !self.is_own(authority.as_str())) {
            return Err(Foreign::Host);
        }
        if request.method.is_safe() {
            return Ok(());
        }
        match single(&request.headers, ORIGIN) {
            Ok(None) => {}
            Ok(Some(origin)) if is_origin_of(origin, host) => {}
            Ok(Some(_)) | Err(Foreign::Origin | Foreign::Host) => return Err(Foreign::Origin),
        }
        match single(&request.headers, SEC_FETCH_SITE) {
            Ok(None | Some("same-origin" | "none")) => Ok(()),
            _ => Err(Foreign::Origin),
        }
    }

    fn is_own(self, authority: &str) -> bool {
        let port = format!(":{}", self.port);
        let name = match authority.strip_suffix(&port) {
            Some(name) => name,
            None if self.port == 80 => authority,
            None => return false,
        };
        ["127.0.0.1", "localhost", "[::1]"].iter().any(|own| name.eq_ignore_ascii_case(own))
    }
}

/// A request that another web site has caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    Host,
    Origin,
}

fn is_origin_of(origin: &str, host: &str) -> bool {
    origin.strip_prefix("http://").is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

/// Returns the value of a field that may be there once.
fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, Foreign> {
    let mut values = headers.get_all(name).iter().map(HeaderValue::to_str);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(Ok(value)), None) => Ok(Some(value)),
        _ => Err(Foreign::Origin),
    }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn check(method: &str, uri: &str, fields: &[(&str, &str)]) -> Result<(), Foreign> {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        Site::new(8080).check(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn addresses_of_this_machine_are_read_in_every_spelling() {
        for (text, address) in [
            ("8080", "127.0.0.1:8080"),
            ("127.0.0.1", "127.0.0.1:0"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("localhost:8080", "127.0.0.1:8080"),
            ("LocalHost", "127.0.0.1:0"),
            ("[::1]:8080", "[::1]:8080"),
            ("::1", "[::1]:0"),
        ] {
            assert_eq!(text.parse::<LoopbackAddress>().unwrap().to_string(), address);
        }
    }

    #[test]
    fn addresses_that_other_machines_reach_are_refused() {
        for text in ["0.0.0.0:8080", "[::]:8080", "192.168.1.2:80", "127.0.0.2:80"] {
            let problem = text.parse::<LoopbackAddress>().unwrap_err();

            assert!(problem.contains("other machines"), "{text}: {problem}");
        }
        for text in ["", "example.com:80", "localhost.example:80", "127.0.0.1:99999", "é"] {
            let problem = text.parse::<LoopbackAddress>().unwrap_err();

            assert!(problem.contains("neither"), "{text}: {problem}");
        }
    }

    #[test]
    fn own_hosts_are_accepted() {
        for host in ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"] {
            assert_eq!(check("GET", "/", &[("host", host)]), Ok(()), "{host}");
        }
        assert_eq!(check("GET", "http://localhost:8080/", &[("host", "localhost:8080")]), Ok(()));
    }

    #[test]
    fn other_hosts_are_refused() {
        for host in [
            "rebound.example:8080",
            "127.0.0.1",
            "127.0.0.1:80",
            "127.0.0.1:80808080",
            "localhost:8080:8080",
            "user@localhost:8080",
            "localhost.:8080",
        ] {
            assert_eq!(check("GET", "/", &[("host", host)]), Err(Foreign::Host), "{host}");
        }
        assert_eq!(check("GET", "/", &[]), Err(Foreign::Host));
        let two = [("host", "localhost:8080"), ("host", "localhost:8080")];
        assert_eq!(check("GET", "/", &two), Err(Foreign::Host));
        let fields = [("host", "localhost:8080")];
        assert_eq!(check("GET", "http://rebound.example:8080/", &fields), Err(Foreign::Host));
    }

    #[test]
    fn changes_are_accepted_from_the_own_origin_and_from_programs() {
        let host = ("host", "localhost:8080");
        let origin = ("origin", "http://localhost:8080");

        assert_eq!(check("POST", "/", &[host]), Ok(()));
        assert_eq!(check("POST", "/", &[host, origin]), Ok(()));
        assert_eq!(check("POST", "/", &[host, origin, ("sec-fetch-site", "same-origin")]), Ok(()));
        assert_eq!(check("POST", "/", &[host, ("sec-fetch-site", "none")]), Ok(()));
    }

    #[test]
    fn changes_that_other_sites_cause_are_refused() {
        let host = ("host", "localhost:8080");
        for origin in [
            "null",
            "https://localhost:8080",
            "http://localhost:3000",
            "http://127.0.0.1:8080",
            "http://evil.example",
            "http://localhost:8080.evil.example",
        ] {
            assert_eq!(check("POST", "/", &[host, ("origin", origin)]), Err(Foreign::Origin));
        }
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            let fields = [host, ("sec-fetch-site", site)];
            assert_eq!(check("POST", "/", &fields), Err(Foreign::Origin), "{site}");
        }
        let both = [("origin", "http://localhost:8080"), ("origin", "http://localhost:8080")];
        assert_eq!(check("POST", "/", &[host, both[0], both[1]]), Err(Foreign::Origin));
    }
}
