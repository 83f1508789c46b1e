//! Declares the policy of every route of an axum application, and tells it as a map.
//!
//! [`Routes`] is built like axum's `Router`. Behind the handlers of a route stands who may call it:
//!
//! ```
//! use axum::Router;
//! use serde_json::Value;
//! use tower_bearer::BearerLayer;
//! use tower_bearer::policy::{role, scope};
//! use tower_bearer::routes::{Routes, get, post};
//!
//! # async fn list() {}
//! # async fn create() {}
//! # async fn me() {}
//! # async fn health() {}
//! fn routes() -> Routes {
//!     Routes::new()
//!         .route(
//!             "/orders",
//!             get(list)
//!                 .requires(scope("orders:read"))
//!                 .merge(post(create).requires(scope("orders:write").or(role("admin")))),
//!         )
//!         .route("/me", get(me).signed_in())
//!         .route("/health", get(health).open())
//! }
//!
//! fn app(layer: BearerLayer<Value>) -> Router {
//!     print!("{}", routes().map());
//!     routes().into_router(layer)
//! }
//!
//! // In a test:
//! routes().map().check()?;
//! # assert_eq!(
//! #     routes().map().to_string(),
//! #     "METHOD  PATH     ACCESS\n\
//! #      GET     /health  open\n\
//! #      GET     /me      a token\n\
//! #      GET     /orders  scope `orders:read`\n\
//! #      POST    /orders  scope `orders:write` or role `admin`\n"
//! # );
//! # Ok::<(), tower_bearer::routes::UndeclaredRoutes>(())
//! ```
//!
//! A route without a declaration needs a token, and stands in the map as undeclared.

mod route_access;
mod map;
mod methods;
mod router;
mod probe;
mod openapi;

pub use map::{RouteEntry, RouteKind, RouteMap, UndeclaredRoutes};
pub use methods::{
    DeclaredMethods, Methods, any, any_service, delete, delete_service, get, get_service, head,
    head_service, on, on_service, options, options_service, patch, patch_service, post,
    post_service, put, put_service, trace, trace_service,
};
pub use openapi::{OpenApi, OpenApiReport, Operation};
pub use probe::ProbeFinding;
pub use route_access::RouteAccess;
pub use router::Routes;
