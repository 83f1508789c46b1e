//! Tests the listener: its handshakes, and the certificate of each connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use http::header::HOST;
use http::{Request, Response, Version};
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, version};
use tower_bearer::ConfigError;
use tower_bearer::mtls::{ClientAuthorities, TlsListener, TlsSettings};
use tracing::Level;

use super::bound_to;
use super::identities::{Authority, Identity};
use super::servers::{serve_axum, serve_hyper};
use crate::support::log::Log;
use crate::support::{WithBearer, good};

/// A client that trusts one server, and may have a certificate. Its sessions can be resumed.
pub struct TlsClient {
    config: Arc<ClientConfig>,
}

impl TlsClient {
    pub fn new(server: &Identity, own: Option<&Identity>) -> Self {
        Self::of_version(server, own, Version::HTTP_11, &version::TLS13)
    }

    pub fn of_version(
        server: &Identity,
        own: Option<&Identity>,
        http: Version,
        tls: &'static tokio_rustls::rustls::SupportedProtocolVersion,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(server.certificate.as_bytes()).unwrap()).unwrap();
        let builder =
            ClientConfig::builder_with_protocol_versions(&[tls]).with_root_certificates(roots);
        let mut config = match own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let chain =
                    vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        if http == Version::HTTP_2 {
            config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        }
        Self { config: Arc::new(config) }
    }

    pub async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await
    }

    /// Sends requests over one connection, and returns the statuses.
    pub async fn ask(&self, address: SocketAddr, tokens: &[&str]) -> std::io::Result<Asked> {
        self.ask_for(address, "/", tokens).await
    }

    /// Sends one request over a connection of its own.
    pub async fn send(&self, mut request: Request<Full<Bytes>>) -> Response<String> {
        let port = request.uri().port_u16().unwrap();
        let host = request.uri().authority().unwrap().as_str().parse().unwrap();
        request.headers_mut().insert(HOST, host);
        *request.uri_mut() = request.uri().path_and_query().unwrap().clone().into();
        let stream = self.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
    }

    pub async fn ask_for(
        &self,
        address: SocketAddr,
        path: &str,
        tokens: &[&str],
    ) -> std::io::Result<Asked> {
        let stream = self.connect(address).await?;
        let kind = stream.get_ref().1.handshake_kind().unwrap();
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        let tls = stream.get_ref().1.protocol_version().unwrap();
        let io = TokioIo::new(stream);
        let requests = tokens.iter().map(|token| {
            let request = Request::get(format!("https://localhost:{}{path}", address.port()));
            request.body(Empty::<Bytes>::new()).unwrap().bearer(token)
        });
        let mut statuses = Vec::new();
        if is_http2 {
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.map_err(std::io::Error::other)?;
            tokio::spawn(connection);
            for request in requests {
                let answer = sender.send_request(request).await.map_err(std::io::Error::other)?;
                assert_eq!(answer.version(), Version::HTTP_2);
                statuses.push(answer.status().as_u16());
            }
        } else {
            let (mut sender, connection) =
                http1::handshake(io).await.map_err(std::io::Error::other)?;
            tokio::spawn(connection);
            for request in requests {
                sender.ready().await.map_err(std::io::Error::other)?;
                let answer = sender.send_request(request).await.map_err(std::io::Error::other)?;
                statuses.push(answer.status().as_u16());
                answer.into_body().collect().await.map_err(std::io::Error::other)?;
            }
        }
        Ok(Asked { statuses, kind, tls })
    }
}

#[derive(Debug)]
pub struct Asked {
    pub statuses: Vec<u16>,
    pub kind: HandshakeKind,
    pub tls: ProtocolVersion,
}

/// A server for clients of an authority.
struct Setting {
    server: Identity,
    authority: Authority,
}

impl Setting {
    fn new() -> Self {
        Self { server: Identity::self_signed(), authority: Authority::new() }
    }

    fn settings(&self) -> TlsSettings {
        TlsSettings::new(&self.server.certificate, &self.server.key).unwrap()
    }

    fn authorities(&self) -> ClientAuthorities {
        ClientAuthorities::from_pem(&self.authority.certificate).unwrap()
    }

    /// Listens for clients with a certificate of the authority, or without.
    fn listener(&self) -> (TlsListener, SocketAddr) {
        listener(&self.settings().with_client_certificates(&self.authorities()).unwrap())
    }

    /// Listens for clients with any certificate, or without.
    fn lenient(&self) -> (TlsListener, SocketAddr) {
        let any = ClientAuthorities::any_certificate();
        listener(&self.settings().with_client_certificates(&any).unwrap())
    }
}

