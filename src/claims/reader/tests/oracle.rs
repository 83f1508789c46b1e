//! Reads payloads a second time, with serde_json alone, to compare with the crate's reader.
//!
//! It takes a payload apart by `RawValue` and asks serde_json for each claim. Which type of value a claim must have
//! is written here again, on purpose.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::claims::policy_claims::TextsClaim;
use crate::claims::table::Claim;
use crate::claims::{Actor, ClaimPaths, Events, NumericDate, ParsedClaims};
use crate::jose::json::MAX_DEPTH;

/// The reason why a payload must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Malformed,
    WrongType,
}

/// The claims of a payload in words. The reader and the oracle write them in the same way.
pub(super) type Said = BTreeMap<String, String>;

/// A place in the payload that may hold grants, and the places below it.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    pub(super) roles: bool,
    pub(super) scopes: bool,
    pub(super) is_list: bool,
    pub(super) below: &'static [(&'static str, Place)],
}

/// Returns the claims of a payload, or every reason to refuse it.
pub(super) fn judge(text: &str, root: Place, watched: &[&str]) -> Result<Said, Vec<Refusal>> {
    let Some(members) = members(text) else {
        // Before the text goes wrong there may be a claim of the wrong type.
        return Err(vec![Refusal::Malformed, Refusal::WrongType]);
    };
    let mut refusals = Vec::new();
    let mut refuse = |is_wrong: bool, refusal| {
        if is_wrong {
            refusals.push(refusal);
        }
    };
    refuse(depth(text) > MAX_DEPTH || has_reserved_name(text), Refusal::Malformed);
    refuse(!are_unique(&members), Refusal::Malformed);
    let mut said = Said::new();
    let (mut roles, mut scopes) = (Vec::new(), Vec::new());
    for (name, raw) in &members {
        if Claim::from_name(name).is_some() {
            match claim(name, raw) {
                Ok(more) => said.extend(more),
                // What is wrong inside of it is found in the order of its members.
                Err(_) if name == "act" => {
                    refuse(true, Refusal::Malformed);
                    refuse(true, Refusal::WrongType);
                }
                Err(refusal) => refuse(true, refusal),
            }
        } else if let Some((_, place)) = root.below.iter().find(|(one, _)| one == name) {
            let is_good = grants(raw, *place, false, &mut roles, &mut scopes);
            refuse(is_good.is_none(), Refusal::Malformed);
        }
        if watched.contains(&&**name) && raw != "null" {
            said.insert(format!("has {name}"), String::new());
        }
    }
    said.insert("roles".to_owned(), format!("{roles:?}"));
    said.insert("scopes".to_owned(), format!("{scopes:?}"));
    if refusals.is_empty() { Ok(said) } else { Err(refusals) }
}

/// Writes in the same words the claims that the reader has read.
pub(super) fn said(parsed: &ParsedClaims, paths: &ClaimPaths, watched: &[&str]) -> Said {
    let ParsedClaims { registered, markers, asked, .. } = parsed;
    let mut said = Said::new();
    let mut say = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            said.insert(what.to_owned(), value);
        }
    };
    let range = |claim: Option<super::TextClaim>| parsed.text_of(claim).map(str::to_owned);
    let own = |text: Option<&str>| text.map(str::to_owned);
    say("iss", own(registered.issuer()));
    say("sub", own(registered.subject()));
    say("jti", own(registered.token_id()));
    say("sid", own(registered.session_id()));
    say("client_id", own(registered.client_id_itself()));
    say("azp", own(registered.get(registered.authorized_party)));
    say("cid", range(registered.okta_client));
    say("appid", range(registered.entra_client));
    say("typ", range(markers.typ));
    say("token_use", range(markers.token_use));
    say("idtyp", range(markers.idtyp));
    say("acr", range(asked.acr));
    let texts = |ranges: &[crate::claims::text_range::TextRange]| {
        let texts = ranges.iter().filter_map(|range| registered.get(Some(*range)));
        texts.map(str::to_owned).collect::<Vec<_>>()
    };
    if asked.amr != TextsClaim::Absent {
        say("amr", Some(format!("{:?}", texts(asked.amr.ranges()))));
    }
    say("auth_time", asked.auth_time.date().map(|date| format!("{date:?}")));
    let actors: Vec<_> = asked.actors().iter().map(Actor::subject).collect();
    say("act", (!actors.is_empty()).then(|| format!("{actors:?}")));
    say("authorization_details", own(registered.get(asked.details.range())));
    say("aud", registered.audience().map(|all| format!("{:?}", all.iter().collect::<Vec<_>>())));
    let date = |date: Option<NumericDate>| date.map(|date| format!("{date:?}"));
    say("exp", date(registered.expires_at()));
    say("nbf", date(registered.not_before()));
    say("iat", date(registered.issued_at()));
    let there = |is_there: bool| is_there.then(String::new);
    say("nonce is there", there(markers.nonce.is_there()));
    say("at_hash is there", there(markers.at_hash.is_there()));
    say("c_hash is there", there(markers.c_hash.is_there()));
    say("cnf is there", there(markers.cnf.is_there()));
    say("events is there", there(markers.events.is_some()));
    say("token_use is there", there(markers.token_use.is_some()));
    say("logout", there(markers.events == Some(Events::Logout)));
    say("odd session", there(registered.has_odd_session()));
    for name in Claim::ALL.iter().map(|claim| claim.name()).chain(watched.iter().copied()) {
        say(&format!("has {name}"), there(parsed.has(name, paths)));
    }
    say("roles", Some(format!("{:?}", parsed.grants().roles().collect::<Vec<_>>())));
    say("scopes", Some(format!("{:?}", parsed.grants().scopes().collect::<Vec<_>>())));
    said
}

