//! Dates, and the size of a principal.

/// A date in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct NumericDate(i64);

impl NumericDate {
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds)
    }

    pub const fn as_seconds(self) -> i64 {
        self.0
    }

    pub const fn rounded_up(self) -> Self {
        self
    }
}

/// A principal that takes no memory.
pub struct Principal;

impl Principal {
    pub const BYTES: usize = 0;
}
