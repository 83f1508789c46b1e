//! Tests which tokens a full cache keeps and which it evicts.

use std::time::Duration;

use futures::executor::block_on;
use tower_bearer::Verifier;
use tower_bearer::test_util::TestClock;
use tower_bearer::verify::CacheStats;

use crate::support::{NOW, User, good, key, token, verifier};

fn verify(verifier: &Verifier<User>, token: &str) {
    block_on(verifier.verify(token)).unwrap();
}

fn stats(verifier: &Verifier<User>) -> CacheStats {
    verifier.cache_stats().unwrap()
}

/// A valid token that equals no other.
fn of(subject: impl ToString) -> String {
    token().claim("sub", subject.to_string()).sign(&key())
}

/// Tokens, each of which was asked for again.
fn users(verifier: &Verifier<User>, count: u32) -> Vec<String> {
    let users: Vec<String> = (0..count).map(|n| of(format!("user {n}"))).collect();
    for _ in 0..2 {
        users.iter().for_each(|user| verify(verifier, user));
    }
    users
}

fn by_entries_and_by_bytes() -> [Verifier<User>; 2] {
    [verifier().with_cache(256, 1 << 20), verifier().with_cache(4096, 300_000)]
}

#[test]
fn flood_of_tokens_stays_within_the_bounds_and_is_hardly_kept() {
    let by_entries = verifier().with_cache(64, 1 << 20);
    let by_bytes = verifier().with_cache(4096, 40_000);
    for verifier in [by_entries, by_bytes] {
        (0..1000).for_each(|n| verify(&verifier, &of(n)));

        let CacheStats { entries, bytes, evictions, turned_away, .. } = stats(&verifier);

        assert!((10..=64).contains(&entries), "{entries}");
        assert!(bytes <= 1 << 20 && bytes / entries < 2_000, "{bytes}");
        assert_eq!(evictions + turned_away, 1000 - entries as u64);
        assert!(evictions < 100, "each would be kept for nothing: {evictions}");
    }
}

#[test]
fn tokens_that_come_once_push_out_few_that_come_again() {
    for verifier in by_entries_and_by_bytes() {
        let users = users(&verifier, 180);
        (0..5000).for_each(|n| verify(&verifier, &of(n)));
        let before = stats(&verifier).hits;

        users.iter().for_each(|user| verify(&verifier, user));

        let found = stats(&verifier).hits - before;
        assert!(found > 140, "{found}");
    }
}

#[test]
fn token_that_is_asked_for_again_and_again_survives_a_flood() {
    let verifier = verifier().with_cache(256, 1 << 20);
    let hot = good();
    for n in 0..5000 {
        verify(&verifier, &hot);
        verify(&verifier, &of(n));
    }

    let CacheStats { hits, .. } = stats(&verifier);

    assert!(hits > 4900, "{hits}");
}

#[test]
fn token_that_would_push_out_one_that_came_once_has_to_come_twice() {
    let verifier = verifier().with_cache(4, 1 << 20);
    (0..10).for_each(|n| verify(&verifier, &of(n)));
    let before = stats(&verifier);
    let newcomer = of("newcomer");

    verify(&verifier, &newcomer);
    assert_eq!(stats(&verifier).turned_away, before.turned_away + 1);
    verify(&verifier, &newcomer);
    assert_eq!(stats(&verifier).evictions, before.evictions + 1);
    verify(&verifier, &newcomer);

    assert_eq!(stats(&verifier).hits, before.hits + 1);
    assert_eq!(stats(&verifier).turned_away, before.turned_away + 1);
}

#[test]
fn token_takes_the_place_of_one_that_was_asked_for_again_at_once() {
    let verifier = verifier().with_cache(4, 1 << 20);
    users(&verifier, 4);
    let newcomer = of("newcomer");

    verify(&verifier, &newcomer);
    verify(&verifier, &newcomer);

    let CacheStats { hits, evictions, turned_away, entries, .. } = stats(&verifier);
    assert_eq!((hits, evictions, turned_away, entries), (4 + 1, 1, 0, 4));
}

#[test]
fn token_takes_the_place_of_one_that_has_expired_at_once() {
    let clock = TestClock::at(NOW);
    let verifier = verifier().with_clock(clock.clone()).with_cache(4, 1 << 20);
    (0..4).for_each(|n| verify(&verifier, &of(n)));
    clock.advance(Duration::from_secs(3600));
    let newcomer = token().at(NOW + 3600).sign(&key());

    verify(&verifier, &newcomer);
    verify(&verifier, &newcomer);

    let CacheStats { hits, evictions, turned_away, .. } = stats(&verifier);
    assert_eq!((hits, evictions, turned_away), (1, 0, 0));
}

#[test]
fn expired_tokens_go_although_all_that_come_are_turned_away() {
    let clock = TestClock::at(NOW);
    let verifier = verifier().with_clock(clock.clone()).with_cache(256, 40_000);
    (0..100).for_each(|n| verify(&verifier, &of(n)));
    let full = stats(&verifier);
    clock.advance(Duration::from_secs(3600));

    for n in 0..64 {
        let newcomer = token().at(NOW + 3600).claim("sub", n.to_string()).sign(&key());
        verify(&verifier, &newcomer);
    }

    let CacheStats { entries, bytes, evictions, .. } = stats(&verifier);
    assert!(entries <= full.entries && bytes <= 40_000, "{entries} {bytes}");
    assert_eq!(evictions, full.evictions, "there was room, once what had expired was gone");
}
