//! Types of all kinds that an application may want its claims as.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use serde::de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Number, Value};

use crate::jose::json::Members;

/// Whatever is read from the members, serde_json reads from the whole; and what it refuses is not read
/// from the members.
pub(super) fn is_read_as_by_serde_json(payload: &str, members: &Members<'_>) {
    is_same::<Value>(payload, members, true);
    is_same::<Map<String, Value>>(payload, members, true);
    is_same::<BTreeMap<String, Value>>(payload, members, true);
    is_same::<HashMap<Cow<'static, str>, Value>>(payload, members, true);
    is_same::<BTreeMap<Claim, Option<Value>>>(payload, members, true);
    is_same::<User>(payload, members, true);
    is_same::<Option<Lenient>>(payload, members, true);
    is_same::<Wrapped<Lenient>>(payload, members, true);
    is_same::<Lenient>(payload, members, true);
    is_same::<Strict>(payload, members, true);
    is_same::<Numbers>(payload, members, true);
    is_same::<Flattened>(payload, members, true);
    is_same::<Untagged>(payload, members, true);
    is_same::<Tagged>(payload, members, true);
    is_same::<Adjacent>(payload, members, true);
    is_same::<Values<Box<str>>>(payload, members, true);
    is_same::<Values<char>>(payload, members, true);
    is_same::<Values<Vec<String>>>(payload, members, true);
    is_same::<Values<(i64, String)>>(payload, members, true);
    is_same::<Values<Option<Option<bool>>>>(payload, members, true);
    is_same::<Values<Wrapped<Option<Kind>>>>(payload, members, true);
    is_same::<Values<BTreeMap<i32, Value>>>(payload, members, true);
    is_same::<Values<Unit>>(payload, members, true);
    is_same::<Values<()>>(payload, members, true);
    is_same::<Values<Pair>>(payload, members, true);
    is_same::<Values<f32>>(payload, members, true);
    is_same::<Values<u128>>(payload, members, true);
    is_same::<Values<i128>>(payload, members, true);
    is_same::<Values<Number>>(payload, members, true);
    is_same::<Values<Lenient>>(payload, members, true);
    is_same::<Values<Ignored>>(payload, members, true);
    is_same::<Values<Raw>>(payload, members, true);
    is_same::<Ignored>(payload, members, true);
    // What an object is not, or only to serde_json.
    is_same::<Raw>(payload, members, false);
    is_same::<Kind>(payload, members, false);
    is_same::<BTreeMap<u64, Value>>(payload, members, false);
    is_same::<Vec<Value>>(payload, members, false);
    is_same::<(String, Value)>(payload, members, false);
    is_same::<String>(payload, members, false);
    is_same::<u64>(payload, members, false);
    is_same::<bool>(payload, members, false);
    is_same::<()>(payload, members, false);
    is_same::<Unit>(payload, members, false);
    is_same::<Pair>(payload, members, false);
    // Visitors that only look at the beginning.
    is_same::<Walks<0>>(payload, members, false);
    is_same::<Walks<1>>(payload, members, false);
    is_same::<Walks<2>>(payload, members, false);
}

/// `always`: then the members alone are enough for whatever serde_json takes.
fn is_same<T: DeserializeOwned + PartialEq + Debug>(
    payload: &str,
    members: &Members<'_>,
    always: bool,
) {
    let whole = serde_json::from_str::<T>(payload).ok();
    let read = members.read::<T>().map(|(read, _)| read);
    let name = std::any::type_name::<T>();
    if always || read.is_some() {
        assert_eq!(read, whole, "{name} {payload}");
    }
}

#[derive(Deserialize, PartialEq, Debug)]
struct User {
    sub: String,
    email: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Lenient {
    #[serde(alias = "email", default)]
    sub: Option<String>,
    #[serde(default, rename = "exp")]
    expires: Option<f64>,
    #[serde(default)]
    realm_access: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    aud: Option<OneOrMany>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(deny_unknown_fields)]
struct Strict {
    iss: String,
    x: Option<i8>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Numbers {
    #[serde(default)]
    exp: Option<u64>,
    #[serde(default)]
    iat: Option<i64>,
    #[serde(default)]
    nbf: Option<u8>,
    #[serde(default)]
    x: Option<f64>,
}

#[derive(Deserialize, PartialEq, Debug)]
struct Flattened {
    sub: Option<Cow<'static, str>>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(untagged)]
enum Untagged {
    User(User),
    Numbers { exp: u64 },
    Other(BTreeMap<String, Value>),
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(tag = "typ")]
enum Tagged {
    #[serde(rename = "a")]
    A { sub: String },
    #[serde(other)]
    B,
}

#[derive(Deserialize, PartialEq, Debug)]
#[serde(tag = "typ", content = "x")]
enum Adjacent {
    #[serde(rename = "a")]
    A(Value),
}

#[derive(Deserialize, PartialEq, Debug)]
enum Kind {
    #[serde(rename = "a")]
    A,
    #[serde(rename = "x")]
    X(Value),
    #[serde(rename = "sub")]
    Sub { sub: Option<String> },
}

/// A value of any claim, as this type.
#[derive(Deserialize, PartialEq, Debug)]
#[serde(bound = "T: DeserializeOwned")]
struct Values<T> {
    #[serde(default)]
    sub: Option<T>,
    #[serde(default = "nothing")]
    x: Maybe<T>,
}

/// Not an `Option`, which takes `null` for itself.
#[derive(Deserialize, PartialEq, Debug)]
#[serde(untagged, bound = "T: DeserializeOwned")]
enum Maybe<T> {
    It(T),
    Other(Value),
}

fn nothing<T>() -> Maybe<T> {
    Maybe::Other(Value::Null)
}

#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Claim(String);

#[derive(Deserialize, PartialEq, Debug)]
struct Wrapped<T>(T);

#[derive(Deserialize, PartialEq, Debug)]
struct Pair(String, Value);

#[derive(Deserialize, PartialEq, Debug)]
struct Unit;

#[derive(Debug)]
struct Ignored;

impl PartialEq for Ignored {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

#[derive(Deserialize, Debug)]
struct Raw(Box<RawValue>);

impl PartialEq for Raw {
    fn eq(&self, other: &Self) -> bool {
        self.0.get() == other.0.get()
    }
}

/// Takes so many members and leaves the rest, and the value of the last.
#[derive(PartialEq, Debug)]
struct Walks<const N: usize>(Vec<String>);

impl<'de, const N: usize> Deserialize<'de> for Walks<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit<const N: usize>;

        impl<'de, const N: usize> Visitor<'de> for Visit<N> {
            type Value = Walks<N>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Walks<N>, A::Error> {
                let mut names = Vec::new();
                while names.len() < N {
                    let Some(name) = map.next_key()? else { break };
                    names.push(name);
                    if names.len() < N {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Walks(names))
            }
        }

        deserializer.deserialize_map(Visit::<N>)
    }
}
