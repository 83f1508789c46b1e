use std::ops::Range;

use serde::Deserialize;

/// Lines and columns, both from 1, as cargo-mutants writes them.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Span {
    start: Place,
    end: Place,
}

#[derive(Clone, Copy, Debug, Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

/// The lines of a text, to find bytes by line and column.
pub struct Lines<'s>(Vec<(usize, &'s str)>);

impl<'s> Lines<'s> {
    pub fn of(source: &'s str) -> Self {
        let mut start = 0;
        let line = |line: &'s str| {
            start += line.len();
            (start - line.len(), line)
        };
        Self(source.split_inclusive('\n').map(line).collect())
    }

    pub fn range(&self, span: Span) -> Range<usize> {
        self.byte(span.start)..self.byte(span.end)
    }

    fn byte(&self, Place { line, column }: Place) -> usize {
        let (start, text) = self.0[line - 1];
        let before = text.char_indices().nth(column - 1).map_or(text.len(), |(at, _)| at);
        start + before
    }
}
