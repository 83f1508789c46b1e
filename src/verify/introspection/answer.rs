//! Reads the answer of the endpoint (RFC 7662 §2.2).
//!
//! Each answer that is not what RFC 7662 describes is a fault of the server, and no verdict about the token: without a
//! boolean `active` nothing is known.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use serde_json::{Map, Value};

use super::problem::Problem;
use crate::claims::{self, ClaimPaths, Footprint, ParsedClaims};
use crate::error::Reason;
use crate::media_type::is_of_type;
use crate::text::without_mark;

/// The verdict about a token.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The token is active. The text is a JSON object with its claims.
    Active(Arc<str>),
    /// The token is refused.
    Refused(Reason),
}

/// Reads a plain answer.
pub(super) fn read(response: &Response<Bytes>, required: &[String]) -> Result<Answer, Problem> {
    check_type(response, JSON)?;
    let text =
        str::from_utf8(without_mark(response.body())).map_err(|_| malformed("it is not UTF-8"))?;
    check(text)?;
    let members: Map<String, Value> =
        serde_json::from_str(text).map_err(|_| malformed("it is not a JSON object"))?;
    verdict(&members, required, || text.into())
}

/// Reads the member of a signed answer that holds the answer itself.
pub(super) fn read_signed(
    members: &Map<String, Value>,
    required: &[String],
) -> Result<Answer, Problem> {
    let text = serde_json::to_string(members).map_err(|_| malformed("it is not a JSON object"))?;
    check(&text)?;
    verdict(members, required, || text.into())
}

/// Checks the media type of an answer.
pub(super) fn check_type(
    response: &Response<Bytes>,
    expected: &'static str,
) -> Result<(), Problem> {
    let is = |media_type| is_of_type(response.headers(), media_type);
    if is(expected) {
        return Ok(());
    }
    Err(Problem::OtherType { expected, is_signed: is(SIGNED) })
}

/// Checks that a text is an object with unique members, and that its registered claims have their types.
fn check(text: &str) -> Result<(), Problem> {
    let (paths, mut parsed) = (ClaimPaths::default(), ParsedClaims::default());
    let read = claims::read(text, &paths, &mut parsed, &mut Footprint::uncounted());
    read.map_err(|error| malformed(error.detail().unwrap_or("it is not a JSON object")))
}

fn verdict(
    members: &Map<String, Value>,
    required: &[String],
    text: impl FnOnce() -> Arc<str>,
) -> Result<Answer, Problem> {
    match members.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Ok(Answer::Refused(Reason::Inactive)),
        Some(_) => return Err(malformed("`active` is neither `true` nor `false`")),
        None => return Err(malformed("there is no `active`")),
    }
    let text_of = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
    let is = |text: &str, one: &&str| text.eq_ignore_ascii_case(one);
    // RFC 7662 §2.1: the hint does not keep a server from looking among refresh tokens.
    if OTHER_TYPES.iter().any(|other| is(text_of("token_type"), other))
        || OTHER_TYPES.iter().any(|other| is(text_of("token_use"), other))
    {
        return Ok(Answer::Refused(Reason::WrongTokenType));
    }
    // RFC 9449 §6.2: the answer about a DPoP token names the key that it is bound to.
    if is(text_of("token_type"), &"DPoP") && members.get("cnf").is_none_or(Value::is_null) {
        return Ok(Answer::Refused(Reason::BoundToken));
    }
    let lacks = |name: &String| members.get(name).is_none_or(Value::is_null);
    if required.iter().any(lacks) {
        return Ok(Answer::Refused(Reason::MissingClaim));
    }
    Ok(Answer::Active(text()))
}

fn malformed(problem: impl Into<String>) -> Problem {
    Problem::Malformed(problem.into())
}

pub(super) const JSON: &str = "application/json";
/// RFC 9701 §4.
pub(super) const SIGNED: &str = "application/token-introspection+jwt";

/// Values of `token_type` and `token_use` that name other tokens than access tokens (Hydra, glewlwyd, RFC 8693 §3).
const OTHER_TYPES: [&str; 7] = [
    "refresh_token",
    "refresh",
    "id_token",
    "id",
    "N_A",
    "urn:ietf:params:oauth:token-type:refresh_token",
    "urn:ietf:params:oauth:token-type:id_token",
];

