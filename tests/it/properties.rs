//! Tests properties that hold for every input, on random inputs.

use std::sync::OnceLock;

use futures::executor::block_on;
use http::header::{AUTHORIZATION, HeaderValue};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};
use tower_bearer::source::{AuthorizationHeader, TokenSource};
use tower_bearer::test_util::TestClock;
use tower_bearer::{Algorithm, AuthError, KeySet, Reason, Verified, Verifier};

use crate::support::{AUDIENCE, ISSUER, NOW, key, key_for, token, validation};

fn cases(cases: u32) -> ProptestConfig {
    // A failing input is printed; it belongs into a test of its own and not into a file.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Verifies with a key of each algorithm.
fn verify(token: &str) -> Result<Verified<Value>, AuthError> {
    static VERIFIER: OnceLock<Verifier<Value>> = OnceLock::new();
    let verifier = VERIFIER.get_or_init(|| {
        let of_each = Algorithm::ALL.map(|algorithm| key_for(algorithm).verifying_key());
        let keys: KeySet = of_each.into_iter().chain([key().verifying_key()]).collect();
        Verifier::new(keys, validation()).unwrap().with_clock(TestClock::at(NOW))
    });
    block_on(verifier.verify(token))
}

/// Verifies a payload of any text with a valid signature.
fn verify_payload(payload: &str) -> Result<Verified<Value>, AuthError> {
    verify(&token().raw_payload(payload).sign(&key()))
}

/// The claims every token needs, as members without braces.
fn needed() -> String {
    format!(r#""iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{}"#, NOW + 60)
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(any::<String>(), inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Names that no registered claim has.
fn own_name() -> impl Strategy<Value = String> {
    any::<String>().prop_filter("registered", |name| {
        let registered = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "azp"];
        !registered.contains(&&**name)
    })
}

/// A JSON string in one of its spellings.
fn spell(text: &str, escaped: bool) -> String {
    if escaped {
        let units: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        format!("\"{units}\"")
    } else {
        Value::from(text).to_string()
    }
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn no_text_is_accepted(text in any::<String>()) {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn no_text_in_the_shape_of_a_token_is_accepted(
        text in r#"(eyJhbGciOiJ(IUzI1NiIs|SUzI1NiIs|FUzI1NiIs|FZERTQSIs|ub25lIiw)[\w-]{0,20}|[\w-]{0,40})\.[\w-]{0,40}\.[\w-]{0,90}"#,
    ) {
        prop_assert!(verify(&text).is_err());
    }

    #[test]
    fn no_authorization_field_panics_and_what_is_found_follows_the_grammar(
        field in prop_oneof![vec(any::<u8>(), 0..40), "(?i-u:bearer)[ \t]{0,2}[ -~]{0,20}".prop_map(String::into_bytes)],
    ) {
        // RFC 6750 §2.1: the grammar of credentials
        let Ok(value) = HeaderValue::from_bytes(&field) else { return Ok(()) };
        let mut request = http::Request::new(());
        request.headers_mut().insert(AUTHORIZATION, value);
        let (parts, ()) = request.into_parts();

        let found = AuthorizationHeader::new().find(&parts).ok().flatten();
        if let Some(token) = found.and_then(|token| AuthorizationHeader::new().read(token.token()).ok()) {
            let text = String::from_utf8(field.clone()).unwrap();
            let (scheme, rest) = text.split_at(6);
            prop_assert!(scheme.eq_ignore_ascii_case("bearer"));
            prop_assert_eq!(rest.trim_start_matches(' '), token);
            prop_assert!(rest.starts_with(' '));
            let body = token.trim_end_matches('=');
            let legal = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
            prop_assert!(!body.is_empty() && body.chars().all(legal));
        }
    }

    #[test]
    fn good_token_with_one_bit_altered_is_refused(
        algorithm in prop::sample::select(&Algorithm::ALL),
        at in any::<Index>(),
        bit in 0..7_u8,
    ) {
        // RFC 7515 §5.2: a token has one spelling
        let good = token().sign(&key_for(algorithm));
        let mut bytes = good.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;

        prop_assert!(verify(&good).is_ok());
        prop_assert!(verify(str::from_utf8(&bytes).unwrap()).is_err());
    }

    #[test]
    fn payload_with_own_members_is_accepted_and_with_one_of_them_twice_refused(
        members in btree_map(own_name(), (json_value(), any::<bool>()), 1..8),
        twice in any::<Index>(),
        at in any::<Index>(),
        escaped in any::<bool>(),
    ) {
        // RFC 7519 §4: claim names are unique
        let mut texts: Vec<String> = (members.iter())
            .map(|(name, (value, escaped))| format!("{}:{value}", spell(name, *escaped)))
            .chain([needed()])
            .collect();
        let join = |texts: &[String]| format!("{{{}}}", texts.join(","));
        let unique = verify_payload(&join(&texts));
        prop_assert!(unique.is_ok(), "{unique:?}");

        let name = members.keys().nth(twice.index(members.len())).unwrap();
        texts.insert(at.index(texts.len() + 1), format!("{}:0", spell(name, escaped)));
        let error = verify_payload(&join(&texts)).unwrap_err();

        prop_assert_eq!(error.reason(), Reason::Malformed);
    }

    #[test]
    fn nesting_up_to_the_bound_is_accepted_and_beyond_refused(
        brackets in prop_oneof![vec(any::<bool>(), 29..34), vec(any::<bool>(), 1..200)],
    ) {
        let nested = brackets.iter().fold("0".to_owned(), |inner, list| match list {
            true => format!("[{inner}]"),
            false => format!(r#"{{"[\"":{inner}}}"#),
        });
        let in_payload = verify_payload(&format!(r#"{{{},"x":{nested}}}"#, needed()));
        let header = format!(r#"{{"alg":"HS256","x":{nested}}}"#);
        let in_header = verify(&token().raw_header(header).sign(&key()));

        // The object around it is a level too.
        let reason = (brackets.len() + 1 > 32).then_some(Reason::Malformed);
        prop_assert_eq!(in_payload.err().map(|error| error.reason()), reason);
        prop_assert_eq!(in_header.err().map(|error| error.reason()), reason);
    }

    #[test]
    fn no_date_panics_and_only_those_around_now_are_accepted(
        exp in number(), nbf in number(), iat in number(),
    ) {
        // RFC 7519 §2: a NumericDate is any number, also a fraction
        let payload = format!(
            r#"{{"iss":"{ISSUER}","aud":"{AUDIENCE}","exp":{exp},"nbf":{nbf},"iat":{iat}}}"#
        );
        let now = NOW as f64;
        let value = |text: &str| text.parse::<f64>().unwrap();

        match verify_payload(&payload) {
            Ok(verified) => {
                prop_assert!(value(&exp) + 60.0 >= now);
                prop_assert!(value(&nbf) - 60.0 <= now && value(&iat) - 60.0 <= now);
                let principal = verified.principal();
                prop_assert!(principal.expires_at().is_some());
                let seconds = principal.registered().issued_at().unwrap().as_seconds() as f64;
                // `as` saturates at the ends of the range, where a float is not exact.
                let expected = value(&iat).floor().clamp(i64::MIN as f64, i64::MAX as f64);
                prop_assert!((seconds - expected).abs() <= 1024.0);
            }
            Err(error) => {
                let out_of_range = [&exp, &nbf, &iat].iter().any(|text| value(text).is_infinite());
                let past = value(&exp) + 60.0 <= now;
                let future = value(&nbf).max(value(&iat)) - 60.0 >= now;
                prop_assert!(out_of_range || past || future, "{error:?}");
            }
        }
    }

    #[test]
    fn scopes_and_roles_come_back_as_they_were_granted(
        scopes in vec("[!#-\\[\\]-~]{1,12}", 0..12),
        roles in vec(any::<String>().prop_filter("a role", |role| !role.is_empty()), 0..12),
        as_list in any::<bool>(),
    ) {
        // RFC 8693 §4.2: a list of scopes separated by spaces
        let scope = if as_list { json!(scopes) } else { json!(scopes.join(" ")) };
        let token = token().claim("scope", scope).claim("roles", json!(roles)).sign(&key());

        let verified = verify(&token).unwrap();

        let grants = verified.principal().grants();
        prop_assert!(grants.scopes().eq(scopes.iter().map(String::as_str)));
        prop_assert!(grants.roles().eq(roles.iter().map(String::as_str)));
        prop_assert!(scopes.iter().all(|scope| grants.has_scope(scope)));
        prop_assert!(roles.iter().all(|role| grants.has_role(role)));
    }

    #[test]
    fn claims_of_any_type_never_panic_and_are_never_someone_elses(
        name in prop::sample::select(vec![
            "iss", "aud", "exp", "nbf", "iat", "sub", "jti", "client_id", "azp", "roles", "scope",
        ]),
        value in json_value(),
    ) {
        if let Ok(verified) = verify(&token().claim(name, value.clone()).sign(&key())) {
            let principal = verified.principal();
            prop_assert_eq!(principal.issuer(), ISSUER);
            prop_assert!(principal.registered().audience().unwrap().contains(AUDIENCE));
            // By its text, since serde_json does not read every float exactly.
            let read: Value = serde_json::from_str(&value.to_string()).unwrap();
            prop_assert_eq!(&verified[name], &read);
            if name == "sub" {
                prop_assert_eq!(principal.subject(), value.as_str());
            }
        }
    }

    #[test]
    fn header_of_any_members_never_panics_and_keeps_its_algorithm(
        name in prop_oneof![
            prop::sample::select(vec!["alg", "kid", "typ", "cty", "crit", "b64", "jwk", "jku", "x5c"])
                .prop_map(str::to_owned),
            own_name(),
        ],
        value in json_value(),
    ) {
        let algorithm = key().algorithm();
        if let Ok(verified) = verify(&token().header(&name, value.clone()).sign(&key())) {
            prop_assert_eq!(verified.principal().header().unwrap().algorithm(), algorithm);
            // RFC 7515 §4.1.11: what is critical is refused; TestToken leaves `null` out
            prop_assert!(name != "crit" || value.is_null());
        }
    }
}

/// Numbers as JSON writes them: near the clock, at the ends of every range, and beyond.
fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => (-65..65_i64).prop_map(|offset| (NOW as i64 + offset).to_string()),
        5 => (-65.0..65.0_f64).prop_map(|offset| format!("{:?}", NOW as f64 + offset)),
        1 => any::<i64>().prop_map(|number| number.to_string()),
        1 => any::<u64>().prop_map(|number| number.to_string()),
        1 => any::<f64>()
            .prop_filter("finite", |number| number.is_finite())
            .prop_map(|number| format!("{number:?}")),
        1 => "-?[1-9][0-9]{0,400}",
        1 => "-?[0-9]\\.[0-9]{1,40}[eE][+-]?[0-9]{1,4}",
    ]
}
