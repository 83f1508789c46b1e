//! Shows that keys come through rustls, over HTTP/1.1 and uncompressed, whatever other crates of a
//! program have switched on in reqwest.

use std::error::Error;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, pem::PemObject as _};
use tower_bearer::Algorithm;
use tower_bearer::keys::{Fetch as _, HttpFetch};
use tower_bearer::test_util::TestKey;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()])?;
    let key = PrivateKeyDer::from_pem_slice(signing_key.serialize_pem().as_bytes())?;
    let mut config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("https://localhost:{}/jwks", listener.local_addr()?.port());
    let serving = tokio::spawn(serve(listener, TlsAcceptor::from(Arc::new(config))));

    // The feature of the neighbour is on: reqwest's own choice is the other library.
    let error = reqwest::get(&url).await.expect_err("the other library connects to nothing");
    let (mut is_other, mut cause) = (false, Some(&error as &dyn Error));
    while let Some(error) = cause {
        is_other |= error.to_string().contains("another TLS library");
        cause = error.source();
    }
    assert!(is_other, "{error:?}");

    let fetch = HttpFetch::new(&url)?.with_root_certificates(cert.pem())?;
    fetch.fetch().await?;

    serving.abort();
    println!("keys have come through rustls");
    Ok(())
}

/// Answers each request with a JWK set, and refuses those that offer HTTP/2 or compression.
async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    let jwks = format!("{{\"keys\":[{}]}}", TestKey::generate(Algorithm::ES256).to_jwk());
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = acceptor.accept(stream).await else { continue };
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("a request has an end"));
        }
        let head = String::from_utf8(head).expect("a request is ASCII").to_lowercase();
        assert!(!head.contains("accept-encoding"), "{head}");
        let length = jwks.len();
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{jwks}");
        stream.write_all(answer.as_bytes()).await.expect("the client reads");
        _ = stream.shutdown().await;
    }
}
