//! An authorization server that answers as a test tells it to.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

use super::active;

/// A request as the server received it.
#[derive(Clone, Debug)]
pub struct Received {
    pub method: Method,
    pub uri: Uri,
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    /// The value of a member of the form.
    pub fn field(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.body.as_bytes());
        pairs.find(|(one, _)| one == name).map(|(_, value)| value.into_owned())
    }
}

type Script = Box<dyn Fn(&Received) -> Reply + Send>;

/// The way in which a request is answered.
pub enum Reply {
    Whole(Response),
    /// Nothing, for as long as the client waits.
    Silence,
    /// This answer, when the server is [opened](Server::open).
    WhenOpened(Response),
}

/// A server on a port of this machine. Clones are the same server.
#[derive(Clone)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    script: Mutex<Script>,
    received: watch::Sender<Vec<Received>>,
    gate: Semaphore,
}

impl Server {
    /// Starts a server for which tokens that begin with `good` are active, and no others.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(Box::new(usual)),
            received: watch::Sender::default(),
            gate: Semaphore::new(0),
        });
        let server = Self { address: listener.local_addr().unwrap(), shared };
        let app = Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers each request by this function from now on.
    pub fn script(&self, script: impl Fn(&Received) -> Reply + Send + 'static) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// Answers each request with this JSON from now on.
    pub fn say(&self, answer: &Value) {
        let text = answer.to_string();
        self.script(move |_| Reply::Whole(json_of(&text)));
    }

    /// Answers each request with this status, media type and text from now on.
    pub fn say_as(&self, status: u16, content_type: &'static str, text: impl Into<String>) {
        let text = text.into();
        self.script(move |_| Reply::Whole(response(status, content_type, text.clone())));
    }

    /// Answers as it did at the start.
    pub fn heal(&self) {
        self.script(usual);
    }

    /// Lets all requests pass that wait.
    pub fn open(&self) {
        self.shared.gate.add_permits(1_000_000);
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.borrow().clone()
    }

    /// The number of requests for introspection.
    pub fn asked(&self) -> usize {
        self.shared.received.borrow().iter().filter(|one| one.method == Method::POST).count()
    }

    /// Waits until this number of requests has come.
    pub async fn await_requests(&self, number: usize) {
        let mut received = self.shared.received.subscribe();
        received.wait_for(|all| all.len() >= number).await.unwrap();
    }
}

pub fn usual(request: &Received) -> Reply {
    let token = request.field("token").unwrap_or_default();
    let answer = match token.starts_with("good") {
        true => active(&json!({ "sub": token })),
        false => json!({ "active": false }),
    };
    Reply::Whole(json_of(&answer.to_string()))
}

pub fn json_of(text: &str) -> Response {
    response(200, "application/json", text.to_owned())
}

pub fn response(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let response = Response::builder().status(status).header(CONTENT_TYPE, content_type);
    response.body(body.into()).unwrap()
}

async fn answer(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let body = String::from_utf8(body.to_vec()).unwrap();
    let request = Received { method, uri, headers, body };
    let reply = (server.shared.script.lock().unwrap())(&request);
    server.shared.received.send_modify(|all| all.push(request));
    match reply {
        Reply::Whole(response) => response,
        Reply::Silence => pending().await,
        Reply::WhenOpened(response) => {
            server.shared.gate.acquire().await.unwrap().forget();
            response
        }
    }
}

/// A status without anything else.
pub fn status(status: StatusCode) -> Response {
    Response::builder().status(status).body(Body::empty()).unwrap()
}
