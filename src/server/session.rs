//! Gives out refresh tokens and exchanges them.

mod error;
mod key;
mod refresh_token;
mod sessions;

pub use error::SessionError;
pub use key::SessionKey;
pub use refresh_token::RefreshToken;
pub use sessions::{SessionTokens, Sessions, SignIn};
