//! Checks tokens by the rules of one issuer.
//!
//! An `iat` in the future is refused, though RFC 7519 leaves it open: one of the clocks is wrong
//! then, and `exp` means nothing.
//!
//! `null` counts as absent for claims that name something: `sub` (rauthy sends it for client
//! credentials), `aud`, `jti`, `client_id`, `azp`. `iss` and the dates must not be `null`: an
//! absent date limits nothing, so `null` would drop a limit silently. An empty `aud` is a list like
//! any other (Hydra sends it) and names no audience.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::config::{AudienceRule, Validation};
use super::fapi2;
#[cfg(feature = "introspection")]
use super::introspection_answer;
use super::kind::{Kind, KindChanges};
use super::logout;
use super::preset::Preset;
use super::tenants::{self, Tenants};
use super::trust::Trust;
use crate::claims::{
    Audience, ClaimPaths, GrantKind, Hierarchies, NumericDate, ParsedClaims, PrincipalRules,
    RegisteredClaims, Span, TextSource,
};
use crate::config_error::{ConfigError, placeholder};
use crate::error::{AuthError, Reason, shown};
use crate::jose::Header;

/// A validation whose mistakes have been found, with the paths to read in a payload.
pub(crate) struct Rules {
    validation: Validation,
    paths: ClaimPaths,
    trust: Trust,
    principal: Arc<PrincipalRules>,
}

impl Validation {
    /// Finds the mistakes in the configuration.
    pub(crate) fn into_rules(mut self) -> Result<Rules, ConfigError> {
        if self.issuer.is_empty() {
            return Err(ConfigError::EmptyIssuer);
        }
        if self.audiences.iter().any(String::is_empty) {
            return Err(ConfigError::EmptyAudience);
        }
        tenants::check_set_up(&self.issuer, self.tenants.as_mut(), self.missing_issuer)?;
        self.audiences.iter().try_for_each(|audience| placeholder::check("audience", audience))?;
        let needs_none = matches!(self.audience_rule, AudienceRule::AudOrParty | AudienceRule::Any);
        if self.audiences.is_empty() && !needs_none {
            return Err(ConfigError::EmptyAudience);
        }
        if self.algorithms.as_ref().is_some_and(Vec::is_empty) {
            return Err(ConfigError::NoAlgorithms);
        }
        if self.preset == Some(Preset::Fapi2) {
            fapi2::apply(&mut self)?;
        }
        let largest = self.leeway.max(self.revocation_leeway.unwrap_or_default());
        if largest > MAX_LEEWAY {
            return Err(ConfigError::LeewayTooLarge {
                seconds: largest.as_secs(),
                most: MAX_LEEWAY.as_secs(),
            });
        }
        let roles_at = self.roles_at.clone().unwrap_or_else(|| match self.preset {
            Some(preset) => preset.roles_at(&self.audiences),
            None => ["roles", "role"].map(str::to_owned).into(),
        });
        let scopes_at = self.scopes_at.clone().unwrap_or_else(|| match self.preset {
            Some(preset) => preset.scopes_at().iter().copied().map(str::to_owned).collect(),
            None => ["scope", "scp"].map(str::to_owned).into(),
        });
        if let Some(preset) = self.preset {
            preset.add_to(&mut self.kind);
            if preset.has_client_id_as_audience() && self.audience_rule == AudienceRule::Aud {
                self.audience_rule = AudienceRule::AudOrClientId;
            }
        }
        // The trust domain stands in `sub`.
        self.missing_issuer |= self.preset.is_some_and(Preset::has_trust_domain);
        let mut paths = ClaimPaths::new(
            roles_at.iter().map(String::as_str),
            scopes_at.iter().map(String::as_str),
            self.separated_at.iter().map(String::as_str),
        )?;
        for claim in
            self.required.iter().map(String::as_str).chain(self.kind.one_of.iter().copied())
        {
            paths.watch(claim)?;
        }
        let kept: Result<Vec<_>, _> =
            self.kept_claims.iter().map(|path| paths.keep_claim(path)).collect();
        let kept = kept?;
        let trust = Trust::new(&self, &mut paths)?;
        // When all other places are known.
        if let Some(path) = &self.role_keys_at {
            paths.take_role_keys(path)?;
        }
        if self.tenants.is_some() {
            paths.read_tenant();
        }
        let principal = PrincipalRules {
            hierarchies: Hierarchies {
                roles: self.role_hierarchy.resolve(GrantKind::Role)?,
                scopes: self.scope_hierarchy.resolve(GrantKind::Scope)?,
            },
            leeway: self.leeway,
            kept,
        };
        (self.roles_at, self.scopes_at) = (Some(roles_at), Some(scopes_at));
        Ok(Rules { validation: self, paths, trust, principal: Arc::new(principal) })
    }
}

