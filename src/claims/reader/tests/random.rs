//! Made-up payloads, changed and broken, which are read as serde_json reads them.

use proptest::prelude::*;
use serde_json::Value;

use super::oracle::{self, Place, Refusal};
use super::*;
use crate::error::Reason;

fn paths() -> ClaimPaths {
    let roles = [
        "roles",
        "both",
        "listed",
        // There may be roles at a place and below it, but not below the entries of a list.
        "/both/roles",
        "/realm_access/roles",
        "/resource_access/my-api/roles",
    ];
    let mut paths = ClaimPaths::new(roles, ["scope", "scp", "both"], ["listed"]).unwrap();
    for claim in WATCHED {
        paths.watch(claim).unwrap();
    }
    paths
}

const WATCHED: [&str; 2] = ["email", "roles"];

/// The same places for the oracle.
const PLACES: Place = {
    const NONE: Place = Place { roles: false, scopes: false, is_list: false, below: &[] };
    const ROLES: Place = Place { roles: true, ..NONE };
    const SCOPES: Place = Place { scopes: true, is_list: true, ..NONE };
    const BELOW: &[(&str, Place)] = &[("roles", ROLES)];
    Place {
        below: &[
            ("roles", ROLES),
            ("both", Place { roles: true, scopes: true, below: BELOW, ..NONE }),
            ("listed", Place { is_list: true, ..ROLES }),
            ("realm_access", Place { below: BELOW, ..NONE }),
            (
                "resource_access",
                Place { below: &[("my-api", Place { below: BELOW, ..NONE })], ..NONE },
            ),
            ("scope", SCOPES),
            ("scp", SCOPES),
            // Nothing is granted there, but it is watched.
            ("email", NONE),
        ],
        ..NONE
    }
};

/// Compares the reader with the oracle. Says whether a payload was read.
fn is_read(payload: &str) -> bool {
    let paths = paths();
    match (read(payload, &paths), oracle::judge(payload, PLACES, &WATCHED)) {
        (Ok(parsed), Ok(expected)) => {
            assert_eq!(oracle::said(&parsed, &paths, &WATCHED), expected, "{payload}");
            assert!(oracle::is_json(payload), "{payload}");
            true
        }
        (Err(error), Err(refusals)) => {
            let refusal = match error.reason() {
                Reason::InvalidClaim => Refusal::WrongType,
                _ => Refusal::Malformed,
            };
            assert!(refusals.contains(&refusal), "{payload} {error:?} {refusals:?}");
            false
        }
        (read, expected) => panic!("{payload} {read:?} {expected:?}"),
    }
}

const NAMES: [&str; 43] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "client_id",
    "azp",
    "nonce",
    "at_hash",
    "c_hash",
    "events",
    "cnf",
    "typ",
    "token_use",
    "cid",
    "appid",
    "idtyp",
    "acr",
    "amr",
    "auth_time",
    "act",
    "authorization_details",
    "a",
    "roles",
    "both",
    "listed",
    "scope",
    "scp",
    "email",
    "realm_access",
    "resource_access",
    "my-api",
    "x",
    "is",
    "isss",
    "",
    "\\u0069ss",
    "\\",
    "\\ud800",
    "$serde_json::private::Number",
];

const VALUES: [&str; 49] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "01",
    "1.5",
    "1e3",
    "1E+3",
    "1e999",
    "-",
    "1.",
    "+1",
    "4102444800",
    "999999999999999999",
    "1000000000000000000",
    "18446744073709551616",
    "\"\"",
    "\"a\"",
    "\"a b  c \"",
    "\"é\"",
    "\"\\n\"",
    "\"\\u00e9\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\x\"",
    "\"\\",
    "\"a",
    "\"\u{1}\"",
    "\"\u{7f}\"",
    "[]",
    "[\"a\",\"b c\"]",
    "[\"a\",]",
    "[,]",
    "{}",
    "{\"a\":1,\"a\":2}",
    "{\"sub\":\"a\",\"iss\":null}",
    "{\"act\":{\"sub\":\"b\"},\"sub\":\"a\"}",
    "{\"sub\":\"a\",\"act\":{\"sub\":\"b\",\"act\":{\"client_id\":\"c\"}}}",
    "{\"roles\":[\"r\"]}",
    "{\"my-api\":{\"roles\":\"r s\"}}",
    "{\"roles\":1,\"roles\":2}",
    "nul",
    "truex",
    "{\"http://schemas.openid.net/event/backchannel-logout\":{}}",
    "NaN",
    "\"12345678901234567\"",
];

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![20 => Just(""), 1 => Just(" "), 1 => Just("\n\t\r "), 1 => Just("\u{b}"), 1 => Just("\u{a0}")]
}

/// Nested a little, and wrong in every way once in a while.
fn value() -> impl Strategy<Value = String> {
    let is_json = |value: &&str| serde_json::from_str::<serde_json::Value>(value).is_ok();
    let good: Vec<&str> = VALUES.into_iter().filter(is_json).collect();
    let leaf = prop_oneof![
        9 => proptest::sample::select(good),
        1 => proptest::sample::select(&VALUES[..]),
    ];
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(3, 12, 4, |inner| {
        let member = (proptest::sample::select(&NAMES[..]), space(), inner.clone());
        let member = member.prop_map(|(name, space, value)| format!("\"{name}\":{space}{value}"));
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(|all| format!("[{}]", all.join(","))),
            proptest::collection::vec(member, 0..4)
                .prop_map(|all| format!("{{{}}}", all.join(","))),
        ]
    })
}

