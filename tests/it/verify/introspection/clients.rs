use std::collections::HashSet;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
use tower_bearer::keys::{SignError, Signer, VerifyingKey};
use tower_bearer::{Algorithm, Reason, SigningKey, Validation, Verifier};

use super::server::Server;
use super::{CLIENT, SECRET, active, app};
use crate::support::{WithBearer, get, send};

fn introspection(server: &Server, client: ClientAuthentication) -> Introspection {
    Introspection::new(&server.url("/introspect?tenant=a"), client, OpaqueTokens::all()).unwrap()
}

#[tokio::test]
async fn token_is_sent_by_post_in_a_form_with_a_hint_and_in_no_url() {
    // RFC 7662 §2.1: tokens are sent by POST in a form, with a hint
    // RFC 7662 §4: the token is in no URL
    let server = Server::start().await;
    let client = ClientAuthentication::client_secret_basic(CLIENT, SECRET);

    send(&app(introspection(&server, client)), get("/").bearer("good+/=")).await.is_ok("good+/=");

    let request = server.received().pop().unwrap();
    assert_eq!((&request.method, request.uri.path()), (&Method::POST, "/introspect"));
    assert_eq!(request.uri.query(), Some("tenant=a"));
    assert_eq!(request.body, "token=good%2B%2F%3D&token_type_hint=access_token");
    assert_eq!(request.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(request.headers[ACCEPT], "application/json");
    assert!(!format!("{:?}", request.headers).contains("good"));
}

#[tokio::test]
async fn client_authenticates_by_http_basic() {
    // RFC 7662 §2.1: the resource server authenticates itself
    let server = Server::start().await;
    let client = ClientAuthentication::client_secret_basic("shop & co", "p%ss:w\u{f6}rd");

    send(&app(introspection(&server, client)), get("/").bearer("good")).await.is_ok("good");

    let request = server.received().pop().unwrap();
    // base64 of `shop+%26+co:p%25ss%3Aw%C3%B6rd`
    assert_eq!(request.headers[AUTHORIZATION], "Basic c2hvcCslMjYrY286cCUyNXNzJTNBdyVDMyVCNnJk");
    assert_eq!((request.field("client_id"), request.field("client_secret")), (None, None));
}

#[tokio::test]
async fn client_authenticates_by_a_secret_in_the_form() {
    let server = Server::start().await;
    let client = ClientAuthentication::client_secret_post(CLIENT, SECRET);

    send(&app(introspection(&server, client)), get("/").bearer("good")).await.is_ok("good");

    let request = server.received().pop().unwrap();
    assert_eq!(request.field("client_id").as_deref(), Some(CLIENT));
    assert_eq!(request.field("client_secret").as_deref(), Some(SECRET));
    assert!(!request.headers.contains_key(AUTHORIZATION));
}

/// The header and the claims of an assertion for this audience, whose signature is good.
async fn verified(assertion: &str, key: VerifyingKey, audience: &str) -> (Value, Value) {
    let rules = Validation::new(CLIENT, audience);
    let verified = Verifier::<Value>::new(key, rules).unwrap().verify(assertion).await.unwrap();
    let header = URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap();
    (serde_json::from_slice(&header).unwrap(), Value::clone(&verified))
}

#[tokio::test]
async fn client_authenticates_by_an_assertion_that_is_new_for_each_request() {
    // RFC 7523 §3: issuer and subject are the client, the audience is the server, it expires soon, its `jti` is new
    let server = Server::start().await;
    let key = SigningKey::generate(Algorithm::ES256).unwrap().with_key_id("key-1").unwrap();
    let client = ClientAuthentication::private_key_jwt(CLIENT, key.clone());
    let app = app(introspection(&server, client));

    for number in 0..3 {
        let token = format!("good-{number}");
        send(&app, get("/").bearer(&token)).await.is_ok(&token);
    }

    let now = SystemClock.now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (mut ids, url) = (HashSet::new(), server.url("/introspect?tenant=a"));
    for request in server.received() {
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(request.field("client_assertion_type").as_deref(), Some(kind));
        assert!(!request.headers.contains_key(AUTHORIZATION));
        let assertion = request.field("client_assertion").unwrap();
        let (header, claims) = verified(&assertion, key.verifying_key(), &url).await;
        assert_eq!(header, json!({ "alg": "ES256", "typ": "JWT", "kid": "key-1" }));
        assert_eq!((&claims["iss"], &claims["sub"]), (&json!(CLIENT), &json!(CLIENT)));
        assert_eq!(claims["aud"], url);
        let (issued_at, expiry) =
            (claims["iat"].as_u64().unwrap(), claims["exp"].as_u64().unwrap());
        assert!(issued_at.abs_diff(now) < 60 && expiry - issued_at == 60);
        assert!(ids.insert(claims["jti"].as_str().unwrap().to_owned()));
    }
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn audience_of_assertions_can_be_set() {
    let server = Server::start().await;
    let key = SigningKey::generate(Algorithm::EdDSA).unwrap();
    let client = ClientAuthentication::private_key_jwt(CLIENT, key.clone());
    let introspection =
        introspection(&server, client).with_assertion_audience("https://id.example.com");

    send(&app(introspection), get("/").bearer("good")).await.is_ok("good");

    let assertion = server.received().pop().unwrap().field("client_assertion").unwrap();
    let (header, claims) =
        verified(&assertion, key.verifying_key(), "https://id.example.com").await;
    assert_eq!(claims["aud"], "https://id.example.com");
    assert_eq!(header["kid"].as_str().map(str::len), Some(43), "the thumbprint");
}

#[tokio::test]
async fn signer_that_fails_or_signs_with_another_key_is_a_503_and_nothing_is_sent() {
    struct Odd(VerifyingKey, Option<SigningKey>);
    impl Signer for Odd {
        fn verifying_key(&self) -> VerifyingKey {
            self.0.clone()
        }

        async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
            match &self.1 {
                Some(key) => Signer::sign(key, message).await,
                None => Err(SignError::new("the service is away")),
            }
        }
    }
    let server = Server::start().await;
    let [own, other] = [(); 2].map(|()| SigningKey::generate(Algorithm::ES256).unwrap());

    for signer in [Odd(own.verifying_key(), None), Odd(own.verifying_key(), Some(other))] {
        let client = ClientAuthentication::private_key_jwt(CLIENT, signer);
        let answer = send(&app(introspection(&server, client)), get("/").bearer("good")).await;
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
    }
    assert_eq!(server.asked(), 0);
    let client = ClientAuthentication::private_key_jwt(CLIENT, Odd(own.verifying_key(), Some(own)));
    send(&app(introspection(&server, client)), get("/").bearer("good")).await.is_ok("good");
}

#[tokio::test]
async fn certificate_of_the_connection_authenticates_with_a_client_of_the_application() {
    // RFC 8705 §2.1: the client id is in the request, and no secret
    let sent = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&sent);
    let introspection = Introspection::new(
        "https://id.example.com/introspect",
        ClientAuthentication::tls_client(CLIENT),
        OpaqueTokens::all(),
    )
    .unwrap()
    .with_client(move |request: Request<Bytes>| {
        seen.lock().unwrap().push(request);
        let answer = Response::builder().header(CONTENT_TYPE, "application/json");
        let answer = answer.body(Full::<Bytes>::from(active(&json!({})).to_string()));
        ready(Ok::<_, std::io::Error>(answer.unwrap()))
    });

    send(&app(introspection), get("/").bearer("good")).await.is_ok("alice");

    let request = sent.lock().unwrap().pop().unwrap();
    assert_eq!(request.body(), "token=good&token_type_hint=access_token&client_id=orders-api");
    assert!(!request.headers().contains_key(AUTHORIZATION));
    assert_eq!(request.uri(), "https://id.example.com/introspect");
}
