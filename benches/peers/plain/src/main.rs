//! The route itself, and layers that cost as little as a layer can.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use harness::{Guard, run};
use tower::util::MapRequestLayer;

fn main() {
    run::<Body, Router>(Guard::Nothing, async |_, variant| {
        let route = Router::new().route("/", get(async || {}));
        let app = match variant {
            "nothing" => route.layer(MapRequestLayer::new(|request: Request| request)),
            "extension" => {
                let shared: Arc<str> = Arc::from("as cheap as an extension can be");
                route.layer(MapRequestLayer::new(move |mut request: Request| {
                    request.extensions_mut().insert(Arc::clone(&shared));
                    request
                }))
            }
            _ => route,
        };
        Some(app.with_state(()))
    });
}
