//! Issues tokens: for an application that signs users in itself, and for tests.
//!
//! A [`TokenIssuer`] signs with a [`SigningKey`](crate::keys::SigningKey), with [`IssuerKeys`] that are replaced
//! one after the other, or with a key that is elsewhere: a [`Signer`](crate::keys::Signer).

mod keys;
mod issuer;
mod request;

pub use issuer::TokenIssuer;
pub use keys::{IssuerKeyState, IssuerKeyStatus, IssuerKeys, KeyRotation, RotateError};
pub use request::{IssueError, IssuedToken, TokenRequest};
