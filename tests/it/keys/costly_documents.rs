//! Tests documents that a provider makes costly to read on purpose. Each is as long as possible,
//! and none takes longer than reading it once.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_bearer::keys::{Fetch, Fetched, HttpFetch, KeyProblem, KeysUnavailable};
use tower_bearer::{Algorithm, ConfigError, KeySet, RemoteKeys};

use crate::support::key_for;

/// The largest document that a provider may send.
const MOST: usize = 256 * 1024;
/// Without optimisation. Quadratic code took three times as long and more.
const SOON: Duration = Duration::from_secs(5);
const A_WHILE: Duration = Duration::from_secs(60);
/// The attempts that a busy machine gets.
const ATTEMPTS: usize = 3;

fn in_time<T>(what: &str, read: impl Fn() -> T) -> T {
    for _ in 0..ATTEMPTS {
        let began = Instant::now();
        let result = read();
        if began.elapsed() < SOON {
            return result;
        }
    }
    panic!("{what} takes more than {SOON:?}");
}

async fn fetched_in_time(
    what: &str,
    fetch: impl Fn() -> HttpFetch,
) -> Result<Fetched, KeysUnavailable> {
    for _ in 0..ATTEMPTS {
        // A new source each time, because one that has the document does not read it again.
        let (fetch, began) = (fetch(), Instant::now());
        let result = fetch.fetch().await;
        if began.elapsed() < SOON {
            return result;
        }
    }
    panic!("{what} takes more than {SOON:?}");
}

fn client_of(body: String) -> impl Fn(Request<Bytes>) -> std::future::Ready<Answer> + Send + Sync {
    move |_| std::future::ready(Ok(Response::new(Full::from(body.clone()))))
}

type Answer = Result<Response<Full<Bytes>>, Infallible>;

fn fetch_of(body: String) -> HttpFetch {
    assert!(body.len() <= MOST, "{}", body.len());
    HttpFetch::new("https://id.example.com/jwks").unwrap().with_client(client_of(body))
}

/// The keys of a set that was fetched in time.
async fn fetched(what: &str, body: String) -> Result<RemoteKeys, KeysUnavailable> {
    fetched_in_time(what, || fetch_of(body.clone())).await?;
    let keys = RemoteKeys::new(fetch_of(body));
    keys.await_ready(A_WHILE).await?;
    Ok(keys)
}

fn key() -> Value {
    key_for(Algorithm::ES256).to_jwk()
}

fn with(member: &str, value: Value) -> Value {
    let mut key = key();
    key.as_object_mut().unwrap().remove("use");
    key[member] = value;
    key
}

/// As many entries as fit beside a key.
fn filled(entry: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        let entry = entry(number);
        if text.len() + entry.len() + 2000 > MOST {
            break;
        }
        text += &entry;
        text.push(',');
    }
    text.pop();
    text
}

#[test]
fn key_with_32_operations_is_read_and_one_with_more_is_not() {
    let of = |count: usize| {
        let others = (1..count).map(|n| format!("operation {n}"));
        let operations: Vec<_> = ["verify".to_owned()].into_iter().chain(others).collect();
        KeySet::from_jwks(with("key_ops", json!(operations)).to_string())
    };

    assert!(of(32).is_ok());
    let ConfigError::NoUsableKey { skipped } = of(33).unwrap_err() else { panic!() };
    let KeyProblem::Unreadable(problem) = &skipped[0].problem else { panic!("{skipped:?}") };
    assert!(problem.contains("`key_ops` has more than 32 entries"), "{problem}");
}

#[tokio::test]
async fn endless_operations_cost_no_more_than_the_text() {
    let operations = filled(|n| format!("\"{n:x}\""));
    let mut set = with("key_ops", json!(["verify"])).to_string();
    set = set.replace("[\"verify\"]", &format!("[{operations}]"));
    let set = format!("{{\"keys\":[{},{set}]}}", key());

    let keys = fetched("key_ops", set).await.unwrap();

    assert_eq!((keys.status().keys(), keys.status().skipped().len()), (1, 1));
}

#[tokio::test]
async fn keys_behind_the_hundredth_are_not_looked_at() {
    for entry in ["{}", "0", r#"{"kty":"RSA"}"#, "[[[[[[[[]]]]]]]]"] {
        let set = format!("{{\"keys\":[{},{}]}}", key(), filled(|_| entry.to_owned()));

        let keys = fetched(entry, set).await.unwrap();

        let status = keys.status();
        assert_eq!((status.keys(), status.skipped().len()), (1, 100), "{entry}");
        assert_eq!(status.skipped()[99].problem, KeyProblem::TooMany { most: 100 });
    }
}

