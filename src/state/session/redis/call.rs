use redis::Value;

use super::record::unpacked;
use crate::state::redis::{RedisError, list, text};
use crate::state::session::Session;

/// The answer of a script: a word, and sessions.
#[derive(Debug)]
pub(super) struct ScriptAnswer {
    pub(super) word: String,
    pub(super) sessions: Vec<Session>,
}

impl ScriptAnswer {
    pub(super) fn read(answer: &Value) -> Result<Self, RedisError> {
        let unreadable = || RedisError::unreadable("a session");
        let (word, rest) = list(answer).and_then(<[_]>::split_first).ok_or_else(unreadable)?;
        let word = text(word).ok_or_else(unreadable)?.to_owned();
        let sessions = rest.chunks(2).map(|pair| match pair {
            [Value::BulkString(id), Value::BulkString(record)] => unpacked(id, record),
            _ => None,
        });
        let sessions = sessions.collect::<Option<_>>().ok_or_else(unreadable)?;
        Ok(Self { word, sessions })
    }

    /// Returns the only session.
    pub(super) fn session(mut self) -> Result<Session, RedisError> {
        self.sessions.pop().ok_or_else(|| RedisError::unreadable("an answer without a session"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::record::packed;
    use super::*;
    use crate::state::session::TokenHash;

    fn bulk(bytes: impl Into<Vec<u8>>) -> Value {
        Value::BulkString(bytes.into())
    }

    #[test]
    fn answer_is_a_word_and_pairs_of_a_name_and_a_record() {
        let at = UNIX_EPOCH + Duration::from_secs(1);
        let session = Session::new("s", "alice", TokenHash::from_bytes([0; 32]), at, at);
        let (id, record) = (bulk("s"), bulk(packed(&session)));
        let answer = |values: &[&Value]| {
            ScriptAnswer::read(&Value::Array(values.iter().copied().cloned().collect()))
        };

        let found = answer(&[&bulk("found"), &id, &record]).unwrap();
        assert_eq!((&*found.word, &found.sessions), ("found", &vec![session.clone()]));
        assert_eq!(found.session(), Ok(session));
        let none = answer(&[&bulk("none")]).unwrap();
        assert!(none.sessions.is_empty() && none.session().is_err());
        for odd in [
            answer(&[]),
            answer(&[&Value::Int(1)]),
            answer(&[&bulk("found"), &id]),
            answer(&[&bulk("found"), &id, &Value::Nil]),
            answer(&[&bulk("found"), &id, &bulk("L")]),
            ScriptAnswer::read(&Value::Okay),
        ] {
            let problem = odd.unwrap_err().to_string();
            assert!(problem.contains("cannot be read by this version"), "{problem}");
        }
    }
}
