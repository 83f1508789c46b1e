//! Reads the parameters of axum's routes with axum's own extractor, so that a guard sees what the handler sees.

use std::borrow::Cow;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::extract::RawPathParams;
use axum::extract::rejection::RawPathParamsRejection;
use axum_core::extract::FromRequestParts as _;
use http::Request;

use crate::request_head::RequestHead;

/// Returns a parameter, percent-decoded. `None` if a parameter is not UTF-8.
pub(super) fn read(
    request: RequestHead<'_>,
    name: &str,
) -> Result<Option<String>, Cow<'static, str>> {
    let (mut parts, ()) = Request::new(()).into_parts();
    // The parameters have a private type, so all extensions are copied.
    parts.extensions = request.extensions().clone();
    let params = match poll_once(RawPathParams::from_request_parts(&mut parts, &())) {
        Some(Ok(params)) => params,
        Some(Err(RawPathParamsRejection::InvalidUtf8InPathParam(_))) => return Ok(None),
        Some(Err(_)) | None => return Err(outside(name)),
    };
    let mut values = params.iter().filter(|(one, _)| *one == name).map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(Some(value.to_owned())),
        (None, _) => Err(format!(
            "the route has no parameter `{name}`: name it in its path (`{{{name}}}`), or change the policy"
        )
        .into()),
        (Some(_), Some(_)) => {
            Err(format!("the route has two parameters `{name}`: give them different names").into())
        }
    }
}

#[cold]
fn outside(name: &str) -> Cow<'static, str> {
    format!(
        "put the guard that reads the path parameter `{name}` on the route, or on its router with `route_layer`: where it \
         is, no route has been found"
    )
    .into()
}

/// The extractor waits for nothing.
fn poll_once<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}
