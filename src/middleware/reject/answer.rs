use http::StatusCode;

use crate::error::{AuthError, ErrorCode, Reason, Told};

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Whether there are challenges. Without one, no token would help.
    pub(super) has_challenge: bool,
    /// The code that stands in the challenge. RFC 6750 §3.1: none if nothing was sent.
    pub(super) code: Option<ErrorCode>,
    /// What a JSON body says in `error`: the code of the challenge, or a word where there is none.
    pub(super) error: &'static str,
    /// For people. Never about what this server expects.
    pub(super) description: &'static str,
}

/// Returns the answer to a refusal, which its row in the table of reasons decides.
pub(super) fn answer(error: &AuthError) -> Answer {
    // Strangers are told the same whatever they find out without a signed token: otherwise the answers would
    // tell which issuers, algorithms and keys are configured.
    let reason =
        if error.is_before_signature() { Reason::InvalidSignature } else { error.reason() };
    let class = reason.class();
    let (code, error) = match reason.told() {
        Told::Code(code) => (Some(code), code.as_str()),
        Told::Word(word) => (None, word),
    };
    Answer {
        status: class.status(),
        has_challenge: class.has_challenge(),
        code,
        error,
        description: reason.description(),
    }
}
