//! Recognizes issuers that differ from a configured one by a common mistake.
//!
//! The exact comparison of issuers keeps tenants apart, but one slash too many refuses every token.
//! Both names are normalized so that slashes at the end, the case of the host and default ports do
//! not count, and a `WARN` names the configured issuer. The name in the token is not repeated,
//! because it is unauthenticated. The names are in a map, so a thousand issuers cost the same as
//! one.

/// Normalizes an issuer, so that a final slash, the case of scheme and host, and a default port
/// make no difference. `None` for a text that is not an address, or is longer than any issuer.
///
/// The result is for a hint in the log and nothing else: tokens are compared exactly.
pub(super) fn normal(issuer: &str) -> Option<String> {
    if issuer.len() > MOST_BYTES {
        return None;
    }
    let (scheme, rest) = issuer.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let (host, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = host.to_ascii_lowercase();
    let port = match &*scheme {
        "https" => ":443",
        "http" => ":80",
        _ => "",
    };
    let host = host.strip_suffix(port).unwrap_or(&host);
    Some(format!("{scheme}://{host}{}", path.trim_end_matches('/')))
}

/// Names the difference between two spellings with the same [`normal`] form, in words that do not
/// depend on the token.
pub(super) fn difference(configured: &str, sent: &str) -> &'static str {
    if configured.trim_end_matches('/') == sent.trim_end_matches('/') {
        "a slash at the end"
    } else if configured.eq_ignore_ascii_case(sent) {
        "upper and lower case"
    } else {
        "a default port, perhaps with a slash at the end or upper and lower case"
    }
}

/// The length of the longest issuer. RFC 3986 sets no limit, and issuers have some dozen bytes.
const MOST_BYTES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_mistakes_are_near_misses_and_other_issuers_are_not() {
        let configured = "https://id.example.com/realms/shop";
        for (sent, by) in [
            ("https://id.example.com/realms/shop/", "a slash at the end"),
            ("HTTPS://ID.example.com/realms/shop", "upper and lower case"),
            ("https://id.example.com:443/realms/shop", "a default port"),
            ("https://Id.example.com:443/realms/shop//", "a default port"),
        ] {
            assert_eq!(normal(sent), normal(configured), "{sent}");
            assert!(difference(configured, sent).starts_with(by), "{sent}");
        }
        for sent in [
            "http://id.example.com/realms/shop",
            "https://id.example.com:8443/realms/shop",
            "https://id.example.com/realms/Shop",
            "https://id.example.com/realms/shop/x",
            "https://id.example.com",
            "https://id.example.com.evil.example/realms/shop",
        ] {
            assert!(normal(sent).is_some_and(|sent| Some(sent) != normal(configured)), "{sent}");
        }
        assert_eq!(normal("http://a:80"), normal("http://A/"));
        assert_ne!(normal("http://a:443"), normal("http://a"));
    }

    #[test]
    fn text_that_is_no_address_or_too_long_is_no_near_miss() {
        let long = format!("https://{}", "a".repeat(MOST_BYTES));
        for sent in ["", "id.example.com", "https:/id.example.com", &long] {
            assert_eq!(normal(sent), None, "{sent}");
        }
    }
}
