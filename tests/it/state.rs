//! Tests revocations, the active check, and stores of sessions.

mod active_check;
pub mod revocations;
mod concurrent_revocations;
pub mod redis;
mod sessions;