/// One of the checks of an access token's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClaimCheck {
    Binding,
    Kind,
    Issuer,
    Audience,
    Trust,
    Expiry,
    Start,
    Age,
    Required,
}

impl Rules {
    /// Accepts claims without `exp` and without what revokes them: an authenticator is asked about them again and again,
    /// so they may live for ever, and this side need not revoke them.
    pub(crate) fn for_answers(mut self) -> Self {
        (self.validation.missing_expiry, self.validation.unrevocable) = (true, true);
        self
    }

    /// Returns the paths to read in a payload.
    pub(crate) fn claim_paths(&self) -> &ClaimPaths {
        &self.paths
    }

    /// Returns the rules that count after a token was accepted.
    pub(crate) fn principal_rules(&self) -> &Arc<PrincipalRules> {
        &self.principal
    }

    #[cfg(any(feature = "config", feature = "test-util"))]
    pub(crate) fn validation(&self) -> &Validation {
        &self.validation
    }

    /// Returns the issuer and the first audience.
    pub(crate) fn parties(&self) -> (&str, &str) {
        self.validation.parties()
    }

    /// Returns the issuer whose tokens these rules are for.
    pub(crate) fn issuer(&self) -> &str {
        &self.validation.issuer
    }

    /// Returns the tenants, where the issuer is a template.
    pub(super) fn tenants(&self) -> Option<&Tenants> {
        self.validation.tenants.as_ref()
    }

    /// Returns how far the issuer's clock may be ahead of the moment of a revocation.
    pub(crate) fn revocation_leeway(&self) -> Duration {
        self.validation.revocation_leeway.unwrap_or(self.validation.leeway)
    }

    /// Returns the revocation leeway, if it was set.
    pub(crate) fn explicit_revocation_leeway(&self) -> Option<Duration> {
        self.validation.revocation_leeway
    }

    /// Returns whether tokens that cannot be revoked are accepted.
    pub(crate) fn accepts_unrevocable(&self) -> bool {
        self.validation.unrevocable
    }

    /// Returns the end of a token without `exp` by its maximum age, without leeway.
    pub(crate) fn end_by_age(&self, claims: &RegisteredClaims) -> Option<NumericDate> {
        let (issued_at, max_age) = claims.issued_at().zip(self.validation.max_age)?;
        Some(issued_at.saturating_add(max_age))
    }

    /// Returns the changes of the claims that make an access token of this token.
    pub(crate) fn kind_changes(&self, parsed: &ParsedClaims) -> KindChanges {
        self.validation.kind.changes(parsed, &self.paths)
    }

    /// Returns whether the rules are those of FAPI 2.0.
    pub(crate) fn is_fapi2(&self) -> bool {
        self.validation.preset == Some(Preset::Fapi2)
    }

    /// Returns whether only `at+jwt` is accepted as the header's `typ`.
    pub(crate) fn needs_at_jwt(&self) -> bool {
        self.validation.kind.needs_at_jwt()
    }

    /// Returns the audiences that are accepted.
    pub(crate) fn audiences(&self) -> &[String] {
        &self.validation.audiences
    }

    /// Returns whether tokens are accepted for these audiences, and for no others.
    #[cfg(feature = "mcp")]
    pub(crate) fn is_for(&self, audiences: &[String]) -> bool {
        let own = self.audiences();
        self.validation.audience_rule == AudienceRule::Aud
            && own.iter().all(|one| audiences.contains(one))
            && audiences.iter().all(|one| own.contains(one))
    }

    /// Returns whether `client_id` is the audience of tokens without `aud`.
    pub(crate) fn has_client_id_as_audience(&self) -> bool {
        self.validation.audience_rule == AudienceRule::AudOrClientId
    }

    /// Returns a subject of the trust domain, if subjects are workloads.
    pub(crate) fn some_workload(&self) -> Option<String> {
        self.trust.some_workload()
    }

    /// Returns an allowed party, if they are checked.
    pub(crate) fn first_party(&self) -> Option<&str> {
        self.trust.first_party()
    }

