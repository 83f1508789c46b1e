//! A tonic server with a service behind the layer and an open one beside it: tonic's own client reads the
//! refusals as statuses, with message, details and metadata.

mod orders;
mod mutual_tls;

use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::service::LayerExt;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_prost::ProstCodec;
use tonic_types::StatusExt;
use tower_bearer::policy::scope;
use tower_bearer::{Algorithm, BearerLayer, SigningKey, TokenIssuer, Validation, Verifier, render};

use orders::Orders;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://grpc.example.com";

#[derive(Deserialize)]
struct User {}

#[tokio::main]
async fn main() {
    let key = SigningKey::generate(Algorithm::HS256).unwrap();
    let tokens = TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap();
    let verifier =
        Verifier::<User>::new(tokens.verifying_key(), Validation::new(ISSUER, AUDIENCE)).unwrap();
    let layer = BearerLayer::new(verifier)
        .with_policy(scope("orders:read"))
        .with_rejection(render::Grpc::new());

    let (_, health) = tonic_health::server::health_reporter();
    let server = Server::builder().add_service(health).add_service(layer.named_layer(Orders));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();

    let token = tokens.token_for("alice").with_scopes(["orders:read"]).issue().unwrap();
    let reader = format!("Bearer {}", token.as_str());
    let token = tokens.token_for("alice").issue().unwrap();
    let other = format!("Bearer {}", token.as_str());
    let token = tokens.token_for("bob").with_scopes(["orders:read"]).with_roles(["cashier"]);
    let cashier = format!("Bearer {}", token.issue().unwrap().as_str());

    for (name, field, order, code, message) in [
        ("a good token", Some(&*reader), "read", Code::Ok, "alice: read"),
        ("a good token with the role", Some(&*cashier), "close", Code::Ok, "bob: close"),
        ("no token", None, "read", Code::Unauthenticated, "An access token is needed"),
        (
            "a malformed field",
            Some("Bearer"),
            "read",
            Code::Unauthenticated,
            "The Authorization field is malformed",
        ),
        (
            "a token without the scope",
            Some(&*other),
            "read",
            Code::PermissionDenied,
            "The token lacks a scope",
        ),
        (
            "a token without the role, found out by the service,",
            Some(&*reader),
            "close",
            Code::PermissionDenied,
            "The token does not allow this",
        ),
    ] {
        let (seen, text) = match ask(&channel, field, order).await {
            Ok(text) => (Code::Ok, text),
            Err(status) => (status.code(), status.message().to_owned()),
        };
        assert_eq!((seen, &*text), (code, message), "{name}");
        println!("grpc: {name} is answered {seen:?}: {text}");
    }

    let status = ask(&channel, Some("Bearer x"), "read").await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    println!("grpc: a broken token is answered {:?}: {}", status.code(), status.message());

    let status = ask(&channel, Some(&other), "read").await.unwrap_err();
    let challenge = status.metadata().get("www-authenticate").unwrap().to_str().unwrap();
    assert!(challenge.contains(r#"scope="orders:read""#), "{challenge}");
    let info = status.get_error_details().error_info().cloned().unwrap();
    assert_eq!((&*info.reason, &*info.domain), ("INSUFFICIENT_SCOPE", "api"));
    assert_eq!(info.metadata["scope"], "orders:read");
    println!("grpc: metadata and details name the scope that is missing");

    let status = ask(&channel, Some(&reader), "close").await.unwrap_err();
    assert_eq!(status.get_error_details().error_info().unwrap().reason, "FORBIDDEN");
    println!("grpc: a rejection that became a status has details too");

    let service = String::new();
    HealthClient::new(channel).check(HealthCheckRequest { service }).await.unwrap();
    println!("grpc: the health service beside it needs no token");

    mutual_tls::check().await;
}

/// Calls the service with this `authorization`.
async fn ask(channel: &Channel, field: Option<&str>, order: &str) -> Result<String, Status> {
    let mut client = tonic::client::Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let mut request = Request::new(order.to_owned());
    if let Some(field) = field {
        request.metadata_mut().insert("authorization", field.parse().unwrap());
    }
    let path = PathAndQuery::from_static("/shop.Orders/Handle");
    let codec = ProstCodec::<String, String>::default();
    client.unary(request, path, codec).await.map(tonic::Response::into_inner)
}
