//! Builds `WWW-Authenticate` challenges from parts that cannot hold an illegal character.
//!
//! RFC 6750 §3 allows no escape in `error_description` and `scope`, so illegal characters are
//! replaced or left out here. The realm and other parameters are checked when they are configured.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;

use http::HeaderValue;

use crate::clock::Time;
use crate::config_error::ConfigError;
pub use crate::error::ErrorCode;
use crate::observe::trace::Pace;

/// The name of an HTTP authentication scheme (RFC 9110 §11.1). Comparison ignores case.
#[derive(Clone, Copy, Debug)]
pub struct AuthScheme(&'static str);

impl AuthScheme {
    /// `Bearer` (RFC 6750).
    pub const BEARER: Self = Self("Bearer");
    /// `DPoP` (RFC 9449).
    pub const DPOP: Self = Self("DPoP");

    /// Creates a scheme from its name.
    ///
    /// # Errors
    ///
    /// [`ConfigError::AuthScheme`] when the name is not a token (RFC 9110 §5.6.2).
    pub fn new(name: &'static str) -> Result<Self, ConfigError> {
        if is_token(name) {
            Ok(Self(name))
        } else {
            Err(ConfigError::AuthScheme { name: name.to_owned() })
        }
    }

    /// Returns the name as it was configured.
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    /// Returns whether these bytes name this scheme, in any case.
    pub(crate) fn is(self, name: &[u8]) -> bool {
        self.0.as_bytes().eq_ignore_ascii_case(name)
    }
}

impl PartialEq for AuthScheme {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        // Nearly always the same text in memory, which is found out sooner.
        std::ptr::eq(self.0, other.0) || self.is(other.0.as_bytes())
    }
}

impl Eq for AuthScheme {}

impl fmt::Display for AuthScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A scheme that a layer offers in its challenges, with the parameters of this scheme's challenge.
///
/// ```
/// use tower_bearer::challenge::{AuthScheme, OfferedScheme};
///
/// let dpop = OfferedScheme::new(AuthScheme::DPOP).with_parameter("algs", "ES256 EdDSA")?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedScheme {
    scheme: AuthScheme,
    parameters: Vec<Parameter>,
}

impl OfferedScheme {
    /// Offers this scheme without parameters of its own.
    pub fn new(scheme: AuthScheme) -> Self {
        Self { scheme, parameters: Vec::new() }
    }

    /// Adds a parameter to the challenge of this scheme.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ChallengeParameter`] when the name is not a token, when the crate sets it
    /// itself (`realm`, `error`, `error_description`, `scope`), or when the value needs an escape
    /// inside quotes.
    pub fn with_parameter(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        self.parameters.push(Parameter::new(name.into(), value.into())?);
        Ok(self)
    }

    /// Offers DPoP with these algorithms, separated by spaces (RFC 9449 §7.1).
    #[cfg(feature = "dpop")]
    pub(crate) fn dpop(algorithms: &str) -> Self {
        let algs = Parameter { name: "algs".to_owned(), value: legal_description(algorithms) };
        Self { scheme: AuthScheme::DPOP, parameters: vec![algs] }
    }

    /// Returns the scheme.
    pub fn scheme(&self) -> AuthScheme {
        self.scheme
    }
}

impl From<AuthScheme> for OfferedScheme {
    fn from(scheme: AuthScheme) -> Self {
        Self::new(scheme)
    }
}

/// A parameter whose name and value are legal in every challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    name: String,
    value: String,
}

impl Parameter {
    pub(crate) fn new(name: String, value: String) -> Result<Self, ConfigError> {
        let is_ours = RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(&name));
        let is_legal = is_token(&name) && value.bytes().all(is_description);
        if is_legal && !is_ours {
            Ok(Self { name, value })
        } else {
            Err(ConfigError::ChallengeParameter { name })
        }
    }
}

/// The protection space that a challenge names (RFC 9110 §11.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Realm(Box<str>);

impl Realm {
    /// Creates a realm from the text between the quotes.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Realm`] when the text is empty, or holds a character other than printable
    /// ASCII without `"` and `\`.
    pub fn new(realm: impl Into<String>) -> Result<Self, ConfigError> {
        let realm = realm.into();
        if !realm.is_empty() && realm.bytes().all(is_description) {
            Ok(Self(realm.into_boxed_str()))
        } else {
            Err(ConfigError::Realm { realm })
        }
    }

    /// Returns the realm without quotes.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Realm {
    /// Returns the realm `api`.
    fn default() -> Self {
        Self("api".into())
    }
}

/// A challenge: one scheme with its parameters (RFC 9110 §11.6.1, RFC 6750 §3).
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
    scheme: AuthScheme,
    realm: Realm,
    error: Option<(ErrorCode, String)>,
    scope: Option<String>,
    parameters: Vec<(Cow<'static, str>, String)>,
}

impl Challenge {
    /// Starts a challenge of the scheme `Bearer`.
    pub fn bearer(realm: &Realm) -> Self {
        Self::new(AuthScheme::BEARER, realm)
    }

    /// Starts a challenge with its realm. RFC 6750 §3 requires a parameter after the scheme.
    pub fn new(scheme: AuthScheme, realm: &Realm) -> Self {
        Self { scheme, realm: realm.clone(), error: None, scope: None, parameters: Vec::new() }
    }

