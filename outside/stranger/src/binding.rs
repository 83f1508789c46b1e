//! Tokens that are bound to a key of the client, which signs each request: method, path and token.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use axum::Router;
use axum::body::Body;
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, Request, Response, StatusCode, request};
use serde_json::Value;
use tower_bearer::binding::{Binding, BindingVerdict, Proved};
use tower_bearer::claims::{Confirmation, ConfirmationMethod};
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup};
use tower_bearer::source::Presented;
use tower_bearer::{BearerLayer, Principal, Reason, Validation, Verifier};

use crate::calls::{challenge, parameter, send};
use crate::tokens::{self, AUDIENCE, ISSUER};

const FIELD: &str = "x-proof";

/// Verifies the field `x-proof: <nonce>.<key>.<signature>`, and accepts each nonce once.
#[derive(Default)]
struct Proofs {
    seen: Arc<Mutex<HashSet<String>>>,
}

impl Binding for Proofs {
    fn check(
        &self,
        request: &request::Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> BindingVerdict {
        let Some(bound_to) = principal.confirmation().and_then(Confirmation::jwk_thumbprint) else {
            return BindingVerdict::NotApplicable;
        };
        match proven(request, presented) {
            Some((nonce, key)) if thumbprint(&key) == bound_to => {
                let seen = Arc::clone(&self.seen);
                let proved = Proved::by(ConfirmationMethod::Dpop);
                BindingVerdict::Pending(
                    proved,
                    Box::pin(async move {
                        tokio::task::yield_now().await; // as a store that all nodes share
                        let is_new = seen.lock().unwrap().insert(nonce);
                        if is_new { Ok(()) } else { Err(Reason::BoundToken.into()) }
                    }),
                )
            }
            _ => BindingVerdict::Refused(Reason::BoundToken.into()),
        }
    }
}

/// Returns the nonce and the key of a proof for this request.
fn proven(request: &request::Parts, presented: Presented<'_>) -> Option<(String, String)> {
    let proof = request.headers.get(FIELD)?.to_str().ok()?;
    let (nonce, rest) = proof.split_once('.')?;
    let (key, signature) = rest.split_once('.')?;
    let message = message(nonce, &request.method, request.uri.path(), presented.token());
    let public = UnparsedPublicKey::new(&ED25519, URL_SAFE_NO_PAD.decode(key).ok()?);
    public.verify(&message, &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    Some((nonce.to_owned(), key.to_owned()))
}

fn message(nonce: &str, method: &Method, path: &str, token: &[u8]) -> Vec<u8> {
    [format!("{nonce}\n{method}\n{path}\n").as_bytes(), token].concat()
}

/// RFC 7638, for an Ed25519 key.
fn thumbprint(x: &str) -> String {
    let jwk = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, jwk.as_bytes()))
}

struct Client(Ed25519KeyPair);

impl Client {
    fn new() -> Self {
        Self(Ed25519KeyPair::generate().unwrap())
    }

    fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    fn proof(&self, nonce: &str, method: &Method, path: &str, token: &str) -> String {
        let signature = self.0.sign(&message(nonce, method, path, token.as_bytes()));
        format!("{nonce}.{}.{}", self.public_key(), URL_SAFE_NO_PAD.encode(signature))
    }
}

