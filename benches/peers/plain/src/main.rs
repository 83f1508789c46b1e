//! The route itself, and layers that cost as little as a layer can.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::routing::get;
use axum::{Extension, Router};
use harness::{Guard, run};
use tower::util::MapRequestLayer;

fn main() {
    run::<Body, Router>(Guard::Nothing, async |_, variant| {
        let handler = match variant {
            "taken" => {
                get(async |Extension(shared): Extension<Arc<str>>| assert_eq!(&*shared, SHARED))
            }
            _ => get(async || {}),
        };
        let route = Router::new().route("/", handler);
        let app = match variant {
            "nothing" => route.layer(MapRequestLayer::new(|request: Request| request)),
            "extension" | "taken" => {
                let shared: Arc<str> = Arc::from(SHARED);
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

const SHARED: &str = "as cheap as an extension can be";
