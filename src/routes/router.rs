//! Three routers: axum cannot be asked which of its routes a layer should cover, so the routes are
//! sorted when they are added. axum merges handlers of one path from all three.

use std::convert::Infallible;
use std::fmt;
use std::mem::take;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, Route};
use axum_core::body::Body;
use serde::de::DeserializeOwned;
use tower_layer::Layer;
use tower_service::Service;

use super::map::{RouteEntry, RouteKind, RouteMap};
use super::methods::DeclaredMethods;
use super::route_access::RouteAccess;
use crate::claims::policy::Policy;
use crate::middleware::reject::Render;
use crate::middleware::{BearerLayer, require};

/// Routes of an axum application, each with the declaration of who may call it.
///
/// [`map`](Self::map) tells the routes, and [`into_router`](Self::into_router) makes axum's `Router`
/// of them. All methods behave as those of `Router`, paths and panics included.
///
/// # What a request without a token learns
///
/// | request | answer |
/// |---|---|
/// | for a path that does not exist | 404 |
/// | for a path of which no method is open, by any method | 401 |
/// | for a path of which a method is open or needs no token, by a method that has no handler | 405 |
///
/// A layer of CORS belongs outside: `routes.into_router(layer).layer(cors)`. Preflights then need no
/// token.
#[must_use]
pub struct Routes<S = ()> {
    /// Behind the layer. Handlers that require a permission have their guard.
    guarded: Router<S>,
    /// Behind the layer with optional tokens.
    optional: Router<S>,
    /// Without the layer.
    open: Router<S>,
    fallback: Option<(MethodRouter<S>, RouteAccess)>,
    entries: Vec<RouteEntry>,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// Creates a list without routes.
    pub fn new() -> Self {
        Self {
            guarded: Router::new(),
            optional: Router::new(),
            open: Router::new(),
            fallback: None,
            entries: Vec::new(),
        }
    }

    /// Adds the handlers of a path. Handlers without a declaration need a token, and are undeclared in
    /// the [map](Self::map).
    ///
    /// # Panics
    ///
    /// When the path is invalid, or conflicts with another one.
    #[track_caller]
    pub fn route(mut self, path: &str, methods: impl Into<DeclaredMethods<S>>) -> Self {
        for part in methods.into().parts {
            let router = self.router_for(&part.access);
            *router = take(router).route(path, part.handlers);
            self.entries.extend(part.methods.into_iter().map(|method| {
                let kind = method.map_or(RouteKind::AnyMethod, RouteKind::Method);
                RouteEntry::new(path, kind, part.access.clone())
            }));
        }
        self
    }

    /// Adds handlers for all paths below this one, and for the path itself. They see paths without the
    /// prefix. A service of files is the usual one: `any_service(ServeDir::new("assets")).open()`.
    ///
    /// # Panics
    ///
    /// When the path is invalid, is `/`, or conflicts with another one.
    #[track_caller]
    pub fn nest_service(self, path: &str, methods: impl Into<DeclaredMethods<S>>) -> Self {
        let methods = methods.into();
        let nested = Self::new().route("/", methods.clone());
        if path.ends_with('/') {
            return self.nest(path, nested.route("/{*rest}", methods));
        }
        // A wildcard does not match an empty rest.
        let with_slash = Self::new().route("/", methods.clone());
        self.nest(path, nested.route("/{*rest}", methods)).nest(&format!("{path}/"), with_slash)
    }

    /// Sets the handlers of all paths that no route has. Without them, the answer is 404.
    ///
    /// A fallback that is set on axum's `Router` later is open, and is not in the map;
    /// [`RouteMap::probe`] finds it.
    ///
    /// # Panics
    ///
    /// When the declarations of the handlers differ.
    #[track_caller]
    pub fn fallback(mut self, methods: impl Into<DeclaredMethods<S>>) -> Self {
        let mut parts = methods.into().parts;
        let part = parts.pop().filter(|_| parts.is_empty());
        let part = part.expect("the handlers of a fallback have one declaration");
        self.entries.retain(|entry| *entry.kind() != RouteKind::Fallback);
        self.entries.push(RouteEntry::new("/", RouteKind::Fallback, part.access.clone()));
        self.fallback = Some((part.handlers, part.access));
        self
    }

    /// Adds all routes of another list.
    ///
    /// # Panics
    ///
    /// When two paths conflict, or both have a fallback.
    #[track_caller]
    pub fn merge(mut self, other: Self) -> Self {
        let both = self.fallback.is_some() && other.fallback.is_some();
        assert!(!both, "Cannot merge two `Routes` that both have a fallback");
        self.guarded = self.guarded.merge(other.guarded);
        self.optional = self.optional.merge(other.optional);
        self.open = self.open.merge(other.open);
        self.fallback = self.fallback.or(other.fallback);
        self.entries.extend(other.entries);
        self
    }

    /// Adds all routes of another list below a path.
    ///
    /// # Panics
    ///
    /// When the path is invalid, is `/`, or conflicts with another one, and when the other list has a
    /// fallback: give it a route `/{*rest}` instead.
    #[track_caller]
    pub fn nest(mut self, path: &str, other: Self) -> Self {
        assert!(
            other.fallback.is_none(),
            "Cannot nest `Routes` with a fallback; give them a route `/{{*rest}}` instead"
        );
        self.guarded = self.guarded.nest(path, other.guarded);
        self.optional = self.optional.nest(path, other.optional);
        self.open = self.open.nest(path, other.open);
        self.entries.extend(other.entries.into_iter().map(|entry| entry.nested_at(path)));
        self
    }

