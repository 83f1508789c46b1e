//! Tells access tokens from other kinds of JWT.
//!
//! The kind is checked before issuer and audience. An ID token that is sent to an API has the wrong
//! audience too, but "this is an ID token" is the answer that helps its sender and the operator.

use crate::claims::{ClaimPaths, ParsedClaims};
use crate::error::{AuthError, Reason};
use crate::jose::Header;

/// The kind of token to verify. A token never satisfies the rules of two kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(not(feature = "endpoints"), expect(dead_code, reason = "made by routes"))]
pub(crate) enum Kind {
    #[default]
    Access,
    /// An access token that may be bound to a key. The layer asks for the proof.
    Proved,
    /// An access token to revoke, which need not be valid yet.
    AccessToRevoke,
    /// A logout token (OpenID Connect Back-Channel Logout §2.4).
    Logout {
        /// Whether the header's `typ` may also be `JWT` or absent.
        untyped: bool,
    },
    /// A signed answer of an introspection endpoint (RFC 9701 §5).
    #[cfg(feature = "introspection")]
    IntrospectionAnswer,
}

/// The rules that tell an access token from other kinds of JWT.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a rule of its own")]
pub(super) struct KindRules {
    /// `typ` must be `at+jwt`. Otherwise it may also be `JWT` or absent.
    pub(super) at_jwt_only: bool,
    /// The provider writes `nonce` into access tokens too.
    pub(super) nonce_is_usual: bool,
    /// The claim `typ` must be present, as `Bearer` (or `DPoP` where bound tokens are accepted).
    pub(super) bearer_typ_needed: bool,
    /// `token_use` must be present, as `access`.
    pub(super) token_use_needed: bool,
    /// `typ` may be `JOSE` too.
    pub(super) jose_is_usual: bool,
    /// One of these claims must be present. ID tokens have none of them.
    pub(super) one_of: &'static [&'static str],
    /// Other kinds are accepted too.
    pub(super) any_kind: bool,
    /// Tokens that are bound to a key are accepted too.
    pub(super) bound_tokens: bool,
    /// Tokens that are bound to no key are refused.
    pub(super) bound_only: bool,
}

impl KindRules {
    // RFC 8725bis §3.11: if `typ` is present, it must be the expected one.
    pub(super) fn check_header(self, header: &Header) -> Result<(), AuthError> {
        // RFC 7519 §5.2: a nested JWT is not the token inside of it.
        if header.content_type().is_some_and(|cty| plain(cty).eq_ignore_ascii_case("jwt")) {
            return Err(other_kind("`cty` says that another token is inside"));
        }
        // RFC 9701 §8.1: not even where other kinds of token are accepted.
        if is_introspection_answer(header) {
            return Err(other_kind("the header `typ` is that of an introspection answer"));
        }
        let accepted: &[&str] = match (self.at_jwt_only, self.jose_is_usual) {
            (true, _) => &["at+jwt"],
            (false, false) => &["at+jwt", "jwt"],
            (false, true) => &["at+jwt", "jwt", "jose"],
        };
        let is_expected = match header.token_type() {
            None => !self.at_jwt_only,
            Some(typ) => accepted.iter().any(|one| plain(typ).eq_ignore_ascii_case(one)),
        };
        match (is_expected || self.any_kind, self.at_jwt_only) {
            (true, _) => Ok(()),
            (false, true) => Err(other_kind("the header `typ` is not at+jwt")),
            (false, false) => Err(other_kind("the header `typ` is neither JWT nor at+jwt")),
        }
    }

    // RFC 8725bis §3.12: a claim that one kind must have, another kind must not have.
    pub(super) fn check(
        self,
        kind: Kind,
        parsed: &ParsedClaims,
        paths: &ClaimPaths,
    ) -> Result<(), AuthError> {
        self.check_binding(kind, parsed)?;
        self.check_marks(parsed, paths)
    }

    /// Refuses a token that is bound to a key, where no proof is asked for, or that is not, where it has to be.
    pub(super) fn check_binding(self, kind: Kind, parsed: &ParsedClaims) -> Result<(), AuthError> {
        if parsed.markers.cnf.is_there() && !self.bound_tokens && kind != Kind::Proved {
            return Err(AuthError::with_detail(
                Reason::BoundToken,
                "the token has `cnf`: it is bound to a key and was sent as a bearer token",
            ));
        }
        if self.bound_only && !parsed.markers.cnf.is_there() && kind != Kind::AccessToRevoke {
            let detail =
                "the token has no `cnf`, and these rules (FAPI 2.0) accept bound tokens alone";
            return Err(AuthError::with_detail(Reason::UnboundToken, detail));
        }
        Ok(())
    }

