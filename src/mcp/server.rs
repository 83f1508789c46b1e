//! All layers of an MCP server as one.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use serde::de::DeserializeOwned;
use tower_layer::Layer;
use tower_service::Service;

use super::body::OperationBody;
use super::hosts::HostCheck;
use super::operations::OperationsService;
use super::sessions::{McpSessions, McpSessionsService};
use super::table::Operations;
use super::without_token::{WithoutToken, WithoutTokenService};
use crate::claims::policy::{Policy, PolicyDescription};
use crate::config_error::ConfigError;
use crate::middleware::reject::{Empty, EmptyBody, Render};
use crate::middleware::{Bearer, BearerLayer, GuardFuture, ResponseFuture, release};
use crate::protected_resource::Resource;
use crate::server::endpoints::ResourceMetadataService;
use crate::verify::Verifier;

/// Protects an MCP server: one layer for all that the specification asks of it.
///
/// ```
/// use axum::Router;
/// use tower_bearer::mcp::{Mcp, Operations};
/// use tower_bearer::policy::scope;
/// use tower_bearer::resource::Resource;
/// use tower_bearer::{ConfigError, KeySet, Validation, Verifier};
///
/// # fn build(mcp: Router, keys: KeySet) -> Result<Router, ConfigError> {
/// let resource = Resource::new("https://mcp.example.com/mcp")?;
/// let rules = Validation::new("https://id.example.com", resource.as_str());
/// let operations = Operations::new().with_tool("close", scope("orders:write"));
///
/// let app = mcp.layer(Mcp::new(Verifier::<()>::new(keys, rules)?, resource)?.with_operations(operations)?);
/// # Ok(app)
/// # }
/// ```
///
/// It answers in this order:
///
/// 1. the [metadata](BearerLayer::resource_metadata) of the resource, to every client;
/// 2. 403 to requests of foreign hosts and pages ([`HostCheck`]);
/// 3. 401 to requests without a good token for this resource, with `resource_metadata` ([`BearerLayer`]). The token is
///    in the `Authorization` field, and in no other place;
/// 4. 404 to sessions of other principals ([`McpSessions`]);
/// 5. 403 to operations that the token does not allow ([`Operations`]). The challenge has the scopes of the operation and
///    of [`with_policy`](Self::with_policy).
///
/// The server gets the other requests, with a [`Principal`](crate::Principal) in the extensions and without the token.
///
/// # Where to put it
///
/// Outermost, so that the path of the metadata reaches it: with `Router::layer` (and not `route_layer`) on the router
/// that is served. It covers all routes of this router, and its fallback. Where other routes are beside it, use
/// `route_layer`, merge, and mount [`metadata`](Self::metadata) outside. [`is_served_by`](ResourceMetadataService::is_served_by) tells in a
/// test whether clients find the document. A CORS layer for browser clients belongs outside of this one.
pub struct Mcp<C, R = Empty> {
    bearer: BearerLayer<C, R>,
    resource: Resource,
    metadata: Arc<ResourceMetadataService>,
    hosts: HostCheck,
    sessions: McpSessions,
    operations: Option<Operations>,
}

impl<C> Mcp<C> {
    /// Protects the server that is this resource.
    ///
    /// Without [`with_operations`](Self::with_operations), every operation is allowed to every principal that
    /// [`with_policy`](Self::with_policy) allows.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Mcp`] when an issuer of the verifier accepts another audience than those of the
    /// [resource](Resource::audiences), or lacks one of them; [`ConfigError::NoRandomness`].
    pub fn new(verifier: Verifier<C>, resource: Resource) -> Result<Self, ConfigError> {
        let bearer = BearerLayer::new(verifier).with_resource(resource.clone());
        if !bearer.is_for(&resource.audiences()) {
            return Err(wrong_audience(&resource));
        }
        Ok(Self {
            metadata: Arc::new(bearer.resource_metadata()?),
            hosts: HostCheck::new(resource.as_str())?,
            sessions: McpSessions::generate()?,
            operations: None,
            bearer,
            resource,
        })
    }
}

