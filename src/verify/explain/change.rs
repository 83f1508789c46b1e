use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::jose::Algorithm;

/// The smallest change with which a refused token would pass a check, in words and as data.
///
/// Serialised, it is an object with `side`, `sentence` and `edits`. It can be read again, to be
/// [applied](Self::apply) by another program; of the members only `edits` is required.
#[derive(Clone, PartialEq, Deserialize, Serialize)]
pub struct Change {
    #[serde(default)]
    side: ChangeSide,
    #[serde(default)]
    sentence: String,
    edits: Vec<Edit>,
}

/// The party that makes a [`Change`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ChangeSide {
    /// The client needs another token.
    #[default]
    Token,
    /// The client sends the token in another way.
    Request,
    /// The operator of the API changes its configuration.
    Verifier,
    /// A server is not in order: the provider, the store of revocations, or the API itself.
    Server,
}

impl ChangeSide {
    /// Returns the party as a stable word: `token`, `request`, `verifier`, `server`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Request => "request",
            Self::Verifier => "verifier",
            Self::Server => "server",
        }
    }
}

/// A change of one part of a token.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Edit {
    SetClaim {
        name: String,
        value: Value,
    },
    RemoveClaim(String),
    /// Adds texts to the list at a place: a claim, or a JSON Pointer.
    Grant {
        place: String,
        values: Vec<String>,
        is_text: bool,
    },
    SetHeader {
        name: Cow<'static, str>,
        value: Value,
    },
    RemoveHeader(Cow<'static, str>),
    /// Signs the token anew, in compact form.
    SignWith {
        #[serde(with = "algorithm_name")]
        algorithm: Algorithm,
        key_id: Option<String>,
    },
}

impl Edit {
    pub(super) fn set(name: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::SetClaim { name: name.into(), value: value.into() }
    }

    fn apply(&self, header: &mut Map<String, Value>, claims: &mut Map<String, Value>) {
        match self {
            Self::SetClaim { name, value } => drop(claims.insert(name.clone(), value.clone())),
            Self::RemoveClaim(name) => drop(claims.remove(name)),
            Self::Grant { place, values, is_text } => grant(claims, place, values, *is_text),
            Self::SetHeader { name, value } => {
                drop(header.insert(name.to_string(), value.clone()));
            }
            Self::RemoveHeader(name) => drop(header.remove(&**name)),
            Self::SignWith { algorithm, key_id } => {
                header.insert("alg".to_owned(), algorithm.as_str().into());
                match key_id {
                    Some(key_id) => drop(header.insert("kid".to_owned(), key_id.clone().into())),
                    None => drop(header.remove("kid")),
                }
            }
        }
    }
}

/// Writes an algorithm by its name.
mod algorithm_name {
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    use crate::jose::Algorithm;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(
        algorithm: &Algorithm,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(algorithm.as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Algorithm, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Adds grants at a place, and creates what is missing on the way to it.
fn grant(claims: &mut Map<String, Value>, place: &str, grants: &[String], is_text: bool) {
    let steps: Vec<String> = match place.strip_prefix('/') {
        Some(path) => {
            path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect()
        }
        None => vec![place.to_owned()],
    };
    let Some((last, way)) = steps.split_last() else { return };
    let mut object = claims;
    for step in way {
        let below = object.entry(step.clone()).or_insert_with(|| Value::Object(Map::new()));
        if !below.is_object() {
            *below = Value::Object(Map::new());
        }
        match below {
            Value::Object(next) => object = next,
            _ => return,
        }
    }
    let (mut held, is_text) = match object.remove(last) {
        Some(Value::Array(held)) => (held, false),
        Some(Value::String(text)) if is_text => {
            (text.split(' ').filter(|word| !word.is_empty()).map(Value::from).collect(), true)
        }
        Some(Value::String(text)) => (vec![Value::from(text)], false),
        _ => (Vec::new(), is_text),
    };
    for grant in grants {
        if !held.iter().any(|old| old.as_str() == Some(grant)) {
            held.push(Value::from(grant.as_str()));
        }
    }
    let new = if is_text {
        held.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ").into()
    } else {
        Value::Array(held)
    };
    object.insert(last.clone(), new);
}

impl Change {
    pub(super) fn new(side: ChangeSide, sentence: impl Into<String>) -> Self {
        Self { side, sentence: sentence.into(), edits: Vec::new() }
    }

    pub(super) fn with(mut self, edits: impl IntoIterator<Item = Edit>) -> Self {
        self.edits.extend(edits);
        self
    }

    /// Joins changes that are all needed. `None` if there are none.
    pub(super) fn all<'a>(changes: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        changes.into_iter().cloned().reduce(|mut all, next| {
            if all.sentence != next.sentence {
                all.sentence = format!("{} {}", all.sentence, next.sentence);
            }
            let new =
                next.edits.into_iter().filter(|edit| !all.edits.contains(edit)).collect::<Vec<_>>();
            all.edits.extend(new);
            all
        })
    }

