//! Writes responses.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::json;

/// The media type of JSON.
pub(super) const JSON: &str = "application/json";

pub(super) type Reply = Response<Full<Bytes>>;

/// A reply in place of the one that was asked for.
pub(super) type Refusal = Box<Reply>;

/// Answers with a value.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Reply {
    match serde_json::to_vec(value) {
        Ok(text) => typed(status, JSON, text),
        Err(_) => {
            typed(StatusCode::INTERNAL_SERVER_ERROR, "text/plain; charset=utf-8", "no JSON\n")
        }
    }
}

/// Answers with text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Reply {
    typed(status, "text/plain; charset=utf-8", text)
}

/// Answers with a document.
pub(super) fn typed(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// Answers with an error in the form of RFC 6749 §5.2.
pub(super) fn error(status: StatusCode, error: &str, description: impl Into<String>) -> Reply {
    let description: String = description.into();
    json(status, &json!({ "error": error, "error_description": description }))
}

/// Answers a request with a member that cannot be used.
pub(super) fn invalid(description: impl Into<String>) -> Reply {
    error(StatusCode::BAD_REQUEST, "invalid_request", description)
}

pub(super) fn not_allowed(allow: &'static str) -> Reply {
    let description = format!("this route takes {allow}");
    let mut reply = error(StatusCode::METHOD_NOT_ALLOWED, "invalid_request", description);
    reply.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    reply
}

/// Adds the fields that all responses have. Nothing is stored, unless the response says otherwise.
pub(super) fn finish(mut reply: Reply) -> Reply {
    let headers = reply.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in FIELDS {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    reply
}

const FIELDS: [(&str, &str); 6] = [
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
];

/// Reads a JSON object from a body. An empty body is an empty object.
pub(super) fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, Refusal> {
    let body = match body.trim_ascii() {
        b"" => b"{}",
        body => body,
    };
    // A list would be read as the members in their order.
    if !body.starts_with(b"{") {
        return Err(invalid("the body is not a JSON object").into());
    }
    // The message of serde could hold a value of the body, a secret perhaps, so only the place is told.
    serde_json::from_slice(body).map_err(|error| {
        let problem = match error.classify() {
            Category::Data => {
                "the body lacks a member, or has one of an unknown name or a wrong type".to_owned()
            }
            _ => format!("the body is not JSON (line {}, column {})", error.line(), error.column()),
        };
        invalid(problem).into()
    })
}
