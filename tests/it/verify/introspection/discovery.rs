use axum::response::Response;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tower_bearer::Reason;
use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::{Algorithm, SigningKey};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::server::{Received, Reply, Server, json_of, status, usual};
use super::{CLIENT, app, basic};
use crate::support::{WithBearer, get, send};

const OPENID: &str = "/tenant/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server/tenant";

/// Serves this metadata at one place, and answers questions at `/at-this-place`.
fn serve(server: &Server, place: &'static str, metadata: Value) {
    server.script(move |request| Reply::Whole(answer(request, place, &metadata)));
}

fn answer(request: &Received, place: &str, metadata: &Value) -> Response {
    match request.method {
        Method::GET if request.uri.path() == place => json_of(&metadata.to_string()),
        Method::POST if request.uri.path() == "/at-this-place" => match usual(request) {
            Reply::Whole(response) => response,
            _ => unreachable!("the usual answer is a whole one"),
        },
        _ => status(StatusCode::NOT_FOUND),
    }
}

fn metadata(server: &Server) -> Value {
    json!({
        "issuer": server.url("/tenant"),
        "introspection_endpoint": server.url("/at-this-place"),
        "jwks_uri": 7,
    })
}

fn discovered(server: &Server) -> Introspection {
    let tokens = OpaqueTokens::all();
    Introspection::discover(&server.url("/tenant"), basic(), tokens).unwrap()
}

#[tokio::test]
async fn endpoint_is_the_one_that_the_metadata_of_the_issuer_names() {
    // RFC 8414 §2: `introspection_endpoint` is the address of the endpoint
    for place in [OPENID, OAUTH] {
        let server = Server::start().await;
        serve(&server, place, metadata(&server));
        let app = app(discovered(&server));

        for number in 0..3 {
            let token = format!("good-{number}");
            send(&app, get("/").bearer(&token)).await.is_ok(&token);
        }

        let fetched = server.received();
        let found = fetched.iter().filter(|request| request.uri.path() == place);
        assert_eq!(found.count(), 1, "the metadata is kept");
        assert_eq!(server.asked(), 3);
    }
}

#[tokio::test]
async fn metadata_that_cannot_be_used_is_a_503_and_no_token_is_sent() {
    for change in [
        json!({ "issuer": "https://other.example.com" }),
        json!({ "introspection_endpoint": null }),
        json!({ "introspection_endpoint": 7 }),
        json!({ "introspection_endpoint": "/at-this-place" }),
        json!({ "introspection_endpoint": "http://id.example.com/at-this-place" }),
        // Metadata of this machine may lead to this machine only.
        json!({ "introspection_endpoint": "https://10.0.0.1/at-this-place" }),
        json!({ "introspection_endpoint": "https://169.254.169.254/at-this-place" }),
    ] {
        let server = Server::start().await;
        let mut metadata = metadata(&server);
        for (name, value) in change.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        serve(&server, OPENID, metadata);

        let answer = send(&app(discovered(&server)), get("/").bearer("good")).await;

        answer.is_refused(503, None, Reason::AuthenticatorFailed);
        assert_eq!(server.asked(), 0, "{change}");
    }
}

#[tokio::test]
async fn metadata_may_be_at_another_address_than_the_issuer() {
    let server = Server::start().await;
    let mut metadata = metadata(&server);
    metadata["issuer"] = "https://id.example.com".into();
    serve(&server, "/inside/metadata", metadata);
    let of = |issuer| Introspection::discover(issuer, basic(), OpaqueTokens::all()).unwrap();
    let at = |issuer| of(issuer).with_metadata_url(&server.url("/inside/metadata")).unwrap();

    send(&app(at("https://id.example.com")), get("/").bearer("good")).await.is_ok("good");
    let other = send(&app(at("https://other.example.com")), get("/").bearer("good")).await;

    other.is_refused(503, None, Reason::AuthenticatorFailed);
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn endpoint_that_has_moved_is_found_again() {
    let server = Server::start().await;
    let mut old = metadata(&server);
    serve(&server, OPENID, old.clone());
    let app = app(discovered(&server));
    send(&app, get("/").bearer("good-1")).await.is_ok("good-1");

    // From now on there is another address in the metadata, and nothing at the old one.
    old["introspection_endpoint"] = server.url("/elsewhere").into();
    let new = old.to_string();
    server.script(move |request| match (&request.method, request.uri.path()) {
        (&Method::GET, OPENID) => Reply::Whole(json_of(&new)),
        (&Method::POST, "/elsewhere") => usual(request),
        _ => Reply::Whole(status(StatusCode::NOT_FOUND)),
    });

    send(&app, get("/").bearer("good-2")).await.is_ok("good-2");
}

#[tokio::test]
async fn assertion_is_for_the_issuer() {
    let server = Server::start().await;
    serve(&server, OPENID, metadata(&server));
    let key = SigningKey::generate(Algorithm::ES256).unwrap();
    let client = ClientAuthentication::private_key_jwt(CLIENT, key);
    let tokens = OpaqueTokens::all();
    let introspection = Introspection::discover(&server.url("/tenant"), client, tokens).unwrap();

    send(&app(introspection), get("/").bearer("good")).await.is_ok("good");

    let assertion = server.received().pop().unwrap().field("client_assertion").unwrap();
    let claims = assertion.split('.').nth(1).unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
    assert_eq!(claims["aud"], server.url("/tenant"));
}