#[tokio::test]
async fn number_of_keys_can_be_set() {
    let key = |n: usize| {
        let mut key = key();
        key["kid"] = json!(n.to_string());
        key
    };
    let set = json!({ "keys": (0..5).map(key).collect::<Vec<_>>() }).to_string();
    let count = async |most| {
        let keys = RemoteKeys::new(fetch_of(set.clone()).with_max_keys(most));
        keys.await_ready(A_WHILE).await.unwrap();
        (keys.status().keys(), keys.status().skipped().len())
    };

    assert_eq!(count(3).await, (3, 1));
    assert_eq!(count(5).await, (5, 0));
}

#[tokio::test]
async fn number_of_bytes_can_be_set() {
    let set = json!({ "keys": [key()] }).to_string();
    let of = |most| fetch_of(set.clone()).with_max_bytes(most);

    assert!(of(set.len()).fetch().await.is_ok());
    let error = of(set.len() - 1).fetch().await.unwrap_err();
    let told = std::error::Error::source(&error).unwrap().to_string();
    assert!(told.contains(&format!("longer than {} bytes", set.len() - 1)), "{told}");
}

#[tokio::test]
async fn unread_members_cost_nothing_at_any_depth_and_number() {
    let certificates = filled(|_| format!("\"{}\"", "MII".repeat(300)));
    let half = MOST / 2 - 2000;
    let nested = format!("{}{}", "[".repeat(half), "]".repeat(half));
    let members = filled(|n| format!("\"member {n}\":1"));
    let repeated = filled(|_| "\"a\":1".to_owned());
    for (what, member) in [
        ("x5c", format!("\"x5c\":[{certificates}]")),
        ("nesting", format!("\"odd\":{nested}")),
        ("members", members),
        ("repeated members", repeated),
        ("a long name", format!("\"{}\":1", "a".repeat(MOST - 2000))),
    ] {
        let key = key().to_string().replacen('{', &format!("{{{member},"), 1);

        let keys = fetched(what, format!("{{\"keys\":[{key}]}}")).await.unwrap();

        assert_eq!(keys.status().keys(), 1, "{what}");
    }
}

#[tokio::test]
async fn member_that_is_read_may_come_once() {
    let twice = key().to_string().replacen('{', "{\"kty\":\"EC\",", 1);

    assert!(fetched("twice", format!("{{\"keys\":[{twice}]}}")).await.is_err());
    assert!(fetched("once", json!({ "keys": [key()] }).to_string()).await.is_ok());
}

#[tokio::test]
async fn hundred_of_the_largest_keys_are_read_in_time() {
    // An odd number of 8,192 bits will do: no back end looks for its factors.
    let modulus = |n: u8| {
        let mut modulus = vec![0xff; 1024];
        modulus[1] = n;
        URL_SAFE_NO_PAD.encode(modulus)
    };
    let key = |n: u8| json!({ "kty": "RSA", "e": "AQAB", "n": modulus(n), "kid": n.to_string() });
    let set = json!({ "keys": (0..100).map(key).collect::<Vec<_>>() }).to_string();
    let of_rsa = Algorithm::ALL.into_iter().filter(|algorithm| {
        algorithm.as_str().starts_with("RS") || algorithm.as_str().starts_with("PS")
    });
    let fetch = || fetch_of(set.clone()).with_algorithms(of_rsa.clone());

    fetched_in_time("large keys", fetch).await.unwrap();

    let keys = RemoteKeys::new(fetch());
    keys.await_ready(A_WHILE).await.unwrap();
    assert_eq!(keys.status().keys(), 600);
}

#[tokio::test]
async fn number_that_is_as_long_as_the_document_is_no_key() {
    for key in [
        json!({ "kty": "RSA", "e": "AQAB", "n": "_".repeat(MOST - 100) }),
        json!({ "kty": "RSA", "e": "AQAB", "n": "A".repeat(MOST - 100) }),
        json!({ "kty": "oct", "alg": "HS256", "k": "a".repeat(MOST - 100) }),
        json!({ "kty": "EC", "crv": "P-256", "x": "a".repeat(MOST - 100), "y": "a" }),
        json!({ "kty": "x".repeat(MOST - 100) }),
    ] {
        let error = fetched("numbers", json!({ "keys": [key] }).to_string()).await.unwrap_err();
        let told = std::error::Error::source(&error).unwrap().to_string();
        assert!(told.len() < 5000, "{} bytes", told.len());
    }
}

