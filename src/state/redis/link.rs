use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, Pipeline, RedisConnectionInfo, Value};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use super::error::RedisError;
use crate::task::AbortOnDrop;

/// A connection. Clones share it, and it closes with the last.
#[derive(Clone)]
pub(in crate::state) struct Link {
    connection: MultiplexedConnection,
    patience: Duration,
    _driver: Arc<AbortOnDrop>,
}

impl Link {
    /// Greets the server. No answer is awaited for longer than `patience`.
    pub(in crate::state) async fn new<S>(
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

    pub(in crate::state) async fn ask(&mut self, command: &Cmd) -> Result<Value, RedisError> {
        // The client's own time-out starts when the command has been sent, which does not happen
        // while a server that has stopped does not read.
        let answer = timeout(self.patience, self.connection.req_packed_command(command)).await;
        Ok(answer.map_err(|_| no_answer(self.patience))?.and_then(Value::extract_error)?)
    }

    pub(in crate::state) async fn ask_all(
        &mut self,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, RedisError> {
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
pub(in crate::state) fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// Returns an answer as a list. Nil is an empty list.
pub(in crate::state) fn list(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Array(values) => Some(values),
        Value::Nil => Some(&[]),
        _ => None,
    }
}

/// Returns an answer as a list of texts.
pub(in crate::state) fn texts(value: &Value) -> Option<Vec<&str>> {
    list(value)?.iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_lists_are_read_as_such() {
        let bulk = |text: &str| Value::BulkString(text.into());
        let array = |values: &[Value]| Value::Array(values.to_vec());

        assert_eq!(text(&bulk("a")), Some("a"));
        assert_eq!(text(&Value::SimpleString("OK".to_owned())), Some("OK"));
        assert_eq!((text(&Value::Nil), text(&Value::BulkString(vec![0xff]))), (None, None));
        assert_eq!(list(&array(&[bulk("a")])), Some(&[bulk("a")][..]));
        assert_eq!((list(&Value::Nil), list(&bulk("a"))), (Some(&[][..]), None));
        assert_eq!(texts(&array(&[bulk("a"), bulk("b")])), Some(vec!["a", "b"]));
        assert_eq!(texts(&array(&[bulk("a"), Value::Nil])), None);
    }
}
