//! How fast it is; its numbers stand in docs/BENCHMARKS.md.

use std::time::{Duration, Instant};

use futures::StreamExt as _;
use futures::stream;
use tower_bearer::revocation::{RedisRevocations, Revocation, RevocationStore as _};

use super::proxy::Proxy;
use super::server::{FORGETFUL, Redis};
use super::{HOUR, Node, in_an_hour, until};
use crate::support::ISSUER;

async fn revoke(node: &Node, from: u64, to: u64) {
    let adding = (from..to).map(|index| {
        let id = format!("a-token-of-36-bytes-in-all-{index:09}");
        node.revocations.add(Revocation::token(ISSUER, &id, in_an_hour()))
    });
    stream::iter(adding).buffer_unordered(1024).for_each(async |added| added.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_speed_of_learning_following_and_reconciling() {
    // The numbers in docs/BENCHMARKS.md are those of a million, and of an optimised build.
    let many = std::env::var("REDIS_ENTRIES").map_or(50_000, |count| count.parse().unwrap());
    let redis = Redis::start(FORGETFUL);
    let mut proxy = Proxy::to(redis.port()).await;
    let gap = Duration::from_secs(300);
    let behind = RedisRevocations::new(&proxy.url(), HOUR).unwrap().with_max_gap(gap).unwrap();
    let node = Node::of(behind);
    node.await_ready().await;
    let long = RedisRevocations::new(&redis.url(), HOUR).unwrap().with_stream_length(10_000_000);
    let (one, other) = (Node::of(long), Node::ready(&redis.url()).await);
    one.await_ready().await;

    let mut times = Vec::new();
    for index in 0..300 {
        let id = format!("t{index}");
        let began = Instant::now();
        one.revoke(&id).await;
        let written = began.elapsed();
        while !other.knows(&id) {
            tokio::task::yield_now().await;
        }
        times.push((began.elapsed(), written));
    }
    times.sort();
    println!("add to refused elsewhere: median {:?}, worst {:?}", times[150].0, times[299].0);

    proxy.cut();
    until(|| node.revocations.status().problem().is_some()).await;
    let (before, began) = (redis.info("used_memory"), Instant::now());
    revoke(&one, 0, many).await;
    println!("written: {:.0} a second", many as f64 / began.elapsed().as_secs_f64());
    let bytes = redis.info("used_memory") - before;
    let stream: u64 =
        redis.cli(&["MEMORY", "USAGE", "{tower-bearer}:1:stream", "SAMPLES", "0"]).parse().unwrap();
    println!("bytes in Redis: {} an entry, {} of them in the stream", bytes / many, stream / many);

    let reconciled = node.revocations.status().last_reconciliation();
    let behind = node.revocations.status().revocations();
    proxy.mend().await;
    until(|| node.revocations.status().revocations() != behind).await;
    let began = Instant::now();
    let all = usize::try_from(many).unwrap() + 300;
    until(|| node.revocations.status().revocations() == all).await;
    assert_eq!(node.revocations.status().last_reconciliation(), reconciled);
    let rate = (all - behind) as f64 / began.elapsed().as_secs_f64();
    println!("followed: {rate:.0} a second");

    let began = Instant::now();
    let late = Node::ready(&redis.url()).await;
    println!("reconciled: {:.0} a second", all as f64 / began.elapsed().as_secs_f64());
    assert_eq!(late.revocations.status().revocations(), all);
}
