//! A tonic server behind the layer: gRPC clients see the refusals as the statuses of their own
//! protocol, since those are defined for HTTP's 401 and 403.

use jsonwebtoken::EncodingKey;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::Code;
use tonic::transport::{Channel, Server};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tower_bearer::policy::scope;
use tower_bearer::{Algorithm, BearerLayer, TokenIssuer, Validation, Verifier};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://grpc.example.com";

#[derive(Deserialize)]
struct User {}

#[tokio::main]
async fn main() {
    let secret = EncodingKey::from_secret(b"a secret of more than thirty-two bytes");
    let tokens = TokenIssuer::new(ISSUER, AUDIENCE, Algorithm::HS256, &secret).unwrap();
    let verifier =
        Verifier::<User>::new(tokens.verifying_key(), Validation::new(ISSUER, AUDIENCE)).unwrap();
    let layer = BearerLayer::new(verifier).with_policy(scope("health:read"));

    let (_, health) = tonic_health::server::health_reporter();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = Server::builder().layer(layer).add_service(health);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    let channel = Channel::from_shared(url).unwrap().connect().await.unwrap();

    let allowed = tokens.token_for("alice").with_scopes(["health:read"]).issue().unwrap();
    let other = tokens.token_for("alice").issue().unwrap();
    for (name, token, expected) in [
        ("a good token", Some(allowed.as_str()), Code::Ok),
        ("no token", None, Code::Unauthenticated),
        ("a broken token", Some("x"), Code::Unauthenticated),
        ("a token without the scope", Some(other.as_str()), Code::PermissionDenied),
    ] {
        let code = check(&channel, token).await;
        assert_eq!(code, expected, "{name}");
        println!("grpc: {name} is answered {code:?}");
    }
}

async fn check(channel: &Channel, token: Option<&str>) -> Code {
    let mut client =
        HealthClient::with_interceptor(channel.clone(), |mut request: tonic::Request<()>| {
            if let Some(token) = token {
                let field = format!("Bearer {token}").parse().unwrap();
                request.metadata_mut().insert("authorization", field);
            }
            Ok(request)
        });
    let service = String::new();
    match client.check(HealthCheckRequest { service }).await {
        Ok(_) => Code::Ok,
        Err(status) => status.code(),
    }
}
