//! Tests the same over real sockets, with one service for each connection that is kept as long as
//! the connection.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::{Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::*;

/// Serves each connection by a clone that stays with it: `ready().await?.call(request)`.
async fn serve(service: Inner) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let kept = Arc::new(Mutex::new(service.clone()));
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let kept = Arc::clone(&kept);
                async move {
                    let call = {
                        let mut service = kept.lock().await;
                        service.ready().await?.call(request.map(|_| String::new()))
                    };
                    Ok::<_, tower::BoxError>(call.await?.map(Full::<Bytes>::from))
                }
            });
            tokio::spawn(
                hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(socket), service),
            );
        }
    });
    addr
}

type Connection = SendRequest<Empty<Bytes>>;

async fn connect(addr: SocketAddr) -> Connection {
    let socket = TcpStream::connect(addr).await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends one request and leaves the connection open.
async fn ask(connection: &mut Connection, token: Option<String>) -> u16 {
    let request = Request::get("/").header("host", "localhost").body(Empty::new()).unwrap();
    let request = match token {
        Some(token) => request.bearer(token),
        None => request,
    };
    connection.send_request(request).await.unwrap().status().as_u16()
}

async fn ask_from_many(
    addr: SocketAddr,
    requests: usize,
    token: impl Fn() -> Option<String>,
) -> Vec<Connection> {
    let all = (0..requests).map(|_| {
        let token = token();
        async move {
            let mut connection = connect(addr).await;
            (ask(&mut connection, token.clone()).await, connection)
        }
    });
    let answers = in_time(&requests, join_all(all)).await;
    answers
        .into_iter()
        .map(|(status, connection)| {
            assert_eq!(status, 200);
            connection
        })
        .collect()
}

fn cold_keys() -> Verifier<User> {
    let keys = LateKeys::new();
    keys.come();
    verifier_of(keys)
}

fn asks_each_time() -> Verifier<User> {
    let check = |_: Principal| async { Ok::<_, Infallible>(true) };
    verifier_of(key().verifying_key()).with_active_check(ActiveCheck::new(check))
}

#[tokio::test]
async fn first_request_behind_a_buffer_and_before_a_limit_of_one_is_answered() {
    let service = ServiceBuilder::new()
        .buffer(8)
        .layer(BearerLayer::new(cold_keys()))
        .layer(GlobalConcurrencyLimitLayer::new(1))
        .service(handler());
    let addr = serve(BoxCloneService::new(service)).await;

    ask_from_many(addr, 1, || Some(good())).await;
}

#[tokio::test]
async fn connections_whose_requests_wait_for_keys_do_not_block_each_other() {
    let keys = LateKeys::new();
    let service = ServiceBuilder::new()
        .layer(BearerLayer::new(verifier_of(Arc::clone(&keys))))
        .concurrency_limit(4)
        .service(handler());
    let addr = serve(BoxCloneService::new(service)).await;
    tokio::spawn(async move {
        while keys.waiting() < 8 {
            tokio::task::yield_now().await;
        }
        keys.come();
    });

    ask_from_many(addr, 8, || Some(good())).await;
}

#[tokio::test]
async fn connections_whose_subjects_are_asked_about_do_not_block_each_other() {
    let service = ServiceBuilder::new()
        .layer(BearerLayer::new(asks_each_time()))
        .concurrency_limit(4)
        .service(handler());
    let addr = serve(BoxCloneService::new(service)).await;

    ask_from_many(addr, 8, || Some(good())).await;
}

#[tokio::test]
async fn connections_before_a_small_buffer_do_not_block_each_other() {
    for verifier in [cold_keys(), asks_each_time()] {
        let service =
            ServiceBuilder::new().layer(BearerLayer::new(verifier)).buffer(4).service(handler());
        let addr = serve(BoxCloneService::new(service)).await;

        ask_from_many(addr, 20, || Some(good())).await;
    }
}

#[tokio::test]
async fn unsigned_tokens_on_idle_connections_do_not_keep_the_next_one_out() {
    let service = ServiceBuilder::new()
        .layer(BearerLayer::new(verifier_of(key().verifying_key())))
        .concurrency_limit(5)
        .service(handler());
    let addr = serve(BoxCloneService::new(service)).await;
    let mut idle = Vec::new();
    for _ in 0..5 {
        let mut connection = connect(addr).await;
        let unsigned = "eyJhbGciOiJub25lIn0.e30.".to_owned();
        assert_eq!(in_time(&"stranger", ask(&mut connection, Some(unsigned))).await, 401);
        idle.push(connection);
    }

    ask_from_many(addr, 1, || Some(good())).await;
}
