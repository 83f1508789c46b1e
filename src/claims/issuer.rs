use std::borrow::Cow;

use super::error::PayloadError;
use super::table::Claim;
use crate::error::AuthError;
use crate::jose::json::{JsonError, Scanner, VALUE_DEPTH};

/// Reads `iss` and nothing else from a payload with an unverified signature.
///
/// The value is not trusted: it may only select one of the configured issuers. Returns `None` when
/// there is no `iss`.
pub(crate) fn unverified_issuer(text: &str) -> Result<Option<Cow<'_, str>>, AuthError> {
    Ok(read(text)?)
}

fn read(text: &str) -> Result<Option<Cow<'_, str>>, PayloadError> {
    let mut scanner = Scanner::new(text);
    let mut issuer = None;
    let mut is_first = true;
    scanner.begin(b'{')?;
    while let Some(name) = scanner.next_name(&mut is_first)? {
        if Claim::from_name(&name) != Some(Claim::Iss) {
            scanner.skip(VALUE_DEPTH)?;
            continue;
        }
        let in_claim = |error| PayloadError::in_claim(error, Claim::Iss);
        if issuer.replace(scanner.text().map_err(in_claim)?).is_some() {
            return Err(JsonError::RepeatedName.into());
        }
    }
    scanner.finish()?;
    Ok(issuer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Reason;

    #[test]
    fn issuer_is_one_string_and_stands_there_once() {
        let issuer = |payload| unverified_issuer(payload).unwrap();
        assert_eq!(issuer(r#"{"a":[{}],"iss":"x","b":1}"#).as_deref(), Some("x"));
        assert_eq!(issuer(r#"{"sub":"x"}"#), None);
        for (payload, reason) in [
            (r#"{"iss":"x","iss":"x"}"#, Reason::Malformed),
            (r#"["x"]"#, Reason::Malformed),
            (r#"{"iss":"x"} {}"#, Reason::Malformed),
            ("", Reason::Malformed),
            (r#"{"iss":["x"]}"#, Reason::InvalidClaim),
            (r#"{"iss":{}}"#, Reason::InvalidClaim),
            (r#"{"iss":1}"#, Reason::InvalidClaim),
            (r#"{"iss":null}"#, Reason::InvalidClaim),
        ] {
            assert_eq!(unverified_issuer(payload).unwrap_err().reason(), reason, "{payload}");
        }
        let deep = format!(r#"{{"a":{}{},"iss":"x"}}"#, "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(unverified_issuer(&deep).unwrap_err().reason(), Reason::Malformed);
    }
}
