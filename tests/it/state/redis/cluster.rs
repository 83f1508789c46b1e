//! Tests Redis with more than one server.

use std::time::Duration;

use tower_bearer::revocation::Revocations as _;

use super::server::{FORGETFUL, Folder, Redis, cli, free_port};
use super::{Node, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_cluster_of_three_is_one_redis_from_any_of_its_hosts() {
    let arguments = [FORGETFUL, &["--cluster-enabled", "yes"]].concat();
    let servers = [(); 3].map(|()| Redis::start(&arguments));
    let hosts = servers.each_ref().map(|server| format!("127.0.0.1:{}", server.port()));
    let create = ["--cluster", "create", &hosts[0], &hosts[1], &hosts[2], "--cluster-yes"];
    println!("{}", cli(servers[0].port(), &create));
    for server in &servers {
        until(|| server.cli(&["CLUSTER", "INFO"]).contains("cluster_state:ok")).await;
    }
    let mut nodes = Vec::new();
    for server in &servers {
        nodes.push(Node::ready(&server.url()).await);
    }
    // The first of these does not exist.
    nodes.push(Node::ready(&format!("redis://127.0.0.1:1,{}", hosts[1])).await);

    for (index, node) in nodes.iter().enumerate() {
        let id = format!("t{index}");
        node.lets_in(&id).await;
        node.revoke(&id).await;
        for other in &nodes {
            other.learns(&id).await;
        }
    }
    // All keys are on one server, and the others have none.
    let full = servers.iter().filter(|server| server.cli(&["DBSIZE"]) != "0").count();
    assert_eq!(full, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_sentinel_leads_to_the_new_master_when_the_old_one_dies() {
    let mut master = Redis::start(FORGETFUL);
    let port = master.port().to_string();
    let replica = Redis::start(&[FORGETFUL, &["--replicaof", "127.0.0.1", &port]].concat());
    until(|| replica.cli(&["INFO", "replication"]).contains("master_link_status:up")).await;
    let folder = Folder::new();
    let configuration = folder.0.join("sentinel.conf");
    let sentinel_port = free_port();
    let text = format!(
        "port {sentinel_port}\nbind 127.0.0.1\ndir {}\nsentinel monitor shop 127.0.0.1 {port} 1\n\
         sentinel down-after-milliseconds shop 1000\nsentinel failover-timeout shop 5000\n",
        folder.0.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let sentinel = Sentinel(
        std::process::Command::new("redis-server")
            .arg(&configuration)
            .arg("--sentinel")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap(),
    );
    let knows_replica =
        || cli(sentinel_port, &["SENTINEL", "replicas", "shop"]).contains("127.0.0.1");
    until(knows_replica).await;
    let url = format!("redis+sentinel://127.0.0.1:{sentinel_port}/shop");
    let (one, other) = (Node::ready(&url).await, Node::ready(&url).await);
    one.revoke("t1").await;
    other.learns("t1").await;

    master.kill();
    let is_back =
        || one.revocations.status().problem().is_none() && one.revocations.ready().is_ok();
    tokio::time::sleep(Duration::from_secs(3)).await;
    until(is_back).await;
    one.revoke("t2").await;

    other.learns("t2").await;
    assert!(replica.cli(&["ROLE"]).starts_with("master"));
    let late = Node::ready(&url).await;
    late.refuses("t1").await;
    late.refuses("t2").await;
    late.lets_in("t3").await;
    drop(sentinel);
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_replica_is_passed_over_for_the_master() {
    let master = Redis::start(FORGETFUL);
    let port = master.port().to_string();
    let replica = Redis::start(&[FORGETFUL, &["--replicaof", "127.0.0.1", &port]].concat());

    let node = Node::at(&replica.url());
    node.cannot_tell("t1").await;
    until(|| node.revocations.status().problem().is_some_and(|p| p.contains("replica"))).await;

    let both = Node::ready(&format!("{},127.0.0.1:{port}", replica.url())).await;
    both.revoke("t1").await;
    both.refuses("t1").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_sentinel_of_this_machine_does_not_lead_to_another_without_tls() {
    let folder = Folder::new();
    let configuration = folder.0.join("sentinel.conf");
    let port = free_port();
    // An address for documentation, which does not exist.
    let text = format!(
        "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor shop 192.0.2.1 6379 1\n",
        folder.0.display()
    );
    std::fs::write(&configuration, text).unwrap();
    let _sentinel = Sentinel(
        std::process::Command::new("redis-server")
            .arg(&configuration)
            .arg("--sentinel")
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap(),
    );
    until(|| cli(port, &["PING"]) == "PONG").await;
    let problem = async |node: Node| {
        node.cannot_tell("t1").await;
        until(|| node.revocations.status().problem().is_some()).await;
        node.revocations.status().problem().unwrap().to_owned()
    };
    let url = format!("redis+sentinel://127.0.0.1:{port}/shop");

    let refused = problem(Node::at(&url)).await;
    let allowed =
        tower_bearer::revocation::RedisRevocations::dangerously_without_tls(&url, super::HOUR);
    let tried = problem(Node::of(allowed.unwrap())).await;

    assert!(refused.contains("another machine") && refused.contains("192.0.2.1"), "{refused}");
    assert!(!tried.contains("another machine"), "{tried}");
}

struct Sentinel(std::process::Child);

impl Drop for Sentinel {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
