use std::convert::Infallible;
use std::fmt;

use axum::extract::Request;
use axum::handler::Handler;
use axum::response::IntoResponse;
use axum::routing::{self, MethodFilter, MethodRouter, Route};
use http::Method;
use tower_layer::Layer;
use tower_service::Service;

use super::RouteAccess;
use crate::claims::policy::Policy;
use crate::middleware::require;

/// Handlers of one path by method, without a declaration of who may call them.
///
/// [`get`], [`post`] and their neighbours create it, and methods of the same names add further
/// handlers. A declaration counts for all handlers of the value: [`requires`](Self::requires),
/// [`signed_in`](Self::signed_in), [`optional_token`](Self::optional_token) or [`open`](Self::open).
/// Handlers that differ in it are [merged](DeclaredMethods::merge) behind it.
#[must_use]
pub struct Methods<S = ()> {
    /// The handlers with a method of their own.
    named: MethodRouter<S>,
    names: Vec<Method>,
    // axum keeps it as a fallback. Here it stands apart, so that a guard covers the handler of `any` and does not cover
    // the 405 of a method that has no handler.
    any: Option<MethodRouter<S>>,
}

/// Handlers of one path by method, with the declarations of who may call them.
#[must_use]
pub struct DeclaredMethods<S = ()> {
    pub(super) parts: Vec<DeclaredPart<S>>,
}

/// Handlers with one declaration.
pub(super) struct DeclaredPart<S> {
    pub(super) handlers: MethodRouter<S>,
    /// `None` stands for every method that has no handler of its own.
    pub(super) methods: Vec<Option<Method>>,
    pub(super) access: RouteAccess,
}

impl<S: Clone + Send + Sync + 'static> Methods<S> {
    fn empty() -> Self {
        Self { named: MethodRouter::new(), names: Vec::new(), any: None }
    }

    /// Adds a handler for these methods.
    ///
    /// # Panics
    ///
    /// When one of the methods has a handler already.
    #[track_caller]
    pub fn on<H, T>(mut self, filter: MethodFilter, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.named = self.named.on(filter, handler);
        self.names.extend(methods_of(filter));
        self
    }

    /// Adds a service for these methods.
    ///
    /// # Panics
    ///
    /// When one of the methods has a handler already.
    #[track_caller]
    pub fn on_service<T>(mut self, filter: MethodFilter, service: T) -> Self
    where
        T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Response: IntoResponse + 'static,
        T::Future: Send + 'static,
    {
        self.named = self.named.on_service(filter, service);
        self.names.extend(methods_of(filter));
        self
    }

    /// Adds a layer around the handlers that were added before. It sees admitted requests only: the
    /// declaration and the [`BearerLayer`](crate::BearerLayer) are outside.
    pub fn layer<L>(self, layer: L) -> Self
    where
        L: Layer<Route> + Clone + Send + Sync + 'static,
        L::Service: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Response: IntoResponse + 'static,
        <L::Service as Service<Request>>::Future: Send + 'static,
    {
        let Self { named, names, any } = self;
        let any = any.map(|any| any.layer(layer.clone()));
        Self { named: named.layer(layer), names, any }
    }

    /// Declares that the handlers need this permission, which [`require`] checks.
    pub fn requires(self, policy: impl Policy) -> DeclaredMethods<S> {
        let access = RouteAccess::Requires(policy.describe());
        let guard = require(policy);
        let Self { named, names, any } = self;
        // Not `layer`, which would cover the 405 of other methods: it would be a 403.
        let named = if names.is_empty() { named } else { named.route_layer(guard.clone()) };
        let any = any.map(|any| any.layer(guard));
        Self { named, names, any }.declared(access)
    }

    /// Declares that the handlers need a token, and no permission beside it.
    pub fn signed_in(self) -> DeclaredMethods<S> {
        self.declared(RouteAccess::SignedIn)
    }

    /// Declares that the handlers accept requests with a token and without one. A handler takes
    /// [`Option<Claims<C>>`](crate::Claims).
    ///
    /// A token that is sent must be good, as with
    /// [`with_optional_token`](crate::BearerLayer::with_optional_token).
    pub fn optional_token(self) -> DeclaredMethods<S> {
        self.declared(RouteAccess::OptionalToken(None))
    }

    /// Declares that the handlers accept every request.
    ///
    /// The layer is not asked, and a token of the request is not looked at: an extractor of claims
    /// answers 500 here.
    pub fn open(self) -> DeclaredMethods<S> {
        self.declared(RouteAccess::Open)
    }

    fn declared(self, access: RouteAccess) -> DeclaredMethods<S> {
        let Self { named, names, any } = self;
        let mut methods: Vec<_> = names.into_iter().map(Some).collect();
        let handlers = match any {
            Some(any) => {
                methods.push(None);
                named.merge(any)
            }
            None => named,
        };
        DeclaredMethods { parts: vec![DeclaredPart { handlers, methods, access }] }
    }
}

