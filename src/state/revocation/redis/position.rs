use std::fmt;

/// The number of an entry in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    milliseconds: u64,
    count: u64,
}

impl Id {
    pub(super) fn read(text: &str) -> Option<Self> {
        let (milliseconds, count) = text.split_once('-')?;
        Some(Self { milliseconds: milliseconds.parse().ok()?, count: count.parse().ok()? })
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.milliseconds, self.count)
    }
}

/// An entry of the stream, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) id: Id,
    pub(super) word: String,
    pub(super) text: String,
}

/// Up to where a node has read the stream.
///
/// The entry as it was, and not its number alone: a Redis that lost its last second, or starts with an
/// empty stream and a clock that was set back, may give the same number to something else. If the same
/// entry still stands there, so does the whole history before it, and nothing behind it was trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position(pub(super) Read);

impl Position {
    pub(super) fn id(&self) -> Id {
        self.0.id
    }

    /// Whether a stream in which this stands in its place holds all that is behind it.
    pub(super) fn is_held_by(&self, found: Option<&Read>) -> bool {
        found == Some(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(id: &str, text: &str) -> Read {
        Read { id: Id::read(id).unwrap(), word: "mark".to_owned(), text: text.to_owned() }
    }

    #[test]
    fn ids_are_numbers_and_no_texts() {
        assert!(Id::read("9-0") < Id::read("10-0"));
        assert!(Id::read("10-9") < Id::read("10-10"));
        assert_eq!(Id::read("10-9").unwrap().to_string(), "10-9");
        for text in ["", "10", "-", "x-1", "1-x", "-1-1", "1-1-1"] {
            assert_eq!(Id::read(text), None, "{text}");
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
