//! Introspection (RFC 7662) over an HTTP client of one's own.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::net::{FormClient, HttpClient};
use tower_bearer::source::Presented;
use tower_bearer::{AuthError, BearerLayer, ConfigError, Principal, Reason, Validation};

use crate::calls::{challenge, get_as, parameter};
use crate::tokens::{self, AUDIENCE, ISSUER};

const SECRET: &str = "s3cret/+ :";

/// Opens a connection for each request, and counts them.
#[derive(Clone, Default)]
struct Dialer {
    connections: Arc<AtomicUsize>,
}

impl HttpClient for Dialer {
    type Body = Incoming;
    type Error = Box<dyn Error + Send + Sync>;

    async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Self::Error> {
        let (mut parts, body) = request.into_parts();
        let authority = parts.uri.authority().ok_or("the URI is absolute")?.clone();
        let stream = TcpStream::connect(authority.as_str()).await?;
        self.connections.fetch_add(1, Ordering::Relaxed);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        // A connection sends what it is given; clients with a pool do these two themselves.
        parts.headers.insert(HOST, HeaderValue::from_str(authority.as_str())?);
        parts.uri = Uri::from(parts.uri.path_and_query().ok_or("the URI has a path")?.clone());
        Ok(sender.send_request(Request::from_parts(parts, Full::new(body))).await?)
    }
}

type Seen = Arc<Mutex<Option<(HeaderMap, String)>>>;

pub async fn check() {
    let (server, seen) = serve().await;
    let dialer = Dialer::default();
    let dialed = || dialer.connections.load(Ordering::Relaxed);
    let introspection = FormClient::new(&format!("{server}/introspect"))
        .unwrap()
        .with_basic_auth("orders:api", SECRET)
        .with_client(dialer.clone());

    let fields = [("token", "opq_a&b=c d"), ("token_type_hint", "access_token")];
    let answer = introspection.post(&fields).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.body(), r#"{"active":false}"#);
    let (headers, body) = seen.lock().unwrap().take().unwrap();
    assert_eq!(body, "token=opq_a%26b%3Dc+d&token_type_hint=access_token");
    assert_eq!(headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
    assert_eq!(headers[CONTENT_LENGTH], body.len().to_string());
    let basic = format!("Basic {}", STANDARD.encode("orders%3Aapi:s3cret%2F%2B+%3A"));
    assert_eq!(headers[AUTHORIZATION], basic);
    assert_eq!(dialed(), 1);
    println!("stranger: form: posted by a client of one's own, with Basic authentication");

    let app = app(introspection);
    let response = get_as(&app, "/", "Bearer opq_bob").await;
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "bob"));
    let response = get_as(&app, "/", "Bearer opq_gone").await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(parameter(challenge(&response), "error"), Some("invalid_token"));
    assert_eq!(dialed(), 3);
    let jwt = tokens::hs256().token_for("alice").issue().unwrap();
    let response = get_as(&app, "/", &format!("Bearer {}", jwt.as_str())).await;
    assert_eq!((response.status(), response.body().as_str()), (StatusCode::OK, "alice"));
    assert_eq!(dialed(), 3);
    println!("stranger: form: the answer decides about the request");

    let failing = FormClient::new(&format!("{server}/fails")).unwrap().with_client(dialer.clone());
    let answer = failing.post(&fields).await.unwrap();
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(get_as(&self::app(failing), "/", "Bearer opq_bob").await.status(), 503);
    println!("stranger: form: an answer whatever its status, of which 503 is made here");

    limits().await;
}

/// What holds for every client, since this crate does it around them.
async fn limits() {
    let endpoint = || FormClient::new("http://127.0.0.1:1/introspect").unwrap();
    let canned = |status: u16, length: usize| {
        move |_: Request<Bytes>| async move {
            let body = Full::new(Bytes::from(vec![b'x'; length]));
            let response = Response::builder().status(status).header(LOCATION, "/elsewhere");
            Ok::<_, Infallible>(response.body(body).unwrap())
        }
    };
    let post = async |client: FormClient| client.post(&[("token", "opq_bob")]).await;

    let short = endpoint().with_max_bytes(100);
    assert_eq!(post(short.with_client(canned(200, 100))).await.unwrap().body().len(), 100);
    let short = endpoint().with_max_bytes(100);
    assert!(post(short.with_client(canned(200, 101))).await.is_err());
    assert!(post(endpoint().with_client(canned(200, 101))).await.is_ok());
    for status in [301, 302, 303, 307, 308] {
        assert!(post(endpoint().with_client(canned(status, 0))).await.is_err(), "{status}");
    }
    assert!(post(endpoint().with_client(canned(404, 0))).await.is_ok());

    let silent = |_: Request<Bytes>| pending::<Result<Response<Full<Bytes>>, Infallible>>();
    let impatient = endpoint().with_timeout(Duration::from_millis(20)).with_client(silent);
    assert!(post(impatient).await.is_err());
    println!("stranger: form: bytes, time and redirects are limited for any client");

    let leaky = async |_: Request<Bytes>| Err::<Response<Full<Bytes>>, _>("no route to host");
    let error = endpoint().with_basic_auth("orders", SECRET).with_client(leaky);
    let error = post(error).await.unwrap_err();
    let cause = std::iter::successors(Some(&error as &dyn Error), |&error| error.source());
    let told: Vec<_> = cause.map(ToString::to_string).collect();
    assert!(told.iter().any(|told| told.contains("no route to host")), "{told:?}");
    assert!(!told.iter().any(|told| told.contains("opq_bob") || told.contains(SECRET)));

    assert!(FormClient::new("https://id.example.com/introspect").is_ok());
    for url in ["http://id.example.com/introspect", "introspect"] {
        assert!(matches!(FormClient::new(url), Err(ConfigError::Address { .. })), "{url}");
    }
    println!("stranger: form: errors hold the cause and no secret; HTTPS elsewhere");
}

async fn serve() -> (String, Seen) {
    let seen = Seen::default();
    let keep = Arc::clone(&seen);
    let introspect = move |headers: HeaderMap, body: String| {
        let is_bob = body.starts_with("token=opq_bob&");
        *keep.lock().unwrap() = Some((headers, body));
        let bob = r#"{"active":true,"sub":"bob","scope":"orders:read"}"#;
        async move { if is_bob { bob } else { r#"{"active":false}"# } }
    };
    let app = Router::new()
        .route("/introspect", post(introspect))
        .route("/fails", post(async || StatusCode::INTERNAL_SERVER_ERROR));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    (format!("http://{address}"), seen)
}

struct Introspection(FormClient);

impl Authenticator for Introspection {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"opq_")
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        let fields = [("token", token), ("token_type_hint", "access_token")];
        let answer = self.0.post(&fields).await.map_err(AuthError::authenticator_failed)?;
        if answer.status() != StatusCode::OK {
            return Err(AuthError::authenticator_failed(answer.status().to_string()));
        }
        let body = str::from_utf8(answer.body()).map_err(AuthError::authenticator_failed)?;
        let claims: serde_json::Value =
            serde_json::from_str(body).map_err(AuthError::authenticator_failed)?;
        if claims["active"] == true {
            Authenticated::from_json(body)
        } else {
            Err(Reason::Inactive.into())
        }
    }
}

fn app(introspection: FormClient) -> Router {
    let layer = BearerLayer::new(tokens::verifier())
        .with_authenticator(Introspection(introspection), Validation::new(ISSUER, AUDIENCE))
        .unwrap();
    Router::new()
        .route("/", get(|who: Principal| async move { who.subject().unwrap().to_owned() }))
        .route_layer(layer)
}
