//! Holds the parts that the fuzz targets share: fixed keys, and a second implementation of the rules for tokens.
//!
//! The second implementation is written from the RFCs and the crate's documentation, on `serde_json` alone.
//! With it, a target can decide for any input whether it had to be accepted, and not only that nothing
//! panicked.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tower_bearer::test_util::{TestClock, TestKey};
use tower_bearer::{Algorithm, KeySet, Validation, Verified, Verifier};

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const NOW: u64 = 1_800_000_000;
/// Signs what a target makes. The other keys are public; their private halves were thrown away.
pub const SECRET: &[u8] = b"thirty-two bytes known to anyone";
pub const KEY_ID: &str = "HS256";

/// One key of each algorithm, named after it.
pub fn keys() -> KeySet {
    KeySet::from_jwks(include_str!("../keys.json")).expect("the fixed keys are good")
}

pub fn signer() -> TestKey {
    TestKey::from_secret(Algorithm::HS256, SECRET).with_key_id(KEY_ID)
}

pub fn verifier() -> Verifier<Value> {
    verifier_of(keys())
}

pub fn verifier_of(keys: KeySet) -> Verifier<Value> {
    let validation =
        Validation::new(ISSUER, AUDIENCE).with_roles_at(["roles", "role", "/realm_access/roles"]);
    Verifier::new(keys, validation).expect("the rules are good").with_clock(TestClock::at(NOW))
}

/// Runs a future that has nothing to wait for.
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a key set never waits"),
    }
}

/// The expected verdict about a token whose signature is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    Accepted,
    Refused,
    /// Too close to call without doing what the crate does.
    Either,
}

impl Expected {
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Refused, _) | (_, Self::Refused) => Self::Refused,
            (Self::Either, _) | (_, Self::Either) => Self::Either,
            (Self::Accepted, Self::Accepted) => Self::Accepted,
        }
    }

    pub fn check(self, accepted: bool, what: &impl fmt::Debug) {
        match self {
            Self::Accepted => assert!(accepted, "good, but refused: {what:?}"),
            Self::Refused => assert!(!accepted, "bad, but accepted"),
            Self::Either => {}
        }
    }
}

impl From<bool> for Expected {
    fn from(good: bool) -> Self {
        if good { Self::Accepted } else { Self::Refused }
    }
}

/// Judges a header that names this algorithm and carries its good signature.
pub fn judge_header(bytes: &[u8], algorithm: &str) -> Expected {
    let Some(members) = members(bytes) else { return Expected::Refused };
    if has_reserved_name(bytes) {
        return Expected::Refused;
    }
    let text = |name: &str| match members.get(name) {
        None => Ok(None),
        Some(raw) => serde_json::from_str::<String>(raw).map(Some),
    };
    let (Ok(alg), Ok(kid), Ok(typ), Ok(cty)) = (text("alg"), text("kid"), text("typ"), text("cty"))
    else {
        return Expected::Refused;
    };
    let nested =
        cty.is_some_and(|cty| ["jwt", "application/jwt"].contains(&&*cty.to_ascii_lowercase()));
    let too_many = members.0.len() > 32;
    let right_type = typ.is_none_or(|typ| {
        let typ = typ.to_ascii_lowercase();
        ["jwt", "at+jwt", "application/jwt", "application/at+jwt"].contains(&&*typ)
    });
    let extended =
        members.get("crit").is_some() || members.get("b64").is_some_and(|b64| b64.trim() != "true");
    let same_key = kid.is_none_or(|kid| kid == algorithm);
    Expected::from(
        alg.as_deref() == Some(algorithm)
            && same_key
            && right_type
            && !extended
            && !nested
            && !too_many,
    )
    .and(depth_of(bytes))
}

