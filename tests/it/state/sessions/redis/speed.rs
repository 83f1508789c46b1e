//! How fast it is, and how much memory it takes; the numbers stand in docs/BENCHMARKS.md.

use std::time::Instant;

use futures::StreamExt as _;
use futures::stream;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tower_bearer::session::{Rotation, TokenHash};

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_speed_of_refreshes_and_memory_of_sessions() {
    let many = std::env::var("REDIS_ENTRIES").map_or(10_000, |count| count.parse().unwrap());
    let redis = Redis::start(FORGETFUL);
    let (store, _) = two_nodes(&redis);
    store.check().await.unwrap();
    let memory = || redis.info("used_memory");
    let per_second = |count: u64, began: Instant| count as f64 / began.elapsed().as_secs_f64();
    let id = |number: u64| format!("{number:022}");

    let (before, began) = (memory(), Instant::now());
    let creations = (0..many).map(|number| {
        let subject = format!("00000000-0000-4000-8000-{number:012}");
        let mut session = Session::new(id(number), subject, token(0), at(0), at(2_592_000));
        session.idle_until = at(604_800);
        session.client_id = Some("shop-web".to_owned());
        session.device = Some("Firefox 142 on Linux".to_owned());
        store.create(NewSession::new(session, at(0), Some(5)))
    });
    stream::iter(creations).buffer_unordered(64).for_each(async |done| drop(done.unwrap())).await;
    println!("created: {:.0} a second", per_second(many, began));
    println!("bytes in Redis: {} a session", (memory() - before) / many);
    let session = format!("{{tower-bearer}}:1:session:{}", id(0));
    let index = format!("{{tower-bearer}}:1:subject:00000000-0000-4000-8000-{:012}", 0);
    for key in [session, index] {
        println!("{key}: {} bytes", redis.cli(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]));
    }

    // One after the other, beside a `SET` of as many bytes.
    let rounds = many / 5;
    let hash = |number: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        if number == 0 { token(0) } else { TokenHash::from_bytes(bytes) }
    };
    let name = id(0);
    let rotation = |number: u64| {
        let rotation =
            Rotation::new(&name, hash(number), hash(number + 1), at(number), at(604_800 + number));
        rotation.with_client_id(Some("shop-web"))
    };
    let began = Instant::now();
    for number in 0..rounds {
        let outcome = store.rotate(rotation(number)).await.unwrap();
        assert!(matches!(&outcome, RotationOutcome::Rotated(_)), "{outcome:?}");
    }
    println!("refreshed one after the other: {:.0} a second", per_second(rounds, began));
    let mut bare = TcpStream::connect(("127.0.0.1", redis.port())).await.unwrap();
    bare.set_nodelay(true).unwrap();
    let value = "x".repeat(208);
    let command = format!("*3\r\n$3\r\nSET\r\n$4\r\nbare\r\n$208\r\n{value}\r\n");
    let began = Instant::now();
    for _ in 0..rounds {
        bare.write_all(command.as_bytes()).await.unwrap();
        let mut answer = [0; 5];
        bare.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"+OK\r\n");
    }
    println!("bare SET one after the other: {:.0} a second", per_second(rounds, began));

    redis.cli(&["CONFIG", "RESETSTAT"]);
    let began = Instant::now();
    let ids: Vec<_> = (1..many).map(id).collect();
    let rotations = ids.iter().map(|id| {
        let rotation = Rotation::new(id, hash(0), hash(1), at(1), at(604_801));
        store.rotate(rotation.with_client_id(Some("shop-web")))
    });
    stream::iter(rotations).buffer_unordered(64).for_each(async |done| drop(done.unwrap())).await;
    println!("refreshed 64 at once: {:.0} a second", per_second(many - 1, began));
    for line in redis.cli(&["INFO", "commandstats"]).lines() {
        if line.contains("_evalsha:") {
            println!("{line}");
        }
    }
}
