use std::fmt;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::claims::validation::Validation;
use crate::claims::{self, Footprint, ParsedClaims};
use crate::config_error::ConfigError;

/// The parts of a token, of which nothing was verified: for tools that show a token to a person.
///
/// Everything in it may be made up. Decide by a [`Verifier`](crate::Verifier) and by nothing else.
///
/// ```
/// use tower_bearer::explain::UnverifiedToken;
///
/// let token = UnverifiedToken::parse("eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl");
/// assert_eq!(token.header(), Some(r#"{"alg":"ES256"}"#));
/// assert_eq!(token.claims(), Some(r#"{"sub":"alice"}"#));
/// ```
#[derive(Clone)]
pub struct UnverifiedToken {
    header: Option<String>,
    claims: Option<String>,
    segments: usize,
}

impl UnverifiedToken {
    /// Reads what can be read. A token that a verifier refuses as malformed is read as far as possible.
    pub fn parse(token: &str) -> Self {
        let segments: Vec<&str> = token.split('.').take(MAX_SEGMENTS).collect();
        let header = segments.first().and_then(|segment| decoded(segment));
        let has_claims = matches!(segments.len(), 2 | 3);
        let claims = segments.get(1).filter(|_| has_claims).and_then(|segment| decoded(segment));
        Self { header, claims, segments: segments.len() }
    }

    /// Returns the header as it was written, if it is text.
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// Returns the payload as it was written, if it is text. `None` for an encrypted token.
    pub fn claims(&self) -> Option<&str> {
        self.claims.as_deref()
    }

    /// Returns whether the token has the five parts of an encrypted one (RFC 7516 §7.1).
    pub fn is_encrypted(&self) -> bool {
        self.segments == ENCRYPTED_SEGMENTS
    }

    /// Returns the roles, and the scopes, that a verifier with this validation would read in the token.
    ///
    /// Both are empty for claims that a verifier refuses to read.
    ///
    /// # Errors
    ///
    /// Those of [`Verifier::new`](crate::Verifier::new).
    pub fn grants(
        &self,
        validation: Validation,
    ) -> Result<(Vec<String>, Vec<String>), ConfigError> {
        let rules = validation.into_rules()?;
        let mut parsed = ParsedClaims::default();
        let text = self.claims().unwrap_or_default();
        if claims::read(text, rules.claim_paths(), &mut parsed, &mut Footprint::uncounted())
            .is_err()
        {
            return Ok((Vec::new(), Vec::new()));
        }
        let grants = parsed.grants();
        Ok((
            grants.roles().map(str::to_owned).collect(),
            grants.scopes().map(str::to_owned).collect(),
        ))
    }
}

// Shows nothing of the token.
impl fmt::Debug for UnverifiedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedToken").field("segments", &self.segments).finish_non_exhaustive()
    }
}

/// Decodes a segment, however it is padded.
fn decoded(segment: &str) -> Option<String> {
    let bytes = LENIENT.decode(segment).ok()?;
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);
const ENCRYPTED_SEGMENTS: usize = 5;
const MAX_SEGMENTS: usize = ENCRYPTED_SEGMENTS + 1;
