//! What a token must say to be accepted.

mod dangerous;
mod kind;
mod preset;

use std::time::Duration;

use crate::claims::{NumericDate, ReadPlan, Registered, Statement};
use crate::config_error::ConfigError;
use crate::error::{AuthError, Reason};
use crate::jose::{Algorithm, Header};

pub use dangerous::Dangerous;
pub use preset::{Preset, UnknownPreset};

use kind::KindRules;

/// The claims a token must carry, and where its roles and scopes are.
///
/// Issuer and audience are arguments, because a verifier without them accepts tokens that were made
/// by or for somebody else. Both are compared to the letter: no trailing slash comes or goes.
///
/// ```
/// use tower_bearer::{Preset, Validation};
///
/// let own = Validation::new("https://id.example.com", "https://api.example.com");
/// let keycloak = Validation::new("https://id.example.com/realms/shop", "orders-api")
///     .with_preset(Preset::Keycloak);
/// ```
///
/// # Kinds of token
///
/// Access tokens only: a `typ` header other than `JWT` or `at+jwt` is refused, and so are the marks
/// of other kinds whatever `typ` says (RFC 8725 §3.12): `nonce`, `at_hash`, `c_hash` (ID tokens),
/// `events` (logout and other events), a claim `typ` of `ID`, `Refresh`, `Offline` or `Logout`, a
/// `token_use` other than `access`. A token bound to a key (`cnf`) is no bearer token and refused
/// too. A [`Preset`] knows better for its provider; [`dangerous`](Self::dangerous) turns it off.
#[derive(Clone, Debug)]
pub struct Validation {
    issuer: String,
    audiences: Vec<String>,
    audience_rule: AudienceRule,
    algorithms: Option<Vec<Algorithm>>,
    leeway: Duration,
    max_age: Option<Duration>,
    required: Vec<String>,
    kind: KindRules,
    preset: Option<Preset>,
    /// `None` until it is set: then the preset or the default decides.
    roles_at: Option<Vec<String>>,
    scopes_at: Option<Vec<String>>,
}

/// Which claim says whom a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AudienceRule {
    Aud,
    /// `client_id` in tokens that have no `aud`.
    AudOrClientId,
    /// None: anybody's tokens pass.
    Any,
}

/// A validation whose mistakes have been found, and what to look for in a payload.
pub(crate) struct Rules {
    validation: Validation,
    plan: ReadPlan,
}

