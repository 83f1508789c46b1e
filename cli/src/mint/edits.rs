//! Applies the change that `bearer explain` proposes.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

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
    SetClaim { name: String, value: Value },
    RemoveClaim(String),
    SetHeader { name: String, value: Value },
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
        let side = change.get("side").and_then(Value::as_str).unwrap_or("token");
        if side != "token" {
            let failure = Failure::new(format_args!(
                "no other token would help: the change is on the side of the {}",
                printable(side)
            ));
            return Err(match sentence {
                Some(sentence) => failure.with_hint(sentence),
                None => failure,
            });
        }
        let change: Self = serde_json::from_value(change)
            .map_err(|error| wrong(&printable(&error.to_string())))?;
        if change.edits.is_empty() {
            return Err(wrong("its list `edits` is empty"));
        }
        Ok(change)
    }

    /// Returns the key that is to sign, if that is a part of the change.
    pub(super) fn signature(&self) -> Option<&Signature> {
        self.edits.iter().find_map(|edit| match edit {
            Edit::SignWith(signature) => Some(signature),
            _ => None,
        })
    }

    pub(super) fn apply(&self, parts: &mut Parts) {
        for edit in &self.edits {
            match edit {
                Edit::SetClaim { name, value } => parts.set_claim(name, value.clone()),
                Edit::RemoveClaim(name) => drop(parts.claims.shift_remove(name)),
                Edit::SetHeader { name, value } => parts.set_header(name, value.clone()),
                Edit::RemoveHeader(name) => drop(parts.header.shift_remove(name)),
                // The key that was loaded names itself.
                Edit::SignWith(_) => {}
            }
        }
    }
}
