//! Signs users in with a password, and serves what follows from it: refresh, sign-out, the list of sessions, another
//! password.
//!
//! Not an authorization server: there is no authorization endpoint, and no client of a stranger is known.

mod accounts;
mod attempt;
mod keep;
mod desk;
mod input;
mod refusal;
mod user;
#[cfg(not(feature = "dpop"))]
mod no_proof;
#[cfg(feature = "dpop")]
mod proof;
mod operations;
mod service;
mod endpoints;

pub use crate::error::AccountsUnavailable;
pub use accounts::{Account, AccountKey, Accounts};
pub use attempt::SignInAttempt;
pub use endpoints::SignInEndpoints;
pub use keep::Keep;
pub use service::SignInService;

#[cfg(not(feature = "dpop"))]
use no_proof as proof;
