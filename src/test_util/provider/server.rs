use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{io, thread};

use http::{Request, Response};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::select;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::answer::{RequestOutcome, decide};
use super::body::{Body, ConnectionAborted};
use super::busy::BusyFlag;
use super::shared::SharedProvider;

/// A port that can be closed and opened again, and the task that listens on it.
pub(super) struct ProviderServer {
    door: Arc<Mutex<Listener>>,
    address: SocketAddr,
    /// The runtime of the task. A listener must be opened in it.
    runtime: Handle,
    listening: JoinHandle<()>,
}

enum Listener {
    Open(TcpListener),
    /// Bound, so that no other program gets the port, and not listening, so that connections are
    /// refused.
    Closed(TcpSocket),
    Gone,
}

impl ProviderServer {
    pub(super) fn start(
        listener: TcpListener,
        address: SocketAddr,
        shared: Arc<SharedProvider>,
    ) -> Self {
        let door = Arc::new(Mutex::new(Listener::Open(listener)));
        let listening = tokio::spawn(listen(Arc::clone(&door), shared));
        Self { door, address, runtime: Handle::current(), listening }
    }

    pub(super) fn set_open(&self, open: bool) {
        let mut door = lock(&self.door);
        if matches!(*door, Listener::Open(_)) == open {
            return;
        }
        *door = match std::mem::replace(&mut *door, Listener::Gone) {
            Listener::Closed(socket) => {
                let _runtime = self.runtime.enter();
                Listener::Open(socket.listen(BACKLOG).expect("a port that is bound already"))
            }
            door => {
                drop(door);
                Listener::Closed(reserve(self.address))
            }
        };
    }
}

// The task owns the connections, which end with it.
impl Drop for ProviderServer {
    fn drop(&mut self) {
        self.listening.abort();
        *lock(&self.door) = Listener::Gone;
    }
}

fn lock(door: &Mutex<Listener>) -> MutexGuard<'_, Listener> {
    door.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a port that was listened on a moment ago.
fn reserve(address: SocketAddr) -> TcpSocket {
    // A thread that is just about to start a program has handed it a copy of the listener, for a
    // moment.
    for _ in 0..100 {
        let socket = TcpSocket::new_v4().and_then(|socket| {
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        });
        match socket {
            Ok(socket) => return socket,
            Err(_) => thread::sleep(Duration::from_millis(5)),
        }
    }
    panic!("another program has taken the provider's port, {address}");
}

async fn listen(door: Arc<Mutex<Listener>>, shared: Arc<SharedProvider>) {
    let mut faults = shared.watch_faults();
    let mut connections = JoinSet::new();
    loop {
        select! {
            accepted = poll_fn(|cx| poll_accept(&door, cx)) => match accepted {
                Ok(socket) => drop(connections.spawn(converse(socket, Arc::clone(&shared)))),
                // No more files, for example.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
            // The listener may be another one.
            _ = faults.changed() => {}
            Some(_) = connections.join_next() => {}
        }
    }
}

fn poll_accept(door: &Mutex<Listener>, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
    match &*lock(door) {
        Listener::Open(listener) => {
            Poll::Ready(ready!(listener.poll_accept(cx)).map(|(socket, _)| socket))
        }
        Listener::Closed(_) | Listener::Gone => Poll::Pending,
    }
}

/// Answers the requests of a connection, until a change of faults ends it.
async fn converse(socket: TcpStream, shared: Arc<SharedProvider>) {
    let mut faults = shared.watch_faults();
    if faults.borrow_and_update().is_down() {
        return;
    }
    // The pieces of a slow body must leave one by one.
    drop(socket.set_nodelay(true));
    let busy = BusyFlag::default();
    let service = service_fn(|request| serve(request, Arc::clone(&shared), busy.clone()));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(socket), service);
    let mut connection = pin!(connection);
    loop {
        select! {
            _ = &mut connection => return,
            _ = faults.changed() => {
                if faults.borrow_and_update().is_down() || busy.is_held() {
                    return;
                }
            }
        }
    }
}

async fn serve(
    request: Request<Incoming>,
    shared: Arc<SharedProvider>,
    busy: BusyFlag,
) -> Result<Response<Body>, ConnectionAborted> {
    let (parts, body) = request.into_parts();
    let form = read(body).await;
    match decide(&shared, &Request::from_parts(parts, ()), &form) {
        RequestOutcome::Answer(response) => Ok(response),
        RequestOutcome::Slowly(duration, response) => {
            let held = busy.hold();
            if !duration.is_zero() {
                sleep(duration).await;
            }
            Ok(response.map(|body| body.while_held(held)))
        }
        RequestOutcome::Hang => {
            let _held = busy.hold();
            pending().await
        }
        RequestOutcome::Close => Err(ConnectionAborted),
    }
}

/// Reads the body of a request, up to a limit.
async fn read(mut body: Incoming) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(Ok(frame)) = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
        all.extend(frame.into_data().unwrap_or_default());
        if all.len() > MOST_BYTES {
            break;
        }
    }
    all
}

const MOST_BYTES: usize = 64 * 1024;
const BACKLOG: u32 = 1024;
