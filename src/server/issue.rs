//! Making tokens: for an application that signs users in itself, and for tests.

mod public_keys;
mod issuer;
mod request;

pub use issuer::TokenIssuer;
pub use public_keys::PublicKeys;
pub use request::{IssueError, IssuedToken, TokenRequest};