/// Judges a payload behind a good signature.
pub fn judge_payload(bytes: &[u8]) -> Expected {
    let Some(claims) = members(bytes) else { return Expected::Refused };
    if has_reserved_name(bytes) {
        return Expected::Refused;
    }
    // The claims type of the targets is a `Value`, which does not take every number and string.
    let Ok(Value::Object(values)) = serde_json::from_slice(bytes) else { return Expected::Refused };
    let realm = claims.get("realm_access").filter(|raw| raw.starts_with('{'));
    if realm.is_some_and(|raw| members(raw.as_bytes()).is_none()) {
        return Expected::Refused;
    }
    let is = |name: &str, right: fn(&Value) -> bool| values.get(name).is_none_or(right);
    let right_types = is("iss", Value::is_string)
        && ["jti", "client_id", "azp"]
            .iter()
            .all(|name| is(name, |value| value.is_string() || value.is_null()))
        && ["exp", "nbf", "iat"].iter().all(|name| is(name, Value::is_number))
        && is("sub", |sub| sub.is_string() || sub.is_null())
        && is("aud", |aud| match aud {
            Value::String(_) => true,
            Value::Array(several) => !several.is_empty() && several.iter().all(Value::is_string),
            _ => false,
        });
    let right_parties = values.get("iss").is_some_and(|iss| iss == ISSUER)
        && values.get("aud").is_some_and(|aud| {
            aud == AUDIENCE || aud.as_array().is_some_and(|all| all.iter().any(|a| a == AUDIENCE))
        });
    // Marks of other kinds of token.
    let is_access_token = ["nonce", "at_hash", "c_hash", "events", "cnf"]
        .iter()
        .all(|mark| !values.contains_key(*mark))
        && is("typ", |typ| {
            let typ = typ.as_str().unwrap_or_default().to_ascii_lowercase();
            !["id", "refresh", "offline", "logout", "serialized-id"].contains(&&*typ)
        })
        && is("token_use", |token_use| token_use == "access");
    let too_many = claims.0.len() > 512;
    // The leeway of 60 seconds is the default.
    let now = NOW as f64;
    let made = values.get("iat").map(seconds);
    let made = made.map_or(Expected::Accepted, |iat| not_later(iat, now + 60.0));
    let in_time = match (values.get("exp").map(seconds), values.get("nbf").map(seconds)) {
        (None, _) => Expected::Refused,
        (Some(exp), nbf) => {
            let fresh = later(exp + 60.0, now);
            nbf.map_or(fresh, |nbf| fresh.and(not_later(nbf, now + 60.0)))
        }
    };
    Expected::from(right_types && right_parties && is_access_token && !too_many)
        .and(in_time)
        .and(made)
        .and(depth_of(bytes))
}

/// Checks that what was accepted is what the payload says, and that the grants are its own.
pub fn check_claims(verified: &Verified<Value>, payload: &[u8]) {
    let claims: Value = serde_json::from_slice(payload).expect("accepted, so it is JSON");
    assert_eq!(**verified, claims);
    let principal = verified.principal();
    assert_eq!(principal.issuer(), ISSUER);
    assert_eq!(principal.subject(), claims["sub"].as_str());
    let (mut roles, mut scopes) = (Vec::new(), Vec::new());
    for (name, raw) in &members(payload).expect("accepted, so it is an object").0 {
        let value = &claims[name];
        match &**name {
            "roles" | "role" => roles.extend(grants(value, false)),
            "scope" | "scp" => scopes.extend(grants(value, true)),
            "realm_access" if raw.get().starts_with('{') => {
                roles.extend(grants(&value["roles"], false));
            }
            _ => {}
        }
    }
    assert!(principal.grants().roles().eq(roles.iter().map(String::as_str)));
    assert!(principal.grants().scopes().eq(scopes.iter().map(String::as_str)));
}

/// An empty string grants nothing.
fn grants(value: &Value, is_separated: bool) -> Vec<String> {
    let all: Vec<&str> = match value {
        Value::String(list) if is_separated => list.split(' ').collect(),
        Value::String(one) => vec![one],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    all.into_iter().filter(|one| !one.is_empty()).map(str::to_owned).collect()
}

fn seconds(number: &Value) -> f64 {
    number.as_f64().unwrap_or(f64::NAN)
}

fn later(a: f64, b: f64) -> Expected {
    if a != b && (a - b).abs() < 1e-3 { Expected::Either } else { (a > b).into() }
}

fn not_later(a: f64, b: f64) -> Expected {
    if a != b && (a - b).abs() < 1e-3 { Expected::Either } else { (a <= b).into() }
}

// 32 levels are read.
fn depth_of(bytes: &[u8]) -> Expected {
    fn depth(value: &Value) -> usize {
        match value {
            Value::Array(all) => 1 + all.iter().map(depth).max().unwrap_or(0),
            Value::Object(all) => 1 + all.values().map(depth).max().unwrap_or(0),
            _ => 0,
        }
    }
    // Text that `Value` refuses may still be well-formed where it is not read.
    serde_json::from_slice(bytes).map_or(Expected::Either, |value| (depth(&value) <= 32).into())
}

/// Whether a member has a name by which serde_json asks itself for something, at any depth. Of a name that cannot be
/// decoded nothing is known.
fn has_reserved_name(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"[") {
        let entries: Vec<Box<RawValue>> = serde_json::from_slice(bytes).unwrap_or_default();
        return entries.iter().any(|entry| has_reserved_name(entry.get().as_bytes()));
    }
    let Ok(Members(members)) = serde_json::from_slice(bytes) else { return false };
    members.iter().any(|(name, raw)| {
        name.starts_with("$serde_json::") || has_reserved_name(raw.get().as_bytes())
    })
}

struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one == name).map(|(_, raw)| raw.get())
    }
}

/// The members of an object, unless one comes twice or there are more than 512.
fn members(bytes: &[u8]) -> Option<Members> {
    let text = std::str::from_utf8(bytes).ok()?;
    let members: Members = serde_json::from_str(text).ok()?;
    let names: BTreeSet<&str> = members.0.iter().map(|(name, _)| &**name).collect();
    let unique = names.len() == members.0.len() && names.len() <= 512;
    unique.then_some(members)
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}