/// Reads one of the claims that the crate always reads.
fn claim(name: &str, raw: &str) -> Result<Said, Refusal> {
    let mut said = Said::new();
    let mut say = |what: String, value: String| drop(said.insert(what, value));
    let is_null = raw == "null";
    match name {
        "sub" | "aud" | "jti" | "client_id" | "azp" | "act" if is_null => return Ok(said),
        "iss" | "sub" | "jti" | "client_id" | "azp" => say(name.to_owned(), text_of(raw)?),
        "aud" if raw.starts_with('[') => {
            let all: Vec<Box<RawValue>> = parse(raw).ok_or(Refusal::Malformed)?;
            let all: Result<Vec<String>, _> = all.iter().map(|one| text_of(one.get())).collect();
            say(name.to_owned(), format!("{:?}", all?));
        }
        "aud" => say(name.to_owned(), format!("{:?}", [text_of(raw)?])),
        "exp" | "nbf" | "iat" => say(name.to_owned(), format!("{:?}", date_of(raw)?)),
        "sid" if !raw.starts_with('"') => {
            said.insert("odd session".to_owned(), String::new());
            return Ok(said);
        }
        "sid" | "cid" | "appid" | "typ" | "token_use" | "idtyp" | "acr" if raw.starts_with('"') => {
            say(name.to_owned(), text_of(raw)?);
        }
        "amr" => say(name.to_owned(), format!("{:?}", texts_of(raw)?)),
        "auth_time" if is_number(raw) => say(name.to_owned(), format!("{:?}", date_of(raw)?)),
        "act" => say(name.to_owned(), format!("{:?}", actors_of(raw)?)),
        "authorization_details" if !is_null => say(name.to_owned(), raw.to_owned()),
        "events" if is_logout(raw)? => say("logout".to_owned(), String::new()),
        _ => {}
    }
    if ["nonce", "at_hash", "c_hash", "cnf", "events", "token_use"].contains(&name) {
        said.insert(format!("{name} is there"), String::new());
    }
    if !is_null {
        said.insert(format!("has {name}"), String::new());
    }
    Ok(said)
}

fn text_of(raw: &str) -> Result<String, Refusal> {
    if !raw.starts_with('"') {
        return Err(Refusal::WrongType);
    }
    parse(raw).ok_or(Refusal::Malformed)
}

/// Returns the strings of a list, or the one string.
fn texts_of(raw: &str) -> Result<Vec<String>, Refusal> {
    if raw.starts_with('"') {
        return Ok(vec![text_of(raw)?]);
    }
    if !raw.starts_with('[') {
        return Ok(Vec::new());
    }
    let all: Vec<Box<RawValue>> = parse(raw).ok_or(Refusal::Malformed)?;
    all.iter().map(|one| one.get()).filter(|one| one.starts_with('"')).map(text_of).collect()
}

/// Returns the subjects of nested actors.
fn actors_of(raw: &str) -> Result<Vec<String>, Refusal> {
    let mut subjects = Vec::new();
    let mut next = Some(raw.to_owned());
    while let Some(raw) = next.take() {
        if !raw.starts_with('{') || subjects.len() == 8 {
            return Err(Refusal::WrongType);
        }
        let members = members(&raw).ok_or(Refusal::Malformed)?;
        if !are_unique(&members) || members.len() > 64 {
            return Err(Refusal::Malformed);
        }
        let find = |wanted: &str| members.iter().find(|(name, _)| name == wanted);
        let subject = find("sub").map_or(Err(Refusal::WrongType), |(_, raw)| text_of(raw))?;
        if subject.is_empty() {
            return Err(Refusal::WrongType);
        }
        subjects.push(subject);
        for optional in ["iss", "client_id"] {
            if let Some((_, raw)) = find(optional).filter(|(_, raw)| &**raw != "null") {
                text_of(raw)?;
            }
        }
        next = find("act").map(|(_, raw)| raw.clone()).filter(|raw| raw != "null");
    }
    Ok(subjects)
}

