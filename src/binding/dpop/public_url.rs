//! Compares the URI of a proof with that of the request (RFC 9449 §4.3).
//!
//! Clients nearly always write the URI as it is configured, so texts are compared first. Both are
//! normalised if they differ, by RFC 3986 §6.2.2 and §6.2.3 and not as browsers do: for a browser
//! `\` is `/`, which it is not for a router.

use std::fmt;

use fluent_uri::Uri;

use crate::config_error::ConfigError;

/// The URL under which clients know an API: scheme, host, port, and perhaps a prefix of the path.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PublicUrl(Box<str>);

impl PublicUrl {
    pub(super) fn new(url: &str) -> Result<Self, ConfigError> {
        // What stands before an `@` may be a password.
        let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
        let wrong = |problem| ConfigError::Address { address: shown.to_owned(), problem };
        let parsed = Uri::parse(url)
            .map_err(|_| wrong("is no URL; give one such as https://api.example.com"))?;
        let authority = parsed.authority();
        let authority = authority
            .ok_or_else(|| wrong("has no host; give one such as https://api.example.com"))?;
        let scheme = parsed.scheme().as_str();
        if !["https", "http"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
            return Err(wrong("is neither https nor http"));
        }
        if authority.userinfo().is_some() {
            return Err(wrong("has a user in it, which no `htu` has"));
        }
        if authority.host().is_empty() {
            return Err(wrong("has no host"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(wrong("has a query or a fragment, which `htu` has not"));
        }
        let normal = parsed.normalize();
        Ok(Self(normal.as_str().trim_end_matches('/').into()))
    }

    /// Returns the URI of a request for this path.
    pub(super) fn with_path(&self, path: &str) -> String {
        [&*self.0, path].concat()
    }

    /// Returns whether this is the URI of a request for this path.
    pub(super) fn is_for(&self, path: &str, htu: &str) -> bool {
        // What is neither is no path: `*` of OPTIONS, or nothing, as CONNECT has it.
        if !path.starts_with('/') {
            return false;
        }
        // RFC 9449 §4.3: query and fragment are ignored.
        let htu = &htu[..htu.find(['?', '#']).unwrap_or(htu.len())];
        // A path may have characters that RFC 3986 does not know, as `|`.
        let is_same = htu.strip_prefix(&*self.0).is_some_and(|rest| rest == path);
        is_same || normal(htu).is_some_and(|htu| normal(&self.with_path(path)) == Some(htu))
    }
}

/// Returns the normal form of an absolute URI.
fn normal(uri: &str) -> Option<String> {
    let normal = Uri::parse(uri).ok()?.normalize();
    let has_no_path = normal.authority().is_some() && normal.path().as_str().is_empty();
    let text = normal.into_string();
    // RFC 3986 §6.2.3: an empty path is `/`.
    Some(if has_no_path { text + "/" } else { text })
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
