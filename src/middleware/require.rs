use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::guard_future::GuardFuture;
use super::readiness::release;
use crate::claims::policy::Policy;
use crate::middleware::reject::{self, EmptyBody};
use crate::request_head::RequestHead;

/// Guards a route or router inside a [`BearerLayer`](super::BearerLayer).
///
/// ```
/// # use axum::{Router, routing::post};
/// use tower_bearer::policy::{role, scope};
/// use tower_bearer::require;
///
/// # async fn create() {}
/// let routes: Router = Router::new()
///     .route("/orders", post(create).layer(require(scope("orders:write").or(role("admin")))));
/// ```
///
/// A refused request is answered 403, or 401 if tokens are optional and none was sent. The layer
/// adds the body. Without a layer the answer is 500, and the log says what to add.
pub fn require(policy: impl Policy) -> RequireLayer {
    RequireLayer { policy: Arc::new(policy) }
}

/// The layer that [`require`] returns.
#[derive(Clone)]
pub struct RequireLayer {
    policy: Arc<dyn Policy>,
}

/// The service of a [`RequireLayer`].
#[derive(Clone)]
pub struct RequireService<S> {
    inner: S,
    policy: Arc<dyn Policy>,
}

impl<S> Layer<S> for RequireLayer {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, policy: Arc::clone(&self.policy) }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for RequireService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: EmptyBody,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        match reject::check_in(RequestHead::of(&request), &*self.policy) {
            Ok(_) => GuardFuture::allowed(self.inner.call(request)),
            Err(rejection) => {
                release(&mut self.inner);
                GuardFuture::answered(rejection.into_response())
            }
        }
    }
}

impl fmt::Debug for RequireLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireLayer").finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for RequireService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireService").field("inner", &self.inner).finish_non_exhaustive()
    }
}
