//! Tests forms that are posted to an authorization server, over real sockets.

use std::error::Error as _;
use std::future::{pending, ready};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::post;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower_bearer::net::{ExchangeError, FormClient, HttpClient};

const TOKEN: &str = "a token+&=/";
const SECRET: &str = "p%ss:wörd";

/// The requests that the server has received.
type Received = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

/// An authorization server with a fixed answer for each path.
struct Server {
    address: SocketAddr,
    received: Received,
}

impl Server {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Received::default());
        let answer = |State(received): State<Received>, headers: HeaderMap, body: Bytes| async move {
            received.lock().unwrap().push((headers, body));
            r#"{"active":true}"#
        };
        let app = Router::new()
            .route("/introspect", post(answer))
            .route("/moved", post(|| ready(Redirect::temporary("/introspect"))))
            .route("/long", post(|| ready("x".repeat(1_000))))
            .route("/silent", post(pending::<StatusCode>))
            .route("/refused", post(|| ready((StatusCode::UNAUTHORIZED, "no such client"))))
            .with_state(Arc::clone(&received));
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        Self { address, received }
    }

    fn client(&self, path: &str) -> FormClient {
        let url = format!("http://{}{path}", self.address);
        FormClient::new(&url).unwrap().with_basic_auth("shop & co", SECRET)
    }

    /// The crate's own client, and one of the application's.
    fn clients(&self, path: &str) -> [FormClient; 2] {
        [self.client(path), self.client(path).with_client(Own::new())]
    }

    fn received(&self) -> Vec<(HeaderMap, Bytes)> {
        self.received.lock().unwrap().clone()
    }
}

/// The client of an application that has hyper.
struct Own(Client<HttpConnector, Full<Bytes>>);

impl Own {
    fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }
}

impl HttpClient for Own {
    type Body = Incoming;
    type Error = hyper_util::client::legacy::Error;

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Self::Error> {
        self.0.request(request.map(Full::new)).await
    }
}

async fn introspect(client: &FormClient) -> Result<Response<Bytes>, ExchangeError> {
    client.post(&[("token", TOKEN), ("token_type_hint", "access_token")]).await
}

#[tokio::test]
async fn form_arrives_whole_with_basic_credentials_whichever_client_sends_it() {
    // RFC 6749 §2.3.1: id and secret are encoded as a form before they are Basic's user and password
    let server = Server::start().await;

    for client in server.clients("/introspect") {
        let answer = introspect(&client).await.unwrap();

        assert_eq!(
            (answer.status(), &answer.body()[..]),
            (StatusCode::OK, &br#"{"active":true}"#[..])
        );
        let (headers, body) = server.received().pop().unwrap();
        let form = "token=a+token%2B%26%3D%2F&token_type_hint=access_token";
        assert_eq!(body, form);
        let field = |name: HeaderName| headers[name].to_str().unwrap();
        assert_eq!(field(CONTENT_TYPE), "application/x-www-form-urlencoded");
        assert_eq!(field(CONTENT_LENGTH), form.len().to_string());
        assert_eq!(field(ACCEPT), "application/json");
        // base64 of `shop+%26+co:p%25ss%3Aw%C3%B6rd`
        assert_eq!(field(AUTHORIZATION), "Basic c2hvcCslMjYrY286cCUyNXNzJTNBdyVDMyVCNnJk");
    }
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn function_is_a_client() {
    let client = FormClient::new("https://id.example.com/introspect").unwrap();
    let client = client.with_client(|request: Request<Bytes>| {
        ready(Ok::<_, std::io::Error>(Response::new(Full::new(request.into_body()))))
    });

    let answer = client.post(&[("token", TOKEN)]).await.unwrap();

    assert_eq!(answer.body(), "token=a+token%2B%26%3D%2F");
}

#[tokio::test]
async fn answer_is_an_answer_whatever_its_status() {
    let server = Server::start().await;

    for client in server.clients("/refused") {
        let answer = introspect(&client).await.unwrap();

        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(answer.body(), "no such client");
    }
}

#[tokio::test]
async fn redirect_of_a_form_is_not_followed() {
    let server = Server::start().await;

    for client in server.clients("/moved") {
        let error = introspect(&client).await.unwrap_err().to_string();

        assert!(error.contains("307") && error.contains("not followed"), "{error}");
    }
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn answer_is_read_up_to_the_limit_and_no_further() {
    let server = Server::start().await;

    for client in server.clients("/long") {
        let client = client.with_max_bytes(1_000);
        assert_eq!(introspect(&client).await.unwrap().body().len(), 1_000);

        let error = introspect(&client.with_max_bytes(999)).await.unwrap_err().to_string();

        assert!(error.contains("longer than 999 bytes"), "{error}");
    }
}

#[tokio::test]
async fn answer_that_does_not_come_in_time_is_an_error() {
    let server = Server::start().await;

    for client in server.clients("/silent") {
        let client = client.with_timeout(Duration::from_millis(50));

        let error = introspect(&client).await.unwrap_err().to_string();

        assert!(error.contains("within 50ms"), "{error}");
    }
}

#[test]
fn address_is_https_or_on_this_machine() {
    for address in ["https://id.example.com/introspect", "http://127.0.0.1/introspect"] {
        assert!(FormClient::new(address).is_ok(), "{address}");
    }
    for address in ["http://id.example.com/introspect", "http://10.0.0.1/", "ftp://id.example.com"]
    {
        assert!(FormClient::new(address).is_err(), "{address}");
    }
}

#[tokio::test]
async fn errors_and_debug_show_neither_the_form_nor_the_secret() {
    let server = Server::start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let gone = FormClient::new(&format!("http://{gone}/introspect")).unwrap();
    let gone = gone.with_basic_auth("shop", "hunter2");
    let [own, other] =
        server.clients("/moved").map(|client| client.with_basic_auth("shop", "hunter2"));

    for client in [gone, own, other] {
        let error = client.post(&[("token", "t0ken")]).await.unwrap_err();

        let shown = format!("{client:?} {error:?} {error} {:?}", error.source());
        for secret in ["hunter2", "c2hvcDpodW50ZXIy", "t0ken"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
