//! The table of reasons. One row decides the word for logs, the severity and the answer of a
//! reason.

use std::fmt;

use http::StatusCode;

/// An error code that is registered for challenges (RFC 6750 §3.1, RFC 9449 §12.2, RFC 9470 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `invalid_request`, answered with 400.
    InvalidRequest,
    /// `invalid_token`, answered with 401.
    InvalidToken,
    /// `insufficient_scope`, answered with 403.
    InsufficientScope,
    /// `insufficient_user_authentication`, answered with 401.
    InsufficientUserAuthentication,
    /// `invalid_dpop_proof`, answered with 401.
    InvalidDpopProof,
    /// `use_dpop_nonce`, answered with 401.
    UseDpopNonce,
}

impl ErrorCode {
    /// Returns the code as a challenge writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }
}

/// The value of `error` in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorValue {
    /// A registered code, for the challenge and for bodies.
    Code(ErrorCode),
    /// A word for bodies only, where no code is registered.
    Word(&'static str),
}

/// The party that has to act on a refusal, which decides the level of its log event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The client. Any client can cause such refusals at any rate.
    Client,
    Operator,
    Programmer,
}

/// A kind of refusal, for code that has to decide about each [`Reason`].
///
/// Minor versions add reasons, and each new reason falls into one of these classes. Only a major
/// version adds a class, so a `match` on the class needs no `_ =>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReasonClass {
    /// The request has no token. A layer answers 401.
    NoCredentials,
    /// The request is malformed, independently of its token. A layer answers 400.
    BadRequest,
    /// The token is refused, and another one might be accepted. A layer answers 401.
    BadToken,
    /// The token is good and does not allow the request. A layer answers 403.
    NotAllowed,
    /// The request names something that is not there for this principal. A layer answers 404.
    NotFound,
    /// The decision needs keys or answers that are not available now. A layer answers 503.
    Unavailable,
    /// The application is set up wrongly. A layer answers 500.
    Misconfigured,
}

impl ReasonClass {
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::NoCredentials | Self::BadToken => StatusCode::UNAUTHORIZED,
            Self::BadRequest => StatusCode::BAD_REQUEST,
            Self::NotAllowed => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Misconfigured => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns whether the answer has a challenge: whether a token, or another one, would help.
    pub(crate) const fn has_challenge(self) -> bool {
        !matches!(self, Self::NotFound | Self::Unavailable | Self::Misconfigured)
    }
}

/// Defines [`Reason`] with its tables. A row holds the name, the word for logs and metrics, the
/// sentence for logs, and the sentence for clients, which never reveals the configuration of this
/// server.
macro_rules! reasons {
    ($($class:ident, $severity:ident, $value:expr => {
        $($(#[doc = $doc:literal])+ $name:ident, $word:literal, $log:literal, $client:literal;)+
    })+) => {
        /// The reason why a request was refused.
        ///
        /// The reason decides the answer to the client: see the table in the [crate
        /// documentation](crate#answers).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Reason {
            $($($(#[doc = $doc])+ $name,)+)+
        }

        impl Reason {
            /// All reasons, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$($(Self::$name),+),+];

            /// Returns the class of the reason.
            ///
            /// ```
            /// use tower_bearer::error::ReasonClass;
            /// use tower_bearer::AuthError;
            ///
            /// fn exit_code(error: &AuthError) -> i32 {
            ///     match error.reason().class() {
            ///         ReasonClass::NoCredentials | ReasonClass::BadRequest | ReasonClass::BadToken => 77,
            ///         ReasonClass::NotAllowed | ReasonClass::NotFound => 78,
            ///         ReasonClass::Unavailable => 75,
            ///         ReasonClass::Misconfigured => 70,
            ///     }
            /// }
            /// ```
            pub const fn class(self) -> ReasonClass {
                match self {
                    $($(Self::$name)|+ => ReasonClass::$class,)+
                }
            }

            /// Returns the reason as a stable `snake_case` word, for logs and metrics.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($(Self::$name => $word,)+)+
                }
            }

            /// Returns the value of `error` in a challenge. `None` where no code is registered.
            pub const fn code(self) -> Option<ErrorCode> {
                match self.error_value() {
                    ErrorValue::Code(code) => Some(code),
                    ErrorValue::Word(_) => None,
                }
            }

            pub(crate) const fn severity(self) -> Severity {
                match self {
                    $($(Self::$name)|+ => Severity::$severity,)+
                }
            }

            pub(crate) const fn error_value(self) -> ErrorValue {
                match self {
                    $($(Self::$name)|+ => $value,)+
                }
            }

            pub(crate) const fn sentence(self) -> &'static str {
                match self {
                    $($(Self::$name => $log,)+)+
                }
            }

            pub(crate) const fn description(self) -> &'static str {
                match self {
                    $($(Self::$name => $client,)+)+
                }
            }
        }
    };
}

