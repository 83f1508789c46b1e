//! Conversions from and to the types of other crates, each behind the feature of its name. Nothing else in this
//! crate names their types.

#[cfg(feature = "jsonwebtoken")]
mod jsonwebtoken;
