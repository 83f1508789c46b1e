//! Reads JSON by one scanner, more strictly than serde reads it.
//!
//! Each object that is read has unique members. Nesting is bounded everywhere. A member whose name serde_json reserves
//! for itself is refused everywhere. Strings with escapes and numbers with fractions are handed to serde_json one by
//! one, so that the scanner reads the same value as an application.

mod error;
mod words;
mod scan;
mod names;
mod members;
mod unique;
mod entries;
mod weight;

pub(crate) use entries::entries_of;
pub(crate) use error::JsonError;
pub(crate) use members::read_members;
pub(crate) use names::SeenNames;
pub(crate) use scan::{MAX_DEPTH, Scanner, VALUE_DEPTH};
pub(crate) use unique::read_unique;
pub(crate) use weight::{object_weight, weight};
