//! The `WWW-Authenticate` field, built from parts that cannot hold an illegal character.
//!
//! RFC 6750 §3 leaves no way to escape anything in `error_description` or `scope`, so what is not
//! allowed there is left out here; the realm is checked when it is configured.

use std::fmt;
use std::fmt::Write as _;

use http::HeaderValue;

use crate::config_error::ConfigError;
use crate::observe::trace::Pace;

/// The protection space a challenge names (RFC 9110 §11.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(Box<str>);

impl Realm {
    /// Takes a realm as it shall appear between the quotes.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Realm`] when it is empty or holds anything but printable ASCII without `"`
    /// and `\`.
    pub fn new(realm: impl Into<String>) -> Result<Self, ConfigError> {
        let realm = realm.into();
        if !realm.is_empty() && realm.bytes().all(is_description) {
            Ok(Self(realm.into_boxed_str()))
        } else {
            Err(ConfigError::Realm { realm })
        }
    }

    /// The realm without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Realm {
    /// `api`.
    fn default() -> Self {
        Self("api".into())
    }
}

/// An error code that RFC 6750 §3.1 registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// `invalid_request`, answered with 400.
    InvalidRequest,
    /// `invalid_token`, answered with 401.
    InvalidToken,
    /// `insufficient_scope`, answered with 403.
    InsufficientScope,
}

impl ErrorCode {
    /// The code as it stands in a challenge.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

/// A `Bearer` challenge (RFC 6750 §3).
///
/// ```
/// use tower_bearer::challenge::{Challenge, ErrorCode, Realm};
///
/// let challenge = Challenge::bearer(&Realm::default())
///     .with_error(ErrorCode::InsufficientScope, "the token lacks a scope")
///     .with_scope("orders:read orders:write");
///
/// assert_eq!(
///     challenge.to_header_value(),
///     "Bearer realm=\"api\", error=\"insufficient_scope\", \
///      error_description=\"the token lacks a scope\", scope=\"orders:read orders:write\""
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Challenge {
    realm: Realm,
    error: Option<(ErrorCode, String)>,
    scope: Option<String>,
}

impl Challenge {
    /// Starts with the realm, since RFC 6750 wants a parameter behind the scheme.
    pub fn bearer(realm: &Realm) -> Self {
        Self { realm: realm.clone(), error: None, scope: None }
    }

    /// Sets `error` and `error_description`.
    ///
    /// Characters that the description may not hold become `?`.
    #[must_use]
    pub fn with_error(mut self, code: ErrorCode, description: &str) -> Self {
        let legal = |c: char| u8::try_from(c).is_ok_and(is_description);
        let description = description.chars().map(|c| if legal(c) { c } else { '?' }).collect();
        self.error = Some((code, description));
        self
    }

    /// Sets `scope`, a list separated by spaces.
    ///
    /// Entries that are not scope tokens (RFC 6749 §3.3) are left out.
    #[must_use]
    pub fn with_scope(mut self, scopes: &str) -> Self {
        let legal: Vec<&str> = scopes.split(' ').filter(|scope| is_scope_token(scope)).collect();
        self.scope = (!legal.is_empty()).then(|| legal.join(" "));
        self
    }

    /// The field value.
    ///
    /// # Panics
    ///
    /// Never: every part is printable ASCII.
    pub fn to_header_value(&self) -> HeaderValue {
        let mut text = format!("Bearer realm=\"{}\"", self.realm.as_str());
        if let Some((code, description)) = &self.error {
            let code = code.as_str();
            _ = write!(text, ", error=\"{code}\", error_description=\"{description}\"");
        }
        if let Some(scope) = &self.scope {
            _ = write!(text, ", scope=\"{scope}\"");
        }
        HeaderValue::from_str(&text).expect("a challenge is printable ASCII")
    }
}

/// What every challenge of one layer has in common. Travels with the request to the guards.
#[derive(Default)]
pub(crate) struct ChallengeConfig {
    pub(crate) realm: Realm,
    /// What the log has heard of the layer's refusals.
    pub(crate) pace: Pace,
}

/// Two are the same if their challenges are, whatever the log has heard.
impl PartialEq for ChallengeConfig {
    fn eq(&self, other: &Self) -> bool {
        self.realm == other.realm
    }
}

impl From<Realm> for ChallengeConfig {
    fn from(realm: Realm) -> Self {
        Self { realm, pace: Pace::default() }
    }
}

impl fmt::Debug for ChallengeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChallengeConfig").field("realm", &self.realm).finish_non_exhaustive()
    }
}

// RFC 6750 §3: %x20-21 / %x23-5B / %x5D-7E.
fn is_description(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// Whether the text is one scope (RFC 6749 §3.3).
pub(crate) fn is_scope_token(scope: &str) -> bool {
    !scope.is_empty() && scope.bytes().all(|byte| is_description(byte) && byte != b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn realm_with_a_quote_is_refused() {
        // RFC 9110 §11.5: a realm that would need escaping is refused
        let error = Realm::new("my \"api\"").unwrap_err();

        assert_eq!(error, ConfigError::Realm { realm: "my \"api\"".into() });
    }

    #[test]
    fn realm_with_a_space_is_accepted() {
        assert_eq!(Realm::new("my api").unwrap().as_str(), "my api");
    }

    #[test]
    fn parameters_stand_once_however_often_they_are_set() {
        // RFC 6750 §3: no parameter more than once
        let value = Challenge::bearer(&Realm::default())
            .with_error(ErrorCode::InvalidToken, "a")
            .with_scope("a")
            .with_error(ErrorCode::InsufficientScope, "b")
            .with_scope("b")
            .to_header_value();

        let expected = "Bearer realm=\"api\", error=\"insufficient_scope\", \
                        error_description=\"b\", scope=\"b\"";
        assert_eq!(value, expected);
    }

    #[test]
    fn description_and_scope_never_emit_an_illegal_character() {
        // RFC 6750 §3: characters of error_description and scope
        for c in (0..=0x2ff).filter_map(char::from_u32) {
            let value = Challenge::bearer(&Realm::default())
                .with_error(ErrorCode::InvalidToken, &format!("a{c}b"))
                .with_scope(&format!("x{c}y z"))
                .to_header_value();

            let text = value.to_str().unwrap();
            assert!(text.bytes().all(|b| (0x20..=0x7e).contains(&b) && b != b'\\'), "{c:?}");
            assert_eq!(text.matches('"').count(), 8, "{c:?}: {text}");
        }
    }
}
