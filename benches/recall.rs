//! Measures the cost of cached tokens with many threads, tokens, keys, issuers and bytes; the share of hits
//! when some tokens are more frequent than others; and the cost of the cache if no token comes again.
//!
//! ```text
//! cargo bench --bench recall                about a minute
//! cargo bench --bench recall -- --quick     a second: shows that it runs, measures nothing
//! ```
//!
//! Within a table the cases take turns, in short slices; what is printed are medians. Only numbers of one
//! table are to be compared. `quick_cache` is beside ours because it was the obvious choice: it is asked
//! for the same tokens and hands out an `Arc`, and checks nothing.
#![expect(clippy::print_stdout, reason = "the tables are what it is for")]
#![expect(clippy::cast_precision_loss, reason = "numbers for people")]

mod measure;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use serde_json::Value;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, Issuers, KeySet, Validation, Verifier};

use self::measure::{Case, FULL, Plan, QUICK, measure};

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let plan = if quick { QUICK } else { FULL };
    let key = TestKey::generate(Algorithm::HS256).with_key_id("key-0");
    in_threads(&key, if quick { Duration::from_millis(1) } else { Duration::from_millis(400) });
    as_it_grows(&key, &plan);
    if quick {
        in_a_flood(&plan, 64);
    } else {
        in_a_flood(&Plan { rounds: 100, ..plan }, 4096);
    }
    of_a_stream(&key, if quick { 2_000 } else { 400_000 });
}

fn token(key: &TestKey, issuer: &str, n: usize) -> String {
    TestToken::new(issuer, AUDIENCE)
        .claim("jti", format!("b7d1f2ae64a84ff3a2d2a1d8f0{n:06}"))
        .claim("client_id", "orders-web-frontend")
        .claim("scope", "openid profile orders:read orders:write")
        .claim("email", "jane.doe@example.com")
        .sign(key)
}

fn verifier(key: &TestKey) -> Verifier<Value> {
    Verifier::new(key.verifying_key(), Validation::new(ISSUER, AUDIENCE)).expect("sensible rules")
}

fn verify(verifier: &Verifier<Value>, token: &str) {
    let done = verifier.verify(token).now_or_never();
    black_box(done.expect("static keys need no waiting").expect("a good token"));
}

/// One token for all threads, and many.
fn in_threads(key: &TestKey, slice: Duration) {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads: Vec<usize> = [1, 2, 4, 8, 16].into_iter().filter(|n| *n <= cores.max(2)).collect();
    println!("\nns of one thread per look-up (medians of 9 slices of {slice:?})\n");
    print!("{:44}", "");
    for n in &threads {
        print!("{:>12}", format!("{n} threads"));
    }
    println!();
    for (many, name) in [(1, "one hot token"), (1000, "1,000 tokens")] {
        let tokens: Arc<Vec<String>> = Arc::new((0..many).map(|n| token(key, ISSUER, n)).collect());
        let ours = verifier(key);
        let theirs = quick_cache::sync::Cache::<String, Arc<()>>::new(4096);
        for token in &*tokens {
            verify(&ours, token);
            theirs.insert(token.clone(), Arc::new(()));
        }
        let rows: [(&str, LookUp<'_>); 2] = [
            ("Verifier, with all its checks", Box::new(|token| verify(&ours, token))),
            ("quick_cache, without any", Box::new(|token| drop(black_box(theirs.get(token))))),
        ];
        for (what, look_up) in &rows {
            print!("{:44}", format!("{name}: {what}"));
            for &threads in &threads {
                let mut rounds: Vec<f64> =
                    (0..9).map(|_| one_slice(&tokens, &**look_up, threads, slice / 9)).collect();
                rounds.sort_by(f64::total_cmp);
                print!("{:>12.0}", rounds[rounds.len() / 2]);
            }
            println!();
        }
    }
}

type LookUp<'l> = Box<dyn Fn(&str) + Sync + 'l>;

fn one_slice(
    tokens: &[String],
    look_up: &(dyn Fn(&str) + Sync),
    threads: usize,
    slice: Duration,
) -> f64 {
    let stop = AtomicBool::new(false);
    let per_thread = thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|thread| {
                let stop = &stop;
                scope.spawn(move || {
                    let (begin, mut calls) = (Instant::now(), thread * 37);
                    let first = calls;
                    while !stop.load(Ordering::Relaxed) {
                        for _ in 0..64 {
                            look_up(&tokens[calls % tokens.len()]);
                            calls += 1;
                        }
                    }
                    begin.elapsed().as_secs_f64() * 1e9 / (calls - first) as f64
                })
            })
            .collect();
        thread::sleep(slice);
        stop.store(true, Ordering::Relaxed);
        running.into_iter().map(|thread| thread.join().expect("no panic")).sum::<f64>()
    });
    per_thread / threads as f64
}

