//! Runs the layer without axum: tower and hyper, HTTP/1 and HTTP/2 on one port.
//!
//! ```text
//! cargo run --example hyper_only
//! ```
//!
//! It prints a token that is valid for 15 minutes and the `curl` line to try it with.
//!
//! - `ADDR`: the address to listen on, `127.0.0.1:3001` by default

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_bearer::policy::role;
use tower_bearer::{
    Algorithm, BearerLayer, Principal, Rejection, SigningKey, TokenIssuer, Validation, Verifier,
    render, require,
};

#[derive(Deserialize)]
struct User {
    name: String,
}

async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(greeting(&request).unwrap_or_else(Rejection::into_response))
}

fn greeting(request: &Request<Incoming>) -> Result<Response<Full<Bytes>>, Rejection> {
    let principal = Principal::from_extensions(request.extensions())?;
    let name = principal.claims::<User>().map_or("stranger", |user| &user.name);
    Ok(Response::new(Full::from(format!("Hello, {name}!\n"))))
}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let (issuer, audience) = ("https://hyper.example", "https://hyper.example/api");
    let key = SigningKey::generate(Algorithm::HS256)?;
    let tokens = TokenIssuer::new(issuer, audience, key)?;
    let verifier =
        Verifier::<User>::new(tokens.verifying_key(), Validation::new(issuer, audience))?;

    let service = ServiceBuilder::new()
        .layer(BearerLayer::new(verifier).with_rejection(render::ProblemJson))
        .layer(require(role("user")))
        .service_fn(greet);

    let addr = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3001".to_owned());
    let listener = TcpListener::bind(&addr)
        .await
        .map_err(|error| format!("cannot listen on {addr}: {error}; set ADDR to another one"))?;
    let token = tokens
        .token_for("alice")
        .with_roles(["user"])
        .with_claims(&serde_json::json!({ "name": "Alice" }))
        .issue()?;
    println!("Listening on http://{}. Try, in another terminal:\n", listener.local_addr()?);
    println!(
        "curl -iw '\\n' http://{} -H 'Authorization: Bearer {}'",
        listener.local_addr()?,
        token.as_str()
    );
    loop {
        let (socket, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            let served = Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(socket), service)
                .await;
            if let Err(error) = served {
                eprintln!("connection ended: {error}");
            }
        });
    }
}
