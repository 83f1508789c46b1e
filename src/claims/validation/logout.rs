//! Tells logout tokens from other kinds of JWT.

use super::kind::{other_kind, plain};
use crate::claims::{Events, ParsedClaims, TextClaim};
use crate::error::{AuthError, Reason};
use crate::jose::Header;

// OpenID Connect Back-Channel Logout §2.4: explicit typing is recommended and not required.
pub(super) fn check_header(header: &Header, untyped: bool) -> Result<(), AuthError> {
    if header.content_type().is_some_and(|cty| plain(cty).eq_ignore_ascii_case("jwt")) {
        return Err(other_kind("`cty` says that another token is inside"));
    }
    match header.token_type().map(plain) {
        Some(typ) if typ.eq_ignore_ascii_case("logout+jwt") => Ok(()),
        Some(typ) if untyped && typ.eq_ignore_ascii_case("jwt") => Ok(()),
        None if untyped => Ok(()),
        _ => Err(other_kind("the header `typ` is not logout+jwt")),
    }
}

/// Checks the markers that tell a logout token from all other kinds.
pub(super) fn check(parsed: &ParsedClaims) -> Result<(), AuthError> {
    let markers = &parsed.markers;
    if markers.events != Some(Events::Logout) {
        return Err(other_kind("`events` holds no back-channel logout"));
    }
    // OpenID Connect Back-Channel Logout §2.4: `nonce` is forbidden, so that an ID token is not
    // accepted.
    if markers.nonce.is_there() {
        return Err(other_kind("`nonce` marks another kind of token than a logout token"));
    }
    let says = |claim: Option<TextClaim>, kinds: &[&str]| {
        let text = parsed.text_of(claim);
        text.is_some_and(|text| kinds.iter().any(|kind| kind.eq_ignore_ascii_case(text)))
    };
    if says(markers.typ, &OTHER_KINDS) || says(markers.token_use, &["access", "id"]) {
        return Err(other_kind("the claim `typ` or `token_use` names another kind of token"));
    }
    Ok(())
}

/// Checks that the token names a session or subject, and has the other required claims.
pub(super) fn check_contents(parsed: &ParsedClaims) -> Result<(), AuthError> {
    let claims = &parsed.registered;
    let missing = |detail: &'static str| AuthError::with_detail(Reason::MissingClaim, detail);
    let invalid = |detail: &'static str| AuthError::with_detail(Reason::InvalidClaim, detail);
    // A `sid` that cannot be read is not an absent one: otherwise all sessions of the subject would
    // end.
    if claims.has_odd_session() {
        return Err(invalid("`sid` is not a string"));
    }
    if claims.session_id() == Some("") || claims.subject() == Some("") {
        return Err(invalid("`sid` or `sub` is empty"));
    }
    if claims.issued_at().is_none() {
        return Err(missing("no `iat`"));
    }
    if claims.token_id().is_none() {
        return Err(missing("no `jti`"));
    }
    if claims.session_id().is_none() && claims.subject().is_none() {
        return Err(missing("neither `sid` nor `sub`"));
    }
    Ok(())
}

/// Values of the claim `typ` in tokens that are not logout tokens (Keycloak, rauthy).
const OTHER_KINDS: [&str; 6] = ["Bearer", "DPoP", "ID", "Refresh", "Offline", "Serialized-ID"];