    /// Refuses the marks of other kinds of token.
    pub(super) fn check_marks(
        self,
        parsed: &ParsedClaims,
        paths: &ClaimPaths,
    ) -> Result<(), AuthError> {
        let markers = &parsed.markers;
        if self.any_kind {
            return Ok(());
        }
        if let Some(marker) = self.marker_of_another_kind(parsed) {
            return Err(AuthError::with_detail(
                Reason::WrongTokenType,
                format!("{marker} marks another kind of token than an access token"),
            ));
        }
        let typ = parsed.text_of(markers.typ);
        let is_access = typ == Some("Bearer") || typ == Some("DPoP") && markers.cnf.is_there();
        if self.bearer_typ_needed && !is_access {
            return Err(other_kind("the claim `typ` is not Bearer"));
        }
        if self.token_use_needed && markers.token_use.is_none() {
            return Err(other_kind("there is no `token_use`"));
        }
        if !self.one_of.is_empty() && !self.one_of.iter().any(|claim| parsed.has(claim, paths)) {
            return Err(other_kind("no claim is there that only access tokens have"));
        }
        Ok(())
    }

    fn marker_of_another_kind(self, parsed: &ParsedClaims) -> Option<&'static str> {
        let markers = &parsed.markers;
        let typ = parsed.text_of(markers.typ);
        let other_typ =
            typ.is_some_and(|typ| OTHER_KINDS.iter().any(|other| other.eq_ignore_ascii_case(typ)));
        let other_use =
            markers.token_use.is_some() && !is_access_use(parsed.text_of(markers.token_use));
        [
            (markers.nonce.is_there() && !self.nonce_is_usual, "`nonce`"),
            (markers.at_hash.is_there(), "`at_hash`"),
            (markers.c_hash.is_there(), "`c_hash`"),
            (markers.events.is_some(), "`events`"),
            (other_typ, "the claim `typ`"),
            (other_use, "`token_use`"),
        ]
        .into_iter()
        .find_map(|(is_there, marker)| is_there.then_some(marker))
    }
}

/// The changes that make an access token of a token of another kind.
#[derive(Debug, Default)]
pub(crate) struct KindChanges {
    /// Claims to leave out.
    pub(crate) removed: Vec<&'static str>,
    /// Claims to set to a text.
    pub(crate) set: Vec<(&'static str, &'static str)>,
}

impl KindRules {
    /// Returns the changes of the claims with which [`check_marks`](Self::check_marks) accepts a token.
    pub(super) fn changes(self, parsed: &ParsedClaims, paths: &ClaimPaths) -> KindChanges {
        let markers = &parsed.markers;
        let mut changes = KindChanges::default();
        let removed = [
            (markers.nonce.is_there() && !self.nonce_is_usual, "nonce"),
            (markers.at_hash.is_there(), "at_hash"),
            (markers.c_hash.is_there(), "c_hash"),
            (markers.events.is_some(), "events"),
        ];
        changes
            .removed
            .extend(removed.into_iter().filter_map(|(is_there, name)| is_there.then_some(name)));
        if self.bearer_typ_needed && parsed.text_of(markers.typ) != Some("Bearer") {
            changes.set.push(("typ", "Bearer"));
        } else if markers.typ.is_some() && !self.bearer_typ_needed {
            changes.removed.push("typ");
        }
        let usage = parsed.text_of(markers.token_use);
        if !is_access_use(usage) && (self.token_use_needed || markers.token_use.is_some()) {
            changes.set.push(("token_use", "access"));
        }
        if let Some(first) = self.one_of.first()
            && !self.one_of.iter().any(|claim| parsed.has(claim, paths))
        {
            changes.set.push((first, "the id of the client"));
        }
        changes
    }

    /// Returns whether only `at+jwt` is accepted as the header's `typ`.
    pub(super) fn needs_at_jwt(self) -> bool {
        self.at_jwt_only
    }
}

/// Returns whether the header is that of a signed introspection answer (RFC 9701 §5).
pub(super) fn is_introspection_answer(header: &Header) -> bool {
    let typ = header.token_type().map(plain);
    typ.is_some_and(|typ| typ.eq_ignore_ascii_case("token-introspection+jwt"))
}

pub(super) fn other_kind(detail: &'static str) -> AuthError {
    AuthError::with_detail(Reason::WrongTokenType, detail)
}

/// Removes the prefix of a media type, which RFC 7515 §4.1.9 allows to omit.
pub(super) fn plain(media_type: &str) -> &str {
    match media_type.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => media_type,
    }
}

const PREFIX: &str = "application/";

/// Returns whether `token_use` names access tokens. Cognito writes `access` into tokens, and Hydra `access_token` into
/// introspection answers.
fn is_access_use(usage: Option<&str>) -> bool {
    matches!(usage, Some("access" | "access_token"))
}

/// Values of the claim `typ` in tokens that are not access tokens (Keycloak, rauthy).
const OTHER_KINDS: [&str; 5] = ["ID", "Refresh", "Offline", "Logout", "Serialized-ID"];
