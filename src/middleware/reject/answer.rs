use http::StatusCode;

use crate::challenge::ErrorCode;
use crate::error::{AuthError, Reason};

/// What a client is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// What stands in the challenge.
    pub(super) challenge: ChallengeKind,
    /// What a JSON body says in `error`: the code of the challenge, or a word where there is none.
    pub(super) error: &'static str,
    /// For people. Never about what this server expects.
    pub(super) description: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChallengeKind {
    /// The answer has no challenge: no token would help.
    None,
    /// RFC 6750 §3.1: without `error`, since nothing was sent or no code is registered.
    Plain,
    /// With `error` and `error_description`.
    Error(ErrorCode),
}

/// The one decision about what each refusal looks like from outside.
pub(super) fn answer(error: &AuthError) -> Answer {
    // What a stranger can find out without a signed token is one and the same: otherwise the answers would
    // tell which issuers, algorithms and keys are configured.
    if error.is_before_signature() {
        return unverified();
    }
    match error.reason() {
        Reason::MissingToken => Answer {
            status: StatusCode::UNAUTHORIZED,
            challenge: ChallengeKind::Plain,
            error: "unauthorized",
            description: "A bearer token is needed",
        },

        Reason::MalformedAuthorization => invalid_request("The Authorization field is malformed"),
        Reason::RepeatedAuthorization => {
            invalid_request("There is more than one Authorization field")
        }
        Reason::MalformedSubprotocol => {
            invalid_request("The Sec-WebSocket-Protocol field is malformed")
        }
        Reason::SeveralTokens => invalid_request("More than one token was sent"),

        // Of these some are found out behind the signature as well, a malformed payload for example.
        Reason::TokenTooLarge
        | Reason::Malformed
        | Reason::Encrypted
        | Reason::UnsupportedAlgorithm
        | Reason::AlgorithmNotAllowed
        | Reason::CriticalHeader
        | Reason::UnknownKey
        | Reason::InvalidSignature => unverified(),
        Reason::WrongTokenType => invalid_token("The token is not an access token"),
        Reason::BoundToken => {
            invalid_token("The token is bound to a key, which bearer tokens are not")
        }
        Reason::MissingClaim => invalid_token("The token lacks a claim"),
        Reason::InvalidClaim => invalid_token("A claim of the token is invalid"),
        Reason::Expired => invalid_token("The token has expired"),
        Reason::TooOld => invalid_token("The token is too old"),
        Reason::NotYetValid => invalid_token("The token is not valid yet"),
        Reason::WrongIssuer => invalid_token("The token is from another issuer"),
        Reason::WrongAudience => invalid_token("The token is for another audience"),
        Reason::Revoked => invalid_token("The token was revoked"),
        Reason::Inactive => invalid_token("The token is not active any more"),

        Reason::InsufficientScope => Answer {
            status: StatusCode::FORBIDDEN,
            challenge: ChallengeKind::Error(ErrorCode::InsufficientScope),
            error: ErrorCode::InsufficientScope.as_str(),
            description: "The token lacks a scope",
        },
        // No registered code fits: a new token would not help. RFC 6750 §3.1 keeps
        // `insufficient_scope` for what scopes can mend.
        Reason::Forbidden => forbidden("The token does not allow this"),
        Reason::ClaimsMismatch => forbidden("The token's claims do not fit this service"),

        Reason::KeysUnavailable | Reason::RevocationsUnavailable | Reason::ActiveCheckFailed => {
            Answer {
                status: StatusCode::SERVICE_UNAVAILABLE,
                challenge: ChallengeKind::None,
                error: "temporarily_unavailable",
                description: "The token cannot be verified right now",
            }
        }

        Reason::LayerMissing | Reason::ClaimsTypeMissing => Answer {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            challenge: ChallengeKind::None,
            error: "server_error",
            description: "The server is set up wrongly",
        },
    }
}

fn invalid_request(description: &'static str) -> Answer {
    let code = ErrorCode::InvalidRequest;
    Answer {
        status: StatusCode::BAD_REQUEST,
        challenge: ChallengeKind::Error(code),
        error: code.as_str(),
        description,
    }
}

/// The refusal of a token whose signature was not verified.
fn unverified() -> Answer {
    invalid_token("The token cannot be verified")
}

fn invalid_token(description: &'static str) -> Answer {
    let code = ErrorCode::InvalidToken;
    Answer {
        status: StatusCode::UNAUTHORIZED,
        challenge: ChallengeKind::Error(code),
        error: code.as_str(),
        description,
    }
}

fn forbidden(description: &'static str) -> Answer {
    Answer {
        status: StatusCode::FORBIDDEN,
        challenge: ChallengeKind::Plain,
        error: "forbidden",
        description,
    }
}
