//! Finds what is unusual about a token.

use serde_json::Value;

use super::parts::{Members, Times};
use crate::dates;

/// Returns a sentence for each unusual thing.
pub(super) fn unusual(
    token: &str,
    header: Option<&Members>,
    claims: Option<&Members>,
    times: Times,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut say = |sentence: String| found.push(sentence);
    if token.contains('=') {
        say("It has `=` in it: JWTs are written without padding, and verifiers refuse it."
            .to_owned());
    }
    if token.len() > 4096 {
        say(format!(
            "It has {} bytes; many servers accept 8 KiB for all header fields together.",
            token.len()
        ));
    }
    if let Some(header) = header {
        of_header(header, &mut say);
    }
    if let Some(claims) = claims {
        of_claims(claims, times, &mut say);
    }
    found
}

fn of_header(header: &Members, say: &mut impl FnMut(String)) {
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    match text("alg") {
        None => say("The header names no algorithm.".to_owned()),
        Some(alg) if alg.eq_ignore_ascii_case("none") => {
            say("`alg` is `none`: such a token needs no key to be made, and every verifier has to refuse it.".to_owned());
        }
        Some(_) => {}
    }
    for name in ["jku", "jwk", "x5u", "x5c"] {
        if header.contains_key(name) {
            say(format!(
                "The header brings its own key (`{name}`). A verifier that trusts it accepts everything."
            ));
        }
    }
    for name in ["crit", "b64"] {
        if header.contains_key(name) {
            say(format!("The header asks for an extension (`{name}`); most verifiers refuse it."));
        }
    }
    if header.contains_key("zip") {
        say("The content is compressed (`zip`); many verifiers refuse it.".to_owned());
    }
    if text("kid").is_some_and(|kid| kid.len() > 256) {
        say("`kid` is longer than 256 bytes.".to_owned());
    }
}

fn of_claims(claims: &Members, times: Times, say: &mut impl FnMut(String)) {
    for name in ["iss", "aud", "exp"] {
        if claims.get(name).is_none_or(Value::is_null) {
            say(format!("There is no `{name}`, which access tokens need."));
        }
    }
    for name in ["exp", "nbf", "iat"] {
        match claims.get(name) {
            None | Some(Value::Number(_)) => {}
            Some(_) => say(format!("`{name}` is not a number; dates are seconds since 1970.")),
        }
    }
    let Times { issued_at, expires_at, now, .. } = times;
    for name in ["exp", "nbf", "iat"] {
        if claims.get(name).and_then(Value::as_f64).is_some_and(|date| date > MILLISECONDS) {
            say(format!("`{name}` seems to be in milliseconds; dates are seconds since 1970."));
        }
    }
    if let Some(issued_at) = issued_at.filter(|date| *date > now + 60) {
        say(format!(
            "It was issued {}: the clock of its issuer, or of this machine, is wrong.",
            dates::relative(issued_at, now)
        ));
    }
    if let Some((issued_at, expires_at)) = issued_at.zip(expires_at) {
        let life = expires_at.saturating_sub(issued_at);
        if life <= 0 {
            say("It expires before it was issued.".to_owned());
        } else if life > DAY {
            let life = dates::span(life.unsigned_abs());
            say(format!("It lives for {life}; access tokens usually live for minutes."));
        }
    }
    let marks = ["nonce", "at_hash", "c_hash"];
    let marks: Vec<_> = marks.into_iter().filter(|name| claims.contains_key(*name)).collect();
    if !marks.is_empty() {
        say(format!(
            "`{}` marks an ID token, which is for the client and not for an API.",
            marks.join("`, `")
        ));
    }
    if claims.contains_key("events") {
        say("`events` marks a logout token or another security event.".to_owned());
    }
    if claims.contains_key("cnf") {
        say("It is bound to a key (`cnf`): alone it is worth nothing, an API asks for the proof."
            .to_owned());
    }
    if claims.get("aud").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        say("`aud` is an empty list: the token is for no API.".to_owned());
    }
    for name in ["password", "secret", "client_secret", "private_key", "api_key"] {
        if claims.contains_key(name) {
            say(format!(
                "`{name}` stands in the claims, which everyone who sees the token can read."
            ));
        }
    }
}

/// The year 5138 in seconds, and 1973 in milliseconds.
const MILLISECONDS: f64 = 1e11;
const DAY: i64 = 24 * 3600;
