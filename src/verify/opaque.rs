//! Reads the claims of a caller whose token is not a JWT, by the same rules.

use serde::de::DeserializeOwned;

use crate::claims::validation::{Kind, Rules};
use crate::claims::{self, Draft, Layer, Span, Verified};
use crate::clock::Time;
use crate::error::{AuthError, Reason};
use crate::jose::Header;
use crate::jose::json::Members;

/// Returns the checked claims, and the time in which they are good.
pub(crate) fn read_claims<C: DeserializeOwned + Send + Sync + 'static>(
    text: &str,
    rules: &Rules,
    kind: Kind,
    time: &Time,
    layer: &Layer,
) -> Result<(Verified<C>, Span), AuthError> {
    let mut draft = Draft::new(Header::parse(HEADER)?, layer.clone());
    let statement = draft.statement();
    claims::read(text, rules.plan(), statement, &mut Members::new())?;
    let span = rules.span(&statement.registered);
    rules.check(kind, statement, span.now(time))?;
    draft.ends_at(span.end());
    let claims = serde_json::from_str(text).map_err(|error| {
        let detail = format!("{}: {:?}", std::any::type_name::<C>(), error.classify());
        AuthError::with_detail(Reason::ClaimsMismatch, detail)
    })?;
    Ok((Verified::new(draft, claims), span))
}

/// The header of a token that has none. Only `Principal::header` shows it.
const HEADER: &[u8] = br#"{"alg":"HS256"}"#;
