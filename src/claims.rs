//! What a token says, once it may be believed.

mod audience;
mod date;
mod events;
mod fast;
mod grants;
mod issuer;
mod marks;
mod plan;
mod principal;
mod reader;
mod registered;
mod verified;

pub use audience::Audience;
pub use date::NumericDate;
pub(crate) use date::Span;
pub use grants::Grants;
pub(crate) use principal::Layer;
pub use principal::{Principal, Speaker};
pub use registered::Registered;
pub use verified::Verified;

pub(crate) use events::Events;
pub(crate) use issuer::unverified_issuer;
pub(crate) use marks::{Marks, Named};
pub(crate) use plan::ReadPlan;
pub(crate) use reader::Statement;

use crate::error::AuthError;

/// Reads the decoded payload of a token whose signature was good.
pub(crate) fn read(text: &str, plan: &ReadPlan) -> Result<Statement, AuthError> {
    match fast::read(text, plan) {
        Some(statement) => Ok(statement),
        None => reader::read(text, plan),
    }
}
