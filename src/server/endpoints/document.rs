use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::jose::crypto;
use crate::server::body::ServiceBody;

/// A public JSON document that caches keep for 10 minutes.
#[derive(Clone, Debug)]
pub(super) struct Document {
    json: Bytes,
    content_type: &'static str,
    etag: Option<HeaderValue>,
}

impl Document {
    pub(super) fn new(json: String, content_type: &'static str) -> Self {
        let etag = crypto::sha256(json.as_bytes()).and_then(|hash| {
            HeaderValue::try_from(format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash[..16]))).ok()
        });
        Self { json: json.into(), content_type, etag }
    }

    /// Returns the tag of this version of the document.
    #[cfg(feature = "metadata")]
    pub(super) fn etag(&self) -> Option<&HeaderValue> {
        self.etag.as_ref()
    }

    pub(super) fn answer(&self, method: &Method, headers: &HeaderMap) -> Response<ServiceBody> {
        let mut response = Response::new(ServiceBody::EMPTY);
        if method != Method::GET && method != Method::HEAD {
            *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let out = response.headers_mut();
        out.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=600"));
        if let Some(etag) = &self.etag {
            out.insert(ETAG, etag.clone());
        }
        if self.is_known(headers) {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
        } else {
            out.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
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

/// Implements `Service` for a document, which depends on the method and the header of a request.
#[cfg(feature = "issue")]
macro_rules! document {
    ($service:ty, |$this:ident, $method:ident, $headers:ident| $answer:block) => {
        $crate::server::service::service! {
            $service,
            |$this, request| -> std::future::Ready<Result<Self::Response, Self::Error>> {
                let ($method, $headers) = (request.method(), request.headers());
                std::future::ready(Ok($answer))
            }
        }
    };
}
#[cfg(feature = "issue")]
pub(super) use document;
