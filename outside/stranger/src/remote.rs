//! An issuer somewhere else, of which the API knows nothing but the URL.

use std::sync::Arc;

use axum::{Router, routing::get};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower_bearer::keys::KeysState;
use tower_bearer::{Issuers, Reason, RemoteKeys, Validation, Verifier};

use crate::tokens::{self, AUDIENCE};

pub async fn check() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let issuer = tokens::es256_of(&url);
    let metadata = json!({ "issuer": url, "jwks_uri": format!("{url}/jwks") }).to_string();
    let provider = Router::new()
        .route("/.well-known/openid-configuration", get(|| async { metadata }))
        .route_service("/jwks", issuer.jwks_service());
    let serving = tokio::spawn(async move { axum::serve(listener, provider).await });

    let keys = Arc::new(RemoteKeys::discover(&url).unwrap());
    let issuers = Issuers::new();
    issuers.add(Arc::clone(&keys), Validation::new(&url, AUDIENCE)).unwrap();
    let verifier = Verifier::<Value>::multi_issuer(&issuers);
    let token = issuer.token_for("alice").issue().unwrap();

    let verified = verifier.verify(token.as_str()).await.unwrap();
    assert_eq!(verified.principal().subject(), Some("alice"));
    assert_eq!(keys.status().state(), KeysState::Fresh);
    println!("stranger: remote: 200 with keys that were discovered");

    serving.abort();
    assert!(verifier.verify(token.as_str()).await.is_ok());
    println!("stranger: remote: the keys stay while their provider is away");

    issuers.remove(&url);
    let error = verifier.verify(token.as_str()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::WrongIssuer);
    println!("stranger: remote: an issuer that was removed is believed no more");
}