    /// Returns the claims that the first trust policy asks for and that have another value, with the value it asks for.
    pub(crate) fn untrusted<'t>(
        &'t self,
        parsed: &'t ParsedClaims,
    ) -> impl Iterator<Item = (&'t TextSource, &'t str)> {
        self.trust.differences(parsed)
    }

    /// Returns whether parties or trust policies are checked.
    pub(crate) fn checks_trust(&self) -> bool {
        self.trust.is_checked()
    }

    /// Returns the first place of roles, and of scopes.
    pub(crate) fn grant_places(&self) -> (Option<&str>, Option<&str>) {
        let Validation { roles_at, scopes_at, .. } = &self.validation;
        let roles = roles_at.as_ref().and_then(|places| places.first());
        let scopes = scopes_at.as_ref().and_then(|places| places.first());
        (roles.map(String::as_str), scopes.map(String::as_str))
    }

    /// Assigns the configured issuer to a token without `iss`, if such tokens are accepted.
    pub(crate) fn assume_issuer(&self, claims: &mut RegisteredClaims) {
        if claims.issuer().is_none() && self.validation.missing_issuer {
            claims.assume_issuer(&self.validation.issuer);
        }
    }

    /// Returns whether tokens without `iss` are accepted.
    pub(crate) fn accepts_missing_issuer(&self) -> bool {
        self.validation.missing_issuer
    }

    /// Checks everything that is known before the signature is verified.
    pub(crate) fn check_header(&self, kind: Kind, header: &Header) -> Result<(), AuthError> {
        self.check_algorithm(header)?;
        self.check_header_kind(kind, header)
    }

    /// Checks that the configuration allows the algorithm.
    pub(crate) fn check_algorithm(&self, header: &Header) -> Result<(), AuthError> {
        let allowed = self.validation.algorithms.as_ref().is_none_or(|algorithms| {
            let wanted = header.algorithm().canonical();
            algorithms.iter().any(|algorithm| algorithm.canonical() == wanted)
        });
        if !allowed {
            let detail = format!(
                "the token says {}, which is not among the algorithms that are configured",
                header.algorithm()
            );
            let error = AuthError::with_detail(Reason::AlgorithmNotAllowed, detail);
            return Err(error.before_signature());
        }
        Ok(())
    }

    /// Checks the kind of token that the header names.
    pub(crate) fn check_header_kind(&self, kind: Kind, header: &Header) -> Result<(), AuthError> {
        match kind {
            Kind::Access | Kind::Proved | Kind::AccessToRevoke => {
                self.validation.kind.check_header(header)
            }
            Kind::Logout { untyped } => logout::check_header(header, untyped),
            #[cfg(feature = "introspection")]
            Kind::IntrospectionAnswer => introspection_answer::check_header(header),
        }
        .map_err(AuthError::before_signature)
    }

    /// Returns the time in which the dates of an access token are good. It is empty if a date is
    /// missing that they need.
    pub(crate) fn span(&self, claims: &RegisteredClaims) -> Span {
        let Validation { leeway, max_age, .. } = self.validation;
        let begins = claims.not_before().max(claims.issued_at());
        let never = self.validation.missing_expiry.then_some(NumericDate::MAX);
        let expires = claims.expires_at().or(never);
        let ages = |age| claims.issued_at().map(|issued| issued.saturating_add(age));
        let ends = max_age.map_or(expires, |age| expires.zip(ages(age)).map(|(a, b)| a.min(b)));
        let end = ends.map_or(NumericDate::MIN, |date| date.saturating_add(leeway));
        Span::new(begins.map_or(NumericDate::MIN, |date| date.saturating_sub(leeway)), end)
    }

    /// Checks the claims of a token whose signature was valid.
    pub(crate) fn check(
        &self,
        kind: Kind,
        parsed: &ParsedClaims,
        now: NumericDate,
    ) -> Result<(), AuthError> {
        let validation = &self.validation;
        let claims = &parsed.registered;
        // The kind is checked first: for an ID token it is a better answer than the wrong audience.
        match kind {
            Kind::Access | Kind::Proved => {
                validation.kind.check(kind, parsed, &self.paths)?;
                validation.check_parties(claims, validation.audience_rule)?;
                self.trust.check(parsed)?;
                validation.check_expiry(claims, now)?;
                validation.check_beginning(claims, now)?;
                self.check_required(parsed)
            }
            // A token that becomes valid tomorrow must be revocable today.
            Kind::AccessToRevoke => {
                validation.kind.check(kind, parsed, &self.paths)?;
                validation.check_parties(claims, validation.audience_rule)?;
                self.trust.check(parsed)?;
                validation.check_expiry(claims, now)
            }
            // `required` and similar rules are for access tokens, and the audience of a logout
            // token must match.
            Kind::Logout { .. } => {
                logout::check(parsed)?;
                // Required whatever switch is on for access tokens.
                claims.issuer().ok_or_else(|| missing("iss"))?;
                claims.expires_at().ok_or_else(|| missing("exp"))?;
                validation.check_parties(claims, AudienceRule::Aud)?;
                validation.check_expiry(claims, now)?;
                validation.check_beginning(claims, now)?;
                logout::check_contents(parsed)
            }
            #[cfg(feature = "introspection")]
            Kind::IntrospectionAnswer => {
                claims.issuer().ok_or_else(|| missing("iss"))?;
                validation.check_parties(claims, AudienceRule::Aud)?;
                // RFC 9701 §5: `exp` should be absent.
                if claims.expires_at().is_some() {
                    validation.check_expiry(claims, now)?;
                }
                claims.issued_at().ok_or_else(|| missing("iat"))?;
                validation.check_beginning(claims, now)
            }
        }
    }

    /// Returns the result of each check of an access token's claims, in the order of [`check`](Self::check).
    pub(crate) fn check_each(
        &self,
        kind: Kind,
        parsed: &ParsedClaims,
        now: NumericDate,
    ) -> [(ClaimCheck, Result<(), AuthError>); 9] {
        let (validation, claims) = (&self.validation, &parsed.registered);
        [
            (ClaimCheck::Binding, validation.kind.check_binding(kind, parsed)),
            (ClaimCheck::Kind, validation.kind.check_marks(parsed, &self.paths)),
            (ClaimCheck::Issuer, validation.check_issuer(claims)),
            (ClaimCheck::Audience, validation.check_audience(claims, validation.audience_rule)),
            (ClaimCheck::Trust, self.trust.check(parsed)),
            (ClaimCheck::Expiry, validation.check_expiry(claims, now)),
            (ClaimCheck::Start, validation.check_start(claims, now)),
            (ClaimCheck::Age, validation.check_age(claims, now)),
            (ClaimCheck::Required, self.check_required(parsed)),
        ]
    }

    fn check_required(&self, parsed: &ParsedClaims) -> Result<(), AuthError> {
        let lacks = |claim: &&String| !parsed.has(claim, &self.paths);
        match self.validation.required.iter().find(lacks) {
            Some(claim) => Err(missing(claim)),
            None => Ok(()),
        }
    }
}

