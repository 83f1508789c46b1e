//! `axum::Json` in place of `render::Json`.

use axum::{Json, Router, routing::get};
use tower_bearer::{BearerLayer, Verifier};

fn app(verifier: Verifier<serde_json::Value>) -> Router {
    let layer = BearerLayer::new(verifier).with_rejection(Json);
    Router::new().route("/", get(|| async { "in" })).route_layer(layer)
}

fn main() {
    let _ = app;
}
