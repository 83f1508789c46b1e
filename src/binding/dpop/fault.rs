use crate::error::{AuthError, Reason};

/// Refuses a proof of another key than the token's.
#[cold]
pub(super) fn other_key() -> AuthError {
    let detail = "the proof is signed with another key than `cnf.jkt` of the token names";
    AuthError::with_detail(Reason::WrongBinding, detail)
}

/// Refuses a proof that breaks a rule.
#[cold]
pub(super) fn invalid(detail: &'static str) -> AuthError {
    AuthError::with_detail(Reason::InvalidProof, detail)
}
