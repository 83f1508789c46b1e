/// Where a string lies in a longer text.
#[derive(Clone, Copy)]
pub(super) struct Piece {
    start: usize,
    end: usize,
}

/// One or several strings.
#[derive(Clone)]
pub(super) enum Pieces {
    /// Nearly always, and an allocation less.
    One(Piece),
    Many(Vec<Piece>),
}

impl Piece {
    pub(super) fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    pub(super) fn of(self, text: &str) -> &str {
        &text[self.start..self.end]
    }
}

impl Pieces {
    pub(super) fn as_slice(&self) -> &[Piece] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}
