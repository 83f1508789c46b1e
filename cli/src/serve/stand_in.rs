//! Answers the page until the commands `inspect` and `explain` do: fewer words, the same form.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use tower_bearer::keys::VerifyingKey;
use tower_bearer::{
    Algorithm, AuthError, ConfigError, KeySet, Reason, RemoteKeys, Validation, Verifier,
};

use super::reports::{Explaining, Keys, Question, Reports};
use crate::dates;
use crate::failure::Failure;

/// Stands in for `inspect` and `explain`.
pub(crate) struct StandIn;

impl Reports for StandIn {
    fn inspect(&self, token: &str) -> Value {
        inspect(token.trim())
    }

    fn explain(&self, question: Question) -> Explaining<'_> {
        Box::pin(explain(question))
    }
}

fn inspect(token: &str) -> Value {
    let parts: Vec<&str> = token.split('.').collect();
    let header = parts.first().and_then(|part| members(part));
    let (form, claims) = match (&header, parts.len()) {
        (Some(_), 3) => ("jws", parts.get(1).and_then(|part| members(part))),
        (Some(_), 5) => ("jwe", None),
        _ => ("unreadable", None),
    };
    let problem = match form {
        "unreadable" => Some(
            "This is no token in compact form: three or five parts in base64url, with dots between.",
        ),
        "jws" if claims.is_none() => Some("The second part is not JSON."),
        _ => None,
    };
    let date = |name: &str| match claims.as_ref().and_then(|claims| claims.get(name)) {
        Some(Value::Number(number)) => dates::seconds(number),
        _ => None,
    };
    let now = dates::now();
    let explained: Vec<Value> = [("header", &header), ("claims", &claims)]
        .into_iter()
        .flat_map(|(part, members)| {
            members.iter().flatten().map(move |(name, value)| (part, name, value))
        })
        .filter_map(|(part, name, value)| {
            let meaning = MEANINGS.iter().find(|(known, _)| known == name)?.1;
            let note = match value {
                Value::Number(number) if ["exp", "iat", "nbf", "auth_time"].contains(&&**name) => {
                    dates::seconds(number).map(|date| {
                        format!("{}, {}", dates::absolute(date), dates::relative(date, now))
                    })
                }
                _ => None,
            };
            Some(json!({ "part": part, "name": name, "meaning": meaning, "note": note }))
        })
        .collect();
    let list = |name: &str| match claims.as_ref().and_then(|claims| claims.get(name)) {
        Some(Value::String(text)) => text.split(' ').map(Value::from).collect(),
        Some(Value::Array(list)) => list.clone(),
        _ => Vec::new(),
    };
    let is_unsigned =
        header.as_ref().is_some_and(|header| header.get("alg") == Some(&json!("none")));
    let unusual: Vec<&str> = is_unsigned
        .then_some("The algorithm is `none`: the token has no signature.")
        .into_iter()
        .collect();
    json!({
        "verified": false, "form": form, "bytes": token.len(), "header": header, "claims": claims,
        "explained": explained,
        "times": {
            "issued_at": date("iat"), "not_before": date("nbf"), "expires_at": date("exp"), "now": now,
        },
        "roles": list("roles"), "scopes": list("scope"), "unusual": unusual, "problem": problem,
    })
}