fn listener(settings: &TlsSettings) -> (TlsListener, SocketAddr) {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listener = TlsListener::new(socket, settings).unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

#[tokio::test]
async fn certificate_of_a_connection_counts_for_all_its_requests_in_axum_and_hyper() {
    let setting = Setting::new();
    let (own, other) = (setting.authority.client("own"), setting.authority.client("other"));
    let token = bound_to(&own.client_certificate());
    let tokens = [&*token, &*good(), &*token];
    let (one, two) = (setting.listener(), setting.listener());
    serve_axum(one.0);
    serve_hyper(two.0);

    for address in [one.1, two.1] {
        for http in [Version::HTTP_11, Version::HTTP_2] {
            for tls in [&version::TLS12, &version::TLS13] {
                let client = |identity: Option<&Identity>| {
                    TlsClient::of_version(&setting.server, identity, http, tls)
                };
                // RFC 8705 §3: all requests of a connection have its certificate
                let accepted = client(Some(&own)).ask(address, &tokens).await.unwrap();
                let another = client(Some(&other)).ask(address, &tokens).await.unwrap();
                let none = client(None).ask(address, &tokens).await.unwrap();

                assert_eq!(accepted.statuses, [200, 200, 200]);
                assert_eq!(another.statuses, [401, 200, 401]);
                assert_eq!(none.statuses, [401, 200, 401]);
            }
        }
    }
}

#[tokio::test]
async fn what_is_written_to_a_connection_arrives_and_its_end_too() {
    let setting = Setting::new();
    let (mut listener, address) = setting.listener();
    let client = TlsClient::new(&setting.server, None);
    let (connection, stream) = tokio::join!(listener.accept(), client.connect(address));
    let (mut connection, mut stream) = (connection, stream.unwrap());
    assert!(connection.is_write_vectored());

    connection.write_all(b"hello").await.unwrap();
    connection.shutdown().await.unwrap();

    // An end without a word of TLS is an error here.
    let mut seen = Vec::new();
    stream.read_to_end(&mut seen).await.unwrap();
    assert_eq!(seen, b"hello");
}

#[tokio::test]
async fn flushed_bytes_arrive_although_the_client_has_not_read_before() {
    let setting = Setting::new();
    let (mut listener, address) = setting.listener();
    let client = TlsClient::new(&setting.server, None);
    let (connection, stream) = tokio::join!(listener.accept(), client.connect(address));
    let (mut connection, mut stream) = (connection, stream.unwrap());
    // As much as the socket and the connection take.
    let mut written = 0;
    while let Some(count) = unconstrained(connection.write(&[7; 16 * 1024])).now_or_never() {
        written += count.unwrap();
    }

    let (flushed, seen) = tokio::join!(connection.flush(), async {
        let mut seen = vec![0; written];
        tokio::time::timeout(Duration::from_secs(10), stream.read_exact(&mut seen)).await
    });

    flushed.unwrap();
    assert_eq!(seen.unwrap().unwrap(), written);
}

#[tokio::test]
async fn http2_is_not_offered_if_the_settings_say_so_before_or_after_the_authorities() {
    let setting = Setting::new();
    let client = TlsClient::of_version(&setting.server, None, Version::HTTP_2, &version::TLS13);
    let with_clients =
        |settings: TlsSettings| settings.with_client_certificates(&setting.authorities()).unwrap();
    for (settings, expected) in [
        (setting.settings(), &b"h2"[..]),
        (with_clients(setting.settings()), b"h2"),
        (setting.settings().without_http2(), b"http/1.1"),
        (with_clients(setting.settings().without_http2()), b"http/1.1"),
        (with_clients(setting.settings()).without_http2(), b"http/1.1"),
    ] {
        let (mut listener, address) = listener(&settings);

        let (_connection, stream) = tokio::join!(listener.accept(), client.connect(address));

        assert_eq!(stream.unwrap().get_ref().1.alpn_protocol(), Some(expected));
    }
}

#[tokio::test]
async fn resumed_session_has_the_certificate_of_the_first_one() {
    let setting = Setting::new();
    let (own, other) = (setting.authority.client("own"), setting.authority.client("other"));
    let tokens = [bound_to(&own.client_certificate()), bound_to(&other.client_certificate())];
    let tokens = tokens.each_ref().map(|token| &**token);
    let (listener, address) = setting.listener();
    serve_axum(listener);

    for (tls, version) in
        [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
    {
        for (identity, expected) in
            [(Some(&own), [200, 401]), (Some(&other), [401, 200]), (None, [401, 401])]
        {
            let client = TlsClient::of_version(&setting.server, identity, Version::HTTP_11, tls);

            let first = client.ask(address, &tokens).await.unwrap();
            let resumed = client.ask(address, &tokens).await.unwrap();

            assert_eq!((first.kind, first.tls), (HandshakeKind::Full, version));
            assert_eq!((resumed.kind, resumed.tls), (HandshakeKind::Resumed, version));
            assert_eq!(first.statuses, expected);
            assert_eq!(resumed.statuses, expected);
        }
    }
}

#[tokio::test]
async fn certificate_of_another_authority_fails_the_handshake_unless_every_certificate_is_accepted()
{
    let setting = Setting::new();
    let own = Identity::self_signed();
    let token = bound_to(&own.client_certificate());
    let client = TlsClient::new(&setting.server, Some(&own));
    let (strict, lenient) = (setting.listener(), setting.lenient());
    serve_axum(strict.0);
    serve_axum(lenient.0);

    assert!(client.ask(strict.1, &[&token]).await.is_err());
    // RFC 8705 §6.2: a self-signed certificate needs no chain
    let accepted = client.ask(lenient.1, &[&token]).await.unwrap();
    let stranger = TlsClient::new(&setting.server, Some(&Identity::self_signed()));
    let refused = stranger.ask(lenient.1, &[&token]).await.unwrap();

    assert_eq!(accepted.statuses, [200]);
    assert_eq!(refused.statuses, [401]);
}

#[tokio::test]
async fn certificate_without_its_private_key_fails_the_handshake() {
    let setting = Setting::new();
    let own = Identity::self_signed();
    let stolen = Identity { key: Identity::self_signed().key, ..Identity::self_signed() };
    let (listener, address) = setting.lenient();
    serve_axum(listener);
    for tls in [&version::TLS12, &version::TLS13] {
        let client = |identity: &Identity| {
            TlsClient::of_version(&setting.server, Some(identity), Version::HTTP_11, tls)
        };
        let thief = forged(client(&own), &stolen);

        assert!(thief.ask(address, &[&good()]).await.is_err());
        assert_eq!(client(&own).ask(address, &[&good()]).await.unwrap().statuses, [200]);
    }
}

/// Lets a client send a certificate whose key it does not have.
fn forged(client: TlsClient, stolen: &Identity) -> TlsClient {
    use tokio_rustls::rustls::client::ResolvesClientCert;
    use tokio_rustls::rustls::crypto::aws_lc_rs::sign::any_supported_type;
    use tokio_rustls::rustls::sign::CertifiedKey;

    #[derive(Debug)]
    struct Forged(Arc<CertifiedKey>);
    impl ResolvesClientCert for Forged {
        fn resolve(
            &self,
            _: &[&[u8]],
            _: &[tokio_rustls::rustls::SignatureScheme],
        ) -> Option<Arc<CertifiedKey>> {
            Some(Arc::clone(&self.0))
        }

        fn has_certs(&self) -> bool {
            true
        }
    }
    let key = PrivateKeyDer::from_pem_slice(stolen.key.as_bytes()).unwrap();
    let certificate = CertificateDer::from(stolen.der.clone());
    let key = CertifiedKey::new(vec![certificate], any_supported_type(&key).unwrap());
    let mut config = ClientConfig::clone(&client.config);
    config.client_auth_cert_resolver = Arc::new(Forged(Arc::new(key)));
    TlsClient { config: Arc::new(config) }
}

#[tokio::test]
async fn handshake_without_a_certificate_fails_where_certificates_are_required() {
    let setting = Setting::new();
    let own = setting.authority.client("own");
    let authorities = setting.authorities();
    let settings = setting.settings().with_required_client_certificates(&authorities).unwrap();
    let (listener, address) = listener(&settings);
    serve_axum(listener);

    let accepted = TlsClient::new(&setting.server, Some(&own)).ask(address, &[&good()]).await;
    let refused = TlsClient::new(&setting.server, None).ask(address, &[&good()]).await;

    assert_eq!(accepted.unwrap().statuses, [200]);
    assert!(refused.is_err());
}

#[tokio::test]
async fn client_without_a_certificate_is_refused_only_where_one_of_any_authority_is_required() {
    let setting = Setting::new();
    let any = ClientAuthorities::any_certificate();
    let settings = setting.settings().with_required_client_certificates(&any).unwrap();
    let (strict, lenient) = (listener(&settings), setting.lenient());
    serve_axum(strict.0);
    serve_axum(lenient.0);
    let own = TlsClient::new(&setting.server, Some(&Identity::self_signed()));
    let without = TlsClient::new(&setting.server, None);

    assert_eq!(own.ask(strict.1, &[&good()]).await.unwrap().statuses, [200]);
    assert!(without.ask(strict.1, &[&good()]).await.is_err());
    assert_eq!(without.ask(lenient.1, &[&good()]).await.unwrap().statuses, [200]);
}

#[tokio::test]
async fn client_is_not_asked_for_a_certificate_unless_the_settings_say_so() {
    let setting = Setting::new();
    let own = setting.authority.client("own");
    let (listener, address) = listener(&setting.settings());
    serve_axum(listener);

    let client = TlsClient::new(&setting.server, Some(&own));
    let asked = client.ask(address, &[&bound_to(&own.client_certificate()), &good()]).await;

    assert_eq!(asked.unwrap().statuses, [401, 200]);
}

#[tokio::test]
async fn slow_and_broken_handshakes_hold_up_no_other_client_and_are_logged_quietly() {
    let (log, _guard) = Log::of_this_thread();
    let setting = Setting::new();
    let (listener, address) = setting.listener();
    let listener = listener.with_max_handshakes(20).with_handshake_timeout(Duration::from_secs(60));
    serve_axum(listener);
    let mut slow = Vec::new();
    for _ in 0..19 {
        slow.push(TcpStream::connect(address).await.unwrap());
    }
    for _ in 0..3 {
        let mut broken = TcpStream::connect(address).await.unwrap();
        broken.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        broken.shutdown().await.unwrap();
    }

    let asked = TlsClient::new(&setting.server, None).ask(address, &[&good()]).await.unwrap();

    assert_eq!(asked.statuses, [200]);
    let told = log.about("TLS handshake failed");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.iter().all(|(level, _)| *level == Level::DEBUG), "{told:?}");
}

#[tokio::test]
async fn handshake_that_takes_too_long_makes_room_for_the_next_one() {
    let (log, _guard) = Log::of_this_thread();
    let setting = Setting::new();
    let (listener, address) = setting.listener();
    let limit = Duration::from_millis(100);
    serve_axum(listener.with_max_handshakes(0).with_handshake_timeout(limit));
    let slow = TcpStream::connect(address).await.unwrap();

    let asked = TlsClient::new(&setting.server, None).ask(address, &[&good()]).await.unwrap();

    assert_eq!(asked.statuses, [200]);
    assert_eq!(log.about("too long").len(), 1);
    drop(slow);
}

#[tokio::test]
async fn acceptance_that_is_cancelled_loses_no_connection() {
    let setting = Setting::new();
    let (mut listener, address) = setting.listener();
    let client = TlsClient::new(&setting.server, None);
    let connecting = tokio::spawn(async move { client.connect(address).await });

    let connection = loop {
        // Cancelled whenever it has to wait.
        let accepting = std::pin::pin!(listener.accept());
        if let Some(connection) = futures::FutureExt::now_or_never(accepting) {
            break connection;
        }
        tokio::task::yield_now().await;
    };

    assert!(connecting.await.unwrap().is_ok());
    assert!(connection.client_certificate().is_none());
    assert!(connection.peer_addr().ip().is_loopback());
}

#[test]
fn mistakes_in_certificates_and_keys_say_which_file_is_meant() {
    let (server, other) = (Identity::self_signed(), Identity::self_signed());
    let settings = |certificate: &str, key: &str| TlsSettings::new(certificate, key);
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let broken_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";

    assert!(settings(&server.certificate, &server.key).is_ok());
    for (result, expected) in [
        (settings("", &server.key), "certificate for TLS"),
        (settings(&server.key, &server.key), "no certificate"),
        (settings(&server.certificate, ""), "private key for TLS"),
        (settings(&server.certificate, &server.certificate), "private key for TLS"),
        (settings(&server.certificate, broken_key), "private key for TLS"),
        (settings(&server.certificate, &other.key), "certificate for TLS"),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, ConfigError::Tls { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    for pem in ["", &server.key, broken] {
        let error = ClientAuthorities::from_pem(pem).unwrap_err().to_string();
        assert!(error.contains("client authorities for TLS"), "{error}");
    }
    let settings = settings(&server.certificate, &server.key).unwrap();
    assert!(!format!("{settings:?}").contains("KEY"));
}
