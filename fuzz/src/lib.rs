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

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tower_bearer::dpop::DpopKey;
use tower_bearer::test_util::{TestClock, TestKey, TestToken};
use tower_bearer::{Algorithm, KeySet, SigningKey, Validation, Verified, Verifier};

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const NOW: u64 = 1_800_000_000;
/// Signs what a target makes. The other keys are public; their private halves were thrown away.
pub const SECRET: &[u8] = b"thirty-two bytes known to anyone";
pub const KEY_ID: &str = "HS256";

/// Signs the proofs that a target makes: the key of RFC 8037 §A.1.
pub const CLIENT_KEY: &str = r#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const CLIENT_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const CLIENT_PUBLIC_KEY: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
pub const PROOF_HEADER: &str = r#"{"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#;

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

/// The client of a token that is bound to its key.
pub struct Bound {
    pub key: SigningKey,
    pub token: String,
    /// The hash of the token, as proofs have it in `ath`.
    pub hash: String,
}

pub fn bound() -> Bound {
    let key = SigningKey::from_jwk(CLIENT_KEY).expect("a key");
    let client = DpopKey::new(key.clone()).expect("a key");
    let cnf = json!({ "jkt": client.thumbprint() });
    let token = TestToken::new(ISSUER, AUDIENCE).at(NOW).claim("cnf", cnf).sign(&signer());
    let proof = client.proof(&Method::GET, AUDIENCE).with_token(&token).sign();
    let proof = proof.expect("a back end");
    let claims = proof.to_str().expect("ASCII").split('.').nth(1).expect("claims");
    let claims = URL_SAFE_NO_PAD.decode(claims).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("claims");
    let hash = claims["ath"].as_str().expect("a hash").to_owned();
    Bound { key, token, hash }
}

/// Good claims for a token of this hash.
pub fn proof_claims(hash: &str) -> String {
    json!({ "jti": "x", "htm": "GET", "htu": AUDIENCE, "iat": NOW, "ath": hash }).to_string()
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

/// Judges the header of a proof that [`CLIENT_KEY`] has signed.
pub fn judge_proof_header(bytes: &[u8]) -> Expected {
    let Some(members) = members(bytes) else { return Expected::Refused };
    if has_reserved_name(bytes) {
        return Expected::Either;
    }
    let is = |name: &str, rights: &[&str]| {
        let text = members.get(name).and_then(|raw| serde_json::from_str::<String>(raw).ok());
        text.is_some_and(|text| rights.contains(&&*text))
    };
    let is_extended = members.get("crit").is_some() || members.get("b64").is_some();
    let key = match members.get("jwk") {
        Some(CLIENT_PUBLIC_KEY) => Expected::Accepted,
        Some(jwk) => judge_key(jwk),
        None => Expected::Refused,
    };
    Expected::from(
        is("typ", &["dpop+jwt"])
            && is("alg", &["EdDSA", "Ed25519"])
            && !is_extended
            && members.0.len() <= 32,
    )
    .and(key)
    .and(depth_of(bytes))
}

/// A key is refused if it is private or another one. Of other members there are rules that are not written here again.
fn judge_key(jwk: &str) -> Expected {
    // A member that is unknown may come twice.
    let Some(members) = members(jwk.as_bytes()) else { return Expected::Either };
    let is = |name: &str, right: &str| {
        members.get(name).and_then(|raw| serde_json::from_str::<String>(raw).ok()).as_deref()
            == Some(right)
    };
    let is_private =
        ["d", "k", "p", "q"].iter().any(|name| members.get(name).is_some_and(|raw| raw != "null"));
    match is("kty", "OKP") && is("crv", "Ed25519") && is("x", CLIENT_X) && !is_private {
        true => Expected::Either,
        false => Expected::Refused,
    }
}

/// Judges the claims of a proof for a GET of [`AUDIENCE`] with a token of this hash.
pub fn judge_proof_claims(bytes: &[u8], hash: &str) -> Expected {
    let Some(claims) = members(bytes) else { return Expected::Refused };
    if has_reserved_name(bytes) {
        return Expected::Either;
    }
    let text = |name: &str| match claims.get(name) {
        None => Ok(None),
        Some(raw) => serde_json::from_str::<String>(raw).map(Some),
    };
    let (Ok(Some(jti)), Ok(Some(htm)), Ok(Some(htu)), Ok(Some(ath)), Ok(_)) =
        (text("jti"), text("htm"), text("htu"), text("ath"), text("nonce"))
    else {
        return Expected::Refused;
    };
    let now = NOW as f64;
    let date = |name: &str, judge: &dyn Fn(f64) -> Expected| match claims.get(name) {
        None => Expected::Accepted,
        Some(raw) => match serde_json::from_str::<Value>(raw) {
            Ok(Value::Number(date)) => judge(date.as_f64().unwrap_or(f64::NAN)),
            Ok(_) => Expected::Refused,
            // A number that is too large.
            Err(_) => Expected::Either,
        },
    };
    // Of proofs, 60 seconds after they were made and 10 before.
    let made = date("iat", &|iat| not_later(iat, now + 10.0).and(later(iat + 60.0, now)));
    let ends = date("exp", &|exp| later(exp + 10.0, now));
    let starts = date("nbf", &|nbf| not_later(nbf, now + 10.0));
    Expected::from(
        !jti.is_empty()
            && htm == "GET"
            && ath == hash
            && claims.get("iat").is_some()
            && claims.0.len() <= 32,
    )
    .and(judge_uri(&htu))
    .and(made)
    .and(ends)
    .and(starts)
    .and(depth_of(bytes))
}

/// Judges the `htu` of a request for `/`.
fn judge_uri(htu: &str) -> Expected {
    let bare = htu.split(['?', '#']).next().unwrap_or_default();
    if bare.trim_end_matches('/') == AUDIENCE && bare.len() <= AUDIENCE.len() + 1 {
        return Expected::Accepted;
    }
    // The rest is another spelling of the same parts, if anything: the host is never one that only contains ours.
    let lower = bare.to_ascii_lowercase().replace("%2e", ".");
    let Some(rest) = lower.strip_prefix("https://") else { return Expected::Refused };
    let (authority, _) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.strip_suffix(":443").or(authority.strip_suffix(':')).unwrap_or(authority);
    match host.contains('%') || host == "api.example.com" {
        true => Expected::Either,
        false => Expected::Refused,
    }
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