fn date_of(raw: &str) -> Result<NumericDate, Refusal> {
    if !is_number(raw) {
        return Err(Refusal::WrongType);
    }
    parse(raw).ok_or(Refusal::Malformed)
}

fn is_logout(raw: &str) -> Result<bool, Refusal> {
    const LOGOUT: &str = "http://schemas.openid.net/event/backchannel-logout";
    if !raw.starts_with('{') {
        return Ok(false);
    }
    let events = members(raw).ok_or(Refusal::Malformed)?;
    let logout = events.iter().find(|(name, _)| name == LOGOUT);
    let is_object = logout.is_some_and(|(_, raw)| raw.starts_with('{'));
    Ok(is_object && are_unique(&events) && events.len() <= 64)
}

/// Collects the granted roles and scopes. Returns `None` when something cannot be read.
fn grants(
    raw: &str,
    place: Place,
    is_entry: bool,
    roles: &mut Vec<String>,
    scopes: &mut Vec<String>,
) -> Option<()> {
    let may_grant = place.roles || place.scopes;
    if raw.starts_with('"') {
        let text: String = parse(raw)?;
        let all = if place.is_list && !is_entry { text.split(' ').collect() } else { vec![&*text] };
        for one in all.into_iter().filter(|one| !one.is_empty()) {
            roles.extend(place.roles.then(|| one.to_owned()));
            scopes.extend(place.scopes.then(|| one.to_owned()));
        }
    } else if raw.starts_with('[') && may_grant && !is_entry {
        for one in parse::<Vec<Box<RawValue>>>(raw)? {
            grants(one.get(), place, true, roles, scopes)?;
        }
    } else if raw.starts_with('{') && !place.below.is_empty() && !is_entry {
        let members = members(raw).filter(|members| are_unique(members))?;
        for (name, raw) in &members {
            if let Some((_, place)) = place.below.iter().find(|(one, _)| one == name) {
                grants(raw, *place, false, roles, scopes)?;
            }
        }
    } else if is_number(raw) {
        parse::<f64>(raw)?;
    }
    Some(())
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

fn parse<T: DeserializeOwned>(raw: &str) -> Option<T> {
    serde_json::from_str(raw).ok()
}

fn are_unique(members: &[(String, String)]) -> bool {
    let names: BTreeSet<&str> = members.iter().map(|(name, _)| &**name).collect();
    names.len() == members.len() && members.len() <= 512
}

/// Returns whether the name of some member, at any depth, is one that serde_json reserves for itself.
fn has_reserved_name(raw: &str) -> bool {
    if raw.starts_with('[') {
        let entries: Vec<Box<RawValue>> = parse(raw).unwrap_or_default();
        return entries.iter().any(|entry| has_reserved_name(entry.get()));
    }
    let Members(members) = parse(raw).unwrap_or_default();
    let is_reserved = |name: &[u8]| name.starts_with(b"$serde_json::");
    members.iter().any(|(name, raw)| is_reserved(name) || has_reserved_name(raw))
}

/// Returns the depth of the deepest object or array in a JSON text.
fn depth(raw: &str) -> usize {
    let (mut depth, mut deepest, mut in_string) = (0_usize, 0, false);
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => _ = bytes.next(),
            b'{' | b'[' if !in_string => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' if !in_string => depth -= 1,
            _ => {}
        }
    }
    deepest
}

/// Returns the members of an object, repeated ones too. `None` if a name holds half a surrogate pair.
fn members(text: &str) -> Option<Vec<(String, String)>> {
    // As bytes, names may hold what is not JSON.
    let Members(members) = is_json(text).then(|| parse(text))??;
    let decoded = |(name, raw)| Some((String::from_utf8(name).ok()?, raw));
    members.into_iter().map(decoded).collect()
}

#[derive(Default)]
struct Members(Vec<(Vec<u8>, String)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name, Box<RawValue>>()? {
            members.push((name, value.get().to_owned()));
        }
        Ok(Members(members))
    }
}

/// A name in bytes: as bytes, serde_json accepts half a surrogate pair too.
struct Name(Vec<u8>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(NameVisitor)
    }
}

struct NameVisitor;

impl Visitor<'_> for NameVisitor {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Name, E> {
        Ok(Name(name.to_owned()))
    }
}

/// Returns whether serde_json accepts a text as JSON when it ignores the value.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}
