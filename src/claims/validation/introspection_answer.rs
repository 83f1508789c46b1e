//! Tells signed introspection answers (RFC 9701) from other kinds of JWT.

use super::kind::{is_introspection_answer, other_kind, plain};
use crate::error::AuthError;
use crate::jose::Header;

pub(super) fn check_header(header: &Header) -> Result<(), AuthError> {
    if header.content_type().is_some_and(|cty| plain(cty).eq_ignore_ascii_case("jwt")) {
        return Err(other_kind("`cty` says that another token is inside"));
    }
    if is_introspection_answer(header) {
        Ok(())
    } else {
        Err(other_kind("the header `typ` is not token-introspection+jwt"))
    }
}
