use std::time::Duration;

use super::kind::KindRules;
use super::preset::Preset;
use super::tenants::Tenants;
use super::trust_policy::TrustPolicy;
use crate::claims::Hierarchy;
use crate::jose::Algorithm;

/// Configures the claims that a token must carry, and the claims that hold its roles and scopes.
///
/// Issuer and audience are arguments, because a verifier without them accepts tokens that another
/// issuer made or that are for another service. Both are compared exactly: a trailing slash is
/// never added or removed.
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
/// Only access tokens are accepted. A `typ` header other than `JWT` or `at+jwt` is refused. The
/// marks of other kinds are refused whatever `typ` says (RFC 8725 §3.12): `nonce`, `at_hash`,
/// `c_hash` (ID tokens), `events` (logout and other events), a claim `typ` of `ID`, `Refresh`,
/// `Offline` or `Logout`, a `token_use` other than `access`. A token that is bound to a key (`cnf`)
/// is not a bearer token and is refused too. A [`Preset`] adapts these rules to its provider.
/// [`dangerous`](Self::dangerous) switches them off.
#[derive(Clone, Debug)]
pub struct Validation {
    pub(super) issuer: String,
    pub(super) audiences: Vec<String>,
    pub(super) audience_rule: AudienceRule,
    pub(super) algorithms: Option<Vec<Algorithm>>,
    pub(crate) leeway: Duration,
    /// `None` until it is set: then the leeway applies.
    pub(crate) revocation_leeway: Option<Duration>,
    pub(super) max_age: Option<Duration>,
    pub(crate) required: Vec<String>,
    pub(super) kind: KindRules,
    pub(super) unrevocable: bool,
    /// Whether tokens without `iss` are accepted.
    pub(super) missing_issuer: bool,
    /// Whether tokens without `exp` are accepted.
    pub(super) missing_expiry: bool,
    /// The tenants, where the issuer is a template.
    pub(super) tenants: Option<Tenants>,
    pub(super) preset: Option<Preset>,
    /// `None` until the paths are set: then the preset or the default applies.
    pub(crate) roles_at: Option<Vec<String>>,
    pub(crate) scopes_at: Option<Vec<String>>,
    pub(crate) separated_at: Vec<String>,
    pub(super) role_keys_at: Option<String>,
    pub(super) kept_claims: Vec<String>,
    pub(super) role_hierarchy: Hierarchy,
    pub(super) scope_hierarchy: Hierarchy,
    pub(super) parties_allowed: Option<Vec<String>>,
    pub(super) trust_policies: Option<Vec<TrustPolicy>>,
}

/// The claim that names the audience of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AudienceRule {
    Aud,
    /// `aud`, or `client_id` in tokens without `aud`.
    AudOrClientId,
    /// `aud`, or `azp` in tokens without `aud`.
    AudOrParty,
    /// No claim: tokens for any audience are accepted.
    Any,
}

