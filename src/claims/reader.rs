//! One strict walk over the payload: registered claims, grants, and what kind of token it is.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::audience::Audiences;
use super::events::Events;
use super::marks::Named;
use super::piece::Pieces;
use super::plan::Node;
use super::{Grants, Marks, ReadPlan, Registered};
use crate::error::{AuthError, Reason};
use crate::json::{self, MemberName, SeenNames};

/// Everything that the crate itself reads in a payload.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Statement {
    pub(crate) registered: Registered,
    pub(crate) grants: Grants,
    pub(crate) marks: Marks,
    /// A bit for each watched claim that is there and not `null`.
    pub(super) watched: u64,
}

impl Statement {
    /// Takes the names that providers give to clients for what they are.
    pub(super) fn name_provider_clients(&mut self) {
        let Marks { cid, appid, .. } = self.marks;
        self.registered.provider_clients = [cid, appid].map(|client| client.and_then(Named::piece));
    }

    /// What one of the marks says, if it is a string.
    pub(crate) fn text_of(&self, mark: Option<Named>) -> Option<&str> {
        self.registered.get(mark.and_then(Named::piece))
    }

    /// Whether a claim is there and not `null`: one that the reader knows by itself, or that the
    /// plan watches.
    pub(crate) fn has(&self, claim: &str, plan: &ReadPlan) -> bool {
        let registered = &self.registered;
        match claim {
            "iss" => registered.issuer.is_some(),
            "sub" => registered.subject.is_some(),
            "aud" => registered.audience.is_some(),
            "exp" => registered.expires_at.is_some(),
            "nbf" => registered.not_before.is_some(),
            "iat" => registered.issued_at.is_some(),
            "jti" => registered.token_id.is_some(),
            "sid" => registered.session_id.is_some(),
            "client_id" => registered.client_id.is_some(),
            "azp" => registered.authorized_party.is_some(),
            "nonce" => self.marks.nonce,
            "at_hash" => self.marks.at_hash,
            "c_hash" => self.marks.c_hash,
            "events" => self.marks.events.is_some(),
            "cnf" => self.marks.cnf,
            "typ" => self.marks.typ.is_some(),
            "token_use" => self.marks.token_use.is_some(),
            "cid" => self.marks.cid.is_some(),
            "appid" => self.marks.appid.is_some(),
            "idtyp" => self.marks.idtyp.is_some(),
            other => plan.watched_bit(other).is_some_and(|bit| self.watched & (1 << bit) != 0),
        }
    }
}

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
        let Statement { mut registered, mut grants, mut marks, mut watched } = Statement::default();
        let mut seen = SeenNames::at_most(MAX_MEMBERS);
        while let Some(name) = map.next_key::<MemberName<'de>>()? {
            macro_rules! claim {
                ($name:literal => $field:ident) => {{
                    self.claim.set(Some($name));
                    registered.$field = Some(map.next_value()?);
                    self.claim.set(None);
                }};
            }
            macro_rules! string {
                ($name:literal => $field:ident) => {{
                    self.claim.set(Some($name));
                    let string: String = map.next_value()?;
                    registered.$field = Some(registered.keep(&string));
                    self.claim.set(None);
                }};
            }
            // Whatever its value is, even `null`: the member is there.
            macro_rules! mark {
                ($field:ident) => {{
                    map.next_value::<IgnoredAny>()?;
                    marks.$field = true;
                }};
            }
            match seen.insert(name).map_err(A::Error::custom)? {
                "iss" => string!("iss" => issuer),
                "aud" => {
                    self.claim.set(Some("aud"));
                    let Audiences(all) = map.next_value()?;
                    let all = all.iter().map(|one| registered.keep(one)).collect();
                    registered.audience = Some(Pieces::Many(all));
                    self.claim.set(None);
                }
                "exp" => claim!("exp" => expires_at),
                "nbf" => claim!("nbf" => not_before),
                "iat" => claim!("iat" => issued_at),
                "jti" => string!("jti" => token_id),
                "client_id" => string!("client_id" => client_id),
                "azp" => string!("azp" => authorized_party),
                "sub" => {
                    self.claim.set(Some("sub"));
                    // `null` in tokens for client credentials (rauthy).
                    let subject: Option<String> = map.next_value()?;
                    registered.subject = subject.map(|subject| registered.keep(&subject));
                    self.claim.set(None);
                }
                "sid" => {
                    registered.session_id = named(map.next_value()?, &mut registered).piece();
                    marks.odd_session = registered.session_id.is_none();
                }
                "nonce" => mark!(nonce),
                "at_hash" => mark!(at_hash),
                "c_hash" => mark!(c_hash),
                "events" => {
                    marks.events = Some(Events::read(map.next_value::<&RawValue>()?.get()));
                }
                "cnf" => mark!(cnf),
                "typ" => marks.typ = Some(named(map.next_value()?, &mut registered)),
                "token_use" => marks.token_use = Some(named(map.next_value()?, &mut registered)),
                "cid" => marks.cid = Some(named(map.next_value()?, &mut registered)),
                "appid" => marks.appid = Some(named(map.next_value()?, &mut registered)),
                "idtyp" => marks.idtyp = Some(named(map.next_value()?, &mut registered)),
                name => match self.plan.child(name) {
                    Some(node) => {
                        let place = Place { node, grants: &mut grants, entry: false };
                        let is_there = map.next_value_seed(place)?;
                        if let (true, Some(bit)) = (is_there, node.watched) {
                            watched |= 1 << bit;
                        }
                    }
                    None => _ = map.next_value::<IgnoredAny>()?,
                },
            }
        }
        let mut statement = Statement { registered, grants, marks, watched };
        statement.name_provider_clients();
        Ok(statement)
    }
}