#[cfg(test)]
mod tests {
    use http::header::CONTENT_TYPE;

    use super::*;

    fn answer(content_type: &str, body: &'static [u8]) -> Result<Answer, String> {
        let response = Response::builder().header(CONTENT_TYPE, content_type);
        let response = response.body(Bytes::from_static(body)).unwrap();
        read(&response, &[]).map_err(|problem| problem.to_string())
    }

    fn json(body: &'static str) -> Result<Answer, String> {
        answer("application/json", body.as_bytes())
    }

    #[test]
    fn active_is_the_json_value_true_and_nothing_else() {
        // RFC 7662 §2.2: `active` is a boolean
        assert!(matches!(json(r#"{"active":true}"#), Ok(Answer::Active(_))));
        assert!(matches!(json(r#"{"active":false}"#), Ok(Answer::Refused(Reason::Inactive))));
        for odd in [
            r#"{"active":"true"}"#,
            r#"{"active":1}"#,
            r#"{"active":null}"#,
            r#"{"active":[true]}"#,
            r#"{"active":{}}"#,
            r#"{"Active":true}"#,
            "{}",
        ] {
            assert!(json(odd).unwrap_err().contains("`active`"), "{odd}");
        }
    }

    #[test]
    fn answer_is_an_object_with_unique_members_and_registered_claims_of_their_types() {
        for odd in [
            "",
            "null",
            "true",
            "[]",
            r#"[{"active":true}]"#,
            r#"{"active":true"#,
            r#"{"active":true}{}"#,
            r#"{"active":true,"active":true}"#,
            r#"{"active":false,"active":true}"#,
            r#"{"active":true,"\u0061ctive":false}"#,
            r#"{"active":true,"exp":"tomorrow"}"#,
            r#"{"active":true,"exp":null}"#,
            r#"{"active":true,"aud":{}}"#,
            r#"{"active":true,"iss":1}"#,
            r#"{"active":true,"x":{"$serde_json::private::Number":"1"}}"#,
        ] {
            assert!(json(odd).unwrap_err().contains("cannot be used"), "{odd}");
        }
        assert!(answer("application/json", b"{\"active\":true,\"x\":\"\xff\"}").is_err());
        assert!(answer("application/json", b"\xef\xbb\xbf{\"active\":true}").is_ok());
    }

    #[test]
    fn media_type_is_json_with_or_without_parameters() {
        let of = |content_type| answer(content_type, br#"{"active":true}"#);

        for good in ["application/json", "Application/JSON", "application/json;charset=UTF-8"] {
            assert!(of(good).is_ok(), "{good}");
        }
        for other in ["text/html", "text/plain", "", "application/jwt", "application/jsonp"] {
            assert!(of(other).unwrap_err().contains("application/json"), "{other}");
        }
        assert!(of(SIGNED).unwrap_err().contains("with_signed_answers"));
    }

    #[test]
    fn other_tokens_than_access_tokens_are_refused_although_they_are_active() {
        for (body, expected) in [
            (r#"{"active":true,"token_type":"refresh_token"}"#, Reason::WrongTokenType),
            (r#"{"active":true,"token_use":"refresh_token"}"#, Reason::WrongTokenType),
            (r#"{"active":true,"token_type":"N_A"}"#, Reason::WrongTokenType),
            (r#"{"active":true,"token_type":"DPoP"}"#, Reason::BoundToken),
            (r#"{"active":true,"token_type":"dpop","cnf":null}"#, Reason::BoundToken),
        ] {
            let answer = json(body);
            assert!(matches!(answer, Ok(Answer::Refused(reason)) if reason == expected), "{body}");
        }
        for good in [
            r#"{"active":true,"token_type":"Bearer"}"#,
            r#"{"active":true,"token_type":"access_token","token_use":"access_token"}"#,
            r#"{"active":true,"token_type":"DPoP","cnf":{"jkt":"a"}}"#,
            r#"{"active":true,"token_type":7}"#,
        ] {
            assert!(matches!(json(good), Ok(Answer::Active(_))), "{good}");
        }
    }
}
