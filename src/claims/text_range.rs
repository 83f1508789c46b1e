use std::num::NonZeroU32;

/// The position of a string in a longer text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TextRange {
    start: u32,
    /// The end plus one. It is never zero, so an `Option<TextRange>` is as small as a `TextRange`.
    behind: NonZeroU32,
}

/// One or several strings.
#[derive(Clone)]
pub(super) enum TextRanges {
    /// The usual case, which needs no allocation.
    One(TextRange),
    Many(Vec<TextRange>),
}

impl TextRange {
    /// Returns an empty range when the end lies beyond 4 GiB. No token is that long.
    pub(super) fn new(start: usize, end: usize) -> Self {
        let behind = u32::try_from(end).ok().and_then(|end| NonZeroU32::MIN.checked_add(end));
        match (u32::try_from(start), behind) {
            (Ok(start), Some(behind)) => Self { start, behind },
            _ => Self { start: 0, behind: NonZeroU32::MIN },
        }
    }

    pub(super) fn start(self) -> usize {
        self.start as usize
    }

    pub(super) fn of(self, text: &str) -> &str {
        &text[self.start as usize..self.behind.get() as usize - 1]
    }
}

impl TextRanges {
    pub(super) fn as_slice(&self) -> &[TextRange] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_is_what_lies_between_its_ends() {
        assert_eq!(TextRange::new(0, 0).of("abc"), "");
        assert_eq!(TextRange::new(1, 3).of("abc"), "bc");
        assert_eq!(size_of::<Option<TextRange>>(), size_of::<TextRange>());
    }

    #[test]
    fn piece_that_lies_too_far_is_empty() {
        assert_eq!(TextRange::new(0, u32::MAX as usize).of("abc"), "");
        assert_eq!(TextRange::new(0, usize::MAX).of("abc"), "");
    }
}
