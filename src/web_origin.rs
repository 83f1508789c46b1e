//! Checks how an origin is written, which is then compared to the letter.

use http::Uri;

/// Requires the spelling of browsers (RFC 6454 §6.2).
///
/// A page over plain HTTP may be of an attacker in the network, so plain HTTP has to be allowed.
pub(crate) fn check_spelling(origin: &str, is_plain_allowed: bool) -> Result<(), &'static str> {
    let (scheme, rest) = origin.split_once("://").ok_or(NO_SCHEME)?;
    let default_port = match scheme {
        "https" => ":443",
        "http" if is_plain_allowed => ":80",
        "http" => return Err(PLAIN),
        _ => return Err(NO_SCHEME),
    };
    if rest.contains(['/', '?', '#', '@']) {
        return Err("is more than scheme, host and port");
    }
    if !rest.bytes().all(is_host) {
        return Err("is not as browsers send it: in small letters, and in ASCII (punycode)");
    }
    if rest.ends_with(default_port) {
        return Err("names the port that browsers leave out");
    }
    let uri: Uri = origin.parse().map_err(|_| NO_ORIGIN)?;
    match uri.authority() {
        Some(authority) if !authority.host().is_empty() => Ok(()),
        _ => Err(NO_ORIGIN),
    }
}

const fn is_host(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b':' | b'[' | b']')
}

const NO_SCHEME: &str = "does not begin with `https://`";
const NO_ORIGIN: &str = "is no origin: give scheme, host and port, as `https://app.example.com`";
const PLAIN: &str = "is plain HTTP: an attacker in the network can be that page";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_written_as_browsers_write_it() {
        for (origin, problem) in [
            ("https://app.example.com", ""),
            ("https://app.example.com:8443", ""),
            ("https://[::1]:3000", ""),
            ("https://127.0.0.1", ""),
            ("app.example.com", NO_SCHEME),
            ("ftp://app.example.com", NO_SCHEME),
            ("null", NO_SCHEME),
            ("https://app.example.com/", "is more than"),
            ("https://app.example.com?", "is more than"),
            ("https://app.example.com#", "is more than"),
            ("https://user@app.example.com", "is more than"),
            ("https://App.example.com", "is not as browsers send it"),
            ("https://b\u{fc}cher.example", "is not as browsers send it"),
            ("https://app.example.com:443", "names the port"),
            ("https://", NO_ORIGIN),
            ("https://:8443", NO_ORIGIN),
            ("https://a:b:c", NO_ORIGIN),
            ("https://[::1", NO_ORIGIN),
        ] {
            let found = check_spelling(origin, false).err().unwrap_or_default();
            assert!(
                found.starts_with(problem) && found.is_empty() == problem.is_empty(),
                "{origin}: {found}"
            );
        }
    }

    #[test]
    fn plain_http_has_to_be_allowed() {
        for (origin, is_allowed, expected) in [
            ("http://app.example.com", false, Err(PLAIN)),
            ("http://app.example.com", true, Ok(())),
            ("http://app.example.com:443", true, Ok(())),
            ("http://app.example.com:80", true, Err("names the port that browsers leave out")),
            ("https://app.example.com:80", true, Ok(())),
        ] {
            assert_eq!(check_spelling(origin, is_allowed), expected, "{origin}");
        }
    }
}
