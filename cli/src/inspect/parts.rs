//! The parts of a token that can be read without a key.

use indexmap::IndexMap;
use serde::Serialize;
use serde_json::Value;

/// The members of an object, in their order.
pub(super) type Members = IndexMap<String, Value>;

/// The dates of a token, in seconds since 1970.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Times {
    pub(super) issued_at: Option<i64>,
    pub(super) not_before: Option<i64>,
    pub(super) expires_at: Option<i64>,
    pub(super) now: i64,
}