    /// Returns the party that makes the change; of several changes, that of the first.
    pub fn side(&self) -> ChangeSide {
        self.side
    }

    /// Returns the change in words: whole sentences, which may quote claims of the token and the configuration.
    pub fn sentence(&self) -> &str {
        &self.sentence
    }

    /// Returns whether the change is one of the token that [`apply`](Self::apply) can make.
    pub fn is_applicable(&self) -> bool {
        !self.edits.is_empty()
    }

    /// Returns the algorithm and `kid` of a key that the verifier has, if the token must be signed with another key.
    pub fn signing_key(&self) -> Option<(Algorithm, Option<&str>)> {
        self.edits.iter().rev().find_map(|edit| match edit {
            Edit::SignWith { algorithm, key_id } => Some((*algorithm, key_id.as_deref())),
            _ => None,
        })
    }

    /// Makes the change: returns the header and the claims of the token to sign, as JSON objects.
    ///
    /// For tests and tools. A header or claims that are no JSON object count as empty objects.
    pub fn apply(&self, header: &str, claims: &str) -> (String, String) {
        let object =
            |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
        let (mut header, mut claims) = (object(header), object(claims));
        self.edits.iter().for_each(|edit| edit.apply(&mut header, &mut claims));
        (Value::Object(header).to_string(), Value::Object(claims).to_string())
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

// The edits may hold claims of the token.
impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change").field("side", &self.side).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(place: &str, is_text: bool, claims: &str) -> Value {
        let edit = Edit::Grant { place: place.to_owned(), values: vec!["x".to_owned()], is_text };
        let change = Change::new(ChangeSide::Token, "").with([edit]);
        serde_json::from_str(&change.apply("{}", claims).1).unwrap()
    }

    #[test]
    fn grant_is_added_to_what_the_token_has() {
        use serde_json::json;

        assert_eq!(granted("roles", false, "{}"), json!({"roles": ["x"]}));
        assert_eq!(granted("roles", false, r#"{"roles":["a"]}"#), json!({"roles": ["a", "x"]}));
        assert_eq!(granted("roles", false, r#"{"roles":"a b"}"#), json!({"roles": ["a b", "x"]}));
        assert_eq!(granted("scope", true, r#"{"scope":"a b"}"#), json!({"scope": "a b x"}));
        assert_eq!(granted("scope", true, r#"{"scope":null}"#), json!({"scope": "x"}));
        assert_eq!(granted("scope", true, r#"{"scope":"x y"}"#), json!({"scope": "x y"}));
        assert_eq!(granted("scope", true, r#"{"scope":["a"]}"#), json!({"scope": ["a", "x"]}));
        assert_eq!(granted("/a/b", false, r#"{"a":{"c":1}}"#), json!({"a": {"b": ["x"], "c": 1}}));
        assert_eq!(granted("/a~1b/c", false, r#"{"a/b":1}"#), json!({"a/b": {"c": ["x"]}}));
    }
}
