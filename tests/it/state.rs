//! Tests revocations, the active check, and stores of API keys, sessions and used proofs.

mod active_check;
pub mod revocations;
mod concurrent_revocations;
pub mod redis;
pub mod api_keys;
pub mod sessions;
mod replays;
