use std::fmt;

/// The number of an entry in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamId {
    milliseconds: u64,
    count: u64,
}

impl StreamId {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (milliseconds, count) = text.split_once('-')?;
        Some(Self { milliseconds: milliseconds.parse().ok()?, count: count.parse().ok()? })
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.count)
    }
}

/// An entry of the stream, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StreamEntry {
    pub(super) id: StreamId,
    pub(super) word: String,
    pub(super) text: String,
}

/// The position up to which a node has read the stream.
///
/// Holds the whole entry and not only its number: a Redis that lost its last second, or starts with
/// an empty stream and a clock that was set back, may give the same number to another entry. If the
/// same entry is still in its place, so is the whole history before it, and nothing after it was
/// trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position(pub(super) StreamEntry);

impl Position {
    pub(super) fn id(&self) -> StreamId {
        self.0.id
    }

    /// Returns whether a stream with this entry at the position holds all entries after it.
    pub(super) fn is_held_by(&self, found: Option<&StreamEntry>) -> bool {
        found == Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(id: &str, text: &str) -> StreamEntry {
        StreamEntry {
            id: StreamId::read(id).unwrap(),
            word: "mark".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn ids_are_numbers_and_no_texts() {
        assert!(StreamId::read("9-0") < StreamId::read("10-0"));
        assert!(StreamId::read("10-9") < StreamId::read("10-10"));
        assert_eq!(StreamId::read("10-9").unwrap().to_string(), "10-9");
        for text in ["", "10", "-", "x-1", "1-x", "-1-1", "1-1-1"] {
            assert_eq!(StreamId::read(text), None, "{text}");
        }
    }

    #[test]
    fn position_holds_where_the_same_entry_stands() {
        let position = Position(read("10-0", "a"));

        assert!(position.is_held_by(Some(&read("10-0", "a"))));
        assert!(!position.is_held_by(None), "trimmed, or another stream");
        assert!(!position.is_held_by(Some(&read("10-0", "b"))), "another history");
    }
}
