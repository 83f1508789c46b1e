//! Reads a request into a form, or refuses it.

use std::future::poll_fn;
use std::pin::pin;

use bytes::Buf as _;
use http::request::Parts;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body::Body;
use zeroize::Zeroizing;

use super::answer::Refusal;
use super::form::{Form, FormError};
#[cfg(any(feature = "api-keys", feature = "sign-in"))]
use crate::claims::Principal;
use crate::media_type::is_of_type;

/// Reads the form in the body of a request.
pub(in crate::server) async fn read_form<B: Body>(
    request: Request<B>,
) -> Result<(Parts, Form), Refusal> {
    let (parts, body) = request.into_parts();
    if parts.method != Method::POST {
        return Err(Refusal::method_not_allowed("POST"));
    }
    if !is_form(&parts.headers) {
        return Err(Refusal::invalid_request("The body is not a form"));
    }
    let body = read(body, MAX_BODY_BYTES, "The form is larger than 64 KiB").await?;
    Ok((parts, Form::parse(&body)?))
}

impl From<FormError> for Refusal {
    fn from(problem: FormError) -> Self {
        Self::invalid_request(match problem {
            FormError::Encoding => "The form is not encoded as forms are",
            FormError::Repeated => "A parameter comes more than once",
            FormError::TooMany => "There are too many parameters",
        })
    }
}

/// Returns the subject of a principal of this issuer. Another issuer may call another one by the same name.
#[cfg(any(feature = "api-keys", feature = "sign-in"))]
pub(in crate::server) fn own_subject<'p>(
    principal: &'p Principal,
    issuer: &str,
) -> Option<&'p str> {
    let is_own = principal.issuer() == issuer;
    principal.subject().filter(|subject| is_own && !subject.is_empty())
}

/// Returns a segment of the path, counted from its end.
#[cfg(any(feature = "api-keys", feature = "sign-in"))]
pub(in crate::server) fn segment(request: &Parts, from_end: usize) -> &str {
    request.uri.path().rsplit('/').nth(from_end).unwrap_or_default()
}

fn is_form(headers: &HeaderMap) -> bool {
    is_of_type(headers, "application/x-www-form-urlencoded")
}

/// Reads a body of at most `max` bytes.
pub(in crate::server) async fn read<B: Body>(
    body: B,
    max: usize,
    too_large: &'static str,
) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let too_large = || Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", too_large);
    let mut body = pin!(body);
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > max {
        return Err(too_large());
    }
    let mut read = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let Ok(frame) = frame else {
            return Err(Refusal::invalid_request("The body ended too early"));
        };
        let Ok(mut data) = frame.into_data() else { continue };
        if data.remaining() > max - read.len() {
            return Err(too_large());
        }
        while data.has_remaining() {
            let chunk = data.chunk();
            read.extend_from_slice(chunk);
            let length = chunk.len();
            data.advance(length);
        }
    }
    Ok(read)
}

/// Large enough for a token of 16 KiB and a secret in any encoding.
pub(in crate::server) const MAX_BODY_BYTES: usize = 64 * 1024;
