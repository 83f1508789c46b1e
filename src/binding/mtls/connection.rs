use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::server::TlsStream;

use super::{ClientCertificate, InvalidCertificate};
use crate::observe::trace::{self, Pace};

/// A connection after its TLS handshake, with the certificate of its client.
///
/// A server reads and writes it as any other stream of tokio. The certificate belongs to the connection: it is the same
/// for all its requests (HTTP/2 too), and a resumed session has that of the first one.
pub struct TlsConnection {
    stream: TlsStream<TcpStream>,
    peer: SocketAddr,
    certificate: Option<ClientCertificate>,
}

impl TlsConnection {
    pub(super) fn new(stream: TlsStream<TcpStream>, peer: SocketAddr, pace: &Pace) -> Self {
        let certificate = first_of(stream.get_ref().1.peer_certificates(), pace);
        Self { stream, peer, certificate }
    }

    /// Returns the certificate of the client. `None` if the client has sent none, or one that cannot be read, which is
    /// logged with the level `WARN`, once a minute.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.as_ref()
    }

    /// Returns the address of the client.
    pub fn peer_addr(&self) -> SocketAddr {
        self.peer
    }
}

/// Returns the certificate of the client itself, which comes before its chain.
fn first_of(certificates: Option<&[CertificateDer<'_>]>, pace: &Pace) -> Option<ClientCertificate> {
    let certificate = ClientCertificate::from_der(certificates?.first()?);
    certificate
        .inspect_err(|InvalidCertificate(problem)| {
            trace::unreadable_connection_certificate(problem, pace);
        })
        .ok()
}

impl fmt::Debug for TlsConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnection")
            .field("peer", &self.peer)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for TlsConnection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsConnection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use super::*;
    use crate::binding::mtls::certificate::NOT_DER;

    #[test]
    fn certificate_that_cannot_be_read_is_logged_and_one_that_can_is_not() {
        let (good, broken) = ([0x30, 0], [0x04, 0]);
        for (der, is_readable) in [(good, true), (broken, false)] {
            let pace = Pace::default();

            let found = first_of(Some(&[CertificateDer::from(&der[..])]), &pace);

            // Loud already means quiet for a minute.
            let is_loud_again = pace.ask("unreadable_connection_certificate", NOT_DER).is_some();
            assert_eq!((found.is_some(), is_loud_again), (is_readable, is_readable), "{der:?}");
        }
        assert!(first_of(None, &Pace::default()).is_none());
        assert!(first_of(Some(&[]), &Pace::default()).is_none());
    }
}