fn payload() -> impl Strategy<Value = String> {
    let member = (proptest::sample::select(&NAMES[..]), space(), space(), value(), space());
    let member = member.prop_map(|(name, a, b, value, c)| format!("{a}\"{name}\"{b}:{value}{c}"));
    (space(), proptest::collection::vec(member, 0..7), space())
        .prop_map(|(a, members, b)| format!("{a}{{{}}}{b}", members.join(",")))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn payload_is_read_as_serde_json_reads_it(payload in payload()) {
        is_read(&payload);
    }

    #[test]
    fn payload_with_a_change_somewhere_is_read_as_serde_json_reads_it(
        payload in payload(), at in any::<prop::sample::Index>(), with in "[\"\\\\{}\\[\\],: 0eE.tnf\u{0}\u{1f}é-]?",
    ) {
        let boundaries: Vec<usize> = payload.char_indices().map(|(at, _)| at).collect();
        let mut payload = payload;
        let at = boundaries[at.index(boundaries.len())];
        let char = payload.remove(at);
        payload.insert_str(at, &with);
        is_read(&payload);
        // And with nothing taken away.
        payload.insert(at, char);
        is_read(&payload);
    }
}

#[test]
fn every_pair_of_name_and_value_is_read_as_serde_json_reads_it() {
    for name in NAMES {
        for value in VALUES {
            is_read(&format!("{{\"{name}\":{value}}}"));
            is_read(&format!("{{\"{name}\":[{value}]}}"));
            is_read(&format!("{{\"{name}\":{{\"roles\":{value}}}}}"));
            is_read(&format!("{{\"{name}\":1,\"{name}\":{value}}}"));
        }
    }
}

#[test]
fn payload_that_breaks_off_anywhere_is_refused() {
    let payload = r#"{"iss":"a\"é\u00e9","exp":1.5,"x":[true,null,{"a":"\\"}],"sub":"12345678é"}"#;
    assert!(is_read(payload));

    for end in (0..payload.len()).filter(|end| payload.is_char_boundary(*end)) {
        assert!(!is_read(&payload[..end]), "{end}");
    }
    assert!(!is_read("{\"iss\":\"\\é") && !is_read("{\"x\":\"\\"));
}

#[test]
fn real_payloads_are_read() {
    for provider in [
        include_str!("../../../../tests/fixtures/providers/keycloak.json"),
        include_str!("../../../../tests/fixtures/providers/cognito.json"),
        include_str!("../../../../tests/fixtures/providers/okta.json"),
        include_str!("../../../../tests/fixtures/providers/auth0.json"),
        include_str!("../../../../tests/fixtures/providers/entra.json"),
    ] {
        let fixture: Value = serde_json::from_str(provider).unwrap();
        let mut payloads = Vec::new();
        find_payloads(&fixture, &mut payloads);
        assert!(!payloads.is_empty());
        for payload in payloads {
            assert!(is_read(&payload), "{payload}");
        }
    }
    for payload in [
        r#"{"sub":null,"name":"Zo\u00eb","x":1.5e3,"y":-2,"exp":1.5,"iat":-1}"#,
        r#"{"\u0069ss":"a","role\u0073":["\u0061"],"realm_access":{"\u0072oles":"b"}}"#,
        " {\n \"aud\" : [ \"a\" , \"b\" ] } ",
        "{}",
    ] {
        assert!(is_read(payload), "{payload}");
    }
}

/// Objects that look like a payload, wherever they are.
fn find_payloads(value: &serde_json::Value, payloads: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(members) if members.contains_key("iss") => {
            payloads.push(value.to_string());
            payloads.push(serde_json::to_string_pretty(value).unwrap());
        }
        serde_json::Value::Object(members) => {
            members.values().for_each(|member| find_payloads(member, payloads));
        }
        serde_json::Value::Array(all) => {
            for one in all {
                find_payloads(one, payloads);
            }
        }
        _ => {}
    }
}

#[test]
fn nesting_is_bounded_wherever_it_is() {
    for (name, below) in [("x", 0), ("roles", 0), ("cnf", 0), ("realm_access", 1)] {
        let nested = |depth: usize| match below {
            0 => format!("{{\"{name}\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)),
            _ => format!(
                "{{\"{name}\":{{\"roles\":{}{}}}}}",
                "[".repeat(depth - 2),
                "]".repeat(depth - 2),
            ),
        };

        assert!(is_read(&nested(MAX_DEPTH)), "{name}");
        assert!(!is_read(&nested(MAX_DEPTH + 1)), "{name}");
    }
}

#[test]
fn repeated_names_and_too_many_are_refused() {
    // RFC 7519 §4: claim names are unique
    for payload in [
        r#"{"iss":"a","iss":"a"}"#,
        r#"{"x":1,"x":1}"#,
        r#"{"iss":"a","\u0069ss":"a"}"#,
        r#"{"x":"a","\u0078":"a"}"#,
        r#"{"realm_access":{"roles":["a"],"roles":["b"]}}"#,
        r#"{"realm_access":{"x":1,"x":1}}"#,
    ] {
        assert!(!is_read(payload), "{payload}");
    }
    let many = |n: usize| {
        let members: Vec<String> = (1..n).map(|n| format!("\"x{n}\":1")).collect();
        format!("{{\"sub\":\"a\",{}}}", members.join(","))
    };
    for (fit, too_many) in [
        (many(512), many(513)),
        (format!("{{\"realm_access\":{}}}", many(512)), format!("{{\"both\":{}}}", many(513))),
    ] {
        assert!(is_read(&fit));
        assert!(!is_read(&too_many));
    }
}