    /// Sets `error` and `error_description`.
    ///
    /// Characters that are illegal in a description become `?`.
    #[must_use]
    pub fn with_error(mut self, code: ErrorCode, description: &str) -> Self {
        self.error = Some((code, legal_description(description)));
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

    /// Sets another parameter, and replaces an earlier one of the same name.
    pub(crate) fn with_parameter(mut self, name: Cow<'static, str>, value: &str) -> Self {
        self.parameters.retain(|(known, _)| *known != name);
        self.parameters.push((name, legal_description(value)));
        self
    }

    fn with_parameters(self, parameters: &[Parameter]) -> Self {
        parameters.iter().fold(self, |challenge, Parameter { name, value }| {
            challenge.with_parameter(name.clone().into(), value)
        })
    }

    /// Returns the value of the `WWW-Authenticate` field.
    ///
    /// # Panics
    ///
    /// Never: every part is printable ASCII.
    pub fn to_header_value(&self) -> HeaderValue {
        let mut text = format!("{} realm=\"{}\"", self.scheme, self.realm.as_str());
        if let Some((code, description)) = &self.error {
            let code = code.as_str();
            _ = write!(text, ", error=\"{code}\", error_description=\"{description}\"");
        }
        if let Some(scope) = &self.scope {
            _ = write!(text, ", scope=\"{scope}\"");
        }
        for (name, value) in &self.parameters {
            _ = write!(text, ", {name}=\"{value}\"");
        }
        HeaderValue::from_str(&text).expect("a challenge is printable ASCII")
    }
}

/// Tells guards about their layer: its challenges, and what it checks. Each request carries it.
pub(crate) struct ChallengeConfig {
    pub(crate) realm: Realm,
    /// The offered schemes, in the order of their challenges. Never empty.
    pub(crate) offered: Vec<OfferedScheme>,
    /// Parameters for the challenge of every scheme.
    pub(crate) parameters: Vec<Parameter>,
    /// The scopes that the policy of the layer names.
    pub(crate) scopes: Vec<String>,
    /// Whether the layer asks for the proof of every key that a token is bound to.
    pub(crate) asks_for_proofs: bool,
    /// The clock of the layer's verifier.
    pub(crate) time: Time,
    /// Limits how often the layer's refusals are logged.
    pub(crate) pace: Pace,
}

impl ChallengeConfig {
    /// Returns the same configuration with a new limit for the log.
    pub(crate) fn copied(&self) -> Self {
        let Self { realm, offered, parameters, scopes, asks_for_proofs, time, .. } = self;
        let (realm, offered) = (realm.clone(), offered.clone());
        let (parameters, scopes) = (parameters.clone(), scopes.clone());
        let (asks_for_proofs, time, pace) = (*asks_for_proofs, time.clone(), Pace::default());
        Self { realm, offered, parameters, scopes, asks_for_proofs, time, pace }
    }

    /// Names the metadata of the resource in every challenge (RFC 9728 §5.1).
    #[cfg(feature = "metadata")]
    pub(crate) fn name_metadata(&mut self, url: &str) {
        let name = "resource_metadata".to_owned();
        self.parameters.retain(|parameter| parameter.name != name);
        self.parameters.push(Parameter { name, value: legal_description(url) });
    }

    /// Offers DPoP, in place of all other schemes or beside them.
    #[cfg(feature = "dpop")]
    pub(crate) fn offer_dpop(&mut self, dpop: OfferedScheme, is_bearer_allowed: bool) {
        self.offered.retain(|offered| is_bearer_allowed && offered.scheme != AuthScheme::DPOP);
        self.offered.push(dpop);
    }

    /// Returns the index of a scheme among the offered ones.
    pub(crate) fn position_of(&self, scheme: &[u8]) -> Option<usize> {
        self.offered.iter().position(|offered| offered.scheme.is(scheme))
    }

    /// Returns one challenge for each offered scheme. `complete` receives the index of the scheme
    /// and its challenge, and may add to the challenge.
    pub(crate) fn challenges(
        &self,
        complete: impl Fn(usize, Challenge) -> Challenge,
    ) -> impl Iterator<Item = HeaderValue> {
        self.offered.iter().enumerate().map(move |(place, offered)| {
            let challenge = complete(place, Challenge::new(offered.scheme, &self.realm));
            let challenge = challenge.with_parameters(&offered.parameters);
            challenge.with_parameters(&self.parameters).to_header_value()
        })
    }
}

impl Default for ChallengeConfig {
    fn default() -> Self {
        Self {
            realm: Realm::default(),
            offered: vec![OfferedScheme::new(AuthScheme::BEARER)],
            parameters: Vec::new(),
            scopes: Vec::new(),
            asks_for_proofs: false,
            time: Time::OfSystem,
            pace: Pace::default(),
        }
    }
}

/// Compares the settings, and ignores the state of the limit for the log. Verifiers that share a cache share their clock.
impl PartialEq for ChallengeConfig {
    fn eq(&self, other: &Self) -> bool {
        let asks = self.asks_for_proofs == other.asks_for_proofs;
        (&self.realm, &self.offered, &self.parameters, &self.scopes)
            == (&other.realm, &other.offered, &other.parameters, &other.scopes)
            && asks
    }
}

impl fmt::Debug for ChallengeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChallengeConfig")
            .field("realm", &self.realm)
            .field("offered", &self.offered)
            .field("parameters", &self.parameters)
            .finish_non_exhaustive()
    }
}

fn legal_description(text: &str) -> String {
    let legal = |c: char| u8::try_from(c).is_ok_and(is_description);
    text.chars().map(|c| if legal(c) { c } else { '?' }).collect()
}

// RFC 9110 §5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_char)
}

/// Returns whether a byte may stand in a token (RFC 9110 §5.6.2). A scheme is a token.
pub(crate) fn is_token_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Parameters that the crate sets itself.
const RESERVED: [&str; 4] = ["realm", "error", "error_description", "scope"];

// RFC 6750 §3: %x20-21 / %x23-5B / %x5D-7E.
fn is_description(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

/// Returns whether the text is one scope token (RFC 6749 §3.3).
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
