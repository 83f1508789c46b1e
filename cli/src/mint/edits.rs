//! Applies the change that `bearer explain` proposes.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::parts::Parts;
use crate::failure::Failure;
use crate::input;
use crate::output::printable;

/// A change of a token, as `bearer explain --json` writes it.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    edits: Vec<Edit>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Edit {
    SetClaim {
        name: String,
        value: Value,
    },
    RemoveClaim(String),
    /// Adds roles or scopes at a place: a claim, or a JSON Pointer.
    Grant {
        place: String,
        values: Vec<String>,
        is_text: bool,
    },
    SetHeader {
        name: String,
        value: Value,
    },
    RemoveHeader(String),
    SignWith(Signature),
}

/// The key that is to sign.
#[derive(Debug, Deserialize)]
pub(super) struct Signature {
    pub(super) algorithm: String,
    /// The key that the verifier knows. `None` for one without a name.
    pub(super) key_id: Option<String>,
}

impl Change {
    /// Reads the whole answer of `bearer explain --json`, or its member `change`.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = input::read_text(path)?;
        let wrong = |problem: &str| {
            Failure::new(format_args!("{} holds no change of a token: {problem}", path.display()))
                .with_hint(
                    "it must be the answer of `bearer explain --json`, or its member `change`",
                )
        };
        let whole: Value = serde_json::from_str(&text).map_err(|_| wrong("it is no JSON"))?;
        let change = match whole.get("change") {
            Some(Value::Null) => return Err(wrong("`bearer explain` proposes none")),
            Some(change) => change.clone(),
            None => whole,
        };
        let sentence = change.get("sentence").and_then(Value::as_str).map(printable);
        let side = change.get("side").and_then(Value::as_str).unwrap_or("token").to_owned();
        let change: Self = serde_json::from_value(change)
            .map_err(|error| wrong(&printable(&error.to_string())))?;
        if !change.edits.is_empty() {
            return Ok(change);
        }
        if side == "token" {
            return Err(wrong("its list `edits` is empty"));
        }
        let failure = Failure::new(format_args!(
            "no other token would help: the change is on the side of the {}",
            printable(&side)
        ));
        Err(match sentence {
            Some(sentence) => failure.with_hint(sentence),
            None => failure,
        })
    }

    /// Returns the key that is to sign, if that is a part of the change.
    pub(super) fn signature(&self) -> Option<&Signature> {
        self.edits.iter().rev().find_map(|edit| match edit {
            Edit::SignWith(signature) => Some(signature),
            _ => None,
        })
    }

    pub(super) fn apply(&self, parts: &mut Parts) {
        for edit in &self.edits {
            match edit {
                Edit::SetClaim { name, value } => parts.set_claim(name, value.clone()),
                Edit::RemoveClaim(name) => drop(parts.claims.remove(name)),
                Edit::Grant { place, values, is_text } => {
                    grant(&mut parts.claims, place, values, *is_text);
                }
                Edit::SetHeader { name, value } => parts.set_header(name, value.clone()),
                Edit::RemoveHeader(name) => drop(parts.header.remove(name)),
                // The key that was loaded names itself.
                Edit::SignWith(_) => {}
            }
        }
    }
}

/// Adds grants to the list at a place, and creates what is missing on the way to it. A new list is text with spaces
/// between the grants where `is_text` says so.
fn grant(claims: &mut Map<String, Value>, place: &str, grants: &[String], is_text: bool) {
    let mut steps: Vec<String> = match place.strip_prefix('/') {
        // RFC 6901 §3: `~1` is a slash, and `~0` a tilde.
        Some(path) => {
            path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
        }
        None => vec![place.to_owned()],
    };
    let Some(name) = steps.pop() else { return };
    let mut object = claims;
    for step in steps {
        let below = object.entry(step).or_insert(Value::Null);
        if !below.is_object() {
            *below = Value::Object(Map::new());
        }
        let Value::Object(next) = below else { return };
        object = next;
    }
    let place = object.entry(name).or_insert(Value::Null);
    let (mut list, is_text) = match std::mem::take(place) {
        Value::Array(list) => (list, false),
        Value::String(text) if is_text => {
            (text.split_whitespace().map(Value::from).collect(), true)
        }
        Value::String(text) => (vec![text.into()], false),
        _ => (Vec::new(), is_text),
    };
    for grant in grants {
        if !list.iter().any(|old| old == grant) {
            list.push(grant.as_str().into());
        }
    }
    *place = if is_text {
        list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ").into()
    } else {
        list.into()
    };
}