impl Validation {
    /// Accepts tokens of this issuer for this audience.
    ///
    /// An empty one is reported by [`Verifier::new`](crate::Verifier::new).
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            audience_rule: AudienceRule::Aud,
            algorithms: None,
            leeway: DEFAULT_LEEWAY,
            max_age: None,
            required: Vec::new(),
            kind: KindRules::default(),
            preset: None,
            roles_at: None,
            scopes_at: None,
        }
    }

    /// Accepts tokens for this audience too.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Takes `client_id` for the audience of tokens that have no `aud`, for providers that leave it
    /// out of access tokens (Amazon Cognito). The audience to configure is then the id of the client
    /// that users sign in with. A token with `aud` is judged by that.
    #[must_use]
    pub fn with_client_id_as_audience(mut self) -> Self {
        self.audience_rule = AudienceRule::AudOrClientId;
        self
    }

    /// Allows these algorithms only. The default is whatever the keys are for.
    ///
    /// This narrows and never widens: a key verifies the one algorithm it was loaded for.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Sets by how much clocks may differ: `exp`, `nbf`, `iat` and the maximum age are that much
    /// milder. The default is 60 seconds; at most 5 minutes are possible (RFC 9068 §4: "no more than
    /// a few minutes").
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Refuses tokens that were made longer ago than this, whatever `exp` says. `iat` is then
    /// required. There is no such limit by default.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Requires these claims to be there and not `null`, besides `iss`, `aud` and `exp`: `sub`, for
    /// example, or `jti`.
    #[must_use]
    pub fn with_required_claims<N: Into<String>>(
        mut self,
        claims: impl IntoIterator<Item = N>,
    ) -> Self {
        self.required.extend(claims.into_iter().map(Into::into));
        self
    }

    /// Accepts access tokens as RFC 9068 defines them and no others: `typ` is `at+jwt`, and `iss`,
    /// `exp`, `aud`, `sub`, `client_id`, `iat` and `jti` are there.
    #[must_use]
    pub fn with_at_jwt_only(mut self) -> Self {
        self.kind.at_jwt_only = true;
        self.with_required_claims(["sub", "client_id", "iat", "jti"])
    }

    /// Sets what is known of a provider's access tokens: where roles and scopes are, and how its ID
    /// tokens are told apart. See [`Preset`] for what each one says.
    ///
    /// Places of roles and scopes that are set besides replace the preset's.
    #[must_use]
    pub fn with_preset(mut self, preset: Preset) -> Self {
        self.preset = Some(preset);
        self
    }

    /// Sets where roles are found, in place of the default `roles` and `role`.
    ///
    /// A path that starts with `/` is a JSON Pointer (`/realm_access/roles`); any other is the name
    /// of a claim, whatever it looks like (`https://example.com/roles`). What is found may be a list
    /// of strings, each taken whole, or one string, taken as a list separated by spaces.
    ///
    /// Claims such as `groups` or `permissions` count only when they are named here: whoever may
    /// name a group must not be able to name a role.
    #[must_use]
    pub fn with_roles_at<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.roles_at = Some(owned(paths));
        self
    }

    /// Sets where scopes are found, in place of the default `scope` and `scp`. Paths and values are
    /// those of [`with_roles_at`](Self::with_roles_at).
    #[must_use]
    pub fn with_scopes_at<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.scopes_at = Some(owned(paths));
        self
    }

    /// The switches that let more tokens in than they should.
    pub fn dangerous(self) -> Dangerous {
        Dangerous::new(self)
    }

    /// Finds the mistakes in the configuration.
    pub(crate) fn into_rules(mut self) -> Result<Rules, ConfigError> {
        if self.issuer.is_empty() {
            return Err(ConfigError::EmptyIssuer);
        }
        if self.audiences.iter().any(String::is_empty) {
            return Err(ConfigError::EmptyAudience);
        }
        if self.algorithms.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::NoAlgorithms);
        }
        if self.leeway > MAX_LEEWAY {
            return Err(ConfigError::LeewayTooLarge {
                seconds: self.leeway.as_secs(),
                most: MAX_LEEWAY.as_secs(),
            });
        }
        let roles_at = self.roles_at.clone().unwrap_or_else(|| match self.preset {
            Some(preset) => preset.roles_at(&self.audiences),
            None => owned(["roles", "role"]),
        });
        let scopes_at = self.scopes_at.clone().unwrap_or_else(|| match self.preset {
            Some(preset) => owned(preset.scopes_at().iter().copied()),
            None => owned(["scope", "scp"]),
        });
        if let Some(preset) = self.preset {
            preset.add_to(&mut self.kind);
            if preset.has_client_id_as_audience() && self.audience_rule == AudienceRule::Aud {
                self.audience_rule = AudienceRule::AudOrClientId;
            }
        }
        let mut plan = ReadPlan::new(
            roles_at.iter().map(String::as_str),
            scopes_at.iter().map(String::as_str),
        )?;
        for claim in
            self.required.iter().map(String::as_str).chain(self.kind.one_of.iter().copied())
        {
            plan.watch(claim)?;
        }
        Ok(Rules { validation: self, plan })
    }
}

impl Rules {
    /// What to look for in a payload.
    pub(crate) fn plan(&self) -> &ReadPlan {
        &self.plan
    }

    pub(crate) fn validation(&self) -> &Validation {
        &self.validation
    }

