//! A closure without `render::from_fn`.

use axum::{Router, body::Body, routing::get};
use tower_bearer::{BearerLayer, Verifier};

fn app(verifier: Verifier<serde_json::Value>) -> Router {
    let layer = BearerLayer::new(verifier).with_rejection(|_, _| Body::from("no"));
    Router::new().route("/", get(|| async { "in" })).route_layer(layer)
}

fn main() {
    let _ = app;
}
