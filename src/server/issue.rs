//! Issues tokens: for an application that signs users in itself, and for tests.
//!
//! A [`TokenIssuer`] signs with a [`SigningKey`](crate::keys::SigningKey), or with a key that is elsewhere: a
//! [`Signer`](crate::keys::Signer).

mod issuer;
mod request;

pub use issuer::TokenIssuer;
pub use request::{IssueError, IssuedToken, TokenRequest};
