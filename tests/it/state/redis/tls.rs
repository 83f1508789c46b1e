//! Tests passwords and TLS.

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tower_bearer::revocation::{RedisRevocations, Revocations as _};

use super::server::{FORGETFUL, Folder, Redis, free_port};
use super::{HOUR, Node, until};

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_password_is_used_and_never_shown() {
    let redis = Redis::start(&[FORGETFUL, &["--requirepass", "p@ss word"]].concat());
    let host = redis.url().split_off("redis://".len());

    let node = Node::ready(&format!("redis://:p%40ss%20word@{host}")).await;
    node.revoke("t1").await;
    node.refuses("t1").await;
    let named = Node::ready(&format!("redis://default:p%40ss%20word@{host}")).await;
    named.refuses("t1").await;

    for address in [format!("redis://:wr%6fng@{host}"), format!("redis://{host}")] {
        let stranger = Node::at(&address);
        stranger.cannot_tell("t1").await;
        until(|| stranger.revocations.status().problem().is_some()).await;
        let shown = format!("{:?} {:?}", stranger.revocations, stranger.revocations.status());
        assert!(!shown.contains("wrong"), "{shown}");
    }
    let shown = format!("{:?} {:?}", node.revocations, node.revocations.status());
    assert!(!shown.contains("p@ss") && !shown.contains("p%40"), "{shown}");
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_tls_with_a_certificate_that_is_trusted_and_one_that_is_not() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = Folder::new();
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), cert.pem()).unwrap();
    std::fs::write(path("key.pem"), signing_key.serialize_pem()).unwrap();
    let port = free_port();
    let arguments = [
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &path("cert.pem"),
        "--tls-key-file",
        &path("key.pem"),
        "--tls-ca-cert-file",
        &path("cert.pem"),
        "--tls-auth-clients",
        "no",
    ];
    let _redis = Redis::start(&[FORGETFUL, &arguments].concat());
    let of = |name: &str| RedisRevocations::new(&format!("rediss://{name}:{port}"), HOUR).unwrap();

    let node = Node::of(of("localhost").with_root_certificates(&cert.pem()).unwrap());
    node.await_ready().await;
    node.revoke("t1").await;
    node.refuses("t1").await;
    node.lets_in("t2").await;

    // By the system's certificates, and under another name.
    for revocations in
        [of("localhost"), of("127.0.0.1").with_root_certificates(&cert.pem()).unwrap()]
    {
        let stranger = Node::of(revocations);
        stranger.cannot_tell("t2").await;
        until(|| stranger.revocations.status().problem().is_some()).await;
        assert!(stranger.revocations.ready().is_err());
        let problem = stranger.revocations.status().problem().unwrap().to_owned();
        assert!(problem.contains("certificate"), "{problem}");
    }
}