impl<S> DeclaredMethods<S> {
    /// Adds handlers of the same path for other methods, with another declaration or with none.
    ///
    /// # Panics
    ///
    /// [`Routes::route`](super::Routes::route) or
    /// [`Routes::into_router`](super::Routes::into_router) panics when both have a handler for a
    /// method.
    pub fn merge(mut self, other: impl Into<Self>) -> Self {
        self.parts.extend(other.into().parts);
        self
    }
}

impl<S: Clone + Send + Sync + 'static> From<Methods<S>> for DeclaredMethods<S> {
    /// Leaves the handlers undeclared: they need a token.
    fn from(methods: Methods<S>) -> Self {
        methods.declared(RouteAccess::Undeclared)
    }
}

/// Creates a handler for every method.
///
/// Methods that are added to it, or [merged](DeclaredMethods::merge) with it, take precedence.
pub fn any<H, T, S>(handler: H) -> Methods<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    Methods { any: Some(routing::any(handler)), ..Methods::empty() }
}

/// Creates a service for every method.
pub fn any_service<T, S>(service: T) -> Methods<S>
where
    T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    T::Response: IntoResponse + 'static,
    T::Future: Send + 'static,
    S: Clone + Send + Sync + 'static,
{
    Methods { any: Some(routing::any_service(service)), ..Methods::empty() }
}

/// Creates a handler for these methods.
pub fn on<H, T, S>(filter: MethodFilter, handler: H) -> Methods<S>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    Methods::empty().on(filter, handler)
}

/// Creates a service for these methods.
pub fn on_service<T, S>(filter: MethodFilter, service: T) -> Methods<S>
where
    T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    T::Response: IntoResponse + 'static,
    T::Future: Send + 'static,
    S: Clone + Send + Sync + 'static,
{
    Methods::empty().on_service(filter, service)
}

macro_rules! methods {
    ($($name:ident $service:ident $filter:ident $words:literal)*) => {
        $(
            #[doc = concat!("Creates a handler for ", $words, ".")]
            pub fn $name<H, T, S>(handler: H) -> Methods<S>
            where
                H: Handler<T, S>,
                T: 'static,
                S: Clone + Send + Sync + 'static,
            {
                on(MethodFilter::$filter, handler)
            }

            #[doc = concat!("Creates a service for ", $words, ".")]
            pub fn $service<T, S>(service: T) -> Methods<S>
            where
                T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
                T::Response: IntoResponse + 'static,
                T::Future: Send + 'static,
                S: Clone + Send + Sync + 'static,
            {
                on_service(MethodFilter::$filter, service)
            }
        )*

        impl<S: Clone + Send + Sync + 'static> Methods<S> {
            $(
                #[doc = concat!("Adds a handler for ", $words, ".")]
                ///
                /// # Panics
                ///
                /// When the method has a handler already.
                #[track_caller]
                pub fn $name<H, T>(self, handler: H) -> Self
                where
                    H: Handler<T, S>,
                    T: 'static,
                {
                    self.on(MethodFilter::$filter, handler)
                }
            )*
        }
    };
}

methods! {
    get get_service GET "`GET`, and for `HEAD` unless that has a handler of its own"
    head head_service HEAD "`HEAD`"
    post post_service POST "`POST`"
    put put_service PUT "`PUT`"
    patch patch_service PATCH "`PATCH`"
    delete delete_service DELETE "`DELETE`"
    options options_service OPTIONS "`OPTIONS`"
    trace trace_service TRACE "`TRACE`"
}

/// Returns the methods of a filter, which does not tell them itself.
fn methods_of(filter: MethodFilter) -> impl Iterator<Item = Method> {
    let all = [
        (MethodFilter::GET, Method::GET),
        (MethodFilter::HEAD, Method::HEAD),
        (MethodFilter::POST, Method::POST),
        (MethodFilter::PUT, Method::PUT),
        (MethodFilter::PATCH, Method::PATCH),
        (MethodFilter::DELETE, Method::DELETE),
        (MethodFilter::OPTIONS, Method::OPTIONS),
        (MethodFilter::TRACE, Method::TRACE),
        (MethodFilter::CONNECT, Method::CONNECT),
    ];
    all.into_iter().filter(move |(one, _)| filter.or(*one) == filter).map(|(_, method)| method)
}

impl<S> Clone for Methods<S> {
    fn clone(&self) -> Self {
        let Self { named, names, any } = self;
        Self { named: named.clone(), names: names.clone(), any: any.clone() }
    }
}

impl<S> Clone for DeclaredMethods<S> {
    fn clone(&self) -> Self {
        Self { parts: self.parts.clone() }
    }
}

impl<S> Clone for DeclaredPart<S> {
    fn clone(&self) -> Self {
        let Self { handlers, methods, access } = self;
        Self { handlers: handlers.clone(), methods: methods.clone(), access: access.clone() }
    }
}

impl<S> fmt::Debug for Methods<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Methods")
            .field("names", &self.names)
            .field("any", &self.any.is_some())
            .finish_non_exhaustive()
    }
}

impl<S> fmt::Debug for DeclaredMethods<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| (&part.methods, &part.access))).finish()
    }
}