impl Validation {
    /// Returns an issuer and an audience that are accepted.
    pub(crate) fn parties(&self) -> (&str, &str) {
        (&self.issuer, self.audiences.first().map_or("", String::as_str))
    }

    fn check_parties(
        &self,
        claims: &RegisteredClaims,
        rule: AudienceRule,
    ) -> Result<(), AuthError> {
        self.check_issuer(claims)?;
        self.check_audience(claims, rule)
    }

    fn check_issuer(&self, claims: &RegisteredClaims) -> Result<(), AuthError> {
        if let Some(tenants) = &self.tenants {
            return tenants.check(claims);
        }
        match claims.issuer() {
            Some(issuer) if issuer == self.issuer => Ok(()),
            Some(issuer) => Err(AuthError::with_detail(
                Reason::WrongIssuer,
                format!("`iss` is \"{}\" instead of {:?}", shown(issuer), self.issuer),
            )
            .about_claim("iss")),
            None if self.missing_issuer => Ok(()),
            None => Err(missing("iss")),
        }
    }

    fn check_audience(
        &self,
        claims: &RegisteredClaims,
        rule: AudienceRule,
    ) -> Result<(), AuthError> {
        let is_own = |one: &str| self.audiences.iter().any(|own| own == one);
        let wrong = |sent: String| {
            let detail = format!("{sent} and holds none of {:?}", self.audiences);
            Err(AuthError::with_detail(Reason::WrongAudience, detail))
        };
        match (claims.audience(), rule) {
            (_, AudienceRule::Any) => Ok(()),
            // An empty list names no audience, like an absent one (Hydra).
            (audience, AudienceRule::AudOrClientId) if audience.is_none_or(Audience::is_empty) => {
                let client = claims.client_id_itself().ok_or_else(|| missing("client_id"))?;
                if is_own(client) {
                    return Ok(());
                }
                wrong(format!("`client_id` is \"{}\"", shown(client)))
            }
            (audience, AudienceRule::AudOrParty) if audience.is_none_or(Audience::is_empty) => {
                Ok(())
            }
            (Some(audience), _) if audience.iter().any(is_own) => Ok(()),
            (Some(audience), _) => {
                let sent: Vec<&str> = audience.iter().collect();
                wrong(format!("`aud` is [{}]", shown(&sent.join(", "))))
            }
            (None, _) => Err(missing("aud")),
        }
    }

