//! Reads the body of a request: a JSON object of texts, or a form.

use std::fmt;

use http::StatusCode;
use http::request::Parts;
use http_body::Body;
use serde::Deserializer as _;
use serde::de::{Error as _, MapAccess, Visitor};
use zeroize::Zeroizing;

use crate::media_type::is_of_type;
use crate::server::endpoints::answer::Refusal;
use crate::server::endpoints::form::Form;
use crate::server::endpoints::request::read;

/// The body of a request, or the reason why it could not be read.
pub(super) type Sent = Result<Zeroizing<Vec<u8>>, Refusal>;

/// Receives the body of a request.
pub(super) async fn receive<B: Body>(body: B) -> Sent {
    read(body, MAX_BODY_BYTES, "The body is larger than 8 KiB").await
}

/// Reads the members of a body. A body without content has none, whatever its type.
pub(super) fn read_input(parts: &Parts, body: Sent, known: &[&str]) -> Result<Form, Refusal> {
    let body = body?;
    let form = if body.is_empty() {
        Form::default()
    } else if is_of_type(&parts.headers, "application/json") {
        parse_json(&body)?
    } else if is_of_type(&parts.headers, "application/x-www-form-urlencoded") {
        Form::parse(&body)?
    } else {
        let description = "The body is neither application/json nor a form";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Refusal::new(status, "invalid_request", description));
    };
    if form.has_others(known) {
        return Err(Refusal::invalid_request("The body has a member that is not known here"));
    }
    Ok(form)
}

fn parse_json(body: &[u8]) -> Result<Form, Refusal> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    let members =
        reader.deserialize_map(Members).and_then(|members| reader.end().map(|()| members));
    // The message of the parser may quote the body.
    let members = members.map_err(|error| {
        Refusal::invalid_request(if error.is_data() {
            "The body is not an object of texts, each member once"
        } else {
            "The body is not JSON"
        })
    })?;
    Ok(Form::of(members))
}

/// Reads an object whose members are texts, or `null` for absent ones.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, Zeroizing<String>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Self::Value = Vec::new();
        while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
            let value = Zeroizing::new(value.unwrap_or_default());
            if members.iter().any(|(other, _)| *other == name) || members.len() == MAX_MEMBERS {
                return Err(A::Error::custom("a member comes more than once"));
            }
            members.push((name, value));
        }
        Ok(members)
    }
}

const MAX_BODY_BYTES: usize = 8 * 1024;
const MAX_MEMBERS: usize = 16;
