//! Accepts connections, and makes their TLS handshakes beside each other.
//!
//! A client that begins a handshake and sends nothing more costs an open socket until the time limit, and holds up no
//! other client until there are as many of them as handshakes are allowed at once.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::TlsAcceptor;

use super::{TlsConnection, TlsSettings};
use crate::observe::trace::{self, Pace};

/// Accepts TLS connections of clients, with their certificates.
///
/// A handshake that fails or takes too long ends its own connection only, and is logged with the level `DEBUG`. The
/// [guide](crate::guide::mtls) shows servers of axum and hyper around it.
///
/// ```no_run
/// use tower_bearer::mtls::{ClientAuthorities, TlsListener, TlsSettings};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let authorities = ClientAuthorities::from_pem(std::fs::read("clients.pem")?)?;
/// let settings = TlsSettings::new(std::fs::read("cert.pem")?, std::fs::read("key.pem")?)?
///     .with_client_certificates(&authorities)?;
/// let mut listener = TlsListener::new(std::net::TcpListener::bind("0.0.0.0:443")?, &settings)?;
/// loop {
///     let connection = listener.accept().await;
///     let certificate = connection.client_certificate().cloned();
///     // …
/// #   drop((connection, certificate));
/// }
/// # }
/// ```
pub struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<TlsConnection>>,
    most: usize,
    limit: Duration,
    /// After an error of the system, no connection is accepted before.
    paused_until: Option<Instant>,
    pace: Arc<Pace>,
}

impl TlsListener {
    /// Accepts the connections of a socket.
    ///
    /// # Errors
    ///
    /// The error of the system when the socket cannot be used.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O.
    pub fn new(listener: std::net::TcpListener, settings: &TlsSettings) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            acceptor: TlsAcceptor::from(settings.config()),
            handshakes: JoinSet::new(),
            most: MOST,
            limit: LIMIT,
            paused_until: None,
            pace: Arc::default(),
        })
    }

    /// Sets the time after which a handshake fails. The default is 10 seconds.
    #[must_use]
    pub fn with_handshake_timeout(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Sets the largest number of handshakes at once; at least 1. The default is 1024. Further connections wait in the
    /// queue of the operating system.
    #[must_use]
    pub fn with_max_handshakes(mut self, most: usize) -> Self {
        self.most = most.max(1);
        self
    }

    /// Returns the next connection whose handshake has succeeded. Connections may come in another order than they were
    /// opened in.
    ///
    /// It can be cancelled: no connection is lost.
    pub async fn accept(&mut self) -> TlsConnection {
        loop {
            let is_open = self.paused_until.is_none() && self.handshakes.len() < self.most;
            let wake = self.paused_until.unwrap_or_else(Instant::now);
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.listener.accept(), if is_open => self.began(accepted),
                () = sleep_until(wake), if self.paused_until.is_some() => self.paused_until = None,
            }
        }
    }

    /// Returns the address that the socket listens on.
    ///
    /// # Errors
    ///
    /// The error of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn began(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        match accepted {
            Ok((stream, peer)) => {
                let acceptor = self.acceptor.clone();
                let pace = Arc::clone(&self.pace);
                self.handshakes.spawn(handshake(acceptor, stream, peer, self.limit, pace));
            }
            // The client has gone already.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                trace::no_connection(&error, &self.pace);
                self.paused_until = Some(Instant::now() + PAUSE);
            }
        }
    }
}

impl fmt::Debug for TlsListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsListener")
            .field("listener", &self.listener)
            .field("handshakes", &self.handshakes.len())
            .finish_non_exhaustive()
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    peer: SocketAddr,
    limit: Duration,
    pace: Arc<Pace>,
) -> Option<TlsConnection> {
    // A failure costs speed only.
    drop(stream.set_nodelay(true));
    match timeout(limit, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => Some(TlsConnection::new(stream, peer, &pace)),
        Ok(Err(error)) => {
            trace::handshake_failed(&error);
            None
        }
        Err(_) => {
            trace::handshake_failed(&"it has taken too long");
            None
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

const LIMIT: Duration = Duration::from_secs(10);
const MOST: usize = 1024;
/// While the process has no file descriptor left, for example.
const PAUSE: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use io::ErrorKind;

    use super::*;

    #[tokio::test]
    async fn error_of_the_system_pauses_the_listener_and_one_of_a_connection_does_not() {
        let identity = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (identity.cert.pem(), identity.signing_key.serialize_pem());
        let settings = TlsSettings::new(certificate, key).unwrap();
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut listener = TlsListener::new(socket, &settings).unwrap();

        for kind in
            [ErrorKind::ConnectionAborted, ErrorKind::ConnectionRefused, ErrorKind::ConnectionReset]
        {
            listener.began(Err(kind.into()));
            assert_eq!(listener.paused_until, None, "{kind}");
        }
        let before = Instant::now();
        listener.began(Err(ErrorKind::Other.into()));
        assert!(listener.paused_until.unwrap() > before);
    }
}
