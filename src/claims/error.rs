use super::table::Claim;
use crate::error::{AuthError, Reason};
use crate::jose::json::JsonError;

/// The reason why a payload is refused.
#[derive(Clone, Copy, Debug)]
pub(super) struct PayloadError {
    json: JsonError,
    /// The claim that was being read.
    claim: Option<Claim>,
}

impl PayloadError {
    pub(super) fn in_claim(json: JsonError, claim: Claim) -> Self {
        Self { json, claim: Some(claim) }
    }
}

impl From<JsonError> for PayloadError {
    fn from(json: JsonError) -> Self {
        Self { json, claim: None }
    }
}

impl From<PayloadError> for AuthError {
    #[cold]
    fn from(PayloadError { json, claim }: PayloadError) -> Self {
        let detail = match (json, claim) {
            (JsonError::OtherType, Some(Claim::Act)) => {
                return Self::with_detail(Reason::InvalidClaim, BAD_ACTOR).about_claim("act");
            }
            (JsonError::OtherType, Some(claim)) => {
                let detail = format!("the claim `{}` has the wrong JSON type", claim.name());
                return Self::with_detail(Reason::InvalidClaim, detail).about_claim(claim.name());
            }
            (JsonError::Syntax, _) => "the payload is not JSON",
            (JsonError::TooDeep, _) => "the payload nests too deeply",
            (JsonError::OtherType | JsonError::RepeatedName, _) => {
                "the payload is not an object with unique members"
            }
            (JsonError::ReservedName, _) => {
                "the payload has a member whose name begins with `$serde_json::`"
            }
        };
        Self::with_detail(Reason::Malformed, detail)
    }
}

const BAD_ACTOR: &str =
    "the claim `act` is not an object with a `sub`, or more than 8 parties act for each other";
