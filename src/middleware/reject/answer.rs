use http::StatusCode;

use crate::error::{AuthError, ErrorCode, ErrorValue, Reason};

/// The parts of an answer to a client that the reason decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AnswerParts {
    pub(super) status: StatusCode,
    /// Whether the answer has challenges. It has none where no token would help.
    pub(super) has_challenge: bool,
    /// The code in the challenge. RFC 6750 §3.1: there is none if no token was sent.
    pub(super) code: Option<ErrorCode>,
    /// The value of `error` in a JSON body: the code of the challenge, or a word where there is no
    /// code.
    pub(super) error: &'static str,
    /// A sentence for people, which never reveals the configuration of this server.
    pub(super) description: &'static str,
}

/// Returns the answer to a refusal, from its row in the table of reasons.
pub(super) fn answer(error: &AuthError) -> AnswerParts {
    // All refusals before the signature was verified look alike to clients. Otherwise the answers
    // would reveal which issuers, algorithms and keys are configured.
    let reason =
        if error.is_before_signature() { Reason::InvalidSignature } else { error.reason() };
    let class = reason.class();
    let (code, error) = match reason.error_value() {
        ErrorValue::Code(code) => (Some(code), code.as_str()),
        ErrorValue::Word(word) => (None, word),
    };
    AnswerParts {
        status: class.status(),
        has_challenge: class.has_challenge(),
        code,
        error,
        description: reason.description(),
    }
}
