use std::time::Duration;

use super::kind::KindRules;
use super::preset::Preset;
use crate::jose::Algorithm;

/// The claims a token must carry, and where its roles and scopes are.
///
/// Issuer and audience are arguments, because a verifier without them accepts tokens that were made
/// by or for somebody else. Both are compared to the letter: no trailing slash comes or goes.
///
/// ```
/// use tower_bearer::validation::Preset;
/// use tower_bearer::Validation;
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
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) audience_rule: AudienceRule,
    pub(super) algorithms: Option<Vec<Algorithm>>,
    pub(crate) leeway: Duration,
    /// `None` until it is set: then it is the leeway.
    pub(crate) revocation_leeway: Option<Duration>,
    pub(super) max_age: Option<Duration>,
    pub(crate) required: Vec<String>,
    pub(super) kind: KindRules,
    pub(super) unrevocable: bool,
    /// Tokens without `iss` pass too.
    pub(super) missing_issuer: bool,
    /// Tokens without `exp` pass too.
    pub(super) missing_expiry: bool,
    pub(super) preset: Option<Preset>,
    /// `None` until it is set: then the preset or the default decides.
    pub(crate) roles_at: Option<Vec<String>>,
    pub(crate) scopes_at: Option<Vec<String>>,
    pub(crate) separated_at: Vec<String>,
}

/// Which claim says whom a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AudienceRule {
    Aud,
    /// `client_id` in tokens that name no `aud`.
    AudOrClientId,
    /// None: anybody's tokens pass.
    Any,
}

impl Validation {
    /// Accepts tokens of this issuer for this audience.
    ///
    /// An empty one, and one with a placeholder (`{tenantid}`) or an invisible character in it, is
    /// reported by [`Verifier::new`](crate::Verifier::new).
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            audience_rule: AudienceRule::Aud,
            algorithms: None,
            leeway: DEFAULT_LEEWAY,
            revocation_leeway: None,
            max_age: None,
            required: Vec::new(),
            kind: KindRules::default(),
            unrevocable: false,
            missing_issuer: false,
            missing_expiry: false,
            preset: None,
            roles_at: None,
            scopes_at: None,
            separated_at: Vec::new(),
        }
    }

    /// Accepts tokens for this audience too.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens for each of these audiences too: one that is meant for any of them is accepted.
    #[must_use]
    pub fn with_audiences<A: Into<String>>(
        mut self,
        audiences: impl IntoIterator<Item = A>,
    ) -> Self {
        self.audiences.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// Takes `client_id` for the audience of tokens that have no `aud` or an empty list there, for providers
    /// that leave it out of access tokens (Amazon Cognito). The audience to configure is then the id of the
    /// client that users sign in with. A token that names an audience is judged by that.
    #[must_use]
    pub fn with_client_id_as_audience(mut self) -> Self {
        self.audience_rule = AudienceRule::AudOrClientId;
        self
    }

    /// Allows these algorithms only. The default is whatever the keys are for.
    ///
    /// This narrows and never widens: a key verifies the one algorithm it was loaded for. `EdDSA` and
    /// `Ed25519` are two names of one algorithm here, and either allows both.
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

    /// Sets by how much the issuer's clock may be ahead when everything of a subject or client is revoked
    /// up to a moment: tokens pass that were issued that much later. The default is the
    /// [leeway](Self::with_leeway), and none for a `TokenIssuer` of this program that
    /// [knows the revocations](crate::TokenIssuer::with_revocations); at most 5 minutes are possible.
    ///
    /// Zero where one clock both issues and revokes, so that users who sign in again at once are let in: where
    /// such an issuer is in another program, or a provider's own date is the moment.
    #[must_use]
    pub fn with_revocation_leeway(mut self, leeway: Duration) -> Self {
        self.revocation_leeway = Some(leeway);
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
    /// of strings, each of which is a role, or one string, which is one role: roles may hold spaces (RFC
    /// 9068 §2.2.3.1). See [`with_separated_at`](Self::with_separated_at) for issuers that write several
    /// into one string.
    ///
    /// Claims such as `groups` or `permissions` count only when they are named here: whoever may
    /// name a group must not be able to name a role.
    #[must_use]
    pub fn with_roles_at<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.roles_at = Some(owned(paths));
        self
    }

    /// Sets where scopes are found, in place of the default `scope` and `scp`. Paths and values are
    /// those of [`with_roles_at`](Self::with_roles_at), but that a string in `scope` or `scp` is a list
    /// separated by spaces (RFC 8693 §4.2).
    #[must_use]
    pub fn with_scopes_at<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.scopes_at = Some(owned(paths));
        self
    }

    /// Reads a string at these places of roles or scopes as a list separated by spaces, as one in `scope`
    /// and `scp` always is. The paths are written as for [`with_roles_at`](Self::with_roles_at).
    ///
    /// Only where no role can hold a space: otherwise `"not admin"` grants `admin`.
    ///
    /// ```
    /// use tower_bearer::Validation;
    ///
    /// // Tokens say `"roles": "editor reviewer"`.
    /// let validation = Validation::new("https://id.example.com", "https://api.example.com")
    ///     .with_separated_at(["roles"]);
    /// ```
    #[must_use]
    pub fn with_separated_at<P: Into<String>>(
        mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.separated_at = owned(paths);
        self
    }
}

#[cfg(feature = "config")]
impl Validation {
    pub(crate) fn has_client_id_as_audience(&self) -> bool {
        self.audience_rule == AudienceRule::AudOrClientId
    }
}

fn owned<P: Into<String>>(paths: impl IntoIterator<Item = P>) -> Vec<String> {
    paths.into_iter().map(Into::into).collect()
}

const DEFAULT_LEEWAY: Duration = Duration::from_secs(60);
