//! What is read fast is what is read slowly.

mod zoo;

use proptest::prelude::*;
use serde_json::Value;

use super::super::reader;
use super::*;

fn plan() -> ReadPlan {
    let roles = [
        "roles",
        "both",
        "listed",
        // There may be roles at a place and below it, but not below the entries of a list.
        "/both/roles",
        "/realm_access/roles",
        "/resource_access/my-api/roles",
    ];
    let mut plan = ReadPlan::new(roles, ["scope", "scp", "both"], ["listed"]).unwrap();
    plan.watch("email").unwrap();
    plan.watch("roles").unwrap();
    plan
}

/// What is read fast is what is read slowly. Says whether it was.
fn is_fast(payload: &str) -> bool {
    let mut members = Members::new();
    let mut statement = Statement::default();
    if read(payload, &plan(), &mut statement, &mut members).is_none() {
        assert!(members.read::<Value>().is_none(), "{payload}");
        return false;
    }
    let slow = reader::read(payload, &plan());
    assert_eq!(slow.as_ref().ok(), Some(&statement), "{payload} {:?}", slow.as_ref().err());
    zoo::is_read_as_by_serde_json(payload, &members);
    true
}

const NAMES: [&str; 35] = [
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
];

const VALUES: [&str; 46] = [
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
    fn what_is_read_fast_is_what_serde_reads(payload in payload()) {
        is_fast(&payload);
    }

    #[test]
    fn a_change_somewhere_is_read_as_serde_reads_it(
        payload in payload(), at in any::<prop::sample::Index>(), with in "[\"\\\\{}\\[\\],: 0eE.tnf\u{0}\u{1f}é-]?",
    ) {
        let boundaries: Vec<usize> = payload.char_indices().map(|(at, _)| at).collect();
        let mut payload = payload;
        let at = boundaries[at.index(boundaries.len())];
        let char = payload.remove(at);
        payload.insert_str(at, &with);
        is_fast(&payload);
        // And with nothing taken away.
        payload.insert(at, char);
        is_fast(&payload);
    }
}

#[test]
fn every_pair_of_name_and_value_is_read_as_serde_reads_it() {
    for name in NAMES {
        for value in VALUES {
            is_fast(&format!("{{\"{name}\":{value}}}"));
            is_fast(&format!("{{\"{name}\":[{value}]}}"));
            is_fast(&format!("{{\"{name}\":{{\"roles\":{value}}}}}"));
            is_fast(&format!("{{\"{name}\":1,\"{name}\":{value}}}"));
        }
    }
}

#[test]
fn what_breaks_off_anywhere_is_left_to_serde() {
    let payload = r#"{"iss":"a\"é\u00e9","exp":1.5,"x":[true,null,{"a":"\\"}],"sub":"12345678é"}"#;
    assert!(is_fast(payload));

    for end in (0..payload.len()).filter(|end| payload.is_char_boundary(*end)) {
        assert!(!is_fast(&payload[..end]), "{end}");
    }
    assert!(!is_fast("{\"iss\":\"\\é") && !is_fast("{\"x\":\"\\"));
}

#[test]
fn real_payloads_are_read_fast() {
    for provider in [
        include_str!("../../../tests/fixtures/providers/keycloak.json"),
        include_str!("../../../tests/fixtures/providers/cognito.json"),
        include_str!("../../../tests/fixtures/providers/okta.json"),
        include_str!("../../../tests/fixtures/providers/auth0.json"),
        include_str!("../../../tests/fixtures/providers/entra.json"),
    ] {
        let fixture: serde_json::Value = serde_json::from_str(provider).unwrap();
        let mut payloads = Vec::new();
        find_payloads(&fixture, &mut payloads);
        assert!(!payloads.is_empty());
        for payload in payloads {
            assert!(is_fast(&payload), "{payload}");
        }
    }
    for payload in [
        r#"{"sub":null,"name":"Zo\u00eb","x":1.5e3,"y":-2,"exp":1.5,"iat":-1}"#,
        " {\n \"aud\" : [ \"a\" , \"b\" ] } ",
        "{}",
    ] {
        assert!(is_fast(payload), "{payload}");
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
fn nesting_is_bounded_as_it_is_for_serde() {
    for (name, below) in [("x", 0), ("roles", 0), ("cnf", 0), ("realm_access", 1)] {
        let nested = |depth: usize| match below {
            0 => format!("{{\"{name}\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1)),
            _ => format!(
                "{{\"{name}\":{{\"roles\":{}{}}}}}",
                "[".repeat(depth - 2),
                "]".repeat(depth - 2),
            ),
        };

        assert!(is_fast(&nested(MAX_DEPTH)), "{name}");
        assert!(!is_fast(&nested(MAX_DEPTH + 1)), "{name}");
        assert!(reader::read(&nested(MAX_DEPTH + 1), &plan()).is_err(), "{name}");
    }
}

#[test]
fn repeated_names_are_left_to_serde() {
    // RFC 7519 §4: claim names are unique
    for payload in [
        r#"{"iss":"a","iss":"a"}"#,
        r#"{"x":1,"x":1}"#,
        r#"{"iss":"a","\u0069ss":"a"}"#,
        r#"{"realm_access":{"roles":["a"],"roles":["b"]}}"#,
        r#"{"realm_access":{"x":1,"x":1}}"#,
    ] {
        assert!(!is_fast(payload), "{payload}");
    }
    let many = |n: usize| {
        let members: Vec<String> = (0..n).map(|n| format!("\"x{n}\":1")).collect();
        format!("{{{}}}", members.join(","))
    };
    assert!(is_fast(&many(32)));
    assert!(!is_fast(&many(33)) && reader::read(&many(33), &plan()).is_ok());
}
