//! JSON read by one scanner, more strictly than serde reads it.
//!
//! Members are unique where they are read, nesting is bounded everywhere, and a member whose name serde_json
//! gives a meaning of its own is refused everywhere. Strings with escapes and numbers with fractions are handed
//! to serde_json one by one, so that they mean to the scanner what they mean to an application.

mod error;
mod words;
mod scan;
mod names;
mod entries;
mod weight;

pub(crate) use entries::entries_of;
pub(crate) use error::JsonError;
pub(crate) use names::SeenNames;
pub(crate) use scan::{MAX_DEPTH, Scanner, VALUE_DEPTH};
pub(crate) use weight::{object_weight, weight};