#[tokio::test]
async fn metadata_is_read_in_time_and_its_addresses_are_bounded() {
    let (issuer, jwks) = ("https://id.example.com", json!({ "keys": [key()] }).to_string());
    let metadata = |jwks_uri: &str, member: &str| {
        format!(r#"{{"issuer":"{issuer}","jwks_uri":"{jwks_uri}",{member}}}"#)
    };
    let usual = "https://id.example.com/keys";
    let half = MOST / 2 - 2000;
    let nested = format!("\"odd\":{}{}", "[".repeat(half), "]".repeat(half));
    for (what, document, is_good) in [
        ("nesting", metadata(usual, &nested), true),
        ("members", metadata(usual, &filled(|n| format!("\"member {n}\":1"))), true),
        ("a long address", metadata(&format!("{usual}/{}", "a".repeat(9000)), "\"a\":1"), false),
        ("labels", metadata(&format!("https://xn--{}/", "a".repeat(60_000)), "\"a\":1"), false),
    ] {
        assert!(document.len() <= MOST);
        let fetch = || {
            let (document, jwks) = (document.clone(), jwks.clone());
            HttpFetch::discover(issuer).unwrap().with_client(move |request: Request<Bytes>| {
                let is_keys = request.uri().path() == "/keys";
                let body = if is_keys { jwks.clone() } else { document.clone() };
                std::future::ready(Answer::Ok(Response::new(Full::from(body))))
            })
        };

        assert_eq!(fetched_in_time(what, fetch).await.is_ok(), is_good, "{what}");
    }
}

#[tokio::test]
async fn tag_of_a_kibibyte_is_sent_back_and_a_longer_one_is_not() {
    for (length, is_kept) in [(1024, true), (1025, false)] {
        let jwks = json!({ "keys": [key()] }).to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let client = {
            let asked = Arc::clone(&asked);
            move |request: Request<Bytes>| {
                let tag = request.headers().get(IF_NONE_MATCH).cloned();
                asked.lock().unwrap().push(tag);
                let response = Response::builder().header(ETAG, "t".repeat(length));
                std::future::ready(response.body(Full::<Bytes>::from(jwks.clone())))
            }
        };
        let fetch = HttpFetch::new("https://id.example.com/jwks").unwrap().with_client(client);

        fetch.fetch().await.unwrap();
        fetch.fetch().await.unwrap();

        let asked = asked.lock().unwrap();
        assert_eq!((asked[0].is_some(), asked[1].is_some()), (false, is_kept));
    }
}

/// A value in DER: its tag, its length in four bytes, and what is in it.
fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, content].concat()
}

#[test]
fn certificate_of_a_mebibyte_is_read_in_time() {
    // A name whose parts stand in the wrong order, which DER has sorted.
    let part = |n: u32| {
        let value = [&[0x30, 0x0b, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x04][..], &n.to_be_bytes()];
        value.concat()
    };
    let parts: Vec<u8> = (0..60_000_u32).rev().flat_map(|n| part(0x2020_2020 + n)).collect();
    let name = der(0x30, &der(0x31, &parts));
    let certificate = der(0x30, &der(0x30, &[&[0x02, 0x01, 0x01][..], &name, &name].concat()));
    let pem = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        STANDARD.encode(&certificate)
    );

    for result in [
        in_time("DER", || KeySet::from_der(&certificate)),
        in_time("PEM", || KeySet::from_pem(&pem)),
    ] {
        assert!(matches!(result, Err(ConfigError::NoUsableKey { .. })));
    }
}

#[test]
fn pem_of_a_mebibyte_is_read_in_time() {
    for text in [
        "-----BEGIN ".repeat(90_000),
        "-----BEGIN PUBLIC KEY-----".repeat(40_000),
        "-----BEGIN PUBLIC KEY-----\\n-----END PUBLIC KEY-----\\n".repeat(20_000),
        format!("-----BEGIN PUBLIC KEY-----{}-----END PUBLIC KEY-----", "\n".repeat(1_000_000)),
        format!("-----BEGIN PUBLIC KEY-----{}", "-----END ".repeat(100_000)),
    ] {
        let start = &text[..60.min(text.len())];
        let result = in_time(start, || KeySet::from_pem(&text));
        assert!(matches!(result, Err(ConfigError::NoUsableKey { .. })), "{start}");
    }
}
