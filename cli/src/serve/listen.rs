//! Accepts connections and answers their requests.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::event::{Event, RequestEvent};
use super::routes::{Outcome, Server};

/// Serves until the future is dropped, which ends all connections.
pub(super) async fn serve(listener: TcpListener, server: Arc<Server>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => drop(connections.spawn(converse(socket, Arc::clone(&server)))),
                // No more files, for example.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(socket: TcpStream, server: Arc<Server>) {
    drop(socket.set_nodelay(true));
    let service = service_fn(|request| answer(request, &server));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(60))
        .serve_connection(TokioIo::new(socket), service);
    // A client that goes away, or the fault that ends a connection.
    drop(connection.await);
}

async fn answer(
    request: Request<Incoming>,
    server: &Server,
) -> Result<Response<Full<bytes::Bytes>>, Closed> {
    let start = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let Outcome { reply, note } = server.answer(request).await;
    server.tell(Event::Request(RequestEvent {
        method,
        path,
        status: reply.as_ref().map(Response::status),
        milliseconds: start.elapsed().as_millis(),
        note,
    }));
    reply.ok_or(Closed)
}

/// The end of a connection without an answer.
#[derive(Debug)]
struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the provider was told to break off here")
    }
}

impl Error for Closed {}
