//! Making tokens: for an application that signs users in itself, and for tests.

mod jwks;
mod issuer;
mod request;

pub use issuer::TokenIssuer;
pub use jwks::{JwksService, PublicKeys};
pub use request::{IssueError, IssuedToken, TokenRequest};
