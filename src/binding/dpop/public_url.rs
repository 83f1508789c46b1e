//! Compares the URI of a proof with that of the request (RFC 9449 §4.3).
//!
//! Clients nearly always write the URI as it is configured, so texts are compared first. Both are
//! normalised if they differ, by RFC 3986 §6.2.2 and §6.2.3 and not as browsers do: for a browser
//! `\` is `/`, which it is not for a router.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use fluent_uri::Uri;

use crate::config_error::ConfigError;

/// The URL under which clients know an API: scheme, host, port, and perhaps a prefix of the path.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PublicUrl(Box<str>);

impl PublicUrl {
    pub(super) fn new(url: &str) -> Result<Self, ConfigError> {
        // A user and a password stand before the `@`.
        let shown = url.rsplit_once('@').map_or(url, |(_, host)| host);
        let wrong = |problem| ConfigError::Address { address: shown.to_owned(), problem };
        let parsed = Uri::parse(url).map_err(|_| {
            wrong(
                "is no URL; give one such as https://api.example.com, with a host in ASCII (xn--…)",
            )
        })?;
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

    /// Returns the URL without a `/` at its end.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether this is the URI of a request for this path.
    pub(super) fn is_for(&self, path: &str, htu: &str) -> bool {
        // The target of OPTIONS may be `*`, and that of CONNECT has no path.
        if !path.starts_with('/') {
            return false;
        }
        let rest = htu.strip_prefix(&*self.0);
        // A prefix is a path of its own, which the proxy that takes it off sends as `/`.
        if rest == Some(path) || path == "/" && rest == Some("") {
            return true;
        }
        // Three times as long if each byte is encoded. Dots and slashes may come on top, a few.
        let wanted = [&*self.0, path].concat();
        if htu.len() > 3 * wanted.len() + 64 || has_dot_segment(path) {
            return false;
        }
        if is_plain(htu) && is_plain(&wanted) {
            return false;
        }
        normal(htu).is_some_and(|htu| normal(&wanted) == Some(htu))
    }
}

/// Returns whether a path has a segment `.` or `..`, encoded or not. Routers take it for a name, so only a proof that
/// says the same to the letter is for it.
fn has_dot_segment(path: &str) -> bool {
    let is_dots = |segment: &str| {
        let segment = segment.replace("%2e", ".").replace("%2E", ".");
        segment == "." || segment == ".."
    };
    path.contains('.') | path.contains("%2") && path.split('/').any(is_dots)
}

/// Returns whether a URI is seen at a glance to be its own normal form, so that no other text is the same URI. A proof
/// for another URI is refused for less than it costs to normalise two of them.
fn is_plain(uri: &str) -> bool {
    let rest = uri.strip_prefix("https://").or_else(|| uri.strip_prefix("http://"));
    let Some((host, path)) = rest.and_then(|rest| rest.split_once('/')) else { return false };
    let in_host =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    let in_path = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~/.".contains(&byte);
    let has_dots = path.starts_with('.') || path.contains("/.");
    !host.is_empty() && host.bytes().all(in_host) && path.bytes().all(in_path) && !has_dots
}

/// Returns the normal form of an absolute URI.
fn normal(uri: &str) -> Option<String> {
    let normal = Uri::parse(&*encoded(uri)).ok()?.normalize();
    let has_no_path = normal.authority().is_some() && normal.path().as_str().is_empty();
    let text = normal.into_string();
    // RFC 3986 §6.2.3: an empty path is `/`.
    Some(if has_no_path { text + "/" } else { text })
}

/// Encodes the characters of the path that RFC 3986 does not know, as `|` and `é`. Some clients do, and some do not.
fn encoded(uri: &str) -> Cow<'_, str> {
    let authority = uri.find("://").map_or(0, |at| at + 3);
    let path = uri[authority..].find('/').map_or(uri.len(), |at| authority + at);
    let (before, path) = uri.split_at(path);
    let is_known =
        |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:@".contains(&byte);
    if path.bytes().all(is_known) {
        return Cow::Borrowed(uri);
    }
    let mut text = before.to_owned();
    for byte in path.bytes() {
        if is_known(byte) {
            text.push(char::from(byte));
        } else {
            _ = write!(text, "%{byte:02X}");
        }
    }
    Cow::Owned(text)
}

impl fmt::Debug for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_that_is_encoded_as_a_whole_is_the_same_and_no_longer_one_is_looked_at() {
        let (url, path) =
            (PublicUrl::new("https://api.example.com").unwrap(), "/".to_owned() + &"a".repeat(300));
        let encoded = "https://api.example.com/".to_owned() + &"%61".repeat(300);
        assert!(url.is_for(&path, &encoded));

        let dots =
            |count| ["https://api.example.com/", &"./".repeat(count), &"a".repeat(300)].concat();
        assert!(url.is_for(&path, &dots(356)));
        assert!(!url.is_for(&path, &dots(357)));
    }

    #[test]
    fn characters_of_the_path_are_encoded_and_no_others() {
        for (uri, expected) in [
            ("https://é.example/é|/a", "https://é.example/%C3%A9%7C/a"),
            ("https://é.example", "https://é.example"),
            ("https://é/a", "https://é/a"),
            ("é/é", "é/%C3%A9"),
        ] {
            assert_eq!(encoded(uri), expected);
        }
    }

    #[test]
    fn plain_uri_is_its_own_normal_form() {
        let pieces = [
            "https://", "http://", "HTTPS://", "api", "API", ".", "..", "/", "a.b", ":443", ":80",
            "%41", "%2e", "~", "-", "_", "|", "?", "#", "@", "\\", "1",
        ];
        let (mut seed, mut plain) = (1_u64, 0);
        for _ in 0..200_000 {
            let mut uri = String::new();
            for _ in 0..7 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let start = if uri.is_empty() { 2 } else { pieces.len() as u64 };
                uri += pieces[usize::try_from((seed >> 33) % start).unwrap()];
            }
            if is_plain(&uri) {
                plain += 1;
                assert_eq!(normal(&uri).as_deref(), Some(&*uri));
            }
        }
        assert!(plain > 100, "{plain}");
        assert!(is_plain("https://api.example.com/orders/17"));
    }
}
