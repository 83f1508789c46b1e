//! A clock that stands still.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Moment;

impl Moment {
    pub fn now() -> Self {
        Self
    }

    pub fn elapsed(self) -> Duration {
        Duration::ZERO
    }
}
