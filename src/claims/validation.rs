//! What a token must say to be accepted.
//!
//! [`Validation`] is what users write; [`Rules`] are the same once their mistakes have been found,
//! and do the checking.

mod kind;
mod logout;
mod preset;
mod config;
mod dangerous;
mod rules;

pub use config::Validation;
pub use preset::{ParsePresetError, Preset};

pub(crate) use kind::Kind;
pub(crate) use rules::{MAX_LEEWAY, Rules};
