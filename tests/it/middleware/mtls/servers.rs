//! Serves over TLS with axum and with hyper, as the guide shows it.

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use http::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use std::io;
use std::net::SocketAddr;
use tower::ServiceExt as _;
use tower_bearer::mtls::{ClientCertificate, ClientCertificateLayer, TlsConnection, TlsListener};

use super::{app, checked};

/// A listener for axum.
struct Tls(TlsListener);

impl Listener for Tls {
    type Io = TlsConnection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TlsConnection, SocketAddr) {
        let connection = self.0.accept().await;
        let peer = connection.peer_addr();
        (connection, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The facts about a connection.
#[derive(Clone)]
struct Peer {
    certificate: Option<ClientCertificate>,
}

impl Connected<IncomingStream<'_, Tls>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Tls>) -> Self {
        Self { certificate: stream.io().client_certificate().cloned() }
    }
}

/// Serves until the test ends.
pub fn serve_axum(listener: TlsListener) {
    serve_app(listener, app(checked()));
}

/// Serves this application, with the certificate of each connection, until the test ends.
pub fn serve_app(listener: TlsListener, app: Router) {
    let app = app.layer(ClientCertificateLayer::from_connection(|extensions| {
        extensions.get::<ConnectInfo<Peer>>()?.0.certificate.clone()
    }));
    let service = app.into_make_service_with_connect_info::<Peer>();
    tokio::spawn(async move { axum::serve(Tls(listener), service).await });
}

/// Serves until the test ends.
pub fn serve_hyper(mut listener: TlsListener) {
    let app = app(checked()).layer(ClientCertificateLayer::from_connection(|extensions| {
        extensions.get::<ClientCertificate>().cloned()
    }));
    tokio::spawn(async move {
        loop {
            let connection = listener.accept().await;
            let certificate = connection.client_certificate().cloned();
            let app = app.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                if let Some(certificate) = certificate.clone() {
                    request.extensions_mut().insert(certificate);
                }
                app.clone().oneshot(request)
            });
            tokio::spawn(async move {
                let server = Builder::new(TokioExecutor::new());
                drop(server.serve_connection(TokioIo::new(connection), service).await);
            });
        }
    });
}