    /// Checks what can be known before the signature.
    pub(crate) fn check_header(&self, header: &Header) -> Result<(), AuthError> {
        let allowed = self.validation.algorithms.as_ref().is_none_or(|algorithms| {
            let wanted = header.algorithm().canonical();
            algorithms.iter().any(|algorithm| algorithm.canonical() == wanted)
        });
        if !allowed {
            return Err(Reason::AlgorithmNotAllowed.into());
        }
        self.validation.kind.check_header(header)
    }

    /// Checks the claims of a token whose signature was good.
    pub(crate) fn check(&self, statement: &Statement, now: NumericDate) -> Result<(), AuthError> {
        // What kind of token it is comes first: it is the better answer to an ID token than its
        // wrong audience.
        self.validation.kind.check(statement, &self.plan)?;
        self.validation.check_parties(&statement.registered)?;
        self.validation.check_dates(&statement.registered, now)?;
        let lacks = |claim: &&String| !statement.has(claim, &self.plan);
        match self.validation.required.iter().find(lacks) {
            Some(claim) => Err(missing(claim)),
            None => Ok(()),
        }
    }
}

impl Validation {
    fn check_parties(&self, claims: &Registered) -> Result<(), AuthError> {
        let issuer = claims.issuer().ok_or_else(|| missing("iss"))?;
        if issuer != self.issuer {
            return Err(AuthError::with_detail(
                Reason::WrongIssuer,
                format!("`iss` is {issuer:?} instead of {:?}", self.issuer),
            ));
        }
        let is_own = |one: &str| self.audiences.iter().any(|own| own == one);
        let (is_for_us, sent) = match (claims.audience(), self.audience_rule) {
            (_, AudienceRule::Any) => return Ok(()),
            (Some(audience), _) => (
                audience.iter().any(is_own),
                format!("`aud` is {:?}", audience.iter().collect::<Vec<_>>()),
            ),
            (None, AudienceRule::Aud) => return Err(missing("aud")),
            (None, AudienceRule::AudOrClientId) => {
                let client = claims.client_id.as_deref().ok_or_else(|| missing("client_id"))?;
                (is_own(client), format!("`client_id` is {client:?}"))
            }
        };
        if is_for_us {
            return Ok(());
        }
        let detail = format!("{sent} and holds none of {:?}", self.audiences);
        Err(AuthError::with_detail(Reason::WrongAudience, detail))
    }

    fn check_dates(&self, claims: &Registered, now: NumericDate) -> Result<(), AuthError> {
        let refuse = |reason, claim: &str, date: NumericDate| {
            let (date, now) = (date.as_seconds(), now.as_seconds());
            Err(AuthError::with_detail(reason, format!("`{claim}` is {date} and it is {now}")))
        };
        // RFC 7519 §4.1.4: "on or after" the moment the token must not be accepted.
        let expires_at = claims.expires_at().ok_or_else(|| missing("exp"))?;
        if now >= expires_at.saturating_add(self.leeway) {
            return refuse(Reason::Expired, "exp", expires_at);
        }
        let soon = now.saturating_add(self.leeway);
        if let Some(not_before) = claims.not_before().filter(|date| soon < *date) {
            return refuse(Reason::NotYetValid, "nbf", not_before);
        }
        // A token that is made tomorrow is a mistake of its issuer, or of our clock.
        if let Some(issued_at) = claims.issued_at().filter(|date| soon < *date) {
            return refuse(Reason::NotYetValid, "iat", issued_at);
        }
        if let Some(max_age) = self.max_age {
            let issued_at = claims.issued_at().ok_or_else(|| missing("iat"))?;
            if now >= issued_at.saturating_add(max_age).saturating_add(self.leeway) {
                return refuse(Reason::TooOld, "iat", issued_at);
            }
        }
        Ok(())
    }
}

fn missing(claim: &str) -> AuthError {
    AuthError::with_detail(Reason::MissingClaim, format!("no `{claim}`"))
}

fn owned<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Vec<String> {
    paths.into_iter().map(Into::into).collect()
}

const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);
const MAX_LEEWAY: Duration = Duration::from_secs(300);
