//! Guards and handlers read the same claims, whatever an application switches on in serde_json.
//!
//! An object with a certain name in it is not an object to serde_json, if `raw_value` or `arbitrary_precision` is on.
//! The names are private and may change, so this program asks serde_json for them.

mod names;

use std::future::Future;
use std::pin::pin;
use std::sync::LazyLock;
use std::task::{Context, Poll, Waker};

use serde_json::{Value, json};
use tower_bearer::keys::VerifyingKey;
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::{Algorithm, KeySet, Reason, Validation, Verified, Verifier};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";
const SECRET: &[u8] = b"at least 32 bytes of randomness, please";
const NOW: u64 = 1_800_000_000;

fn main() {
    let [raw, number] = [names::of_raw_values(), names::of_numbers()];
    println!("odd_serde_json: serde_json's names are {raw} and {number}");
    serde_json_reads_another_document(&raw, &number);

    for name in [&*raw, &*number] {
        for spelt in spellings(name) {
            reserved_name_is_refused(&spelt);
        }
        for other in [&name[1..], &name[..11], &format!(" {name}"), &name.to_uppercase()] {
            assert_ne!(name, other);
            for spelt in
                [other.to_owned(), format!("\\u{:04x}{}", other.as_bytes()[0], &other[1..])]
            {
                other_name_is_the_same_to_both(&spelt);
            }
        }
    }
    println!(
        "odd_serde_json: tokens with such a name are refused, plain and escaped, at every depth"
    );

    numbers_are_the_same_to_both();
    keys_with_such_a_name_cost_no_other(&raw);
}

/// Without this the program would show nothing.
fn serde_json_reads_another_document(raw: &str, number: &str) {
    let object = json!({ raw: r#"{"roles":["admin"]}"# }).to_string();
    let value: Value = serde_json::from_str(&object).unwrap();
    assert_eq!(value, json!({ "roles": ["admin"] }));

    let object = format!(r#"{{"{number}":"1800000001"}}"#);
    let value: Value = serde_json::from_str(&object).unwrap();
    assert_eq!(value, json!(1_800_000_001));
}

/// A name as it is, with one letter escaped at a time, and with all of them.
fn spellings(name: &str) -> Vec<String> {
    let lower = |letter: char| format!("\\u{:04x}", u32::from(letter));
    let upper = |letter: char| format!("\\u{:04X}", u32::from(letter));
    let one_escaped = name.char_indices().map(|(at, letter)| {
        format!("{}{}{}", &name[..at], lower(letter), &name[at + letter.len_utf8()..])
    });
    let mut spellings: Vec<String> = one_escaped.collect();
    spellings.push(name.to_owned());
    spellings.push(name.chars().map(lower).collect());
    spellings.push(name.chars().map(upper).collect());
    spellings
}

/// Objects with this name in them, at every depth at which a token is read.
fn claims_with(name: &str) -> Vec<String> {
    let standard =
        format!(r#""iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{},"roles":["user"]"#, NOW + 60);
    let inner = r#""{\"roles\":[\"admin\"]}""#;
    let mut all = vec![
        format!(r#"{{"{name}":{inner},{standard}}}"#),
        format!(r#"{{{standard},"{name}":"1"}}"#),
        format!(r#"{{{standard},"roles":{{"{name}":{inner}}}}}"#).replacen(
            r#","roles":["user"]"#,
            "",
            1,
        ),
    ];
    for object in [
        format!(r#"{{"{name}":{inner}}}"#),
        format!(r#"{{"{name}":"1800000001"}}"#),
        format!(r#"{{"roles":["user"],"{name}":{inner}}}"#),
    ] {
        let mut deeper = object;
        for depth in 0..30 {
            // At and below the place where roles are looked for, and where nothing is.
            all.push(format!(r#"{{{standard},"realm_access":{deeper}}}"#));
            all.push(format!(r#"{{{standard},"x":{deeper}}}"#));
            deeper = match depth % 3 {
                0 => format!(r#"{{"roles":{deeper}}}"#),
                1 => format!("[1,{deeper}]"),
                _ => format!(r#"{{"a":1,"b":{deeper}}}"#),
            };
        }
    }
    all
}

fn reserved_name_is_refused(name: &str) {
    for claims in claims_with(name) {
        let reason = verify(&claims).expect_err(&claims);
        assert_eq!(reason, Reason::Malformed, "{claims}");
    }
}

fn other_name_is_the_same_to_both(name: &str) {
    for claims in claims_with(name) {
        is_the_same_to_both(&claims);
    }
}

/// Compares what guards see with what a handler sees.
fn is_the_same_to_both(claims: &str) {
    let verified = verify(claims).unwrap_or_else(|reason| panic!("{reason:?}: {claims}"));
    let mut roles = Vec::new();
    for list in [&verified["roles"], &verified["realm_access"]["roles"]] {
        roles.extend(list.as_array().into_iter().flatten().filter_map(Value::as_str));
    }
    let principal = verified.principal();
    let mut seen: Vec<&str> = principal.grants().roles().collect();
    roles.sort_unstable();
    seen.sort_unstable();
    assert_eq!(seen, roles, "{claims}");
    assert_eq!(verified["iss"], principal.issuer(), "{claims}");
}

fn numbers_are_the_same_to_both() {
    for number in ["0", "-0", "1.5", "-1e3", "1E+400", "123456789012345678901234567890.5"] {
        for (place, is_read) in [("x", false), ("realm_access", true)] {
            let claims = format!(
                r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{},"{place}":{number}}}"#,
                NOW + 60
            );
            // Where roles are looked for, a number is one of `f64`, as without `arbitrary_precision`.
            if is_read && number == "1E+400" {
                assert_eq!(verify(&claims).expect_err(&claims), Reason::Malformed);
            } else {
                is_the_same_to_both(&claims);
                let verified = verify(&claims).unwrap();
                assert_eq!(verified[place], serde_json::from_str::<Value>(number).unwrap());
            }
        }
    }
    println!("odd_serde_json: numbers of any size are read, and grant nothing");
}

fn keys_with_such_a_name_cost_no_other(raw: &str) {
    let good = TestKey::from_secret(Algorithm::HS256, SECRET).to_jwk();
    let odd = json!({ raw: good.to_string() });

    let keys = KeySet::from_jwks(json!({ "keys": [odd, good, odd] }).to_string()).unwrap();

    assert_eq!((keys.keys().len(), keys.skipped().len()), (1, 2));
    println!("odd_serde_json: a key that is wrapped in such a name is none, and costs no other");
}

fn verify(claims: &str) -> Result<Verified<Value>, Reason> {
    static VERIFIER: LazyLock<Verifier<Value>> = LazyLock::new(|| {
        let rules =
            Validation::new(ISSUER, AUDIENCE).with_roles_at(["roles", "/realm_access/roles"]);
        let key = VerifyingKey::from_secret(Algorithm::HS256, SECRET).unwrap();
        Verifier::new(key, rules).unwrap().with_clock(TestClock::at(NOW))
    });
    let signer = TestKey::from_secret(Algorithm::HS256, SECRET);
    let token = TestToken::new(ISSUER, AUDIENCE).raw_payload(claims).sign(&signer);
    now(VERIFIER.verify(&token)).map_err(|error| error.reason())
}

/// Runs a future that has nothing to wait for.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a request does not wait for a key in memory"),
    }
}
