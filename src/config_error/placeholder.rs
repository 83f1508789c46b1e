//! Finds placeholders in names: `{tenantid}`, `<tenant>`, `${TENANT}`.

use super::ConfigError;

/// Returns whether a part of the text is a placeholder.
pub(crate) fn is_in(text: &str) -> bool {
    let stands_between = |open: char, close: char| {
        text.split_once(open).is_some_and(|(_, rest)| rest.contains(close))
    };
    stands_between('{', '}') || stands_between('<', '>') || text.contains("$(")
}

/// Refuses an issuer or audience that holds something no token carries. Tokens are compared
/// exactly, so without this check every token would be refused and no message would explain it.
pub(crate) fn check(member: &'static str, name: &str) -> Result<(), ConfigError> {
    // RFC 7519 §2: a name with a colon is a URI, and a URI has no blank.
    let blanks_are_wrong = name.contains(':') || name.trim() != name;
    let problem = if name.contains(char::is_control) {
        "has a line break or another invisible character in it, which no token has"
    } else if blanks_are_wrong && name.contains(char::is_whitespace) {
        "has a blank in it, which no token has"
    } else if is_in(name) {
        "has a placeholder in it, but is compared to the letter; put in what it stands for, and for \
         several tenants configure an issuer for each"
    } else {
        return Ok(());
    };
    Err(ConfigError::Name { member, name: name.to_owned(), problem })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_blanks_and_invisible_characters_are_found() {
        for name in [
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "https://<tenant>.example.com/",
            "https://${TENANT}.example.com",
            "https://$(TENANT).example.com",
            "api://{client-id}",
            "<your audience>",
            "https://id.example.com ",
            " https://id.example.com",
            "https://id.example.com\n",
            "https://id .example.com",
            "orders-api\r\n",
            "orders\u{7}api",
            "\torders-api",
        ] {
            let error = check("issuer", name).unwrap_err();
            assert!(matches!(error, ConfigError::Name { member: "issuer", .. }), "{name}");
        }
    }

    #[test]
    fn names_that_tokens_may_carry_are_not() {
        for name in [
            "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
            "accounts.google.com",
            "orders-api",
            "Orders API",
            "urn:example:a",
            "a > b",
            "https://id.example.com/?a=$b&c=%7Bd%7D",
            "",
        ] {
            assert_eq!(check("audience", name), Ok(()), "{name}");
        }
    }
}
