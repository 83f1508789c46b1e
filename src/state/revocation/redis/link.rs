use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::error::RedisError;
use super::position::{StreamEntry, StreamId};
use crate::task::AbortOnDrop;

/// A connection. Clones share it, and it closes with the last.
#[derive(Clone)]
pub(super) struct Link {
    connection: MultiplexedConnection,
    patience: Duration,
    _driver: Arc<AbortOnDrop>,
}

impl Link {
    /// Greets the server. No answer is awaited for longer than `patience`.
    pub(super) async fn new<S>(
        stream: S,
        info: &RedisConnectionInfo,
        patience: Duration,
    ) -> Result<Self, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(patience));
        let greeting = MultiplexedConnection::new_with_config(info, stream, config);
        let greeted = timeout(patience, greeting).await.map_err(|_| no_answer(patience))?;
        let (connection, driver) = greeted?;
        let driver = AbortOnDrop::new(tokio::spawn(driver).abort_handle());
        Ok(Self { connection, patience, _driver: Arc::new(driver) })
    }

    pub(super) async fn ask(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        // The client's own time-out starts when the command has been sent, which does not happen
        // while a server that has stopped does not read.
        let answer = timeout(self.patience, self.connection.req_packed_command(command)).await;
        Ok(answer.map_err(|_| no_answer(self.patience))?.and_then(Value::extract_error)?)
    }

    pub(super) async fn ask_all(&mut self, commands: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let count = commands.len();
        let answer = self.connection.req_packed_commands(commands, 0, count);
        let answers = timeout(self.patience, answer).await;
        let answers = answers.map_err(|_| no_answer(self.patience))??;
        Ok(answers.into_iter().map(Value::extract_error).collect::<Result<_, _>>()?)
    }
}

fn no_answer(patience: Duration) -> RedisError {
    RedisError::Broken(format!("Redis has not answered within {} ms", patience.as_millis()))
}

/// Returns an answer as text.
pub(super) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Returns an answer as a list. Nil is an empty list.
pub(super) fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        Value::Nil => Some(&[]),
        _ => None,
    }
}

/// Returns an answer as a list of texts.
pub(super) fn texts(value: &Value) -> Option<Vec<&str>> {
    list(value)?.iter().map(text).collect()
}

/// Returns entries of the stream from an answer to `XRANGE`.
pub(super) fn entries(value: &Value) -> Option<Vec<StreamEntry>> {
    list(value)?.iter().map(entry).collect()
}

fn entry(value: &Value) -> Option<StreamEntry> {
    let [id, pairs] = list(value)? else { return None };
    let [word, said] = *texts(pairs)? else { return None };
    Some(StreamEntry {
        id: StreamId::read(text(id)?)?,
        word: word.to_owned(),
        text: said.to_owned(),
    })
}

/// Returns entries of the stream from an answer to `XREAD` of one stream.
pub(super) fn news(value: &Value) -> Option<Vec<StreamEntry>> {
    match list(value)? {
        [] => Some(Vec::new()),
        [stream] => match list(stream)? {
            [_key, found] => entries(found),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.into())
    }

    fn array(values: impl IntoIterator<Item = Value>) -> Value {
        Value::Array(values.into_iter().collect())
    }

    fn mark(id: &str) -> Value {
        array([bulk(id), array([bulk("mark"), bulk("a")])])
    }

    fn read(id: &str) -> StreamEntry {
        StreamEntry {
            id: StreamId::read(id).unwrap(),
            word: "mark".to_owned(),
            text: "a".to_owned(),
        }
    }

    #[test]
    fn texts_and_lists_are_read_as_such() {
        assert_eq!(text(&bulk("a")), Some("a"));
        assert_eq!(text(&Value::SimpleString("OK".to_owned())), Some("OK"));
        assert_eq!((text(&Value::Nil), text(&Value::BulkString(vec![0xff]))), (None, None));
        assert_eq!(list(&array([bulk("a")])), Some(&[bulk("a")][..]));
        assert_eq!((list(&Value::Nil), list(&bulk("a"))), (Some(&[][..]), None));
        assert_eq!(texts(&array([bulk("a"), bulk("b")])), Some(vec!["a", "b"]));
        assert_eq!(texts(&array([bulk("a"), Value::Nil])), None);
    }

    #[test]
    fn entries_are_read_one_by_one() {
        assert_eq!(
            entries(&array([mark("1-0"), mark("2-0")])),
            Some(vec![read("1-0"), read("2-0")])
        );
        assert_eq!(entries(&Value::Nil), Some(Vec::new()));
        for odd in [
            bulk("1-0"),
            array([bulk("1-0")]),
            array([bulk("x"), array([bulk("mark"), bulk("a")])]),
            array([bulk("1-0"), array([bulk("mark")])]),
        ] {
            assert_eq!(entries(&array([mark("1-0"), odd.clone()])), None, "{odd:?}");
        }
    }

    #[test]
    fn news_are_the_entries_of_the_one_stream_that_was_asked_for() {
        let stream = |found| array([bulk("stream"), found]);

        assert_eq!(news(&Value::Nil), Some(Vec::new()));
        assert_eq!(news(&array([stream(array([mark("1-0")]))])), Some(vec![read("1-0")]));
        for odd in [
            bulk("stream"),
            array([bulk("stream")]),
            array([array([bulk("stream")])]),
            array([stream(array([])), stream(array([]))]),
        ] {
            assert_eq!(news(&odd), None, "{odd:?}");
        }
    }
}