/// The same look-up among more and more of everything.
fn as_it_grows(key: &TestKey, plan: &Plan) {
    let mut cases = Vec::new();
    for keys in [1, 10, 100, 1000] {
        let set: KeySet = (0..keys)
            .map(|n| match n {
                0 => key.verifying_key(),
                n => TestKey::generate(Algorithm::HS256)
                    .with_key_id(format!("key-{n}"))
                    .verifying_key(),
            })
            .collect();
        let rules = Validation::new(ISSUER, AUDIENCE);
        let verifier = Verifier::new(set, rules).expect("sensible rules");
        cases.push(case(
            &format!("{keys} keys, new"),
            verifier.clone().without_cache(),
            key,
            ISSUER,
        ));
        cases.push(case(&format!("{keys} keys, again"), verifier, key, ISSUER));
    }
    for count in [1, 10, 100, 1000] {
        let issuers = Issuers::new();
        let name = |n: usize| format!("https://id.example.com/realms/{n}");
        for n in 0..count {
            let rules = Validation::new(name(n), AUDIENCE);
            issuers.add(key.verifying_key(), rules).expect("sensible rules");
        }
        let verifier = Verifier::multi_issuer(&issuers);
        let (new, last) = (verifier.clone().without_cache(), name(count - 1));
        cases.push(case(&format!("{count} issuers, new"), new, key, &last));
        cases.push(case(&format!("{count} issuers, again"), verifier, key, &last));
    }
    for kib in [1_usize, 2, 4, 8] {
        // In base64, a third more.
        let roles: Vec<String> =
            (0..kib * 1024 * 3 / 4 / 20).map(|n| format!("role-number-{n:05}")).collect();
        let token = TestToken::new(ISSUER, AUDIENCE).claim("roles", roles).sign(key);
        let name = |state| format!("token of {:.1} KiB, {state}", token.len() as f64 / 1024.0);
        let verifier = verifier(key);
        cases.push(case_of(&name("new"), verifier.clone().without_cache(), token.clone()));
        cases.push(case_of(&name("again"), verifier, token.clone()));
    }
    measure(&mut cases.iter_mut().collect::<Vec<_>>(), plan);
    println!("\nns per token, HS256, one thread\n\n{:26}{:>10}{:>10}", "", "new", "again");
    for pair in cases.chunks(2) {
        let name = pair[0].name.trim_end_matches(", new");
        println!("{name:26}{:>10.0}{:>10.0}", pair[0].median(), pair[1].median());
    }
}

fn case(name: &str, verifier: Verifier<Value>, key: &TestKey, issuer: &str) -> Case {
    case_of(name, verifier, token(key, issuer, 0))
}

fn case_of(name: &str, verifier: Verifier<Value>, token: String) -> Case {
    Case::new(name, || (), move |()| verify(&verifier, &token))
}

/// Measures new tokens with a cache that is full of others that were hit, and without a cache; in a program
/// of few threads, and in one with many that have used the cache.
fn in_a_flood(plan: &Plan, entries: usize) {
    println!("\nns per token that is new\n");
    println!("{:28}{:>10}{:>10}{:>10}", "", "no cache", "full", "ratio");
    for threads in [0, 64] {
        let others = others(threads);
        let keys = [Algorithm::HS256, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA]
            .map(|algorithm| Arc::new(TestKey::generate(algorithm).with_key_id("key-0")));
        let mut cases = Vec::new();
        for key in keys {
            let full = verifier(&key).with_cache(entries, usize::MAX);
            for token in (0..entries).map(|n| token(&key, ISSUER, n)) {
                (0..2).for_each(|_| verify(&full, &token));
            }
            for verifier in [full.clone().without_cache(), full] {
                let name = format!("{:?}, {threads} other threads", key.algorithm());
                let (key, mut n) = (Arc::clone(&key), entries);
                let next = move || {
                    n += 1;
                    token(&key, ISSUER, n)
                };
                cases.push(Case::new(&name, next, move |token| verify(&verifier, &token)));
            }
        }
        measure(&mut cases.iter_mut().collect::<Vec<_>>(), plan);
        for pair in cases.chunks(2) {
            let (none, full) = (pair[0].median(), pair[1].median());
            println!("{:28}{none:>10.0}{full:>10.0}{:>10.3}", pair[0].name, full / none);
        }
        drop(others);
    }
}

/// Threads that have found a token in a cache, and live until this is dropped.
fn others(threads: usize) -> Vec<Sender<()>> {
    let key = TestKey::generate(Algorithm::HS256);
    let (verifier, token) = (verifier(&key), token(&key, ISSUER, 0));
    let other = |_| {
        let (verifier, token) = (verifier.clone(), token.clone());
        let ((ready, is_ready), (end, is_end)) = (channel(), channel::<()>());
        thread::spawn(move || {
            (0..2).for_each(|_| verify(&verifier, &token));
            ready.send(()).expect("somebody waits");
            let _ = is_end.recv();
        });
        is_ready.recv().expect("no panic");
        end
    };
    (0..threads).map(other).collect()
}

/// Which part of a stream is found, where the nth token comes 1/n times as often as the first (Zipf).
fn of_a_stream(key: &TestKey, length: usize) {
    const TOKENS: usize = 20_000;
    let tokens: Vec<String> = (0..TOKENS.min(length)).map(|n| token(key, ISSUER, n)).collect();
    let mut sums = vec![0.0];
    for n in 1..=tokens.len() {
        sums.push(sums[n - 1] + 1.0 / n as f64);
    }
    let all = sums[tokens.len()];
    println!("\n{length} tokens out of {}, the nth as often as 1/n\n", tokens.len());
    println!("{:>10}{:>10}{:>22}{:>14}", "entries", "found", "the best that fit", "evictions");
    for entries in [64, 256, 1024, 4096, 16_384] {
        let verifier = verifier(key).with_cache(entries, usize::MAX);
        let mut random = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..length {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = (random >> 11) as f64 / (1_u64 << 53) as f64 * all;
            let n = sums.partition_point(|sum| *sum <= at) - 1;
            verify(&verifier, &tokens[n.min(tokens.len() - 1)]);
        }
        let stats = verifier.cache_stats().expect("a cache");
        let found = 100.0 * stats.hits as f64 / (stats.hits + stats.misses) as f64;
        let best = 100.0 * sums[entries.min(tokens.len())] / all;
        println!(
            "{entries:>10}{:>10}{:>22}{:>14}",
            format!("{found:.1} %"),
            format!("{best:.1} %"),
            stats.evictions
        );
    }
}

const ISSUER: &str = "https://id.example.com/realms/shop";
const AUDIENCE: &str = "https://api.example.com";
