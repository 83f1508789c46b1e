use redis::{Cmd, Value, cmd};

use super::record::unpacked;
use super::scripts::Script;
use crate::state::redis::{RedisError, list, text};
use crate::state::session::Session;

/// A call of a script.
pub(super) struct ScriptCall {
    pub(super) script: Script,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl ScriptCall {
    pub(super) fn new(script: Script, keys: impl IntoIterator<Item = String>) -> Self {
        Self { script, keys: keys.into_iter().collect(), arguments: Vec::new() }
    }

    pub(super) fn with(mut self, argument: impl Into<Vec<u8>>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Returns the command that calls the script by its hash.
    pub(super) fn by_hash(&self, hash: &str) -> Cmd {
        self.command("EVALSHA", hash)
    }

    /// Returns the command that sends the script itself, after which Redis knows its hash.
    pub(super) fn by_text(&self) -> Cmd {
        self.command("EVAL", self.script.text())
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len()).arg(&self.keys).arg(&self.arguments);
        command
    }
}

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
    fn command_has_script_keys_and_arguments() {
        let call = ScriptCall::new(Script::End, ["k1".to_owned(), "k2".to_owned()])
            .with("a")
            .with(vec![0xff, 0]);

        let packed = call.by_hash("abc").get_packed_command();

        let expected = b"*7\r\n$7\r\nEVALSHA\r\n$3\r\nabc\r\n$1\r\n2\r\n$2\r\nk1\r\n$2\r\nk2\r\n\
            $1\r\na\r\n$2\r\n\xff\0\r\n";
        assert_eq!(packed, expected);
        let by_text = call.by_text().get_packed_command();
        assert!(by_text.starts_with(b"*7\r\n$4\r\nEVAL\r\n"));
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