impl<C, R> Mcp<C, R> {
    /// Requires a policy for each operation.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Mcp`] when a policy asks for `offline_access`.
    pub fn with_operations(mut self, operations: Operations) -> Result<Self, ConfigError> {
        self.operations = Some(operations);
        self.checked()
    }

    /// Requires a permission of every request. Its scopes are in the challenges of a 401 too.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Mcp`] when the policy asks for `offline_access`.
    pub fn with_policy(mut self, policy: impl Policy) -> Result<Self, ConfigError> {
        self.bearer = self.bearer.with_policy(policy);
        self.checked()
    }

    /// Binds sessions by another secret than a new one, so that all nodes of a server accept them.
    #[must_use]
    pub fn with_sessions(self, sessions: McpSessions) -> Self {
        Self { sessions, ..self }
    }

    /// Allows another host, as [`HostCheck::with_host`] does.
    ///
    /// # Errors
    ///
    /// As for [`HostCheck::with_host`].
    pub fn with_host(self, host: impl AsRef<str>) -> Result<Self, ConfigError> {
        Ok(Self { hosts: self.hosts.with_host(host)?, ..self })
    }

    /// Allows web pages of another origin, as [`HostCheck::with_origin`] does.
    ///
    /// # Errors
    ///
    /// As for [`HostCheck::with_origin`].
    pub fn with_origin(self, origin: impl AsRef<str>) -> Result<Self, ConfigError> {
        Ok(Self { hosts: self.hosts.with_origin(origin)?, ..self })
    }

    /// Sets the renderer of refusals, as [`BearerLayer::with_rejection`] does.
    #[must_use]
    pub fn with_rejection<R2: Clone>(self, renderer: R2) -> Mcp<C, R2> {
        let Self { bearer, resource, metadata, hosts, sessions, operations } = self;
        let bearer = bearer.with_rejection(renderer);
        Mcp { bearer, resource, metadata, hosts, sessions, operations }
    }

    /// Changes the bearer layer: adds DPoP, an authenticator, another realm. A policy that it sets replaces that of
    /// [`with_policy`](Self::with_policy).
    ///
    /// ```
    /// # use tower_bearer::{ConfigError, mcp::Mcp};
    /// # fn change(mcp: Mcp<()>) -> Result<Mcp<()>, ConfigError> {
    /// let mcp = mcp.with_bearer(|bearer| bearer.with_realm("orders"))?;
    /// # Ok(mcp)
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// That of the function, and [`ConfigError::Mcp`] when the layer then reads tokens from another place than the
    /// `Authorization` field, when an authenticator is for another audience than the resource, or when the policy asks
    /// for `offline_access`.
    pub fn with_bearer(
        mut self,
        change: impl FnOnce(BearerLayer<C, R>) -> Result<BearerLayer<C, R>, ConfigError>,
    ) -> Result<Self, ConfigError> {
        self.bearer = change(self.bearer)?.with_resource(self.resource.clone());
        self.metadata = Arc::new(self.bearer.resource_metadata()?);
        self.checked()
    }

    /// Returns the service of the metadata, to mount it a second time or to ask whether clients find it.
    pub fn metadata(&self) -> ResourceMetadataService {
        ResourceMetadataService::clone(&self.metadata)
    }

    fn checked(self) -> Result<Self, ConfigError> {
        let wrong = |problem: &str| Err(ConfigError::Mcp { problem: problem.to_owned() });
        if !self.bearer.reads_header_alone() {
            return wrong("tokens are read from another place than the `Authorization` field");
        }
        if !self.bearer.is_for(&self.resource.audiences()) {
            return Err(wrong_audience(&self.resource));
        }
        let policy = self.bearer.policy();
        let base = policy.iter().map(Policy::describe);
        let operations = self.operations.iter().flat_map(Operations::descriptions);
        if base.chain(operations).any(|description| names_offline_access(&description)) {
            return wrong(
                "a policy asks for the scope `offline_access`, by which clients ask the authorization server for a \
                 refresh token; leave it out",
            );
        }
        Ok(self)
    }
}

