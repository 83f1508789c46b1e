//! One strict walk over the payload: registered claims, grants, and what kind of token it is.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::audience::Audiences;
use super::events::Events;
use super::marks::{Mark, Named};
use super::piece::Pieces;
use super::plan::Node;
use super::statement::Statement;
use super::{ReadPlan, RegisteredClaims};
use crate::error::{AuthError, Reason};
use crate::jose::json::{self, MemberName, SeenNames};

/// Reads the decoded payload of a token whose signature was good, or says what is wrong with it.
pub(super) fn read(text: &str, plan: &ReadPlan) -> Result<Statement, AuthError> {
    if !json::is_shallow(text) {
        return Err(AuthError::with_detail(Reason::Malformed, "the payload nests too deeply"));
    }
    let claim = Cell::new(None);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    deserializer
        .deserialize_map(PayloadVisitor { plan: plan.root(), claim: &claim })
        .and_then(|read| deserializer.end().map(|()| read))
        .map_err(|error| match claim.get() {
            Some(name) if error.is_data() => AuthError::with_detail(
                Reason::InvalidClaim,
                format!("the claim `{name}` has the wrong JSON type"),
            ),
            _ if error.is_data() => AuthError::with_detail(
                Reason::Malformed,
                "the payload is not an object with unique members",
            ),
            _ => AuthError::with_detail(Reason::Malformed, "the payload is not JSON"),
        })
}

struct PayloadVisitor<'p> {
    plan: &'p Node,
    /// The registered claim being read, so that a wrong type can be blamed on it.
    claim: &'p Cell<Option<&'static str>>,
}

impl<'de> Visitor<'de> for PayloadVisitor<'_> {
    type Value = Statement;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWT claims set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut statement = Statement::default();
        let mut seen = SeenNames::at_most(MAX_MEMBERS);
        while let Some(name) = map.next_key::<MemberName<'de>>()? {
            macro_rules! claim {
                ($name:literal => $field:ident) => {{
                    self.claim.set(Some($name));
                    statement.registered.$field = Some(map.next_value()?);
                    self.claim.set(None);
                }};
            }
            macro_rules! string {
                ($name:literal => $field:ident) => {{
                    self.claim.set(Some($name));
                    let string: String = map.next_value()?;
                    statement.registered.$field = Some(statement.registered.keep(&string));
                    self.claim.set(None);
                }};
            }
            // `null` counts as absent: serialisers write it for what a token has not.
            macro_rules! string_or_null {
                ($name:literal => $field:ident) => {{
                    self.claim.set(Some($name));
                    let string: Option<String> = map.next_value()?;
                    let piece = string.map(|string| statement.registered.keep(&string));
                    statement.registered.$field = piece;
                    self.claim.set(None);
                }};
            }
            macro_rules! mark_named {
                ($field:ident) => {
                    statement.marks.$field =
                        Some(named(map.next_value()?, &mut statement.registered))
                };
            }
            macro_rules! mark {
                ($field:ident) => {
                    statement.marks.$field = match map.next_value::<&RawValue>()?.get() {
                        "null" => Mark::Null,
                        _ => Mark::Value,
                    }
                };
            }
            match seen.insert(name).map_err(A::Error::custom)? {
                "iss" => string!("iss" => issuer),
                "aud" => {
                    self.claim.set(Some("aud"));
                    let all: Option<Audiences> = map.next_value()?;
                    statement.registered.audience = all.map(|Audiences(all)| {
                        let all = all.iter().map(|one| statement.registered.keep(one));
                        Pieces::Many(all.collect())
                    });
                    self.claim.set(None);
                }
                "exp" => claim!("exp" => expires_at),
                "nbf" => claim!("nbf" => not_before),
                "iat" => claim!("iat" => issued_at),
                "jti" => string_or_null!("jti" => token_id),
                "client_id" => string_or_null!("client_id" => client_id),
                "azp" => string_or_null!("azp" => authorized_party),
                "sub" => string_or_null!("sub" => subject),
                "sid" => {
                    let session = named(map.next_value()?, &mut statement.registered).piece();
                    statement.registered.session_id = session;
                    statement.marks.odd_session = session.is_none();
                }
                "nonce" => mark!(nonce),
                "at_hash" => mark!(at_hash),
                "c_hash" => mark!(c_hash),
                "events" => {
                    statement.marks.events =
                        Some(Events::read(map.next_value::<&RawValue>()?.get()));
                }
                "cnf" => mark!(cnf),
                "typ" => mark_named!(typ),
                "token_use" => mark_named!(token_use),
                "cid" => mark_named!(cid),
                "appid" => mark_named!(appid),
                "idtyp" => mark_named!(idtyp),
                name => match self.plan.child(name) {
                    Some(node) => {
                        let place = Place { node, statement: &mut statement, entry: false };
                        let is_there = map.next_value_seed(place)?;
                        if let (true, Some(bit)) = (is_there, node.watched) {
                            statement.watched |= 1 << bit;
                        }
                    }
                    None => _ = map.next_value::<IgnoredAny>()?,
                },
            }
        }
        statement.name_provider_clients();
        Ok(statement)
    }
}

