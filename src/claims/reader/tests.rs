mod oracle;
mod random;

use super::*;
use crate::claims::{RegisteredClaims, TextClaim, TypeMarkers};
use crate::error::{AuthError, Reason};
use crate::jose::json::MAX_DEPTH;

fn read(payload: &str, paths: &ClaimPaths) -> Result<ParsedClaims, AuthError> {
    let mut parsed = ParsedClaims::default();
    super::read(payload, paths, &mut parsed, &mut Footprint::uncounted())?;
    Ok(parsed)
}

fn paths() -> ClaimPaths {
    let roles = ["roles", "/realm_access/roles", "/resource_access/my-api/roles"];
    ClaimPaths::new(roles, ["scope", "scp"], []).unwrap()
}

fn roles(payload: &str) -> Vec<String> {
    let parsed = read(payload, &paths()).unwrap();
    parsed.grants().roles().map(str::to_owned).collect()
}

fn reason(payload: &str) -> Reason {
    read(payload, &paths()).unwrap_err().reason()
}

#[test]
fn roles_are_found_as_list_as_string_and_below_pointers() {
    assert_eq!(roles(r#"{"roles":["a","b c"]}"#), ["a", "b c"]);
    assert_eq!(roles(r#"{"roles":"a  b"}"#), ["a  b"]);
    assert!(roles(r#"{"roles":""}"#).is_empty() && roles(r#"{"roles":[""]}"#).is_empty());
    assert_eq!(roles(r#"{"realm_access":{"x":1,"roles":["a"]}}"#), ["a"]);
}

#[test]
fn roles_of_another_client_are_not_found() {
    let payload = r#"{"resource_access":{"other":{"roles":["admin"]},"my-api":{"roles":["user"]},
                      "x":{"my-api":{"roles":["admin"]}}}}"#;

    assert_eq!(roles(payload), ["user"]);
}

#[test]
fn values_of_another_type_grant_nothing() {
    for roles_claim in
        ["1", "1.5", "-1", "null", "true", r#"{"admin":1}"#, r#"[1,null,["admin"],{"a":"admin"}]"#]
    {
        assert!(roles(&format!(r#"{{"roles":{roles_claim}}}"#)).is_empty(), "{roles_claim}");
    }
}

#[test]
fn repeated_members_are_malformed_at_the_top_and_along_pointers() {
    // RFC 7519 §4: claim names are unique
    for payload in [
        r#"{"iss":"a","iss":"a"}"#,
        r#"{"x":1,"x":1}"#,
        r#"{"x":1,"x":1}"#,
        r#"{"realm_access":{"roles":["a"],"roles":["b"]}}"#,
        r#"{"resource_access":{"my-api":{},"my-api":{"roles":["admin"]}}}"#,
    ] {
        assert_eq!(reason(payload), Reason::Malformed, "{payload}");
    }
}

#[test]
fn registered_claims_of_the_wrong_type_are_invalid() {
    for (claim, values) in [
        ("iss", vec!["1", "null", r#"["a"]"#, "{}"]),
        ("sub", vec!["1", r#"["a"]"#]),
        ("aud", vec!["1", "[1]", "[null]", "{}"]),
        ("exp", vec![r#""1""#, "null", "true", "[1]"]),
        ("nbf", vec![r#""1""#, "null"]),
        ("iat", vec![r#""1""#, "null"]),
        ("jti", vec!["1", "[]"]),
        ("client_id", vec!["1", "{}"]),
        ("azp", vec!["1", "true"]),
        ("act", vec!["1", "[]", r#""a""#, "{}", r#"{"sub":1}"#, r#"{"sub":"a","act":{}}"#]),
    ] {
        for value in values {
            let error = read(&format!(r#"{{"{claim}":{value}}}"#), &paths()).unwrap_err();
            assert_eq!(error.reason(), Reason::InvalidClaim, "{claim}: {value}");
            assert!(error.detail().unwrap().contains(claim), "{claim}: {value}");
        }
    }
}

#[test]
fn null_counts_as_absent_where_it_drops_no_limit() {
    let names = ["sub", "aud", "jti", "client_id", "azp", "sid", "cid", "appid", "typ", "idtyp"];
    for name in names {
        let null = read(&format!(r#"{{"{name}":null}}"#), &paths()).unwrap();
        let there = read(&format!(r#"{{"{name}":"a"}}"#), &paths()).unwrap();

        assert_eq!(null.registered, RegisteredClaims::default(), "{name}");
        assert!(!null.has(name, &paths()) && there.has(name, &paths()), "{name}");
    }
}

#[test]
fn marker_of_another_kind_is_one_even_as_null_but_counts_for_no_claim_that_is_required() {
    for name in ["nonce", "at_hash", "c_hash", "cnf", "events", "token_use"] {
        let null = read(&format!(r#"{{"{name}":null}}"#), &paths()).unwrap();
        let there = read(&format!(r#"{{"{name}":"a"}}"#), &paths()).unwrap();

        assert_ne!(null.markers, TypeMarkers::default(), "{name}");
        assert!(!null.has(name, &paths()) && there.has(name, &paths()), "{name}");
    }
}

#[test]
fn empty_list_is_an_audience_of_nobody() {
    let parsed = read(r#"{"aud":[]}"#, &paths()).unwrap();

    assert_eq!(parsed.registered.audience().unwrap().iter().count(), 0);
}

#[test]
fn payload_that_is_not_one_whole_object_is_malformed() {
    // RFC 7519 §7.2: the payload is a JSON object
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
    for payload in ["", "[]", "1", "{", "{}{}", "{} x", r#"{"exp":1e999}"#, &deep] {
        assert_eq!(reason(payload), Reason::Malformed);
    }
}

#[test]
fn claims_nest_equally_deep_whatever_their_names_are() {
    for name in ["x", "roles", "amr", "authorization_details"] {
        // The payload itself is one level.
        for (depth, is_read) in [(MAX_DEPTH - 1, true), (MAX_DEPTH, false)] {
            let payload = format!(r#"{{"{name}":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));

            assert_eq!(read(&payload, &paths()).is_ok(), is_read, "{name} {depth}");
        }
    }
}

#[test]
fn detail_of_a_malformed_payload_says_whether_it_is_json() {
    for (payload, detail) in [
        ("[]", "the payload is not an object with unique members"),
        (r#"{"x":1,"x":1}"#, "the payload is not an object with unique members"),
        ("{", "the payload is not JSON"),
        ("{} x", "the payload is not JSON"),
    ] {
        assert_eq!(read(payload, &paths()).unwrap_err().detail(), Some(detail), "{payload}");
    }
}

#[test]
fn watched_claim_is_there_whatever_its_type_unless_it_is_null() {
    let mut paths = paths();
    paths.watch("x").unwrap();
    let has = |value: &str| read(&format!(r#"{{"x":{value}}}"#), &paths).unwrap().has("x", &paths);

    for value in ["0", "-1", "1.5", "true", "false", r#""""#, "[]", "{}"] {
        assert!(has(value), "{value}");
    }
    assert!(!has("null"));
}

#[test]
fn registered_claims_are_equal_only_if_each_of_them_is() {
    let all = r#"{"iss":"i","sub":"s","aud":"a","exp":1,"nbf":2,"iat":3,"jti":"j","sid":"d",
                  "client_id":"c","azp":"z","cid":"p","appid":"q"}"#;
    let registered = |payload: &str| read(payload, &paths()).unwrap().registered;
    assert_eq!(registered(all), registered(&all.replace('{', r#"{"x":"y","roles":"r","#)));

    for value in [
        "\"i\"", "\"s\"", "\"a\"", ":1", ":2", ":3", "\"j\"", "\"d\"", "\"c\"", "\"z\"", "\"p\"",
        "\"q\"",
    ] {
        let other = if value.starts_with(':') { ":4" } else { "\"other\"" };
        assert_ne!(registered(all), registered(&all.replacen(value, other, 1)), "{value}");
    }
}

#[test]
fn one_string_and_a_list_of_strings_are_audiences() {
    // RFC 7519 §4.1.3: array of strings or single string
    for (json, expected) in
        [(r#""a""#, &["a"][..]), (r#"["a"]"#, &["a"]), (r#"["b","a"]"#, &["b", "a"]), ("[]", &[])]
    {
        let parsed = read(&format!(r#"{{"aud":{json}}}"#), &paths()).unwrap();
        let audience = parsed.registered.audience().unwrap();
        assert_eq!(audience.iter().collect::<Vec<_>>(), expected, "{json}");
    }
}

#[test]
fn anything_else_is_no_audience() {
    // RFC 7519 §4.1.3: nothing but strings
    for json in ["1", r#"["a",1]"#, r#"["a",null]"#, r#"{"a":1}"#, r#"[["a"]]"#] {
        assert_eq!(reason(&format!(r#"{{"aud":{json}}}"#)), Reason::InvalidClaim, "{json}");
    }
}