async fn explain(question: Question) -> Result<Value, Failure> {
    let token = question.token.trim();
    let parts: Vec<&str> = token.split('.').collect();
    let header = parts.first().and_then(|part| members(part)).unwrap_or_default();
    let claims = parts.get(1).and_then(|part| members(part)).unwrap_or_default();
    let text = |name: &str| claims.get(name).and_then(Value::as_str).map(str::to_owned);
    let issuer = question.issuer.or_else(|| text("iss")).ok_or_else(|| {
        Failure::new("the token names no issuer").with_hint("say which issuer is expected")
    })?;
    let audience = question.audience.or_else(|| text("aud")).ok_or_else(|| {
        Failure::new("no audience is expected")
            .with_hint("say for which audience the token must be")
    })?;
    let algorithm: Option<Algorithm> =
        header.get("alg").and_then(Value::as_str).and_then(|name| name.parse().ok());
    let validation = Validation::new(&issuer, &audience);
    let wrong = |error: ConfigError| Failure::new(error);
    let set = match question.keys {
        Keys::Secret(secret) => {
            let algorithm = algorithm.unwrap_or(Algorithm::HS256);
            let algorithm =
                if algorithm.as_str().starts_with("HS") { algorithm } else { Algorithm::HS256 };
            let key = VerifyingKey::from_secret(algorithm, secret.as_bytes()).map_err(wrong)?;
            [key].into_iter().collect()
        }
        Keys::Pem(pem) => match algorithm {
            Some(algorithm) => KeySet::from_pem_for(pem, &[algorithm]).map_err(wrong)?,
            None => KeySet::from_pem(pem).map_err(wrong)?,
        },
        Keys::Jwks(jwks) => KeySet::from_jwks(jwks).map_err(wrong)?,
        Keys::Issuer(_) | Keys::Url(_) => {
            let remote = match &question.keys {
                Keys::Url(url) => RemoteKeys::from_url(url),
                _ => RemoteKeys::discover(&issuer),
            };
            let remote = remote.map_err(wrong)?;
            remote.await_ready(Duration::from_secs(10)).await.map_err(|error| {
                Failure::new(format_args!("the keys cannot be fetched: {error:#}"))
            })?;
            let verifier = Verifier::<Value>::new(remote, validation).map_err(wrong)?;
            return Ok(verdict(verifier.verify(token).await.as_ref().err(), &audience));
        }
    };
    let verifier = Verifier::<Value>::new(set, validation).map_err(wrong)?;
    Ok(verdict(verifier.verify(token).await.as_ref().err(), &audience))
}

fn verdict(error: Option<&AuthError>, audience: &str) -> Value {
    let failed = error.map(|error| match error.reason() {
        Reason::Malformed | Reason::Encrypted | Reason::TokenTooLarge => 0,
        Reason::UnsupportedAlgorithm | Reason::AlgorithmNotAllowed | Reason::CriticalHeader => 1,
        Reason::UnknownKey | Reason::KeysUnavailable => 2,
        Reason::InvalidSignature => 3,
        Reason::WrongIssuer => 4,
        Reason::WrongAudience => 5,
        Reason::Expired | Reason::NotYetValid => 6,
        _ => 7,
    });
    let detail = error.and_then(AuthError::detail);
    let checks: Vec<Value> = CHECKS
        .iter()
        .enumerate()
        .map(|(index, (name, title))| {
            let outcome = match failed {
                Some(failed) if failed == index => "failed",
                Some(failed) if failed < index => "skipped",
                _ => "passed",
            };
            let detail = if failed == Some(index) { detail } else { None };
            json!({ "name": name, "title": title, "outcome": outcome, "detail": detail })
        })
        .collect();
    let change = error.map(|error| match error.reason() {
        Reason::Expired => json!({
            "side": "token", "sentence": "Ask the provider for a new token.",
            "edits": [{ "set_claim": { "name": "exp", "value": dates::now() + 900 } }],
        }),
        Reason::WrongAudience => json!({
            "side": "token",
            "sentence": format!("Ask the provider for a token for the audience {audience}."),
            "edits": [{ "set_claim": { "name": "aud", "value": audience } }],
        }),
        _ => json!({ "side": "token", "sentence": "Ask the provider for another token.", "edits": [] }),
    });
    json!({
        "verdict": if error.is_some() { "refused" } else { "accepted" },
        "reason": error.map(|error| error.reason().as_str()),
        "status": error.map(|_| 401),
        "sentence": match error {
            Some(error) => format!("The token is refused: {error}."),
            None => "The token is accepted.".to_owned(),
        },
        "checks": checks,
        "change": change,
    })
}

fn members(part: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
    serde_json::from_slice(&bytes).ok()
}

const MEANINGS: [(&str, &str); 14] = [
    ("alg", "The algorithm of the signature"),
    ("typ", "The kind of token"),
    ("kid", "The id of the key that signed"),
    ("iss", "The issuer: the provider that made the token"),
    ("aud", "The audience: the API that the token is for"),
    ("sub", "The subject: the user or client that the token is about"),
    ("iat", "The date of issue"),
    ("nbf", "The token is not valid before this date"),
    ("exp", "The date on which the token expires"),
    ("jti", "The id of this token"),
    ("client_id", "The client that asked for the token"),
    ("roles", "Roles of the subject"),
    ("scope", "Scopes that were granted"),
    ("auth_time", "The date of the sign-in"),
];

const CHECKS: [(&str, &str); 8] = [
    ("form", "Form"),
    ("algorithm", "Algorithm"),
    ("key", "Key"),
    ("signature", "Signature"),
    ("issuer", "Issuer"),
    ("audience", "Audience"),
    ("times", "Dates"),
    ("claims", "Other claims"),
];
