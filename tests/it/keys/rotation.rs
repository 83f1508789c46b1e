//! Tests keys that change under load, and strangers that invent keys.
//!
//! The provider is in memory and time passes as soon as every task waits, so hours take seconds and
//! every run is the same.

mod budget;
mod random;
mod soak;
mod storm;
mod waiting;
