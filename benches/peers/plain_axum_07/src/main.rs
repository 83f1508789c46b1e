//! The route itself, for peers that were written for axum 0.7.

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use harness::{Guard, run};

fn main() {
    run::<Body, Router>(Guard::Nothing, async |_, _| {
        Some(Router::new().route("/", get(async || {})).with_state(()))
    });
}
