//! Decides how a request is answered, by the faults at the moment it arrives.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED, LOCATION};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::body::Body;
use super::documents;
use super::fault::{Fault, ProviderDocument};
use super::places::Target;
use super::shared::{ProviderState, SharedProvider};
use crate::jose::crypto;

pub(super) enum RequestOutcome {
    Answer(Response<Body>),
    /// An answer that is delayed: before its header, or in its body.
    Slowly(Duration, Response<Body>),
    /// No answer, for as long as the client waits.
    Hang,
    /// No answer, and the end of the connection.
    Close,
}

/// Decides the outcome of a request, and counts the request.
pub(super) fn decide(
    shared: &SharedProvider,
    request: &Request<()>,
    form: &[u8],
) -> RequestOutcome {
    let path = request.uri().path();
    let target = shared.places.find(path);
    let faults = shared.faults();
    if faults.is_down() {
        return RequestOutcome::Close;
    }
    let state = &mut *shared.state();
    state.record(target, request);
    let (document, fault) = match target {
        Target::ProviderDocument(document) => (document, faults.of(document)),
        Target::Moved(document) => (document, None),
        Target::Nothing => {
            return RequestOutcome::Answer(finish(error(StatusCode::NOT_FOUND), state));
        }
    };
    let (kind, text) = match document {
        ProviderDocument::Metadata => {
            let (keys, jwks_uri) = (&state.keys, state.jwks_uri.as_deref());
            let has_introspection = state.opaque.client.is_some();
            let places = &shared.places;
            let text = documents::metadata(places, keys, jwks_uri, has_introspection, fault);
            ("application/json", text)
        }
        ProviderDocument::Jwks => ("application/jwk-set+json", documents::jwks(&state.keys, fault)),
        ProviderDocument::Introspection => {
            let (issuer, key) = (shared.places.issuer(), state.keys.current());
            match state.opaque.answer(issuer, key, request.headers(), form) {
                Ok(answer) => answer,
                Err(status) if fault.is_none() => {
                    return RequestOutcome::Answer(finish(error(status), state));
                }
                Err(_) => ("application/json", "{}".to_owned()),
            }
        }
    };
    let head = head(kind, &text, state);
    let with_head = |body| {
        let mut response = Response::new(body);
        *response.headers_mut() = head.clone();
        response
    };
    match fault {
        Some(Fault::Down) => RequestOutcome::Close,
        Some(Fault::Hang) => RequestOutcome::Hang,
        Some(Fault::Status(code)) => {
            let status = StatusCode::from_u16(code).expect("a status that was checked");
            RequestOutcome::Answer(finish(error(status), state))
        }
        Some(Fault::Html) => RequestOutcome::Answer(finish(html(), state)),
        Some(Fault::Redirect) => {
            RequestOutcome::Answer(finish(redirect(&shared.places.elsewhere(path)), state))
        }
        Some(Fault::Huge) => RequestOutcome::Answer(finish(with_head(Body::huge(&text)), state)),
        Some(Fault::Truncated) => {
            RequestOutcome::Answer(finish(with_head(Body::truncated(text)), state))
        }
        Some(Fault::SlowBody(duration)) => {
            let response = finish(with_head(Body::slow(text, duration)), state);
            RequestOutcome::Slowly(Duration::ZERO, response)
        }
        Some(Fault::SlowHeaders(duration)) => {
            let response = finish(with_head(Body::whole(text)), state);
            RequestOutcome::Slowly(duration, unless_known(response, request.headers(), state))
        }
        None | Some(Fault::EmptySet | Fault::WrongIssuer | Fault::OddKeys) => {
            let response = finish(with_head(Body::whole(text)), state);
            RequestOutcome::Answer(unless_known(response, request.headers(), state))
        }
    }
}

fn head(kind: &'static str, text: &str, state: &ProviderState) -> HeaderMap {
    let hash = crypto::sha256(text.as_bytes()).expect("the back end that has made the keys");
    let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..16]));
    let modified = httpdate::fmt_http_date(state.modified);
    let value = |text: String| HeaderValue::try_from(text).expect("visible ASCII");
    HeaderMap::from_iter([
        (CONTENT_TYPE, HeaderValue::from_static(kind)),
        (ETAG, value(etag)),
        (LAST_MODIFIED, value(modified)),
    ])
}

/// Sets the configured header fields.
fn finish(mut response: Response<Body>, state: &ProviderState) -> Response<Body> {
    for (name, value) in &state.fields {
        match value {
            Some(value) => drop(response.headers_mut().insert(name, value.clone())),
            None => drop(response.headers_mut().remove(name)),
        }
    }
    response
}

/// Answers 304 to a client that has this answer already.
fn unless_known(
    mut response: Response<Body>,
    request: &HeaderMap,
    state: &mut ProviderState,
) -> Response<Body> {
    if is_known(response.headers(), request) {
        state.requests.not_modified += 1;
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
    }
    response
}

// RFC 9110 §13.1: dates count only where there is no tag. Tags are compared weakly.
fn is_known(response: &HeaderMap, request: &HeaderMap) -> bool {
    let opaque = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let text = |value: &HeaderValue| value.to_str().map(str::to_owned).unwrap_or_default();
    if request.contains_key(IF_NONE_MATCH) {
        let etag = response.get(ETAG).map(|etag| opaque(&text(etag)));
        let mut sent = request.get_all(IF_NONE_MATCH).iter().map(text);
        return sent
            .any(|list| list.split(',').any(|tag| tag.trim() == "*" || Some(opaque(tag)) == etag));
    }
    let since = request.get(IF_MODIFIED_SINCE);
    since.is_some() && since == response.get(LAST_MODIFIED)
}

fn error(status: StatusCode) -> Response<Body> {
    let has_body = status != StatusCode::NO_CONTENT && status != StatusCode::NOT_MODIFIED;
    let body = if has_body { Body::whole("no document\n") } else { Body::empty() };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
    response
}

fn html() -> Response<Body> {
    let mut response = Response::new(Body::whole("<!doctype html><title>Sign in</title>\n"));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    response
}

fn redirect(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    let to = to.parse().expect("a path that has come in a request");
    response.headers_mut().insert(LOCATION, to);
    response
}
