//! Tests how much memory verified tokens take, counted by the allocator.

use std::collections::HashMap;

use allocation_counter::measure;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tower_bearer::Verifier;
use tower_bearer::test_util::TestClock;
use tower_bearer::verify::CacheStats;

use crate::support::{NOW, User, key, token, validation};

const MIB: usize = 1024 * 1024;

/// All claims of a token, in a type of the application.
#[derive(Deserialize)]
struct Everything {
    #[serde(flatten)]
    _all: HashMap<String, Value>,
}

type Shape = fn(usize) -> Value;

/// Payloads of every shape: further claims, by the number of the token.
fn shapes() -> Vec<(&'static str, Shape)> {
    let nested = |number: usize| {
        let roles = json!({ "roles": ["user", "editor", format!("r{number}")] });
        json!({ "a": roles, "b": { "c": roles, "d": roles, "e": { "f": roles } }, "g": {} })
    };
    vec![
        ("nothing", |number| json!(number)),
        ("nested as Keycloak's", nested),
        ("a list of numbers", |number| json!(vec![number % 10; 500])),
        ("a list of lists", |number| json!(vec![vec![number % 10]; 200])),
        ("objects of one member", |number| json!(vec![json!({ "": number % 10 }); 80])),
        ("a wide object", |number| {
            (0..150)
                .map(|n| (format!("m{n}"), json!(number)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }),
        ("one long string", |number| json!(format!("{number:05000}"))),
        ("escapes", |number| json!("\n\"\\".repeat(400) + &number.to_string())),
    ]
}

/// Returns the memory that verified tokens take, by the allocator and by the cache.
fn taken<C: DeserializeOwned + Send + Sync + 'static>(
    bytes: usize,
    count: usize,
    token: impl Fn(usize) -> String,
) -> (usize, CacheStats) {
    let tokens: Vec<String> = (0..count).map(token).collect();
    let validation = validation().dangerous().accept_bound_tokens();
    let validation = validation.with_kept_claims((0..40).map(|number| format!("kept{number}")));
    let verifier: Verifier<C> = Verifier::new(key().verifying_key(), validation).unwrap();
    let verifier = verifier.with_clock(TestClock::at(NOW)).with_cache(4096, bytes);
    // Allocations that are made once, and not for each token.
    let first = verifier.clone();
    futures::executor::block_on(first.verify(&tokens[0])).unwrap();
    let used = measure(|| {
        for token in &tokens {
            // Sent twice: a token that is seen for the first time does not evict another.
            for _ in 0..2 {
                futures::executor::block_on(verifier.verify(token)).unwrap();
            }
        }
    });
    (usize::try_from(used.bytes_current).unwrap(), verifier.cache_stats().unwrap())
}

fn full<C: DeserializeOwned + Send + Sync + 'static>(shape: Shape) -> (usize, CacheStats) {
    let token = |number: usize| token().claim("jti", number.to_string()).claim("x", shape(number));
    taken::<C>(MIB, 250, |number| token(number).sign(&key()))
}

#[test]
fn verified_tokens_take_no_more_than_the_bytes_that_are_allowed_whatever_the_claims_are() {
    for (name, shape) in shapes() {
        for (of, (used, stats)) in [
            ("Value", full::<Value>(shape)),
            ("Everything", full::<Everything>(shape)),
            ("User", full::<User>(shape)),
        ] {
            assert!(used <= stats.bytes, "{name} as {of}: {used} bytes, counted {}", stats.bytes);
            assert!(stats.bytes <= MIB, "{name} as {of}: {stats:?}");
            assert!(stats.entries >= 10, "{name} as {of}: {stats:?}");
        }
    }
}

#[test]
fn grants_audiences_and_headers_count_as_well() {
    let many = |number: usize| {
        let scopes = (0..600).map(|n| format!("s{n}")).collect::<Vec<_>>().join(" ");
        let mut audiences = vec![json!(crate::support::AUDIENCE); 200];
        audiences.push(json!(number));
        audiences.pop();
        let token = token().claim("jti", number.to_string()).claim("scope", scopes);
        token.claim("aud", audiences).header("cty", format!("{number:01000}")).sign(&key())
    };

    let (used, stats) = taken::<User>(2 * MIB, 120, many);

    assert!(used <= stats.bytes && stats.bytes <= 2 * MIB, "{used} {stats:?}");
}

#[test]
fn keys_that_tokens_are_bound_to_count_as_well() {
    let bound = |number: usize| {
        let members = (0..100).map(|n| (format!("m{n}"), json!([number])));
        let confirmation: serde_json::Map<_, _> = members.collect();
        token().claim("jti", number.to_string()).claim("cnf", confirmation).sign(&key())
    };

    let (used, stats) = taken::<User>(4 * MIB, 120, bound);

    assert!(used <= stats.bytes && stats.bytes <= 4 * MIB, "{used} {stats:?}");
}

#[test]
fn what_policies_ask_about_counts_as_well() {
    let actor = |act: Value, n: usize| json!({ "sub": "s".repeat(n), "iss": "i".repeat(500), "client_id": "c".repeat(500), "act": act });
    let actors = |number: usize| {
        let act = [500, 500, 500, 500, 500, 500, 500].into_iter().fold(Value::Null, actor);
        token().claim("jti", number.to_string()).claim("act", act).sign(&key())
    };
    let methods = |number: usize| {
        let token = token().claim("jti", number.to_string());
        token.claim("amr", vec![""; 1000]).sign(&key())
    };
    let kept = |number: usize| {
        let token = token().claim("jti", number.to_string());
        (0..40).fold(token, |token, n| token.claim(&format!("kept{n}"), "")).sign(&key())
    };

    let bound = |number: usize| {
        let token = token().claim("jti", number.to_string());
        token.claim("cnf", json!({ "jkt": "k".repeat(43) })).sign(&key())
    };

    for (of, (used, stats)) in [
        ("bound", taken::<User>(4 * MIB, 120, bound)),
        ("actors", taken::<User>(4 * MIB, 120, actors)),
        ("methods", taken::<User>(4 * MIB, 120, methods)),
        ("kept", taken::<User>(4 * MIB, 120, kept)),
    ] {
        assert!(used <= stats.bytes && stats.bytes <= 2 * used, "{of}: {used} {stats:?}");
    }
}

#[test]
fn usual_claims_are_not_counted_much_higher_than_they_are() {
    let usual = |number: usize| {
        let token = token().claim("jti", number.to_string()).claim("email", "alice@example.com");
        token
            .claim("scope", "orders:read orders:write")
            .claim("x", json!({ "y": [1, 2, 3] }))
            .sign(&key())
    };

    for (of, (used, stats)) in [
        ("User", taken::<User>(16 * MIB, 300, usual)),
        ("Value", taken::<Value>(16 * MIB, 300, usual)),
    ] {
        assert!(used <= stats.bytes && stats.bytes <= 2 * used, "{of}: {used} {stats:?}");
    }
}
