//! Keys that change under load, and strangers who invent some.
//!
//! The provider is in memory and time passes as soon as nobody has anything to do, so hours take
//! seconds and every run is the same.

mod budget;
mod random;
mod soak;
mod storm;
mod waiting;
