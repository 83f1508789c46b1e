//! Explains a verdict about a token: each check, and the change with which the token would pass.
//!
//! The verdict is the verifier's own. The checks are run again one by one, so that those behind the first failure are
//! seen too; the functions are the ones that the verifier calls.

mod step;
mod change;
mod advice;
#[cfg(feature = "jwe")]
mod encryption;
mod explanation;
mod unverified;

pub(super) use self::advice::Facts;
pub(super) use self::explanation::Checks;

pub use self::change::{Change, ChangeSide};
pub use self::explanation::{Check, Explanation, Outcome};
pub use self::step::Step;
pub use self::unverified::UnverifiedToken;
