//! Checks the answers that clients get, over a real socket.

use axum::Router;
use axum::routing::get;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tower_bearer::policy::{Policy, role, scope};
use tower_bearer::{
    BearerLayer, Claims, Require, Requirement, TokenIssuer, Validation, Verifier, render, require,
};

use crate::tokens::{AUDIENCE, ISSUER, forged};

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
    score: f64,
}

struct Admin;

impl Requirement for Admin {
    fn policy() -> impl Policy {
        role("admin")
    }
}

pub async fn check(name: &str, issuer: TokenIssuer) {
    let told = |what: &str| println!("stranger: {name}: {what}");
    let client = Client::of(app(&issuer)).await;
    let user = User { name: "Alice".to_owned(), score: 1.5 };
    let issue = || issuer.token_for("alice").with_claims(&user);
    let plain = issue().issue().unwrap().into_string();
    let mighty = issue().with_roles(["admin"]).with_scopes(["orders:write"]).issue().unwrap();

    let response = client.get("/me", &[&plain]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body(), "Alice 1.5");
    told("200 with the claims for a good token");

    for path in ["/reports", "/orders"] {
        let response = client.get(path, &[mighty.as_str()]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.body(), "alice");
    }
    told("200 behind Require and require() for those who may");

    let response = client.get("/me", &[]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(challenge(&response), r#"Bearer realm="orders""#);
    told("401 with a bare challenge when nothing was sent");

    let response = client.get("/me", &[&forged(&plain)]).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(challenge(&response).contains(r#"error="invalid_token""#));
    assert!(response.body().contains("401"), "a problem document: {}", response.body());
    told("401 invalid_token for a forged signature");

    let response = client.get("/reports", &[&plain]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(challenge(&response), r#"Bearer realm="orders""#);
    told("403 without error when a role is missing");

    let response = client.get("/orders", &[&plain]).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert!(challenge(&response).contains(r#"error="insufficient_scope""#));
    assert!(challenge(&response).contains(r#"scope="orders:write""#));
    told("403 insufficient_scope when a scope is missing");

    let response = client.get("/me", &[&plain, &plain]).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(challenge(&response).contains(r#"error="invalid_request""#));
    told("400 invalid_request for two Authorization fields");

    let response = client.get("/jwks.json", &[]).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.body().starts_with(r#"{"keys":["#));
    told("200 for the JWK set, outside of the layer");
}

fn app(issuer: &TokenIssuer) -> Router {
    let rules = Validation::new(ISSUER, AUDIENCE);
    let verifier = Verifier::<User>::new(issuer.verifying_key(), rules).unwrap();
    let layer = BearerLayer::new(verifier)
        .with_rejection(render::ProblemJson)
        .with_realm("orders")
        .unwrap();
    Router::new()
        .route(
            "/me",
            get(
                |Claims(user): Claims<User>| async move { format!("{} {}", user.name, user.score) },
            ),
        )
        .route("/reports", get(|who: Require<Admin>| async move { subject(&who) }))
        .route(
            "/orders",
            get(|who: tower_bearer::Principal| async move { subject(&who) })
                .layer(require(scope("orders:write"))),
        )
        .layer(layer)
        .route_service("/jwks.json", issuer.jwks_service())
}

fn subject(who: &tower_bearer::Principal) -> String {
    who.subject().unwrap().to_owned()
}

fn challenge(response: &Response<String>) -> &str {
    response.headers()[WWW_AUTHENTICATE].to_str().unwrap()
}

struct Client {
    address: std::net::SocketAddr,
}

impl Client {
    async fn of(app: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { address }
    }

    /// Sends one `Authorization` field for each token.
    async fn get(&self, path: &str, tokens: &[&str]) -> Response<String> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::get(path).header("host", self.address.to_string());
        for token in tokens {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Response::from_parts(parts, String::from_utf8(body).unwrap())
    }
}
