use serde::{Deserialize, Serialize};

use super::keys::{ConfiguredKeys, KeysConfig};
use super::path::ConfigPath;
use super::text::{DurationText, HierarchyTable, ParsedText, TrustTable};
use crate::claims::validation::{Preset, TrustPolicy, Validation};
use crate::config_error::ConfigError;
use crate::jose::Algorithm;
use crate::keys::FetchBudget;

/// One issuer with its keys and rules.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerConfig {
    pub(super) issuer: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    audiences: Vec<String>,
    keys: KeysConfig,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenants: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preset: Option<ParsedText<Preset>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_type: Option<TokenType>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithms: Option<Vec<ParsedText<Algorithm>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leeway: Option<DurationText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    revocation_leeway: Option<DurationText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    max_age: Option<DurationText>,
    #[serde(default)]
    required_claims: Vec<String>,
    #[serde(default)]
    client_id_as_audience: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    roles_at: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes_at: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    separated_at: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_keys_at: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept_claims: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role_hierarchy: Option<HierarchyTable>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope_hierarchy: Option<HierarchyTable>,
    /// Without `audiences`: for tokens without `aud`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allowed_parties: Option<Vec<String>>,
    /// Each is a table of claims and their exact values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trust: Option<Vec<TrustTable>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    dangerous: Vec<ClaimSwitch>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
enum TokenType {
    #[serde(rename = "at+jwt")]
    AtJwt,
}

/// A switch that weakens a check; see [`Dangerous`](crate::Dangerous) and
/// [`VerifyingKey::dangerously_from_short_secret`](crate::keys::VerifyingKey::dangerously_from_short_secret).
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
enum ClaimSwitch {
    #[serde(rename = "accept_any_audience")]
    AnyAudience,
    #[serde(rename = "accept_any_kind")]
    AnyKind,
    #[serde(rename = "accept_bound_tokens")]
    BoundTokens,
    #[serde(rename = "accept_missing_issuer")]
    MissingIssuer,
    #[serde(rename = "accept_missing_expiry")]
    MissingExpiry,
    #[serde(rename = "accept_unrevocable_tokens")]
    UnrevocableTokens,
    #[serde(rename = "accept_short_secret")]
    ShortSecret,
}

impl IssuerConfig {
    pub(super) fn keys(
        &self,
        place: &ConfigPath,
        shared: &FetchBudget,
    ) -> Result<ConfiguredKeys, ConfigError> {
        let algorithms = self.algorithms();
        let may_be_short = self.accepts_short_secret();
        self.keys.build(place, &self.issuer, algorithms.as_deref(), may_be_short, shared)
    }

    pub(super) fn validation(&self, place: &ConfigPath) -> Result<Validation, ConfigError> {
        let mut validation = match (&self.audiences[..], &self.allowed_parties) {
            ([], None) => return place.member("audiences").check(Err(ConfigError::EmptyAudience)),
            ([], Some(parties)) => Validation::for_parties(&self.issuer, parties),
            ([audience, others @ ..], None) => {
                Validation::new(&self.issuer, audience).with_audiences(others)
            }
            ([audience, others @ ..], Some(parties)) => Validation::new(&self.issuer, audience)
                .with_audiences(others)
                .with_allowed_parties(parties),
        };
        validation = validation
            .with_required_claims(self.required_claims.iter().cloned())
            .with_separated_at(&self.separated_at)
            .with_kept_claims(&self.kept_claims);
        if let Some(tenants) = &self.tenants {
            validation = validation.with_tenants(tenants);
        }
        if let Some(ParsedText(preset)) = self.preset {
            validation = validation.with_preset(preset);
        }
        if let Some(TokenType::AtJwt) = self.token_type {
            validation = validation.with_at_jwt_only();
        }
        if let Some(algorithms) = self.algorithms() {
            validation = validation.with_algorithms(algorithms);
        }
        if let Some(DurationText(leeway)) = self.leeway {
            validation = validation.with_leeway(leeway);
        }
        if let Some(DurationText(leeway)) = self.revocation_leeway {
            validation = validation.with_revocation_leeway(leeway);
        }
        if let Some(DurationText(max_age)) = self.max_age {
            validation = validation.with_max_age(max_age);
        }
        if self.client_id_as_audience {
            validation = validation.with_client_id_as_audience();
        }
        if let Some(paths) = &self.roles_at {
            validation = validation.with_roles_at(paths);
        }
        if let Some(paths) = &self.scopes_at {
            validation = validation.with_scopes_at(paths);
        }
        if let Some(path) = &self.role_keys_at {
            validation = validation.with_role_keys_at(path);
        }
        validation = self.with_hierarchies(validation);
        if let Some(policies) = &self.trust {
            validation = validation.with_trust_policies(
                policies.iter().map(|TrustTable(claims)| TrustPolicy::from_pairs(claims.clone())),
            );
        }
        for switch in &self.dangerous {
            let unchanged = validation.clone();
            let dangerous = validation.dangerous();
            validation = match switch {
                // A switch of the keys.
                ClaimSwitch::ShortSecret => unchanged,
                ClaimSwitch::AnyAudience => dangerous.accept_any_audience(),
                ClaimSwitch::AnyKind => dangerous.accept_any_kind(),
                ClaimSwitch::BoundTokens => dangerous.accept_bound_tokens(),
                ClaimSwitch::MissingIssuer => dangerous.accept_missing_issuer(),
                ClaimSwitch::MissingExpiry => dangerous.accept_missing_expiry(),
                ClaimSwitch::UnrevocableTokens => dangerous.accept_unrevocable_tokens(),
            };
        }
        // Checked here, where the wrong member is known.
        match validation.clone().into_rules() {
            Ok(_) => Ok(validation),
            Err(problem) => {
                let place = match &problem {
                    ConfigError::EmptyIssuer | ConfigError::Name { member: "issuer", .. } => {
                        place.member("issuer")
                    }
                    ConfigError::Name { member: "allowed party", .. } => {
                        place.member("allowed_parties")
                    }
                    ConfigError::NoTenants | ConfigError::Name { member: "tenant", .. } => {
                        place.member("tenants")
                    }
                    ConfigError::EmptyAudience | ConfigError::Name { .. } => {
                        place.member("audiences")
                    }
                    ConfigError::Trust { .. } => {
                        let is_empty = self.allowed_parties.as_ref().is_some_and(Vec::is_empty);
                        place.member(if is_empty { "allowed_parties" } else { "trust" })
                    }
                    ConfigError::NoAlgorithms => place.member("algorithms"),
                    ConfigError::LeewayTooLarge { seconds, .. } => {
                        let is_plain = self.leeway.is_some_and(|span| span.0.as_secs() == *seconds);
                        place.member(if is_plain { "leeway" } else { "revocation_leeway" })
                    }
                    ConfigError::Hierarchy { .. } | ConfigError::HierarchyCycle { .. } => {
                        place.member(self.wrong_hierarchy())
                    }
                    ConfigError::ClaimPath { path, .. } => place.member(self.member_with(path)),
                    _ => place.clone(),
                };
                place.check(Err(problem))
            }
        }
    }