impl Validation {
    /// Accepts tokens of this issuer for this audience.
    ///
    /// [`Verifier::new`](crate::Verifier::new) reports a name that is empty or holds a placeholder
    /// (`{tenant}`) or an invisible character. An issuer may have `{tenantid}` together with
    /// [`with_tenants`](Self::with_tenants).
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
            tenants: None,
            preset: None,
            roles_at: None,
            scopes_at: None,
            separated_at: Vec::new(),
            role_keys_at: None,
            kept_claims: Vec::new(),
            role_hierarchy: Hierarchy::new(),
            scope_hierarchy: Hierarchy::new(),
            parties_allowed: None,
            trust_policies: None,
        }
    }

    /// Accepts tokens of this issuer that have no `aud`, if `azp` is one of these parties, for providers that name no
    /// audience (Clerk).
    ///
    /// Such a token is for every API that trusts the issuer. `azp` says who asked for it, and is compared to the letter.
    /// Clerk writes the origin of the page into it: `https://app.example.com`. A token that has an `aud` is refused, unless
    /// the audience is added by [`with_audience`](Self::with_audience); its `azp` must be one of the parties too.
    ///
    /// ```
    /// use tower_bearer::Validation;
    ///
    /// let validation = Validation::for_parties("https://clerk.example.com", ["https://app.example.com"]);
    /// ```
    pub fn for_parties<P: Into<String>>(
        issuer: impl Into<String>,
        parties: impl IntoIterator<Item = P>,
    ) -> Self {
        let validation = Self::new(issuer, "").with_allowed_parties(parties);
        Self { audiences: Vec::new(), audience_rule: AudienceRule::AudOrParty, ..validation }
    }

    /// Accepts tokens for this audience too.
    #[must_use]
    pub fn with_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens for any of these audiences too.
    #[must_use]
    pub fn with_audiences<A: Into<String>>(
        mut self,
        audiences: impl IntoIterator<Item = A>,
    ) -> Self {
        self.audiences.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// Uses `client_id` as the audience of tokens whose `aud` is absent or an empty list, for
    /// providers that omit it from access tokens (Amazon Cognito). The audience to configure is
    /// then the id of the client that users sign in with. A token with an audience is checked by
    /// its audience.
    #[must_use]
    pub fn with_client_id_as_audience(mut self) -> Self {
        self.audience_rule = AudienceRule::AudOrClientId;
        self
    }

    /// Requires `azp`, and that it is one of these parties: only tokens that these clients have asked for are accepted. The
    /// audience is checked as well; see [`for_parties`](Self::for_parties) for tokens without one.
    ///
    /// Other tokens are refused with [`Reason::NotTrusted`](crate::Reason::NotTrusted). An empty list is a
    /// [`ConfigError`](crate::ConfigError).
    #[must_use]
    pub fn with_allowed_parties<P: Into<String>>(
        mut self,
        parties: impl IntoIterator<Item = P>,
    ) -> Self {
        self.parties_allowed = Some(owned(parties));
        self
    }

    /// Accepts only tokens that fit one of these policies, for issuers that give tokens to any workload of any customer (GitHub Actions,
    /// GitLab). The audience and everything else is checked as well.
    ///
    /// Other tokens are refused with [`Reason::NotTrusted`](crate::Reason::NotTrusted). An empty list, an empty value and a
    /// `*` in a value are [`ConfigError`](crate::ConfigError)s.
    #[must_use]
    pub fn with_trust_policies(mut self, policies: impl IntoIterator<Item = TrustPolicy>) -> Self {
        self.trust_policies = Some(policies.into_iter().collect());
        self
    }

    /// Allows these algorithms only. By default the keys decide.
    ///
    /// The list narrows and never widens: a key verifies the one algorithm it was loaded for.
    /// `EdDSA` and `Ed25519` are two names of one algorithm here, and either allows both.
    #[must_use]
    pub fn with_algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Sets the allowed difference between clocks: the checks of `exp`, `nbf`, `iat` and the
    /// maximum age are relaxed by this much. The default is 60 seconds, and the maximum is 5
    /// minutes (RFC 9068 §4: "no more than a few minutes").
    #[must_use]
    pub fn with_leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets how far the issuer's clock may be ahead when all tokens of a subject or client up to a
    /// moment are revoked: only tokens that were issued this much later are accepted. The default
    /// is the [leeway](Self::with_leeway), and zero for a `TokenIssuer` of this program that [knows
    /// the revocations](crate::TokenIssuer::with_revocations). The maximum is 5 minutes.
    ///
    /// Set zero where one clock both issues and revokes, so that users who sign in again are
    /// admitted at once: where such an issuer is in another program, or where the moment is a date
    /// of the provider.
    #[must_use]
    pub fn with_revocation_leeway(mut self, leeway: Duration) -> Self {
        self.revocation_leeway = Some(leeway);
        self
    }

    /// Refuses tokens that were issued longer ago than this, whatever `exp` says. `iat` is then
    /// required. There is no such limit by default.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Requires these claims to be present and not `null`, in addition to `iss`, `aud` and `exp`:
    /// for example `sub` or `jti`.
    #[must_use]
    pub fn with_required_claims<N: Into<String>>(
        mut self,
        claims: impl IntoIterator<Item = N>,
    ) -> Self {
        self.required.extend(claims.into_iter().map(Into::into));
        self
    }

    /// Accepts only access tokens as RFC 9068 defines them: `typ` is `at+jwt`, and `iss`, `exp`,
    /// `aud`, `sub`, `client_id`, `iat` and `jti` are present.
    #[must_use]
    pub fn with_at_jwt_only(mut self) -> Self {
        self.kind.at_jwt_only = true;
        self.with_required_claims(["sub", "client_id", "iat", "jti"])
    }

    /// Applies the properties of a provider's access tokens: the claims that hold roles and scopes,
    /// and the marks of its ID tokens. [`Preset`] lists them for each provider.
    ///
    /// Paths of roles and scopes that are set as well replace those of the preset.
    #[must_use]
    pub fn with_preset(mut self, preset: Preset) -> Self {
        self.preset = Some(preset);
        self
    }

    /// Sets the claims that hold roles. The default is `roles` and `role`.
    ///
    /// A path that starts with `/` is a JSON Pointer (`/realm_access/roles`). Any other path is the
    /// name of a claim, whatever it looks like (`https://example.com/roles`). The value may be a
    /// list of strings, each of which is a role, or one string, which is one role: roles may hold
    /// spaces (RFC 9068 §2.2.3.1). For issuers that write several roles into one string, see
    /// [`with_separated_at`](Self::with_separated_at).
    ///
    /// Claims such as `groups` or `permissions` count only when they are named here: the right to
    /// name a group must not become the right to name a role.
    #[must_use]
    pub fn with_roles_at<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.roles_at = Some(owned(paths));
        self
    }

    /// Reads the names of the members of the object at this path as roles, besides the roles of
    /// [`with_roles_at`](Self::with_roles_at). There is no such path by default.
    ///
    /// Zitadel writes roles so, each with the organizations that granted it:
    /// `{"admin": {"2001": "shop.example.com"}}`. A member counts if its value is an object that is not empty. Which
    /// organization granted the role does not count: if users of several organizations have access, read it from the
    /// claims.
    ///
    /// ```
    /// use tower_bearer::Validation;
    ///
    /// let validation = Validation::new("https://shop.zitadel.cloud", "2002")
    ///     .with_role_keys_at("urn:zitadel:iam:org:project:roles");
    /// ```
    #[must_use]
    pub fn with_role_keys_at(mut self, path: impl Into<String>) -> Self {
        self.role_keys_at = Some(path.into());
        self
    }

    /// Sets the claims that hold scopes. The default is `scope` and `scp`. Paths and values are
    /// those of [`with_roles_at`](Self::with_roles_at), except that a string in `scope` or `scp` is
    /// a list separated by spaces (RFC 8693 §4.2).
    #[must_use]
    pub fn with_scopes_at<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.scopes_at = Some(owned(paths));
        self
    }

    /// Reads a string at these paths of roles or scopes as a list separated by spaces, as in
    /// `scope` and `scp`. The paths are written as for [`with_roles_at`](Self::with_roles_at).
    ///
    /// Use it only where no role can hold a space: otherwise `"not admin"` grants `admin`.
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

    /// Keeps these claims for policies that compare them with the request: [`RequestPart::equals_claim`](crate::policy::RequestPart::equals_claim).
    /// Paths are written as for [`with_roles_at`](Self::with_roles_at).
    ///
    /// Only strings are kept. A second call adds to the first. By default nothing is kept but the claims that are read in any
    /// case.
    #[must_use]
    pub fn with_kept_claims<P: Into<String>>(mut self, paths: impl IntoIterator<Item = P>) -> Self {
        self.kept_claims.extend(paths.into_iter().map(Into::into));
        self
    }

    /// Sets which roles imply others. By default none does.
    ///
    /// A token with a role has the roles below it too: for guards, [`Principal::has_role`](crate::Principal::has_role) and
    /// everything else that asks. [`Grants::roles`](crate::claims::Grants::roles) lists the roles that the token names.
    ///
    /// ```
    /// use tower_bearer::claims::Hierarchy;
    /// use tower_bearer::{ConfigError, Validation};
    ///
    /// # fn build() -> Result<Validation, ConfigError> {
    /// let roles: Hierarchy = "admin > editor > viewer".parse()?;
    /// let validation = Validation::new("https://id.example.com", "https://api.example.com")
    ///     .with_role_hierarchy(roles);
    /// # Ok(validation)
    /// # }
    /// ```
    #[must_use]
    pub fn with_role_hierarchy(mut self, hierarchy: Hierarchy) -> Self {
        self.role_hierarchy = hierarchy;
        self
    }

    /// Sets which scopes imply others. By default none does. See
    /// [`with_role_hierarchy`](Self::with_role_hierarchy).
    ///
    /// A challenge lists the scopes that a route asks for, and none that imply them, so that clients ask for no more than
    /// they need. A token that has a scope through another one does not lack it.
    ///
    /// Where an issuer lets users give up scopes at consent, a hierarchy gives a client all that its scope implies.
    #[must_use]
    pub fn with_scope_hierarchy(mut self, hierarchy: Hierarchy) -> Self {
        self.scope_hierarchy = hierarchy;
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
