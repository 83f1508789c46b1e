//! Keys over HTTPS, with a certificate that is trusted and with one that is not.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use tower_bearer::test_util::TestProvider;
use tower_bearer::{Reason, RemoteKeys, Validation, Verifier};

use crate::examples::Program;
use crate::examples::resource_server::TempFile;
use crate::support::{AUDIENCE, User, WithBearer};

/// TLS for `localhost` in front of a provider.
struct Front {
    port: u16,
    certificate: String,
    serving: JoinHandle<()>,
}

impl Front {
    async fn of(provider: &TestProvider) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let behind: SocketAddr =
            provider.issuer().strip_prefix("http://").unwrap().parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let mut provider = TcpStream::connect(behind).await.unwrap();
                    _ = tokio::io::copy_bidirectional(&mut stream, &mut provider).await;
                });
            }
        });
        Self { port, certificate: cert.pem(), serving }
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[tokio::test]
async fn certificate_that_the_system_trusts_brings_keys() {
    let provider = TestProvider::start().await;
    let front = Front::of(&provider).await;
    let trusted = TempFile::new("trusted.pem", &front.certificate);
    let program = Program::start(
        "resource_server",
        &[
            ("ISSUER", provider.issuer()),
            ("AUDIENCE", AUDIENCE),
            ("JWKS_URL", &front.url("/jwks")),
            ("SSL_CERT_FILE", trusted.path()),
        ],
    );

    let answer = program.send(program.get("/protected").bearer(provider.mint(AUDIENCE))).await;

    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(provider.requests().jwks, 1);
}

#[tokio::test]
async fn certificate_of_a_stranger_brings_none() {
    let provider = TestProvider::start().await;
    let front = Front::of(&provider).await;
    let keys = Arc::new(RemoteKeys::from_url(&front.url("/jwks")).unwrap());
    let validation = Validation::new(provider.issuer(), AUDIENCE);
    let verifier = Verifier::<User>::new(Arc::clone(&keys), validation).unwrap();

    let error = verifier.verify(&provider.mint(AUDIENCE)).await.unwrap_err();

    assert_eq!(error.reason(), Reason::KeysUnavailable);
    let told = keys.status().last_error().unwrap().message().to_owned();
    assert!(told.contains("certificate"), "{told}");
    assert_eq!(provider.requests().jwks, 0);
}