    fn with_hierarchies(&self, mut validation: Validation) -> Validation {
        if let Some(HierarchyTable(hierarchy)) = &self.role_hierarchy {
            validation = validation.with_role_hierarchy(hierarchy.clone());
        }
        if let Some(HierarchyTable(hierarchy)) = &self.scope_hierarchy {
            validation = validation.with_scope_hierarchy(hierarchy.clone());
        }
        validation
    }

    /// Returns the name of the hierarchy that has a mistake.
    fn wrong_hierarchy(&self) -> &'static str {
        let is_of_roles = self.role_hierarchy.as_ref().is_some_and(|HierarchyTable(roles)| {
            let alone = Validation::new("x", "y").with_role_hierarchy(roles.clone());
            alone.into_rules().is_err()
        });
        if is_of_roles { "role_hierarchy" } else { "scope_hierarchy" }
    }

    /// Returns the same issuer with all defaults written out.
    pub(super) fn effective(
        &self,
        place: &ConfigPath,
        shared: &FetchBudget,
    ) -> Result<Self, ConfigError> {
        let rules = place.check(self.validation(place)?.into_rules())?;
        let validation = rules.validation();
        // The token type adds some of them once more when this is read.
        let mut required_claims = Vec::new();
        for claim in &validation.required {
            if !required_claims.contains(claim) {
                required_claims.push(claim.clone());
            }
        }
        Ok(Self {
            keys: self.keys(place, shared)?.effective,
            leeway: Some(DurationText(validation.leeway)),
            revocation_leeway: Some(DurationText(rules.revocation_leeway())),
            required_claims,
            client_id_as_audience: validation.has_client_id_as_audience(),
            roles_at: validation.roles_at.clone(),
            scopes_at: validation.scopes_at.clone(),
            ..self.clone()
        })
    }

    fn accepts_short_secret(&self) -> bool {
        self.dangerous.iter().any(|switch| matches!(switch, ClaimSwitch::ShortSecret))
    }

    fn algorithms(&self) -> Option<Vec<Algorithm>> {
        Some(self.algorithms.as_ref()?.iter().map(|ParsedText(algorithm)| *algorithm).collect())
    }

    fn member_with(&self, path: &String) -> &'static str {
        let among = |paths: &Option<Vec<String>>| paths.as_ref().is_some_and(|p| p.contains(path));
        if self.separated_at.contains(path) && !among(&self.roles_at) && !among(&self.scopes_at) {
            "separated_at"
        } else if among(&self.roles_at) {
            "roles_at"
        } else if among(&self.scopes_at) {
            "scopes_at"
        } else if self.role_keys_at.as_ref() == Some(path) {
            "role_keys_at"
        } else if self
            .trust
            .iter()
            .flatten()
            .any(|policy| policy.0.iter().any(|(claim, _)| claim == path))
        {
            "trust"
        } else if self.kept_claims.contains(path) {
            "kept_claims"
        } else {
            "required_claims"
        }
    }
}
