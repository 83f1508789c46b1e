//! Tests a Redis with TLS, one of users with few permissions, and a cluster.

use rcgen::{CertifiedKey, generate_simple_self_signed};

use super::*;
use crate::state::redis::server::{Folder, cli, free_port};

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_user_who_may_store_no_script_sends_it_each_time() {
    let redis = Redis::start(FORGETFUL);
    let rules = [
        "ACL",
        "SETUSER",
        "app",
        "on",
        ">p@ss",
        "~{tower-bearer}:*",
        "+@all",
        "-script",
        "-config",
    ];
    assert_eq!(redis.cli(&rules), "OK");
    let host = redis.url().split_off("redis://".len());
    let store = RedisSessions::new(&format!("redis://app:p%40ss@{host}")).unwrap();
    contract::fill(&store, "alice", 1).await;

    is_rotated(&store, "alice-0", 0).await;
    is_rotated(&store, "alice-0", 1).await;

    for address in [format!("redis://app:wr%6fng@{host}"), format!("redis://other:wrong@{host}")] {
        let stranger = RedisSessions::new(&address).unwrap();
        let error = stranger.check().await.unwrap_err();
        assert!(!format!("{error:?} {stranger:?}").contains("wrong"), "{error:?}");
    }
    // Another namespace is closed to this user.
    let elsewhere = RedisSessions::new(&format!("redis://app:p%40ss@{host}")).unwrap();
    elsewhere.with_namespace("other").unwrap().end("s", None).await.unwrap_err();
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_sessions_over_tls_with_a_certificate_that_is_trusted() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = Folder::new();
    let path = |name: &str| folder.0.join(name).to_str().unwrap().to_owned();
    std::fs::write(path("cert.pem"), cert.pem()).unwrap();
    std::fs::write(path("key.pem"), signing_key.serialize_pem()).unwrap();
    let port = free_port().to_string();
    let (cert_file, key_file) = (path("cert.pem"), path("key.pem"));
    let arguments = [
        "--tls-port",
        &port,
        "--tls-cert-file",
        &cert_file,
        "--tls-key-file",
        &key_file,
        "--tls-ca-cert-file",
        &cert_file,
        "--tls-auth-clients",
        "no",
    ];
    let _redis = Redis::start(&[FORGETFUL, &arguments].concat());
    let store = || RedisSessions::new(&format!("rediss://localhost:{port}")).unwrap();

    let trusted = store().with_root_certificates(&cert.pem()).unwrap();
    contract::fill(&trusted, "alice", 1).await;
    is_rotated(&trusted, "alice-0", 0).await;

    let error = store().check().await.unwrap_err();
    assert!(format!("{error:?}").contains("certificate"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_cluster_keeps_the_contract_from_any_of_its_hosts() {
    let arguments = [FORGETFUL, &["--cluster-enabled", "yes"]].concat();
    let servers = [(); 3].map(|()| Redis::start(&arguments));
    let hosts = servers.each_ref().map(|server| format!("127.0.0.1:{}", server.port()));
    let create = ["--cluster", "create", &hosts[0], &hosts[1], &hosts[2], "--cluster-yes"];
    println!("{}", cli(servers[0].port(), &create));
    for server in &servers {
        while !server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    for server in &servers {
        contract::all(|| async { node(server) }).await;
    }
    let nodes = servers.each_ref().map(|server| {
        RedisSessions::new(&server.url()).unwrap().with_timeout(Duration::from_secs(20))
    });
    contract::fill(&nodes[0], "alice", 1).await;
    for (number, node) in (0..).zip(&nodes) {
        is_rotated(node, "alice-0", number).await;
    }
}
