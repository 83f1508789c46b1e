//! Tests revocations and the active check.

mod active_check;
pub mod revocations;
mod concurrent_revocations;
mod redis;
