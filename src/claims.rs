//! Reads the claims of a token whose signature was verified.

mod date;
mod events;
mod issuer;
mod piece;
mod audience;
mod grants;
mod marks;
mod plan;
mod registered;
mod statement;
mod principal;
pub(crate) mod policy;
mod reader;
mod fast;
pub(crate) mod validation;
mod verified;

pub use audience::Audience;
pub use date::NumericDate;
pub(crate) use date::Span;
pub use grants::Grants;
pub(crate) use principal::{Draft, Layer};
pub use principal::{Principal, PrincipalKind};
pub use registered::RegisteredClaims;
pub use verified::Verified;

pub(crate) use events::Events;
pub(crate) use issuer::unverified_issuer;
pub(crate) use marks::{Marks, Named};
pub(crate) use plan::ReadPlan;
pub(crate) use statement::Statement;

use crate::error::AuthError;
use crate::jose::json::Members;

/// Reads the decoded payload of a token whose signature was good into an empty statement.
///
/// What its members are is left in `members`, if it was easy to tell.
pub(crate) fn read<'t>(
    text: &'t str,
    plan: &ReadPlan,
    statement: &mut Statement,
    members: &mut Members<'t>,
) -> Result<(), AuthError> {
    if fast::read(text, plan, statement, members).is_none() {
        *statement = reader::read(text, plan)?;
    }
    Ok(())
}
