//! A layer inside of the bearer layer whose bodies no other code can make.

use axum::{Router, routing::get};
use tower::ServiceBuilder;
use tower_bearer::{BearerLayer, Verifier};
use tower_http::trace::TraceLayer;

fn app(verifier: Verifier<serde_json::Value>) -> Router {
    let layers = ServiceBuilder::new().layer(BearerLayer::new(verifier));
    Router::new()
        .route("/", get(|| async { "in" }))
        .route_layer(layers.layer(TraceLayer::new_for_http()))
}

fn main() {
    let _ = app;
}