/// A value at which, or below which, there may be grants.
struct Place<'p> {
    node: &'p Node,
    grants: &'p mut Grants,
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
        if self.entry {
            self.grants.add(self.node.kinds, text);
        } else {
            self.grants.add_list(self.node.kinds, text);
        }
        Ok(true)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        if self.entry || !self.node.kinds.any() {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(true);
        }
        let Self { node, grants, .. } = self;
        while seq.next_element_seed(Place { node, grants: &mut *grants, entry: true })?.is_some() {}
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
                    let grants = &mut *self.grants;
                    map.next_value_seed(Place { node, grants, entry: false })?;
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

fn named(value: &RawValue, registered: &mut Registered) -> Named {
    let text: Result<String, _> = serde_json::from_str(value.get());
    text.map_or(Named::Other, |text| Named::Text(registered.keep(&text)))
}

/// Of one object. An issuer has signed what is read here.
const MAX_MEMBERS: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn paths() -> ReadPlan {
        let roles = ["roles", "/realm_access/roles", "/resource_access/my-api/roles"];
        ReadPlan::new(roles, ["scope", "scp"]).unwrap()
    }

    fn roles(payload: &str) -> Vec<String> {
        let statement = read(payload, &paths()).unwrap();
        statement.grants.roles().map(str::to_owned).collect()
    }

    fn reason(payload: &str) -> Reason {
        read(payload, &paths()).unwrap_err().reason()
    }

    #[test]
    fn roles_are_found_as_list_as_string_and_below_pointers() {
        assert_eq!(roles(r#"{"roles":["a","b c"]}"#), ["a", "b c"]);
        assert_eq!(roles(r#"{"roles":"a  b"}"#), ["a", "b"]);
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
            ("aud", vec!["1", "null", "[]", "[1]"]),
            ("exp", vec![r#""1""#, "null", "true", "[1]"]),
            ("nbf", vec![r#""1""#, "null"]),
            ("iat", vec![r#""1""#, "null"]),
            ("jti", vec!["1", "null"]),
            ("client_id", vec!["1"]),
            ("azp", vec!["1"]),
        ] {
            for value in values {
                let error = read(&format!(r#"{{"{claim}":{value}}}"#), &paths()).unwrap_err();
                assert_eq!(error.reason(), Reason::InvalidClaim, "{claim}: {value}");
                assert!(error.detail().unwrap().contains(claim), "{claim}: {value}");
            }
        }
    }

    #[test]
    fn null_subject_counts_as_absent() {
        assert_eq!(read(r#"{"sub":null}"#, &paths()).unwrap().registered.subject(), None);
        assert_eq!(read(r#"{"sub":"a"}"#, &paths()).unwrap().registered.subject(), Some("a"));
    }

    #[test]
    fn payload_that_is_not_one_whole_object_is_malformed() {
        // RFC 7519 §7.2: the payload is a JSON object
        let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(200_000), "]".repeat(200_000));
        for payload in ["", "[]", "1", "{", "{}{}", "{} x", r#"{"exp":1e999}"#, &deep] {
            assert_eq!(reason(payload), Reason::Malformed);
        }
    }
}
