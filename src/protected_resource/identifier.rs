use fluent_uri::Uri;
use fluent_uri::pct_enc::EStr;

use crate::config_error::{ConfigError, placeholder};
use crate::loopback::is_loopback;

/// The URL of a resource, in the form that clients send and compare: scheme and host in lower case, no default port,
/// no slash at the end of the path.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Identifier {
    /// The whole URL.
    url: Box<str>,
    /// The length of scheme, host and port.
    origin: usize,
    query: Option<usize>,
    /// The path of the metadata, without the query.
    metadata_path: Box<str>,
}

impl Identifier {
    pub(super) fn new(url: &str) -> Result<Self, ConfigError> {
        // A user and a password stand before the `@`.
        let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
        let wrong = |problem| ConfigError::Address { address: shown.to_owned(), problem };
        if placeholder::is_in(url) {
            return Err(wrong("has a placeholder in it; put in what it stands for"));
        }
        let parsed = Uri::parse(url).map_err(|_| {
            wrong("is no URL; write one such as https://api.example.com/mcp, in ASCII")
        })?;
        let scheme = parsed.scheme().as_str().to_ascii_lowercase();
        let authority = parsed.authority();
        let authority = authority.ok_or_else(|| wrong("has no host"))?;
        let host = authority.host().to_ascii_lowercase();
        match &*scheme {
            "https" => {}
            "http" if is_loopback(&host) => {}
            "http" => return Err(wrong("is not HTTPS; plain HTTP is for this machine only")),
            _ => return Err(wrong("is not an address for HTTP")),
        }
        if authority.userinfo().is_some() {
            return Err(wrong("has a user in it"));
        }
        if host.is_empty() {
            return Err(wrong("has no host"));
        }
        if parsed.fragment().is_some() {
            return Err(wrong("has a fragment, which no server would see"));
        }
        let path = parsed.path().as_str();
        if path.split('/').any(is_dots) {
            return Err(wrong("has a segment `.` or `..`, which clients take out"));
        }
        if path.split('/').any(|segment| segment == WELL_KNOWN_NAME) {
            return Err(wrong(
                "is that of the metadata and not of the resource; leave out /.well-known/oauth-protected-resource",
            ));
        }
        let port = match authority.port() {
            None => "",
            Some(port) => port.as_str(),
        };
        let default = if scheme == "https" { "443" } else { "80" };
        if !port.is_empty() && !port.parse().is_ok_and(|port: u16| port > 0) {
            return Err(wrong("has an impossible port"));
        }
        // As clients write it, so without leading zeros.
        let port = port.trim_start_matches('0');
        let port =
            if port.is_empty() || port == default { String::new() } else { format!(":{port}") };
        let origin = format!("{scheme}://{host}{port}");
        let path = path.trim_end_matches('/');
        let query = parsed.query().map(EStr::as_str);
        let suffix = query.map(|query| format!("?{query}")).unwrap_or_default();
        Ok(Self {
            url: format!("{origin}{path}{suffix}").into(),
            origin: origin.len(),
            query: query.map(|_| origin.len() + path.len() + 1),
            metadata_path: format!("/.well-known/{WELL_KNOWN_NAME}{path}").into(),
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.url
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.query.map(|start| &self.url[start..])
    }

    pub(super) fn metadata_path(&self) -> &str {
        &self.metadata_path
    }

    /// Returns the URL of the metadata (RFC 9728 §3).
    pub(super) fn metadata_url(&self) -> String {
        [&self.url[..self.origin], &self.metadata_target()].concat()
    }

    /// Returns the path and the query of the metadata.
    pub(super) fn metadata_target(&self) -> String {
        let query = self.query.map_or("", |start| &self.url[start - 1..]);
        [&self.metadata_path, query].concat()
    }

    /// Returns the identifier, and the same with the slash that browsers and their kin write behind a host.
    pub(super) fn spellings(&self) -> Vec<String> {
        let (origin, rest) = self.url.split_at(self.origin);
        let mut spellings = vec![self.url.to_string()];
        if rest.is_empty() || rest.starts_with('?') {
            spellings.push(format!("{origin}/{rest}"));
        }
        spellings
    }
}

fn is_dots(segment: &str) -> bool {
    let segment = segment.replace("%2e", ".").replace("%2E", ".");
    segment == "." || segment == ".."
}

const WELL_KNOWN_NAME: &str = "oauth-protected-resource";

#[cfg(test)]
mod tests {
    use super::*;

    fn places(url: &str) -> (String, String) {
        let identifier = Identifier::new(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        (identifier.as_str().to_owned(), identifier.metadata_url())
    }

    #[test]
    fn metadata_stands_between_host_and_path() {
        // RFC 9728 §3: the well-known path stands between host and path
        // RFC 9728 §3: a slash behind the host is removed first
        let table = [
            // The examples of the RFC.
            ("https://resource.example.com", "https://resource.example.com", ""),
            (
                "https://resource.example.com/resource1",
                "https://resource.example.com/resource1",
                "/resource1",
            ),
            ("https://resource.example.com/", "https://resource.example.com", ""),
            // Scheme and host in any case, and nowhere else.
            ("HTTPS://API.Example.com/MCP", "https://api.example.com/MCP", "/MCP"),
            ("https://api.example.com/mcp/", "https://api.example.com/mcp", "/mcp"),
            ("https://api.example.com/a/b/", "https://api.example.com/a/b", "/a/b"),
            ("https://api.example.com/a//b", "https://api.example.com/a//b", "/a//b"),
            ("https://api.example.com//", "https://api.example.com", ""),
            ("https://api.example.com:8443/mcp", "https://api.example.com:8443/mcp", "/mcp"),
            ("https://api.example.com:443/mcp", "https://api.example.com/mcp", "/mcp"),
            ("https://api.example.com:0443/mcp", "https://api.example.com/mcp", "/mcp"),
            ("https://api.example.com:/mcp", "https://api.example.com/mcp", "/mcp"),
            ("https://api.example.com:80", "https://api.example.com:80", ""),
            ("https://[2001:DB8::1]/mcp", "https://[2001:db8::1]/mcp", "/mcp"),
            ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443", ""),
            ("https://192.0.2.1/mcp", "https://192.0.2.1/mcp", "/mcp"),
            ("http://localhost:3000/mcp", "http://localhost:3000/mcp", "/mcp"),
            ("http://127.0.0.1:80/mcp", "http://127.0.0.1/mcp", "/mcp"),
            ("http://[::1]:3000", "http://[::1]:3000", ""),
            ("https://api.example.com/a%2Fb", "https://api.example.com/a%2Fb", "/a%2Fb"),
            ("https://api.example.com/%7euser", "https://api.example.com/%7euser", "/%7euser"),
            ("https://api.example.com/a;v=1", "https://api.example.com/a;v=1", "/a;v=1"),
            ("https://xn--bcher-kva.example/mcp", "https://xn--bcher-kva.example/mcp", "/mcp"),
            ("https://api.example.com?k=v", "https://api.example.com?k=v", "?k=v"),
            ("https://api.example.com/?k=v", "https://api.example.com?k=v", "?k=v"),
            ("https://api.example.com/a/?k=/", "https://api.example.com/a?k=/", "/a?k=/"),
            ("https://api.example.com/a?", "https://api.example.com/a?", "/a?"),
        ];

        for (written, identifier, behind) in table {
            let (found, metadata) = places(written);
            let origin = identifier.split('/').take(3).collect::<Vec<_>>().join("/");
            let origin = origin.split('?').next().unwrap();
            assert_eq!(found, identifier, "{written}");
            assert_eq!(
                metadata,
                format!("{origin}/.well-known/oauth-protected-resource{behind}"),
                "{written}"
            );
        }
    }

    #[test]
    fn identifier_is_its_own_canonical_form() {
        for url in
            ["HTTPS://API.Example.com:443/a/?k=v", "https://h", "http://[::1]:80/", "https://h/?"]
        {
            let (once, _) = places(url);
            assert_eq!(places(&once).0, once, "{url}");
        }
    }

    #[test]
    fn slash_behind_the_host_is_another_spelling_of_the_same_resource() {
        let spellings = |url| Identifier::new(url).unwrap().spellings();

        assert_eq!(spellings("https://h"), ["https://h", "https://h/"]);
        assert_eq!(spellings("https://h/?k"), ["https://h?k", "https://h/?k"]);
        assert_eq!(spellings("https://h/mcp"), ["https://h/mcp"]);
    }

    #[test]
    fn url_that_no_client_can_use_is_refused_with_a_sentence() {
        // RFC 9728 §1.2: the resource is an https URL without a fragment
        let table = [
            ("http://api.example.com", "is not HTTPS"),
            ("api.example.com/mcp", "is no URL"),
            ("/mcp", "is no URL"),
            ("", "is no URL"),
            ("https://", "has no host"),
            ("https:///mcp", "has no host"),
            ("https:mcp", "has no host"),
            ("ftp://api.example.com", "is not an address for HTTP"),
            ("https://api.example.com/#top", "has a fragment"),
            ("https://user:secret@api.example.com/", "has a user"),
            ("https://api.example.com/a/../b", "has a segment"),
            ("https://api.example.com/%2E%2e/b", "has a segment"),
            ("https://api.example.com/{tenant}", "has a placeholder"),
            ("https://api.example.com/a b", "is no URL"),
            ("https://api.example.com/ä", "is no URL"),
            ("https://api.example.com/\"", "is no URL"),
            ("https://api.example.com:70000/", "has an impossible port"),
            ("https://api.example.com:0/", "has an impossible port"),
            (
                "https://api.example.com/.well-known/oauth-protected-resource",
                "is that of the metadata",
            ),
        ];

        for (url, problem) in table {
            let error = Identifier::new(url).err().unwrap_or_else(|| panic!("{url} is accepted"));
            assert!(error.to_string().contains(problem), "{url}: {error}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
