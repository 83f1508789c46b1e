//! Tests a clock of Redis that differs from that of the nodes.

use std::process::Command;
use std::time::Duration;

use tower_bearer::revocation::{Revocable, Revocation, RevocationStore as _};

use super::server::{FORGETFUL, Folder, Redis};
use super::{Node, now, token, until};
use crate::support::ISSUER;

/// The environment in which a program sees another time. Its own timers are not affected.
fn faked(more: &[(&str, &str)]) -> Vec<(String, String)> {
    let shown = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
    let library = String::from_utf8(shown.expect("faketime is there").stdout).unwrap();
    // The allocator of Redis reads the time before libfaketime is ready, so libc's takes its place.
    let libraries = format!("{}:libc.so.6", library.trim());
    let own = [("LD_PRELOAD", &*libraries), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")];
    own.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn time_of(redis: &Redis) -> i64 {
    redis.cli(&["TIME"]).lines().next().unwrap().parse().unwrap()
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_with_a_clock_that_is_wrong_forgets_nothing_that_a_node_needs() {
    for minutes in [6_i64, 8, 120, -6, -120] {
        let redis = Redis::start_with(FORGETFUL, &faked(&[("FAKETIME", &format!("{minutes:+}m"))]));
        let ahead = time_of(&redis) - now().cast_signed();
        assert!((ahead - minutes * 60).abs() < 5, "{ahead}");
        let (one, other) = (Node::ready(&redis.url()).await, Node::ready(&redis.url()).await);
        let soon = |id: &str| token(id).claim("exp", now() + 20);
        let expires_at = std::time::UNIX_EPOCH + Duration::from_secs(now() + 20);
        one.answer(&soon("soon")).await.is_ok("in");

        one.revocations.add(Revocation::token(ISSUER, "soon", expires_at)).await.unwrap();
        one.revoke("late").await;
        let moment = std::time::UNIX_EPOCH + Duration::from_secs(now());
        one.revocations.add(Revocation::subject(ISSUER, "mallory", moment)).await.unwrap();

        other.learns("soon").await;
        other.learns("late").await;
        // From the buckets, of which none has expired.
        let third = Node::ready(&redis.url()).await;
        for node in [&other, &third] {
            super::is_revoked(&node.answer(&soon("soon")).await);
            super::is_revoked(&node.answer(&token("x").claim("sub", "mallory")).await);
            node.refuses("late").await;
            node.lets_in("good").await;
        }
        third.revocations.restore(ISSUER, Revocable::Token("late")).await.unwrap();
        until(|| !one.knows("late") && !other.knows("late")).await;
        // Repeating it changes nothing.
        let length = redis.cli(&["XLEN", "{tower-bearer}:1:stream"]);
        one.revocations.add(Revocation::token(ISSUER, "soon", expires_at)).await.unwrap();
        assert_eq!(redis.cli(&["XLEN", "{tower-bearer}:1:stream"]), length, "{minutes}");
        // Every key expires, all the same.
        for key in redis.cli(&["KEYS", "*"]).lines() {
            assert!(redis.cli(&["TTL", key]).parse::<i64>().unwrap() > 0, "{key}");
        }
    }
}

#[tokio::test]
#[ignore = "needs redis-server: scripts/interop"]
async fn needs_redis_whose_clock_is_set_ahead_has_again_what_expired_by_that() {
    let folder = Folder::new();
    let file = folder.0.join("time");
    std::fs::write(&file, "+0").unwrap();
    let environment =
        faked(&[("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()), ("FAKETIME_NO_CACHE", "1")]);
    let redis = Redis::start_with(FORGETFUL, &environment);
    let one = Node::ready(&redis.url()).await;
    let expires_at = std::time::UNIX_EPOCH + Duration::from_secs(now() + 120);
    one.revocations.add(Revocation::token(ISSUER, "t1", expires_at)).await.unwrap();
    let buckets = || redis.cli(&["KEYS", "{tower-bearer}:1:until:*"]);
    assert!(!buckets().is_empty());

    std::fs::write(&file, "+20m").unwrap();
    until(|| time_of(&redis) > now().cast_signed() + 1000).await;
    // By now, everything has expired that expires by the clock of Redis.
    until(|| !buckets().is_empty()).await;

    let late = Node::ready(&redis.url()).await;
    until(|| late.knows("t1")).await;
    super::is_revoked(&late.answer(&token("t1").claim("exp", now() + 60)).await);
    late.lets_in("t2").await;
}
