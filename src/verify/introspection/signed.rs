//! Verifies signed answers (RFC 9701).
//!
//! The verifier is one for this kind of token alone: an access token is no answer, and an answer is no access token. The
//! claims about the token are those of the member `token_introspection`. The others are about the answer.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};

use super::answer::{self, Answer, SIGNED};
use super::problem::Problem;
use crate::claims::validation::{Kind, Validation};
use crate::config_error::ConfigError;
use crate::keys::KeySource;
use crate::verify::verifier::Verifier;

/// Verifies the answers of one issuer to one client.
#[derive(Debug)]
pub(super) struct SignedAnswers(Verifier<SignedAnswer>);

impl SignedAnswers {
    pub(super) fn new(
        issuer: &str,
        client_id: &str,
        keys: impl KeySource,
    ) -> Result<Self, ConfigError> {
        let rules = Validation::new(issuer, client_id).with_max_age(LONGEST_AGE);
        let verifier = Verifier::new(keys, rules)?.of_kind(Kind::IntrospectionAnswer);
        Ok(Self(verifier.with_max_token_bytes(MOST_BYTES)))
    }

    pub(super) async fn read(
        &self,
        response: &Response<Bytes>,
        required: &[String],
    ) -> Result<Answer, Problem> {
        answer::check_type(response, SIGNED)?;
        let text = str::from_utf8(response.body().trim_ascii())
            .map_err(|_| Problem::Malformed("it is not a JWT".to_owned()))?;
        let verified = self.0.verify(text).await.map_err(Problem::Signed)?;
        answer::read_signed(&verified.token_introspection.0, required)
    }
}

/// The claims of a signed answer that matter.
#[derive(serde::Deserialize)]
struct SignedAnswer {
    token_introspection: UniqueMembers,
}

/// An object with unique members.
struct UniqueMembers(Map<String, Value>);

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = UniqueMembers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with unique members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<UniqueMembers, A::Error> {
                let mut members = Map::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if members.insert(name, value).is_some() {
                        return Err(A::Error::custom("a member comes twice"));
                    }
                }
                Ok(UniqueMembers(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// The age above which an answer may have been recorded and sent again.
const LONGEST_AGE: Duration = Duration::from_secs(5 * 60);
/// The size of an answer is limited when it is received.
const MOST_BYTES: usize = 1 << 30;