    fn check_expiry(&self, claims: &RegisteredClaims, now: NumericDate) -> Result<(), AuthError> {
        // RFC 7519 §4.1.4: "on or after" the moment the token must not be accepted.
        match claims.expires_at() {
            Some(expires_at) if now < expires_at.saturating_add(self.leeway) => Ok(()),
            Some(expires_at) => Err(untimely(Reason::Expired, "exp", expires_at, now)),
            None if self.missing_expiry => Ok(()),
            None => Err(missing("exp")),
        }
    }

    fn check_beginning(
        &self,
        claims: &RegisteredClaims,
        now: NumericDate,
    ) -> Result<(), AuthError> {
        self.check_start(claims, now)?;
        self.check_age(claims, now)
    }

    fn check_start(&self, claims: &RegisteredClaims, now: NumericDate) -> Result<(), AuthError> {
        let soon = now.saturating_add(self.leeway);
        if let Some(not_before) = claims.not_before().filter(|date| soon < *date) {
            return Err(untimely(Reason::NotYetValid, "nbf", not_before, now));
        }
        // A token from the future is a mistake of its issuer, or of the clock of this machine.
        if let Some(issued_at) = claims.issued_at().filter(|date| soon < *date) {
            return Err(untimely(Reason::NotYetValid, "iat", issued_at, now));
        }
        Ok(())
    }

    fn check_age(&self, claims: &RegisteredClaims, now: NumericDate) -> Result<(), AuthError> {
        if let Some(max_age) = self.max_age {
            let issued_at = claims.issued_at().ok_or_else(|| missing("iat"))?;
            if now >= issued_at.saturating_add(max_age).saturating_add(self.leeway) {
                return Err(untimely(Reason::TooOld, "iat", issued_at, now));
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.validation, f)
    }
}

fn untimely(reason: Reason, claim: &str, date: NumericDate, now: NumericDate) -> AuthError {
    let (date, now) = (date.as_seconds(), now.as_seconds());
    AuthError::with_detail(reason, format!("`{claim}` is {date} and it is {now}"))
        .about_claim(claim)
}

fn missing(claim: &str) -> AuthError {
    AuthError::with_detail(Reason::MissingClaim, format!("no `{claim}`")).about_claim(claim)
}

pub(crate) const MAX_LEEWAY: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::claims::{self, Footprint};

    fn date() -> impl Strategy<Value = String> {
        prop_oneof![
            (-30..30_i64).prop_map(|seconds| seconds.to_string()),
            (-300..300_i64).prop_map(|tenths| format!("{tenths}e-1")),
            Just("-1e300".to_owned()),
            Just("1e300".to_owned()),
        ]
    }

    proptest! {
        /// A cached token is good for as long as a new one.
        #[test]
        fn span_is_when_the_dates_are_good(
            dates in [proptest::option::of(date()), proptest::option::of(date()), proptest::option::of(date())],
            leeway in 0..20_u64, max_age in proptest::option::of(0..20_u64), now in date(),
            endless in any::<bool>(),
        ) {
            let validation = Validation::new("https://a", "b").with_leeway(Duration::from_millis(leeway * 300));
            let validation = if endless { validation.dangerous().accept_missing_expiry() } else { validation };
            let rules = match max_age {
                None => validation,
                Some(age) => validation.with_max_age(Duration::from_millis(age * 700)),
            };
            let rules = rules.into_rules().unwrap();
            let written = ["exp", "nbf", "iat"].iter().zip(&dates);
            let written = written.filter_map(|(name, date)| Some(format!("{name:?}:{}", date.as_ref()?)));
            let text = format!("{{{}}}", written.collect::<Vec<_>>().join(","));
            let mut parsed = ParsedClaims::default();
            claims::read(&text, rules.claim_paths(), &mut parsed, &mut Footprint::uncounted()).unwrap();
            let claims = parsed.registered;
            let now: NumericDate = serde_json::from_str(&now).unwrap();

            let span = rules.span(&claims);

            let is_good = rules.validation.check_expiry(&claims, now).is_ok()
                && rules.validation.check_beginning(&claims, now).is_ok();
            prop_assert_eq!(span.contains(now), is_good);
            for late in 0..5 {
                let is_sure = span.surely_contains(now.as_seconds().saturating_sub(late), 5);
                prop_assert!(is_good || !is_sure);
            }
        }
    }
}
