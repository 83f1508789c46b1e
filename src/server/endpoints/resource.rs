use std::fmt;
use std::future::poll_fn;

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, ETAG,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service;

use super::document::Document;
use crate::config_error::ConfigError;
use crate::middleware::BearerLayer;
use crate::observe::trace;
use crate::protected_resource::{LayerSettings, Resource};

use crate::server::body::ServiceBody;
use crate::server::service::service;
use crate::verify::issuers::IssuerSet;

impl<C, R> BearerLayer<C, R> {
    /// Returns a service that answers `GET` with the metadata of the [resource](Self::with_resource) of this layer
    /// (RFC 9728), to be cached for 10 minutes.
    ///
    /// The document tells the settings that the layer has now: call this last. The issuers of a verifier for
    /// [several](crate::Issuers) are those of the moment of the request.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Metadata`] when the layer has no resource.
    pub fn resource_metadata(&self) -> Result<ResourceMetadataService, ConfigError> {
        let (resource, settings, issuers) =
            self.resource_settings().ok_or_else(|| ConfigError::Metadata {
                member: "resource".to_owned(),
                problem: "is not set; call `BearerLayer::with_resource` first",
            })?;
        let path = resource.metadata_path().to_owned();
        Ok(ResourceMetadataService { path, served: vec![Served::new(resource, settings, issuers)] })
    }
}

/// Serves the metadata of a resource (RFC 9728), with `Cache-Control` and `ETag`, to everyone and to scripts of every
/// origin.
///
/// Mount it outside of the layer, because clients read it before they have a token. With axum:
/// `.route_service(&metadata.path(), metadata)`, after `.route_layer(layer)`. Each resource of a host has a path of its
/// own; axum takes one with a segment that begins with `:` or `*` after `Router::without_v07_checks`. Clients that do not
/// know the path of a resource ask for `/.well-known/oauth-protected-resource`: mount the document of the main resource
/// there too, if you like.
///
/// Other methods than `GET`, `HEAD` and `OPTIONS` are answered 405, and another query than that of the resource 404.
#[derive(Clone)]
pub struct ResourceMetadataService {
    path: String,
    served: Vec<Served>,
}

#[derive(Clone)]
struct Served {
    resource: Resource,
    settings: LayerSettings,
    issuers: IssuerSet,
    /// The document, if it never changes.
    fixed: Option<Document>,
}

impl ResourceMetadataService {
    /// Returns the path to serve the metadata at: `/.well-known/oauth-protected-resource`, and behind it the path of
    /// the resource.
    pub fn path(&self) -> String {
        self.path.clone()
    }

    /// Returns whether this is the path of the metadata.
    #[cfg(feature = "mcp")]
    pub(crate) fn is_at(&self, path: &str) -> bool {
        self.path == path
    }

    /// Serves the metadata of another resource too, whose URL has the same path and another query.
    #[must_use]
    pub fn with(mut self, other: Self) -> Self {
        self.served.extend(other.served);
        self
    }

    /// Asks an application for the document, as a client without a token does. Returns whether clients can read it,
    /// and otherwise logs a warning that names the answer.
    ///
    /// Call it at the start, or in a test:
    ///
    /// ```
    /// # async fn check(app: axum::Router, metadata: tower_bearer::resource::ResourceMetadataService) {
    /// assert!(metadata.is_served_by(app).await);
    /// # }
    /// ```
    pub async fn is_served_by<S, B>(&self, mut application: S) -> bool
    where
        S: Service<Request<ServiceBody>, Response = Response<B>>,
    {
        let mut all_are_served = true;
        for served in &self.served {
            let target = served.resource.metadata_target();
            let mut request = Request::new(ServiceBody::EMPTY);
            *request.uri_mut() = target.parse().unwrap_or_default();
            let answer = match poll_fn(|cx| application.poll_ready(cx)).await {
                Ok(()) => application.call(request).await,
                Err(error) => Err(error),
            };
            let problem = match answer {
                Ok(answer) if answer.status() != StatusCode::OK => {
                    format!("the answer is {}", answer.status())
                }
                Ok(answer) if answer.headers().get(ETAG) == served.document().etag() => continue,
                Ok(_) => "another document is in its place".to_owned(),
                Err(_) => "there is an error in place of an answer".to_owned(),
            };
            trace::resource_metadata_not_served(&target, &problem);
            all_are_served = false;
        }
        all_are_served
    }

    pub(crate) fn answer(
        &self,
        method: &Method,
        query: Option<&str>,
        headers: &HeaderMap,
    ) -> Response<ServiceBody> {
        let served = self.served.iter().find(|served| served.resource.query() == query);
        let mut response = match served {
            None => status(StatusCode::NOT_FOUND),
            Some(_) if method == Method::OPTIONS => preflight(),
            Some(served) => served.document().answer(method, headers),
        };
        let out = response.headers_mut();
        if out.contains_key(ALLOW) {
            out.insert(ALLOW, HeaderValue::from_static(METHODS));
        }
        out.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }
}

impl Served {
    fn new(resource: Resource, settings: LayerSettings, issuers: IssuerSet) -> Self {
        let mut served = Self { resource, settings, issuers, fixed: None };
        let changes = matches!(&served.issuers, IssuerSet::Several(_))
            && !served.resource.has_authorization_servers();
        served.fixed = (!changes).then(|| served.document());
        served
    }

    fn document(&self) -> Document {
        self.fixed.clone().unwrap_or_else(|| {
            let json = self.resource.document(&self.settings, self.issuers.names());
            Document::new(json, "application/json")
        })
    }
}

// Scripts send fields of their own with the request for the document (`MCP-Protocol-Version`), so browsers ask first.
fn preflight() -> Response<ServiceBody> {
    let mut response = status(StatusCode::NO_CONTENT);
    let out = response.headers_mut();
    out.insert(ALLOW, HeaderValue::from_static(METHODS));
    out.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(METHODS));
    out.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*"));
    out.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
    response
}

fn status(status: StatusCode) -> Response<ServiceBody> {
    let mut response = Response::new(ServiceBody::EMPTY);
    *response.status_mut() = status;
    response
}

const METHODS: &str = "GET, HEAD, OPTIONS";

service! {
    ResourceMetadataService,
    |service, request| -> std::future::Ready<Result<Self::Response, Self::Error>> {
        let (method, headers) = (request.method(), request.headers());
        std::future::ready(Ok(service.answer(method, request.uri().query(), headers)))
    }
}

impl fmt::Debug for ResourceMetadataService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources: Vec<_> = self.served.iter().map(|served| served.resource.as_str()).collect();
        f.debug_struct("ResourceMetadataService")
            .field("resources", &resources)
            .finish_non_exhaustive()
    }
}
