//! Weakens single checks, by name.
//!
//! A token without `iss` belongs to the configured issuer everywhere: `Principal::issuer`, revocations, active
//! checks. `RegisteredClaims::issuer` returns what the token says. Of several issuers one may accept such
//! tokens, or the order of set-up would decide with which keys they are tried.
//!
//! A token without `exp` ends with its maximum age, or never: then its revocation is kept for ever.

use super::config::{AudienceRule, Validation};
use crate::dangerous::Dangerous;

impl Validation {
    /// Returns the switches that accept more tokens than they should.
    pub fn dangerous(self) -> Dangerous<Self> {
        Dangerous(self)
    }
}

impl Dangerous<Validation> {
    /// Accepts tokens for any audience, and tokens for none.
    ///
    /// Whoever gets hold of a token of this issuer, for whatever service, can use it here.
    pub fn accept_any_audience(mut self) -> Validation {
        self.0.audience_rule = AudienceRule::Any;
        self.0
    }

    /// Accepts tokens that look like ID, refresh or logout tokens.
    ///
    /// ID tokens are shown to browsers and sent to many parties; they were never meant to open an
    /// API.
    pub fn accept_any_kind(mut self) -> Validation {
        self.0.kind.any_kind = true;
        self.0
    }

    /// Accepts tokens that are bound to a key (`cnf`, RFC 7800) without a proof of possession.
    ///
    /// Whoever steals one can use it here, which is what the binding is to prevent.
    pub fn accept_bound_tokens(mut self) -> Validation {
        self.0.kind.bound_tokens = true;
        self.0
    }

    /// Accepts tokens without `iss`. One that names another issuer is refused all the same.
    ///
    /// A service that signs other things with the same key (a shared secret, say) signs tokens for this API. They count as the configured issuer's wherever an issuer is asked for:
    /// [`Principal::issuer`](crate::Principal::issuer) and revocations. Of several
    /// [`Issuers`](crate::Issuers), one may accept them.
    ///
    /// Where the tokens are your own: let the issuer write `iss` first, and leave this switch away once the
    /// last token without it has expired.
    pub fn accept_missing_issuer(mut self) -> Validation {
        self.0.missing_issuer = true;
        self.0
    }

    /// Accepts tokens without `exp`. One that has expired is refused all the same.
    ///
    /// A thief can use one for ever, until it is revoked or its key is replaced. Where tokens have
    /// `iat`, [`with_max_age`](Validation::with_max_age) ends them nevertheless. A revocation of one is kept
    /// for ever in memory; a store that keeps revocations for the [longest
    /// lifetime](crate::revocation::MemoryRevocations::with_max_lifetime) of tokens refuses those whose maximum age
    /// does not end within it. With [`accept_unrevocable_tokens`](Self::accept_unrevocable_tokens) as well, they are
    /// let in, and such a store forgets their revocation while they are still good.
    pub fn accept_missing_expiry(mut self) -> Validation {
        self.0.missing_expiry = true;
        self.0
    }

    /// Accepts tokens that lack a claim by which they could be revoked, `jti` for example, or that are
    /// valid for longer than revocations are kept; see [`Revocations`](crate::revocation::Revocations).
    ///
    /// Whoever steals one can use it until it expires.
    pub fn accept_unrevocable_tokens(mut self) -> Validation {
        self.0.unrevocable = true;
        self.0
    }
}
