//! Tests bodies as they come over the wire, and real sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use axum::Router;
use axum::body::Body;
use axum::routing::get as on_get;
use bytes::Bytes;
use futures::executor::block_on;
use futures::stream;
use http::Request;
use http::header::CONTENT_TYPE;
use proptest::prelude::*;
use tower_bearer::BearerLayer;
use tower_bearer::endpoints::{ClientList, RevocationService};
use tower_bearer::revocation::{MemoryRevocations, RevocationStore};
use tower_bearer::test_util::TestClock;
use tower_http::cors::{Any, CorsLayer};

use super::{FORM, Store, is_done, is_refused, post_raw};
use crate::support::{ISSUER, NOW, key, send, token, validation, verifier_with};

const MOST: usize = 64 * 1024;

fn service(store: impl RevocationStore) -> RevocationService {
    let clients = ClientList::new().with_public_client("browser").unwrap();
    let service = RevocationService::new(key().verifying_key(), ISSUER, clients, store).unwrap();
    service.with_clock(TestClock::at(NOW))
}

fn form() -> String {
    let token = token().claim("client_id", "browser").sign(&key());
    format!("client_id=browser&token={token}&x=")
}

/// The form, filled up with a parameter that is not read.
fn form_of(bytes: usize) -> String {
    let form = form();
    let more = "x".repeat(bytes - form.len());
    form + &more
}

fn in_chunks(form: String, size: usize) -> Request<Body> {
    let chunks: Vec<_> = form.into_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
    let chunks = chunks.into_iter().map(Ok::<_, std::io::Error>);
    post_raw(FORM, Body::from_stream(stream::iter(chunks)))
}

#[tokio::test]
async fn form_of_64_kib_is_read_and_one_byte_more_is_not() {
    let store = Store::default();
    let app = Router::new().route_service("/", service(store.clone()));
    for (request, is_read) in [
        (post_raw(FORM, form_of(MOST)), true),
        (post_raw(FORM, form_of(MOST + 1)), false),
        (in_chunks(form_of(MOST), 1000), true),
        (in_chunks(form_of(MOST + 1), 1000), false),
        (in_chunks(form(), 1), true),
    ] {
        let before = store.written().len();
        let answer = send(&app, request).await;
        if is_read {
            is_done(&answer);
        } else {
            is_refused(&answer, 413, "invalid_request", None);
        }
        assert_eq!(store.written().len(), before + usize::from(is_read));
    }
}

#[tokio::test]
async fn body_without_end_is_given_up_and_one_that_breaks_off_revokes_nothing() {
    let store = Store::default();
    let app = Router::new().route_service("/", service(store.clone()));
    let endless = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 999])));
    let begun = [Ok(Bytes::from(form())), Err(std::io::Error::other("gone"))];

    let refused = send(&app, post_raw(FORM, Body::from_stream(endless))).await;
    is_refused(&refused, 413, "invalid_request", None);
    let refused = send(&app, post_raw(FORM, Body::from_stream(stream::iter(begun)))).await;
    is_refused(&refused, 400, "invalid_request", None);
    assert_eq!(store.written(), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn form_with_a_byte_changed_revokes_the_same_or_nothing(at in any::<prop::sample::Index>(), byte: u8) {
        let mut form = form().into_bytes();
        let at = at.index(form.len() - "&x=".len());
        form[at] = byte;
        let store = Store::default();
        let app = Router::new().route_service("/", service(store.clone()));

        let answer = block_on(send(&app, post_raw(FORM, form)));

        prop_assert!(matches!(answer.status.as_u16(), 200 | 400 | 401), "{answer:?}");
        let ids: Vec<_> = store.written().iter().map(|one| one.name().as_str().to_owned()).collect();
        prop_assert!(answer.status == 200 && ids == ["test-token"] || ids.is_empty(), "{ids:?}");
    }
}

#[tokio::test]
async fn preflight_is_answered_by_a_cors_layer_outside() {
    let store = Store::default();
    let cors = CorsLayer::new().allow_origin(Any).allow_headers(Any).allow_methods(Any);
    let app = Router::new().route_service("/", service(store.clone())).layer(cors);
    let preflight = Request::options("/")
        .header("origin", "https://shop.example.com")
        .header("access-control-request-method", "POST");

    let answer = send(&app, preflight.body(Body::empty()).unwrap()).await;
    assert_eq!((answer.status.as_u16(), store.written().len()), (200, 0));
    assert_eq!(answer.headers["access-control-allow-origin"], "*");

    let request = Request::post("/").header("origin", "https://shop.example.com");
    let request = request.header(CONTENT_TYPE, FORM).body(form().into()).unwrap();
    let answer = send(&app, request).await;
    is_done(&answer);
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
}

/// One connection, used by hand.
struct Connection(TcpStream);

impl Connection {
    fn open(addr: SocketAddr) -> Self {
        let socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        Self(socket)
    }

    /// Sends a request and reads the head of the answer.
    fn ask(&mut self, request: &str) -> String {
        self.0.write_all(request.as_bytes()).unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            self.0.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()
    }
}

async fn serve() -> SocketAddr {
    let view = MemoryRevocations::new().with_clock(TestClock::at(NOW));
    let verifier =
        verifier_with(key().verifying_key(), validation()).with_revocations(view.clone());
    let app = Router::new()
        .route("/", on_get(|| async {}))
        .layer(BearerLayer::new(verifier))
        .route_service("/revoke", service(view));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

#[tokio::test(flavor = "multi_thread")]
async fn very_next_request_on_the_same_connection_is_refused() {
    let addr = serve().await;
    let (token, form) = (token().claim("client_id", "browser").sign(&key()), form());
    let api = format!("GET / HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    let head = format!("POST /revoke HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\n");
    let length = form.len();
    let revoke = format!("{head}content-length: {length}\r\n\r\n{form}");
    let chunked =
        format!("{head}transfer-encoding: chunked\r\n\r\n{length:x}\r\n{form}\r\n0\r\n\r\n");

    let mut connection = Connection::open(addr);
    assert!(connection.ask(&api).starts_with("HTTP/1.1 200"));
    assert!(connection.ask(&revoke).starts_with("HTTP/1.1 200"));
    assert!(connection.ask(&api).starts_with("HTTP/1.1 401"));
    assert!(connection.ask(&chunked).starts_with("HTTP/1.1 200"));
    let head_only = connection.ask("HEAD /revoke HTTP/1.1\r\nhost: x\r\n\r\n");
    assert!(head_only.starts_with("HTTP/1.1 405"), "{head_only}");
    assert!(connection.ask(&api).starts_with("HTTP/1.1 401"));
}

#[tokio::test(flavor = "multi_thread")]
async fn form_that_announces_to_be_too_large_is_refused_before_it_comes() {
    let addr = serve().await;

    let head = format!(
        "POST /revoke HTTP/1.1\r\nhost: x\r\ncontent-type: {FORM}\r\ncontent-length: 99999999\r\n\r\n"
    );

    assert!(Connection::open(addr).ask(&head).starts_with("HTTP/1.1 413"));
}
