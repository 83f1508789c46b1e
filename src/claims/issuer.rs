use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::{AuthError, Reason};
use crate::jose::json;

/// Reads `iss` and nothing else from a payload with an unverified signature.
///
/// The value is not trusted: it may only select one of the configured issuers. Returns `None` when
/// there is no `iss`.
pub(crate) fn unverified_issuer(text: &str) -> Result<Option<String>, AuthError> {
    #[derive(Deserialize)]
    struct Issuer {
        // Not an `Option`, for which `null` would be the same as an absent member.
        #[serde(default)]
        iss: Claim,
    }
    #[derive(Default)]
    enum Claim {
        #[default]
        Absent,
        There(Value),
    }
    impl<'de> Deserialize<'de> for Claim {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Value::deserialize(deserializer).map(Self::There)
        }
    }
    let malformed = |detail: &'static str| AuthError::with_detail(Reason::Malformed, detail);
    if !json::is_shallow(text) {
        return Err(malformed("the payload nests too deeply"));
    }
    // serde would read an array into a struct as well.
    if !text.trim_start().starts_with('{') {
        return Err(malformed("the payload is not a JSON object"));
    }
    let Issuer { iss } = serde_json::from_str(text)
        .map_err(|_| malformed("the payload is not an object with unique members"))?;
    match iss {
        Claim::Absent => Ok(None),
        Claim::There(Value::String(issuer)) => Ok(Some(issuer)),
        Claim::There(_) => Err(AuthError::with_detail(
            Reason::InvalidClaim,
            "the claim `iss` has the wrong JSON type",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
