//! Weakens single checks, by name.
//!
//! A token without `iss` belongs to the configured issuer everywhere: `Principal::issuer`,
//! revocations, active checks. `RegisteredClaims::issuer` returns the claim as the token has it. Of
//! several issuers one may accept such tokens: otherwise the order of set-up would decide with
//! which keys they are tried.
//!
//! A token without `exp` ends with its maximum age, or never. If never, its revocation is kept
//! forever.

use super::config::{AudienceRule, Validation};
use crate::dangerous::Dangerous;

impl Validation {
    /// Returns the switches that accept more tokens than they should.
    pub fn dangerous(self) -> Dangerous<Self> {
        Dangerous(self)
    }
}

impl Dangerous<Validation> {
    /// Accepts tokens for any audience, and tokens without an audience.
    ///
    /// A token of this issuer for any other service can then be used here, by that service or by a
    /// thief.
    pub fn accept_any_audience(mut self) -> Validation {
        self.0.audience_rule = AudienceRule::Any;
        self.0
    }

    /// Accepts tokens that look like ID, refresh or logout tokens.
    ///
    /// ID tokens are shown to browsers and sent to many parties. They are not meant to grant access
    /// to an API.
    pub fn accept_any_kind(mut self) -> Validation {
        self.0.kind.any_kind = true;
        self.0
    }

    /// Accepts tokens that are bound to a key (`cnf`, RFC 7800) without a proof of possession.
    ///
    /// A stolen token can then be used here, which the binding is meant to prevent.
    pub fn accept_bound_tokens(mut self) -> Validation {
        self.0.kind.bound_tokens = true;
        self.0
    }

    /// Accepts tokens without `iss`. A token that names another issuer is still refused.
    ///
    /// Everything else that is signed with the same key (a shared secret, for example) then counts
    /// as a token for this API. Tokens without `iss` count as tokens of the configured issuer, in
    /// [`Principal::issuer`](crate::Principal::issuer) and for revocations. Among several
    /// [`Issuers`](crate::Issuers), one may accept them.
    ///
    /// If the tokens are your own, first make the issuer write `iss`, and remove this switch when
    /// the last token without it has expired.
    pub fn accept_missing_issuer(mut self) -> Validation {
        self.0.missing_issuer = true;
        self.0
    }

    /// Accepts tokens without `exp`. A token that has expired is still refused.
    ///
    /// A stolen token works forever, until it is revoked or its key is replaced. Where tokens have
    /// `iat`, [`with_max_age`](Validation::with_max_age) still ends them. A revocation of such a
    /// token is kept in memory forever. A store that keeps revocations for the [longest
    /// lifetime](crate::revocation::MemoryRevocations::with_max_lifetime) of tokens refuses tokens
    /// whose maximum age does not end within it. With
    /// [`accept_unrevocable_tokens`](Self::accept_unrevocable_tokens) as well, they are accepted,
    /// and such a store drops their revocation while they are still good.
    pub fn accept_missing_expiry(mut self) -> Validation {
        self.0.missing_expiry = true;
        self.0
    }

    /// Accepts tokens that lack a claim by which they could be revoked, for example `jti`, or that
    /// are valid for longer than revocations are kept; see
    /// [`Revocations`](crate::revocation::Revocations).
    ///
    /// A stolen token works until it expires.
    pub fn accept_unrevocable_tokens(mut self) -> Validation {
        self.0.unrevocable = true;
        self.0
    }
}