reasons! {
    NoCredentials, Client, ErrorValue::Word("unauthorized") => {
        /// The request has no token.
        MissingToken, "missing_token", "no token was sent", "An access token is needed";
    }

    BadRequest, Client, ErrorValue::Code(ErrorCode::InvalidRequest) => {
        /// The `Authorization` field does not follow the grammar of RFC 6750 §2.1.
        MalformedAuthorization, "malformed_authorization",
            "the authorization field is malformed", "The Authorization field is malformed";
        /// There is more than one `Authorization` field.
        RepeatedAuthorization, "repeated_authorization",
            "there are several authorization fields", "There is more than one Authorization field";
        /// The `Sec-WebSocket-Protocol` field names `bearer`, and not exactly one token follows.
        MalformedSubprotocol, "malformed_subprotocol",
            "the web socket protocol field is malformed", "The Sec-WebSocket-Protocol field is malformed";
        /// There are two cookies of the name that holds the token. Another site may have set one.
        RepeatedCookie, "repeated_cookie",
            "there are several cookies of one name", "There is more than one cookie of this name";
        /// A token was sent in more than one place (RFC 6750 §2).
        SeveralTokens, "several_tokens",
            "tokens were sent in several places", "More than one token was sent";
    }

    // Some of these are also found after the signature was verified, for example a malformed
    // payload.
    BadToken, Client, ErrorValue::Code(ErrorCode::InvalidToken) => {
        /// The token is longer than the verifier allows.
        TokenTooLarge, "token_too_large", "the token is too large", "The token cannot be verified";
        /// The token is not a signed JWT in compact form, or its header or payload breaks a rule of RFC 7515
        /// or RFC 7519.
        Malformed, "malformed", "the token is malformed", "The token cannot be verified";
        /// The token has five parts: it is encrypted (RFC 7516). The verifier has no key that decrypts it, or it was
        /// not encrypted for one of the keys as it is.
        Encrypted, "encrypted", "the token is encrypted", "The token cannot be verified";
        /// The token is not encrypted, and the verifier accepts encrypted tokens only.
        NotEncrypted, "not_encrypted", "the token is not encrypted", "The token cannot be verified";
        /// The header names an algorithm that this crate does not verify, for example `none`.
        UnsupportedAlgorithm, "unsupported_algorithm",
            "the token's algorithm is not supported", "The token cannot be verified";
        /// The header names an algorithm that the configuration does not allow, or that the key is
        /// not for.
        AlgorithmNotAllowed, "algorithm_not_allowed",
            "the token's algorithm is not allowed", "The token cannot be verified";
        /// The header requires an extension (`crit`, `b64`), and this crate supports none.
        CriticalHeader, "critical_header",
            "the token asks for an extension that is not understood", "The token cannot be verified";
        /// The token was signed with a key that the key source does not have, or is an API key that is not known.
        UnknownKey, "unknown_key", "the token's key is unknown", "The token cannot be verified";
        /// No candidate key verifies the signature.
        InvalidSignature, "invalid_signature",
            "the token's signature is invalid", "The token cannot be verified";
        /// The token is of another kind, for example an ID token.
        WrongTokenType, "wrong_token_type",
            "the token is of another kind", "The token is not an access token";
        /// The token is bound to a key (`cnf`, RFC 7800), and the request does not prove that its
        /// sender has the key.
        BoundToken, "bound_token",
            "the token is bound to a key", "The token is bound to a key, which bearer tokens are not";
        /// The sender of the request proves another key than the token is bound to (`cnf`, RFC 7800).
        WrongBinding, "wrong_binding",
            "the token is bound to another key than the sender has", "The token is bound to another key";
        /// The token is bound to no key, and its user has used bound tokens before
        /// ([`DowngradeAlarm`](crate::binding::DowngradeAlarm)); or the user uses too many new keys.
        DowngradedToken, "downgraded_token",
            "the token is bound to no key, or to a new one, and others of its user were bound before",
            "A token that is bound to a key is needed";
        /// The token is bound to no key, and the request needs one that is.
        UnboundToken, "unbound_token",
            "the token is bound to no key", "A token that is bound to a key is needed";
        /// A required claim is absent.
        MissingClaim, "missing_claim", "the token lacks a claim", "The token lacks a claim";
        /// A claim has the wrong JSON type or an impossible value.
        InvalidClaim, "invalid_claim", "a claim of the token is invalid", "A claim of the token is invalid";
        /// `exp` has passed, leeway included.
        Expired, "expired", "the token has expired", "The token has expired";
        /// The token was issued longer ago than the configured maximum age, leeway included.
        TooOld, "too_old", "the token is too old", "The token is too old";
        /// `nbf` or `iat` is still in the future, leeway included.
        NotYetValid, "not_yet_valid", "the token is not valid yet", "The token is not valid yet";
        /// `iss` differs from the configured issuer. The comparison is exact. Of an issuer with
        /// [tenants](crate::Validation::with_tenants): the tenant is another, or not allowed, or the
        /// key that signed the token is for another issuer.
        WrongIssuer, "wrong_issuer", "the token is from another issuer", "The token is from another issuer";
        /// `aud` holds none of the configured audiences.
        WrongAudience, "wrong_audience",
            "the token is for another audience", "The token is for another audience";
        /// `azp` is none of the allowed parties, or the claims fit no trust policy
        /// ([`with_allowed_parties`](crate::Validation::with_allowed_parties),
        /// [`with_trust_policies`](crate::Validation::with_trust_policies)).
        NotTrusted, "not_trusted",
            "the token is of a party or workload that is not trusted", "The token is not trusted by this service";
        /// The token was revoked: by itself, with its session, or with everything of its subject or
        /// client.
        Revoked, "revoked", "the token was revoked", "The token was revoked";
        /// The active check answers that the subject of the token is not active any more, or an API key is disabled.
        Inactive, "inactive", "the subject is not active any more", "The token is not active any more";
    }

    BadToken, Client, ErrorValue::Code(ErrorCode::InvalidDpopProof) => {
        /// The token is bound to a key (RFC 9449), and the request has no `DPoP` field.
        MissingProof, "missing_proof", "the request has no DPoP proof", "A DPoP proof is needed";
        /// The proof breaks a rule of RFC 9449, or its signature is wrong, or it is for another token.
        InvalidProof, "invalid_proof", "the DPoP proof is invalid", "The DPoP proof is not valid";
        /// The proof is for another method or another URI (`htm`, `htu`).
        ProofForOtherRequest, "proof_for_other_request",
            "the DPoP proof is for another request", "The DPoP proof is for another method or URI";
        /// The proof was made too long ago, or in the future (`iat`).
        StaleProof, "stale_proof",
            "the DPoP proof is too old or from the future", "The DPoP proof was made too long ago, or a clock is wrong";
        /// The proof was used before.
        ReplayedProof, "replayed_proof", "the DPoP proof was used before", "The DPoP proof was used before";
    }

    BadToken, Client, ErrorValue::Code(ErrorCode::UseDpopNonce) => {
        /// The proof has no nonce of this server, or an old one. The answer has a new one (RFC 9449 §9).
        NonceNeeded, "nonce_needed",
            "the DPoP proof has no nonce of this server, or an old one", "The DPoP proof needs the nonce of this answer";
    }

    BadToken, Client, ErrorValue::Code(ErrorCode::InsufficientUserAuthentication) => {
        /// The sign-in behind the token is too weak or too long ago (RFC 9470); a new sign-in would help.
        InsufficientAuthentication, "insufficient_authentication",
            "the sign-in is too weak or too old", "A different authentication is needed";
    }

    NotAllowed, Client, ErrorValue::Code(ErrorCode::InsufficientScope) => {
        /// The token lacks a scope that would admit the request.
        InsufficientScope, "insufficient_scope", "the token lacks a scope", "The token lacks a scope";
    }

    // No registered code fits, because a new token would not help. RFC 6750 §3.1 reserves
    // `insufficient_scope` for refusals that a scope can resolve.
    NotAllowed, Client, ErrorValue::Word("forbidden") => {
        /// A role or another claim is missing; scopes alone would not help.
        Forbidden, "forbidden", "the token does not allow this", "The token does not allow this";
    }

    NotAllowed, Client, ErrorValue::Word("cross_site") => {
        /// The token is in a cookie, and a page of another site has sent the request.
        CrossSite, "cross_site",
            "a page of another site has sent the request", "The request comes from another site";
        /// The token is in a cookie, and the request has neither `Sec-Fetch-Site` nor `Origin` nor a CSRF
        /// token of the session.
        MissingCsrfToken, "missing_csrf_token",
            "the request does not say which site has sent it, and has no CSRF token of the session",
            "A CSRF token is needed";
    }

    NotAllowed, Client, ErrorValue::Word("forbidden") => {
        /// A page of an origin that is not allowed has sent the request to an MCP server.
        ForeignOrigin, "foreign_origin",
            "a page of an origin that is not allowed has sent the request", "The request comes from another origin";
    }

    NotAllowed, Operator, ErrorValue::Word("forbidden") => {
        /// The request is for another host than the MCP server has, as after DNS rebinding.
        ForeignHost, "foreign_host",
            "the request is for a host that is not allowed", "The request is for another host";
    }

    NotFound, Client, ErrorValue::Word("not_found") => {
        /// The MCP session of the request does not exist, or belongs to another principal.
        ForeignSession, "foreign_session",
            "the session does not belong to the principal", "The session does not exist";
    }

    NotAllowed, Operator, ErrorValue::Word("forbidden") => {
        /// The token is good, but its claims do not fit the application's claims type.
        ClaimsMismatch, "claims_mismatch",
            "the token's claims do not fit the claims type", "The token's claims do not fit this service";
    }

    Unavailable, Operator, ErrorValue::Word("temporarily_unavailable") => {
        /// The keys for this token are not available, or it is not known whether its key exists.
        KeysUnavailable, "keys_unavailable",
            "the keys to verify the token are not available", "The token cannot be verified right now";
        /// It is not known at the moment whether the token was revoked.
        RevocationsUnavailable, "revocations_unavailable",
            "it is not known whether the token was revoked", "The token cannot be verified right now";
        /// It is not known at the moment whether the subject of the token is still active.
        ActiveCheckFailed, "active_check_failed",
            "it is not known whether the subject is still active", "The token cannot be verified right now";
        /// An [`Authenticator`](crate::middleware::Authenticator) could not decide about the token.
        AuthenticatorFailed, "authenticator_failed",
            "the authenticator could not decide about the token", "The token cannot be verified right now";
    }

    Unavailable, Operator, ErrorValue::Word("temporarily_unavailable") => {
        /// It is not known at the moment whether the proof was used before.
        ReplaysUnavailable, "replays_unavailable",
            "it is not known whether the proof was used before", "The proof cannot be verified right now";
    }

    Misconfigured, Programmer, ErrorValue::Word("server_error") => {
        /// A guard or extractor runs without a [`BearerLayer`](crate::BearerLayer) around it.
        LayerMissing, "layer_missing", "no BearerLayer has seen this request", "The server is set up wrongly";
        /// An extractor asks for a claims type other than the layer's.
        ClaimsTypeMissing, "claims_type_missing",
            "the BearerLayer produces another claims type", "The server is set up wrongly";
        /// A policy cannot decide where it is used, for example because it reads a parameter that the
        /// path of the route does not have ([`Policy::misuse`](crate::policy::Policy::misuse)).
        MisusedPolicy, "misused_policy",
            "a policy cannot decide where it is used", "The server is set up wrongly";
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documentation_of_the_crate_names_every_reason_with_its_status_and_code() {
        let documentation = include_str!("../lib.rs");

        for reason in Reason::ALL {
            let cell = format!("(Reason::{reason:?})");
            let row = documentation
                .lines()
                .find(|line| line.starts_with("//! |") && line.contains(&cell));
            let row = row.unwrap_or_else(|| panic!("the table in lib.rs lacks {reason:?}"));
            let status = reason.class().status().as_u16();
            assert!(row.contains(&format!("| {status} |")), "{row}");
            if let ErrorValue::Code(code) = reason.error_value() {
                assert!(row.contains(&format!("`{}`", code.as_str())), "{row}");
            }
        }
    }

    #[test]
    fn words_of_reasons_differ() {
        let mut words: Vec<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        words.sort_unstable();
        words.dedup();

        assert_eq!(words.len(), Reason::ALL.len());
    }
}