/// A value at which, or below which, there may be grants.
struct Place<'p> {
    node: &'p Node,
    statement: &'p mut Statement,
    /// Whether it is an entry of a list: then it is taken whole, and only as a string.
    entry: bool,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    /// Whether there is something: anything but `null`.
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

// A value of another type grants nothing: it is skipped, as fewer rights are always safe.
impl<'de> Visitor<'de> for Place<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
        if self.node.is_separated && !self.entry {
            self.statement.grant_list(self.node.kinds, text);
        } else {
            self.statement.grant(self.node.kinds, text);
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        if self.entry || !self.node.kinds.any() {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(true);
        }
        let Self { node, statement, .. } = self;
        while seq
            .next_element_seed(Place { node, statement: &mut *statement, entry: true })?
            .is_some()
        {}
        Ok(true)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        if self.entry || !self.node.has_children() {
            while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
            return Ok(true);
        }
        let mut seen = SeenNames::at_most(MAX_MEMBERS);
        while let Some(name) = map.next_key::<MemberName<'de>>()? {
            match self.node.child(seen.insert(name).map_err(A::Error::custom)?) {
                Some(node) => {
                    let statement = &mut *self.statement;
                    map.next_value_seed(Place { node, statement, entry: false })?;
                }
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(true)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        Ok(false)
    }
}

fn named(value: &RawValue, registered: &mut RegisteredClaims) -> Named {
    match serde_json::from_str::<Option<String>>(value.get()) {
        Ok(Some(text)) => Named::Text(registered.keep(&text)),
        Ok(None) => Named::Null,
        Err(_) => Named::Other,
    }
}

/// Of one object. An issuer has signed what is read here.
const MAX_MEMBERS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> ReadPlan {
        let roles = ["roles", "/realm_access/roles", "/resource_access/my-api/roles"];
        ReadPlan::new(roles, ["scope", "scp"], []).unwrap()
    }

    fn roles(payload: &str) -> Vec<String> {
        let statement = read(payload, &paths()).unwrap();
        statement.grants().roles().map(str::to_owned).collect()
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
        for roles_claim in [
            "1",
            "1.5",
            "-1",
            "null",
            "true",
            r#"{"admin":1}"#,
            r#"[1,null,["admin"],{"a":"admin"}]"#,
        ] {
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
        let names =
            ["sub", "aud", "jti", "client_id", "azp", "sid", "cid", "appid", "typ", "idtyp"];
        for name in names {
            let null = read(&format!(r#"{{"{name}":null}}"#), &paths()).unwrap();
            let there = read(&format!(r#"{{"{name}":"a"}}"#), &paths()).unwrap();

            assert_eq!(null.registered, RegisteredClaims::default(), "{name}");
            assert!(!null.has(name, &paths()) && there.has(name, &paths()), "{name}");
        }
    }

    #[test]
    fn mark_of_another_kind_is_one_even_as_null_but_counts_for_no_claim_that_is_required() {
        for name in ["nonce", "at_hash", "c_hash", "cnf", "events", "token_use"] {
            let null = read(&format!(r#"{{"{name}":null}}"#), &paths()).unwrap();
            let there = read(&format!(r#"{{"{name}":"a"}}"#), &paths()).unwrap();

            assert_ne!(null.marks, Statement::default().marks, "{name}");
            assert!(!null.has(name, &paths()) && there.has(name, &paths()), "{name}");
        }
    }

    #[test]
    fn empty_list_is_an_audience_of_nobody() {
        let statement = read(r#"{"aud":[]}"#, &paths()).unwrap();

        assert_eq!(statement.registered.audience().unwrap().iter().count(), 0);
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
        let mut plan = paths();
        plan.watch("x").unwrap();
        let has =
            |value: &str| read(&format!(r#"{{"x":{value}}}"#), &plan).unwrap().has("x", &plan);

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
            "\"i\"", "\"s\"", "\"a\"", ":1", ":2", ":3", "\"j\"", "\"d\"", "\"c\"", "\"z\"",
            "\"p\"", "\"q\"",
        ] {
            let other = if value.starts_with(':') { ":4" } else { "\"other\"" };
            assert_ne!(registered(all), registered(&all.replacen(value, other, 1)), "{value}");
        }
    }
}
