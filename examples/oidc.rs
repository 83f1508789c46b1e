//! Puts an API behind any OpenID provider, found by its issuer URL.
//!
//! ```text
//! cargo run --example oidc -- https://id.example.com https://api.example.com
//! ```
//!
//! The first argument is the issuer, to the letter as in `iss`. The second is the audience that
//! tokens must be for.
//!
//! - `ADDR`: the address to listen on, `127.0.0.1:3000` by default
//! - `RUST_LOG`: the log filter, `tower_bearer=debug` by default, which shows why each request was
//!   refused

use std::error::Error;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::time::Duration;

use axum::{Router, routing::get};
use serde_json::{Map, Value};
use tower_bearer::{BearerLayer, Claims, RemoteKeys, Validation, Verifier, render};

type AnyClaims = Map<String, Value>;

#[tokio::main]
async fn main() -> ExitCode {
    let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "tower_bearer=debug".to_owned());
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(log)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("{error}{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let usage = "usage: cargo run --example oidc -- ISSUER AUDIENCE";
    let mut arguments = std::env::args().skip(1);
    let (issuer, audience) = arguments.next().zip(arguments.next()).ok_or(usage)?;

    let keys = RemoteKeys::discover(&issuer)?;
    eprintln!("Fetching the keys of {issuer}, for 10 seconds at the most");
    keys.await_ready(Duration::from_secs(10)).await?;
    let verifier = Verifier::<AnyClaims>::new(keys, Validation::new(issuer, audience))?;

    let app = Router::new()
        .route("/", get(claims))
        .route_layer(BearerLayer::new(verifier).with_rejection(render::Json));
    let addr = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(&addr).await;
    let listener = listener.map_err(|error| format!("ADDR: cannot listen on {addr}: {error}"))?;
    println!("Listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

async fn claims(Claims(claims): Claims<AnyClaims>) -> axum::Json<AnyClaims> {
    axum::Json(AnyClaims::clone(&claims))
}
