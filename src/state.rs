//! State that several requests share: revocations, and answers of the active check.

pub(crate) mod active;
pub(crate) mod revocation;
