use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::desk::{Desk, Operation};
use super::input::MAX_BODY_BYTES;
use super::manager::ApiKeyManager;
use crate::claims::policy::Policy;
use crate::server::carried_out::carried_out;
use crate::server::endpoints::answer::{EndpointFuture, endpoint};
use crate::server::endpoints::request::read;

/// Makes the services by which owners look after their API keys. All of them stand behind a
/// [`BearerLayer`](crate::BearerLayer), which says who the caller is.
///
/// ```
/// use axum::Router;
/// use tower_bearer::api_key::{ApiKeyEndpoints, ApiKeyManager};
/// use tower_bearer::policy::role;
/// use tower_bearer::{BearerLayer, Verifier};
///
/// fn routes(manager: ApiKeyManager, verifier: Verifier<serde_json::Value>) -> Router {
///     let keys = ApiKeyEndpoints::new(manager, "https://id.example.com")
///         .with_administrators(role("admin"));
///     Router::new()
///         .route_service("/api-keys", keys.keys())
///         .route_service("/api-keys/{id}", keys.key())
///         .route_service("/api-keys/{id}/rotate", keys.rotation())
///         .route_layer(BearerLayer::new(verifier))
/// }
/// ```
///
/// Bodies are JSON objects of up to 64 KiB. A member that is not known is refused. Every answer forbids caches to keep
/// it.
///
/// | service | request | answer |
/// |---|---|---|
/// | [`keys`](Self::keys) | `GET` | 200 with a list |
/// | | `POST` `label`, `roles`, `scopes`, `expires_in` (seconds), `owner`, none of them needed | 201 with the key |
/// | [`key`](Self::key) | `DELETE` with the id at the end of the path | 204 |
/// | [`rotation`](Self::rotation) | `POST` with the id before the end of the path | 201 with the new key |
///
/// A key has `id`, `owner`, `label`, `roles`, `scopes`, `created_at`, `expires_at`, `last_used` (RFC 3339, or `null`) and
/// `state` (`active`, `disabled`, `expired`, `ended`). A new key has `key` too, the text to send, which no answer shows
/// again, and a rotation `replaces`, the old key.
///
/// | refused because | answer |
/// |---|---|
/// | the key would have a role or scope that the caller does not have | 403 `forbidden` |
/// | the caller is an API key, or its token is of another issuer | 403 `forbidden` |
/// | the caller is no administrator and names another owner | 403 `forbidden` |
/// | a member is unknown, there twice, of another type, or too long | 400 `invalid_request` |
/// | the owner has no such key, or it cannot be rotated any more | 404 `not_found` |
/// | the owner has too many keys | 409 `too_many_keys` |
/// | another media type; another method; too large a body | 415; 405; 413 |
/// | the store is away | 503 with `Retry-After` |
#[derive(Clone)]
pub struct ApiKeyEndpoints {
    desk: Arc<Desk>,
}

impl ApiKeyEndpoints {
    /// Serves owners whose tokens have this issuer: `sub` of a token is the owner of a key. A subject of another issuer
    /// is refused, because it may be another party of the same name.
    pub fn new(manager: ApiKeyManager, issuer: impl Into<String>) -> Self {
        let desk = Desk {
            manager,
            issuer: issuer.into(),
            administrators: None,
            allows_api_keys: false,
            max_lifetime: None,
            pace: Arc::default(),
        };
        Self { desk: Arc::new(desk) }
    }

    /// Lets callers that this policy allows make keys for other owners and end the keys of others. They too give a key
    /// no grant that they do not have. By default no caller can.
    ///
    /// The list stays that of the caller's own keys: [`ApiKeyManager::list`] has those of others.
    #[must_use]
    pub fn with_administrators(self, policy: impl Policy) -> Self {
        self.with(|desk| desk.administrators = Some(Arc::new(policy)))
    }

    /// Serves callers that are API keys too, if the [`Validation`](crate::Validation) of the keys has the issuer of the
    /// services. By default they are refused: a key that leaked could make others, which outlive it.
    #[must_use]
    pub fn allowing_api_keys(self) -> Self {
        self.with(|desk| desk.allows_api_keys = true)
    }

    /// Sets for how long keys are good at the most, and unless `expires_in` says less. By default there is no limit, and
    /// a key without `expires_in` does not expire.
    #[must_use]
    pub fn with_max_lifetime(self, lifetime: Duration) -> Self {
        self.with(|desk| desk.max_lifetime = Some(lifetime))
    }

    /// Returns the service that lists the keys of the caller and makes new ones. Mount it behind the layer.
    pub fn keys(&self) -> ApiKeyService {
        self.service(Operation::ListOrCreate)
    }

    /// Returns the service that ends a key, named by the last segment of the path. Mount it behind the layer.
    pub fn key(&self) -> ApiKeyService {
        self.service(Operation::End)
    }

    /// Returns the service that replaces a key, named by the segment before the last of the path. Mount it behind the
    /// layer. The old key is good for [some time](ApiKeyManager::with_rotation_overlap) more.
    pub fn rotation(&self) -> ApiKeyService {
        self.service(Operation::Rotate)
    }

    fn service(&self, operation: Operation) -> ApiKeyService {
        ApiKeyService { desk: Arc::clone(&self.desk), operation }
    }

    fn with(mut self, change: impl FnOnce(&mut Desk)) -> Self {
        change(Arc::make_mut(&mut self.desk));
        self
    }
}

impl fmt::Debug for ApiKeyEndpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyEndpoints")
            .field("manager", &self.desk.manager)
            .field("issuer", &self.desk.issuer)
            .finish_non_exhaustive()
    }
}

/// One of the services of [`ApiKeyEndpoints`].
#[derive(Clone)]
pub struct ApiKeyService {
    desk: Arc<Desk>,
    operation: Operation,
}

endpoint!(ApiKeyService, |service, request| {
    let (desk, operation) = (Arc::clone(&service.desk), service.operation);
    let pace = Arc::clone(&desk.pace);
    let answer = async move {
        let (parts, body) = request.into_parts();
        // Not in the task: a time limit of the application ends the reading.
        let (methods, _) = operation.methods();
        let sent = if parts.method == http::Method::POST && methods.contains(&parts.method) {
            read(body, MAX_BODY_BYTES, "The body is larger than 64 KiB").await
        } else {
            Ok(zeroize::Zeroizing::default())
        };
        carried_out(async move { desk.answer(operation, &parts, sent).await }).await
    };
    EndpointFuture::new(answer, pace)
});

impl fmt::Debug for ApiKeyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeyService").field("operation", &self.operation).finish_non_exhaustive()
    }
}
