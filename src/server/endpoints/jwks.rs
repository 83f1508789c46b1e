use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service;

use crate::jose::crypto;
use crate::keys::{PublicKeys, Signer};
use crate::server::body::ServiceBody;
use crate::server::issue::TokenIssuer;

impl PublicKeys {
    /// Returns a service that answers `GET` with the set, to be cached for 10 minutes.
    pub fn into_service(self) -> JwksService {
        JwksService::new(&self)
    }
}

impl<K: Signer> TokenIssuer<K> {
    /// Returns a service that answers `GET` with the JWK set, to be cached for 10 minutes.
    ///
    /// With axum: `.route_service("/.well-known/jwks.json", issuer.jwks_service())`.
    pub fn jwks_service(&self) -> JwksService {
        self.public_keys().into_service()
    }
}

/// Serves a JWK set over HTTP, with `Cache-Control` and `ETag`.
#[derive(Clone, Debug)]
pub struct JwksService {
    json: Bytes,
    etag: Option<HeaderValue>,
}

impl JwksService {
    fn new(keys: &PublicKeys) -> Self {
        let json = keys.to_json();
        let etag = crypto::sha256(json.as_bytes()).and_then(|hash| {
            HeaderValue::try_from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..16]))).ok()
        });
        Self { json: json.into(), etag }
    }

    fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<ServiceBody> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = Response::new(ServiceBody::EMPTY);
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let mut response = Response::new(ServiceBody::EMPTY);
        let out = response.headers_mut();
        out.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
        if let Some(etag) = &self.etag {
            out.insert(ETAG, etag.clone());
        }
        if self.is_known(headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            out.insert(CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
            *response.body_mut() = ServiceBody::new(self.json.clone());
        }
        response
    }

    // RFC 9110 §13.1.2: weak comparison, with each tag of a list or with `*`.
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let Some(etag) = self.etag.as_ref().and_then(|etag| etag.to_str().ok()) else {
            return false;
        };
        let sent = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        sent.flat_map(|value| value.split(','))
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    }
}

impl<B> Service<Request<B>> for JwksService {
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.answer(request.method(), request.headers())))
    }
}