pub async fn check() {
    let keys = Arc::new(Counted::default());
    let rules = Validation::new(ISSUER, AUDIENCE);
    let layer = BearerLayer::new(Verifier::<Value>::new(Arc::clone(&keys), rules).unwrap());
    let app = app(layer.clone().with_binding(Proofs::default()));
    let without = self::app(layer);
    let verified = || keys.0.load(Ordering::Relaxed);
    let (client, thief) = (Client::new(), Client::new());
    let thumbprint = thumbprint(&client.public_key());
    let bound = bound(&format!(r#"{{"jkt":"{thumbprint}"}}"#));
    let proof = |nonce, method, path| client.proof(nonce, &method, path, &bound);

    for nonce in ["1", "2", "3"] {
        let response =
            call(&app, "/orders", &bound, Some(proof(nonce, Method::GET, "/orders"))).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), "alice");
    }
    assert_eq!(verified(), 1, "the checks below are about a token in the cache");
    println!("stranger: binding: 200 with a proof for each request");

    let others = tokens::hs256().token_for("alice").issue().unwrap();
    for (what, proof) in [
        ("none", None),
        ("used before", Some(proof("1", Method::GET, "/orders"))),
        ("of another method", Some(proof("4", Method::POST, "/orders"))),
        ("of another path", Some(proof("5", Method::GET, "/reports"))),
        ("of another key", Some(thief.proof("6", &Method::GET, "/orders", &bound))),
        ("of another token", Some(client.proof("7", &Method::GET, "/orders", others.as_str()))),
        ("of another nonce", Some(proof("8", Method::GET, "/orders").replacen('8', "9", 1))),
    ] {
        let response = call(&app, "/orders", &bound, proof).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{what}");
        assert_eq!(parameter(challenge(&response), "error"), Some("invalid_token"), "{what}");
        assert_eq!(response.extensions().get(), Some(&Reason::BoundToken), "{what}");
    }
    assert_eq!(verified(), 1);
    let again = call(&app, "/orders", &bound, Some(proof("10", Method::GET, "/orders"))).await;
    assert_eq!(again.status(), StatusCode::OK);
    println!("stranger: binding: 401 without a proof for this very request, on cache hits too");

    let proof_of_other = Some(client.proof("11", &Method::GET, "/orders", others.as_str()));
    for (app, token, proof, status) in [
        (&app, others.as_str(), None, StatusCode::OK),
        (&app, others.as_str(), proof_of_other, StatusCode::OK),
        (&without, others.as_str(), None, StatusCode::OK),
        (
            &without,
            bound.as_str(),
            Some(proof("12", Method::GET, "/orders")),
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        assert_eq!(call(app, "/orders", token, proof).await.status(), status);
    }
    println!(
        "stranger: binding: tokens without a key need none; bound ones are refused without it"
    );

    for cnf in [
        format!(r#"{{"jkt":"{thumbprint}","x5t#S256":"{thumbprint}"}}"#),
        format!(r#"{{"x5t#S256":"{thumbprint}"}}"#),
        format!(r#"{{"jkt":"{thumbprint}","kid":"key of another kind"}}"#),
        "{}".to_owned(),
        "null".to_owned(),
    ] {
        let token = self::bound(&cnf);
        let proof = client.proof(&cnf.replace('.', ""), &Method::GET, "/orders", &token);
        let response = call(&app, "/orders", &token, Some(proof)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{cnf}");
    }
    println!("stranger: binding: 401 while one of several keys is not proven");
}

/// Counts signatures that are verified: while the epoch stays, no key is looked up for a cache hit.
#[derive(Default)]
struct Counted(AtomicUsize);

impl KeySource for Counted {
    fn lookup(&self, header: &Header) -> Lookup {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokens::hs256().verifying_key().lookup(header)
    }

    fn epoch(&self) -> Option<u64> {
        Some(0)
    }

    async fn refresh(&self, header: &Header) -> Result<Lookup, KeysUnavailable> {
        Ok(self.lookup(header))
    }
}

fn bound(cnf: &str) -> String {
    tokens::signed(&format!(r#""sub":"alice","exp":4102444800,"cnf":{cnf}"#))
}

fn app(layer: BearerLayer<Value>) -> Router {
    Router::new()
        .route("/orders", get(|who: Principal| async move { who.subject().unwrap().to_owned() }))
        .route_layer(layer)
}

async fn call(app: &Router, path: &str, token: &str, proof: Option<String>) -> Response<String> {
    let mut request = Request::get(path).header("authorization", format!("Bearer {token}"));
    if let Some(proof) = proof {
        request = request.header(FIELD, proof);
    }
    send(app, request.body(Body::empty()).unwrap()).await
}
