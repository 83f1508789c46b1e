//! Reads the answers of Redis about the stream.

use redis::Value;

use super::position::{StreamEntry, StreamId};
use crate::state::redis::{list, text, texts};

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