    /// Adds the routes of a `Router` that accepts every request. axum does not tell its routes, so the
    /// map has one line for all of them, with this description.
    ///
    /// Handlers of the router may still take an extractor of claims if the router has a layer of its
    /// own. Its fallback is left out: see [`fallback`](Self::fallback).
    ///
    /// # Panics
    ///
    /// When two paths conflict.
    #[track_caller]
    pub fn merge_open(mut self, description: impl Into<String>, router: Router<S>) -> Self {
        self.open = self.open.merge(router.reset_fallback());
        self.unlisted(description.into(), RouteAccess::Open)
    }

    /// Adds the routes of a `Router` whose requests need a token. See [`merge_open`](Self::merge_open).
    ///
    /// # Panics
    ///
    /// When two paths conflict.
    #[track_caller]
    pub fn merge_signed_in(mut self, description: impl Into<String>, router: Router<S>) -> Self {
        self.guarded = self.guarded.merge(router.reset_fallback());
        self.unlisted(description.into(), RouteAccess::SignedIn)
    }

    /// Adds the routes of a `Router` whose requests need this permission. See
    /// [`merge_open`](Self::merge_open).
    ///
    /// # Panics
    ///
    /// When two paths conflict.
    #[track_caller]
    pub fn merge_guarded(
        mut self,
        description: impl Into<String>,
        router: Router<S>,
        policy: impl Policy,
    ) -> Self {
        let access = RouteAccess::Requires(policy.describe());
        self.guarded = self.guarded.merge(covered(router.reset_fallback(), require(policy)));
        self.unlisted(description.into(), access)
    }

    /// Adds a layer around all routes that were added before. The declarations and the [`BearerLayer`]
    /// are outside, so it sees the requests of an open route and the admitted ones of all others. The
    /// fallback is not covered.
    ///
    /// A layer that must see refused requests is added to the `Router` of
    /// [`into_router`](Self::into_router).
    pub fn route_layer<L>(mut self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        for router in [&mut self.guarded, &mut self.optional, &mut self.open] {
            *router = covered(take(router), layer.clone());
        }
        self
    }

    /// Gives the handlers their state.
    pub fn with_state<S2>(self, state: S) -> Routes<S2> {
        Routes {
            guarded: self.guarded.with_state(state.clone()),
            optional: self.optional.with_state(state.clone()),
            open: self.open.with_state(state.clone()),
            fallback: self.fallback.map(|(handlers, access)| (handlers.with_state(state), access)),
            entries: self.entries,
        }
    }

    /// Returns the routes with their declarations.
    pub fn map(&self) -> RouteMap {
        RouteMap::new(self.entries.clone())
    }

    /// Puts all routes behind the layer, except the open ones.
    ///
    /// Routes with an [optional token](super::Methods::optional_token) are behind a copy of the layer
    /// with [`with_optional_token`](BearerLayer::with_optional_token). All others need a token, also if
    /// the layer itself has that option. Routes that are added to the result are open and not in the
    /// map.
    ///
    /// # Panics
    ///
    /// When two paths conflict.
    #[track_caller]
    pub fn into_router<C, R>(self, layer: BearerLayer<C, R>) -> Router<S>
    where
        C: DeserializeOwned + Send + Sync + 'static,
        R: Render<Body> + Clone + Send + Sync + 'static,
    {
        let optional = layer.clone().with_optional_token();
        let layer = layer.with_required_token();
        let fallback = self.fallback.map(|(handlers, access)| match access {
            RouteAccess::Open => handlers,
            RouteAccess::OptionalToken(_) => handlers.layer(optional.clone()),
            _ => handlers.layer(layer.clone()),
        });
        // The last 405 of a path counts: that of an open method, if it has one.
        let router = covered(self.guarded, layer).merge(covered(self.optional, optional));
        let router = router.merge(self.open);
        match fallback {
            Some(fallback) => router.fallback(fallback),
            None => router,
        }
    }

    fn router_for(&mut self, access: &RouteAccess) -> &mut Router<S> {
        match access {
            RouteAccess::Open => &mut self.open,
            RouteAccess::OptionalToken(_) => &mut self.optional,
            RouteAccess::SignedIn | RouteAccess::Requires(_) | RouteAccess::Undeclared => {
                &mut self.guarded
            }
        }
    }

    fn unlisted(mut self, description: String, access: RouteAccess) -> Self {
        self.entries.push(RouteEntry::new("/", RouteKind::Router(description), access));
        self
    }
}

/// Adds a layer to all routes of a router. axum refuses to do so for a router without routes.
fn covered<S, L>(router: Router<S>, layer: L) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    L: Layer<Route> + Clone + Send + Sync + 'static,
    L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Response: IntoResponse + 'static,
    <L::Service as Service<Request>>::Future: Send + 'static,
{
    if router.has_routes() { router.route_layer(layer) } else { router }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Routes<S> {
    fn clone(&self) -> Self {
        Self {
            guarded: self.guarded.clone(),
            optional: self.optional.clone(),
            open: self.open.clone(),
            fallback: self.fallback.clone(),
            entries: self.entries.clone(),
        }
    }
}

impl<S> fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").field("entries", &self.entries).finish_non_exhaustive()
    }
}
