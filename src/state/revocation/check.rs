//! Decides by the answers of a view whether a token was revoked.
//!
//! A view looks up and the verifier decides: the rounding of the moment, the leeway, a token without `iat` and
//! a view that is not ready are the same for every view. Whether the view is ready is asked before the look-ups
//! and judged after them: a view that becomes ready in between was not asked with all it knows, and a known
//! revocation stays one (401, not 503).
//!
//! A revocation covers the moment plus the leeway, because `iat` is in whole seconds and from a clock that may
//! be ahead. Our own issuer needs no leeway: it dates each token later than the last moment of its names. The
//! view knows this, and not the key or a setting, because it is true of issuer and view together.

use std::time::Duration;

use super::{Revocable, RevocationKind, Revocations, Revoked};
use crate::claims::RegisteredClaims;
use crate::claims::validation::Rules;
use crate::error::{AuthError, Reason};

/// Looks up a token with a valid signature and valid claims in a view.
pub(crate) fn check(
    view: &dyn Revocations,
    claims: &RegisteredClaims,
    rules: &Rules,
) -> Result<(), AuthError> {
    if !rules.accepts_unrevocable() {
        check_revocable(view, claims, rules)?;
    }
    // Called before the look-ups: a view that becomes ready between them and this call was not
    // looked up.
    let whole = view.ready();
    // Of a token without `iss`, that of the rules. Each tenant has its own.
    let issuer = rules.issuer_of(claims);
    // An issuer that heeds this view dates its tokens by the clock of the revocations, and later
    // than them. It also names itself in them: a token without `iss` is from elsewhere.
    let leeway = || match rules.explicit_revocation_leeway() {
        None if claims.issuer().is_some() && view.is_heeded_by(issuer) => Duration::ZERO,
        _ => rules.revocation_leeway(),
    };
    for name in names(claims) {
        if let Some(revoked) = view.lookup(issuer, name)
            && covers(revoked, claims, leeway)
        {
            let detail = match (name.kind(), revoked) {
                (RevocationKind::Token, _) => "the token was revoked".to_owned(),
                (kind, Revoked::Entirely) => format!("its {} was revoked", kind.as_str()),
                (kind, Revoked::IssuedUpTo(moment)) => {
                    let (kind, moment) = (kind.as_str(), moment.as_seconds());
                    format!("what its {kind} was issued up to {moment} was revoked")
                }
            };
            return Err(AuthError::with_detail(Reason::Revoked, detail));
        }
    }
    Ok(whole?)
}

fn names(claims: &RegisteredClaims) -> impl Iterator<Item = Revocable<'_>> {
    let token = claims.token_id().map(Revocable::Token);
    let session = claims.session_id().map(Revocable::Session);
    let subject = claims.subject().map(Revocable::Subject);
    [token, session, subject].into_iter().flatten().chain(claims.clients().map(Revocable::Client))
}

fn covers(revoked: Revoked, claims: &RegisteredClaims, leeway: impl Fn() -> Duration) -> bool {
    match revoked {
        Revoked::Entirely => true,
        Revoked::IssuedUpTo(moment) => {
            let last = moment.saturating_add(leeway()).rounded_up();
            claims.issued_at().is_none_or(|issued_at| issued_at <= last)
        }
    }
}

/// Refuses a token that no revocation could reach.
fn check_revocable(
    view: &dyn Revocations,
    claims: &RegisteredClaims,
    rules: &Rules,
) -> Result<(), AuthError> {
    let kinds = view.kinds();
    let must = |kind| kinds.contains(kind);
    let longest = view.max_lifetime();
    let needs_date =
        must(RevocationKind::Subject) || must(RevocationKind::Client) || longest.is_some();
    for (is_needed, is_there, claim) in [
        (must(RevocationKind::Token), claims.token_id().is_some(), "jti"),
        (must(RevocationKind::Session), claims.session_id().is_some(), "sid"),
        (must(RevocationKind::Client), claims.client_id().is_some(), "client_id"),
        (needs_date, claims.issued_at().is_some(), "iat"),
    ] {
        if is_needed && !is_there {
            let detail = format!("no `{claim}`, so it could not be revoked");
            return Err(AuthError::with_detail(Reason::MissingClaim, detail).about_claim(claim));
        }
    }
    let last = longest.zip(claims.issued_at()).map(|(longest, at)| at.saturating_add(longest));
    let Some(last) = last else { return Ok(()) };
    match claims.expires_at().or_else(|| rules.end_by_age(claims)) {
        Some(end) if end <= last => Ok(()),
        Some(_) => Err(AuthError::with_detail(
            Reason::InvalidClaim,
            "the token is valid for longer than revocations are kept",
        )
        .about_claim("exp")),
        None => Err(AuthError::with_detail(
            Reason::MissingClaim,
            "no `exp`, so the token could outlive its revocation",
        )
        .about_claim("exp")),
    }
}
