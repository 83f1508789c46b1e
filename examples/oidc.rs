//! An API in front of any OpenID provider, by its issuer URL.
//!
//! ```text
//! cargo run --example oidc -- https://id.example.com https://api.example.com
//! ```
//!
//! The first argument is the issuer as tokens name it, to the letter; the second one the audience they
//! must be for. `ADDR` is where to listen, `127.0.0.1:3000` by default.

use std::error::Error;
use std::time::Duration;

use axum::{Router, routing::get};
use serde_json::{Map, Value};
use tower_bearer::{BearerLayer, Claims, RemoteKeys, Validation, Verifier, render};

type AnyClaims = Map<String, Value>;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let usage = "usage: cargo run --example oidc -- ISSUER AUDIENCE";
    let mut arguments = std::env::args().skip(1);
    let (issuer, audience) = arguments.next().zip(arguments.next()).ok_or(usage)?;

    let keys = RemoteKeys::discover(&issuer)?;
    keys.await_ready(Duration::from_secs(10)).await?;
    let verifier = Verifier::<AnyClaims>::new(keys, Validation::new(issuer, audience))?;

    let app = Router::new()
        .route("/", get(claims))
        .layer(BearerLayer::new(verifier).with_rejection(render::Json));
    let addr = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(addr).await?;
    println!("Listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn claims(Claims(claims): Claims<AnyClaims>) -> axum::Json<AnyClaims> {
    axum::Json(AnyClaims::clone(&claims))
}
