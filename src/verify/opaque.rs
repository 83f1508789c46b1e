//! Reads the claims of a caller whose token is not a JWT, by the same rules.

use serde::de::DeserializeOwned;

use crate::claims::validation::{Kind, Rules};
use crate::claims::{self, Footprint, Layer, PrincipalBuilder, Span, Verified};
use crate::clock::Time;
use crate::error::{AuthError, Reason};
use crate::jose::Header;

/// Returns the checked claims, and the time in which they are good.
pub(crate) fn read_claims<C: DeserializeOwned + Send + Sync + 'static>(
    text: &str,
    rules: &Rules,
    kind: Kind,
    time: &Time,
    layer: &Layer,
) -> Result<(Verified<C>, Span), AuthError> {
    let mut builder = PrincipalBuilder::new(Header::parse(HEADER)?, layer.clone());
    let parsed = builder.parsed();
    claims::read(text, rules.claim_paths(), parsed, &mut Footprint::uncounted())?;
    let span = rules.span(&parsed.registered);
    rules.check(kind, parsed, span.now(time))?;
    builder.ends_at(span.end());
    let claims = serde_json::from_str(text).map_err(|error| {
        let detail = format!("{}: {:?}", std::any::type_name::<C>(), error.classify());
        AuthError::with_detail(Reason::ClaimsMismatch, detail)
    })?;
    Ok((Verified::new(builder, claims), span))
}

/// The header of a token that has none. Only `Principal::header` shows it.
const HEADER: &[u8] = br#"{"alg":"HS256"}"#;
