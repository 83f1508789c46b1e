use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use std::{io, thread};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::select;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

use super::answer::{Outcome, decide};
use super::body::{Body, BrokenOff};
use super::busy::Busy;
use super::shared::Shared;

/// A port that can be closed and opened again, and the task that listens on it.
pub(super) struct Server {
    door: Arc<Mutex<Door>>,
    address: SocketAddr,
    /// The runtime of the task. A listener must be opened in it.
    runtime: Handle,
    listening: JoinHandle<()>,
}

enum Door {
    Open(TcpListener),
    /// Bound, so that no other program gets the port, and not listening, so that connections are
    /// refused.
    Closed(TcpSocket),
    Gone,
}

impl Server {
    pub(super) fn start(listener: TcpListener, address: SocketAddr, shared: Arc<Shared>) -> Self {
        let door = Arc::new(Mutex::new(Door::Open(listener)));
        let listening = tokio::spawn(listen(Arc::clone(&door), shared));
        Self { door, address, runtime: Handle::current(), listening }
    }

    pub(super) fn set_open(&self, open: bool) {
        let mut door = lock(&self.door);
        if matches!(*door, Door::Open(_)) == open {
            return;
        }
        *door = match std::mem::replace(&mut *door, Door::Gone) {
            Door::Closed(socket) => {
                let _runtime = self.runtime.enter();
                Door::Open(socket.listen(BACKLOG).expect("a port that is bound already"))
            }
            door => {
                drop(door);
                Door::Closed(reserve(self.address))
            }
        };
    }
}

// The task owns the connections, which end with it.
impl Drop for Server {
    fn drop(&mut self) {
        self.listening.abort();
        *lock(&self.door) = Door::Gone;
    }
}

fn lock(door: &Mutex<Door>) -> MutexGuard<'_, Door> {
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
    panic!("somebody else has taken the provider's port, {address}");
}

async fn listen(door: Arc<Mutex<Door>>, shared: Arc<Shared>) {
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

fn poll_accept(door: &Mutex<Door>, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
    match &*lock(door) {
        Door::Open(listener) => {
            Poll::Ready(ready!(listener.poll_accept(cx)).map(|(socket, _)| socket))
        }
        Door::Closed(_) | Door::Gone => Poll::Pending,
    }
}

/// Answers the requests of a connection, until a change of faults ends it.
async fn converse(socket: TcpStream, shared: Arc<Shared>) {
    let mut faults = shared.watch_faults();
    if faults.borrow_and_update().is_down() {
        return;
    }
    // The pieces of a slow body must leave one by one.
    drop(socket.set_nodelay(true));
    let busy = Busy::default();
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
    shared: Arc<Shared>,
    busy: Busy,
) -> Result<Response<Body>, BrokenOff> {
    match decide(&shared, &request) {
        Outcome::Answer(response) => Ok(response),
        Outcome::Slowly(duration, response) => {
            let held = busy.hold();
            if !duration.is_zero() {
                sleep(duration).await;
            }
            Ok(response.map(|body| body.while_held(held)))
        }
        Outcome::Hang => {
            let _held = busy.hold();
            pending().await
        }
        Outcome::Close => Err(BrokenOff),
    }
}

const BACKLOG: u32 = 1024;