fn wrong_audience(resource: &Resource) -> ConfigError {
    let audiences = resource.audiences();
    let problem = match &audiences[..] {
        [one] => format!(
            "the audience of each issuer has to be the resource alone; give `Validation::new(issuer, {one:?})`"
        ),
        all => format!(
            "the audiences of each issuer have to be {all:?} and no others; give \
             `Validation::new(issuer, resource.as_str()).with_audiences(resource.audiences())`"
        ),
    };
    ConfigError::Mcp { problem }
}

fn names_offline_access(description: &PolicyDescription) -> bool {
    match description {
        PolicyDescription::Scope(names) => names.split(' ').any(|name| name == "offline_access"),
        PolicyDescription::AllOf(parts) | PolicyDescription::AnyOf(parts) => {
            parts.iter().any(names_offline_access)
        }
        _ => false,
    }
}

/// The service of [`Mcp`].
pub struct McpService<S, C, R = Empty> {
    bearer: Bearer<Inner<S>, C, R>,
    metadata: Arc<ResourceMetadataService>,
    hosts: HostCheck,
}

type Inner<S> = WithoutTokenService<McpSessionsService<OperationsService<S>>>;

impl<S, C, R: Clone> Layer<S> for Mcp<C, R> {
    type Service = McpService<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let inner = match &self.operations {
            Some(operations) => operations.layer(inner),
            None => OperationsService::of_all(inner),
        };
        let inner = WithoutToken::new().layer(self.sessions.layer(inner));
        McpService {
            bearer: self.bearer.layer(inner),
            metadata: Arc::clone(&self.metadata),
            hosts: self.hosts.clone(),
        }
    }
}

impl<S, C, R, ReqBody, ResBody> Service<Request<ReqBody>> for McpService<S, C, R>
where
    S: Service<Request<OperationBody<ReqBody>>, Response = Response<ResBody>> + Clone,
    C: DeserializeOwned + Send + Sync + 'static,
    R: Render<ResBody> + Clone,
    ReqBody: Body + Unpin,
    ResBody: EmptyBody + From<Bytes>,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = GuardFuture<ResponseFuture<Inner<S>, ReqBody, ResBody, C, R>, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.bearer.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let uri = request.uri();
        let response = if self.metadata.is_at(uri.path()) {
            let answer = self.metadata.answer(request.method(), uri.query(), request.headers());
            answer.map(|body| ResBody::from(body.into_bytes()))
        } else {
            match self.hosts.check(&request) {
                Ok(()) => return GuardFuture::allowed(self.bearer.call(request)),
                Err(rejection) => rejection.into_response(),
            }
        };
        release(&mut self.bearer);
        GuardFuture::answered(response)
    }
}

impl<C, R: Clone> Clone for Mcp<C, R> {
    fn clone(&self) -> Self {
        Self {
            bearer: self.bearer.clone(),
            resource: self.resource.clone(),
            metadata: Arc::clone(&self.metadata),
            hosts: self.hosts.clone(),
            sessions: self.sessions.clone(),
            operations: self.operations.clone(),
        }
    }
}

impl<S: Clone, C, R: Clone> Clone for McpService<S, C, R> {
    fn clone(&self) -> Self {
        Self {
            bearer: self.bearer.clone(),
            metadata: Arc::clone(&self.metadata),
            hosts: self.hosts.clone(),
        }
    }
}

impl<C, R> fmt::Debug for Mcp<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mcp")
            .field("resource", &self.resource)
            .field("hosts", &self.hosts)
            .field("operations", &self.operations)
            .finish_non_exhaustive()
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for McpService<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpService").field("bearer", &self.bearer).finish_non_exhaustive()
    }
}
