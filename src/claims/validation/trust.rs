//! Accepts tokens by the exact values of their claims.
//!
//! Patterns are left out on purpose: `repo:shop/*` also fits a repository that others may create, and most holes
//! in the trust of build systems were patterns.

use super::config::Validation;
use super::preset::Preset;
use crate::claims::{ClaimPaths, ParsedClaims, TextSource};
use crate::config_error::{ConfigError, placeholder};
use crate::error::{AuthError, Reason, shown};

/// The parties and policies of a validation, with the place of each claim.
#[derive(Default)]
pub(super) struct Trust {
    /// The trust domain with a slash behind it, for tokens whose subjects are SPIFFE IDs.
    domain: Option<String>,
    parties: Option<Vec<String>>,
    policies: Option<Vec<Vec<(TextSource, String)>>>,
}

impl Trust {
    /// Finds the mistakes in the configuration, and makes `paths` keep the claims that are compared.
    pub(super) fn new(
        validation: &Validation,
        paths: &mut ClaimPaths,
    ) -> Result<Self, ConfigError> {
        let is_spiffe = validation.preset.is_some_and(Preset::has_trust_domain);
        if is_spiffe && !is_trust_domain(&validation.issuer) {
            return Err(ConfigError::Name {
                member: "issuer",
                name: validation.issuer.clone(),
                problem: "is no trust domain, which is written `spiffe://example.org`, without a slash at the end",
            });
        }
        let domain = is_spiffe.then(|| format!("{}/", validation.issuer));
        let parties = validation.parties_allowed.clone();
        let wrong = |problem| ConfigError::Trust { problem };
        if parties.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong(
                "the list of allowed parties is empty, so every token would be refused",
            ));
        }
        if let Some(name) = parties.iter().flatten().find(|name| name.is_empty()) {
            let (member, name) = (PARTY, name.clone());
            return Err(ConfigError::Name {
                member,
                name,
                problem: "is empty, and no client is named so",
            });
        }
        let mut names = parties.iter().flatten();
        names.try_for_each(|party| placeholder::check(PARTY, party))?;
        let Some(policies) = &validation.trust_policies else {
            return Ok(Self { domain, parties, policies: None });
        };
        if policies.is_empty() {
            return Err(wrong(
                "the list of trust policies is empty, so every token would be refused",
            ));
        }
        let mut resolve = |(claim, value): (&str, &str)| {
            if value.is_empty() {
                return Err(wrong("a trust policy asks for an empty value"));
            }
            if value.contains('*') {
                return Err(wrong(
                    "a trust policy has `*` in a value, and values are compared to the letter; give a policy for \
                     each value that is trusted",
                ));
            }
            Ok((paths.keep_text(claim)?, value.to_owned()))
        };
        let mut resolved = Vec::new();
        for policy in policies {
            if policy.claims.is_empty() {
                return Err(wrong(
                    "a trust policy asks for no claim, so every token would be trusted",
                ));
            }
            let mut names: Vec<_> = policy.claims().map(|(claim, _)| claim).collect();
            names.sort_unstable();
            if names.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(wrong(
                    "a trust policy asks twice for one claim, so no token would fit",
                ));
            }
            resolved.push(policy.claims().map(&mut resolve).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(Self { domain, parties, policies: Some(resolved) })
    }

    /// Returns whether anything is checked.
    pub(super) fn is_checked(&self) -> bool {
        self.domain.is_some() || self.parties.is_some() || self.policies.is_some()
    }

    /// Returns a subject of the trust domain, if it is checked.
    pub(super) fn some_workload(&self) -> Option<String> {
        Some(format!("{}workload", self.domain.as_ref()?))
    }

    /// Returns an allowed party.
    pub(super) fn first_party(&self) -> Option<&str> {
        self.parties.as_ref()?.first().map(String::as_str)
    }

    /// Returns the claims that the first policy asks for, and the token has with another value.
    pub(super) fn differences<'t>(
        &'t self,
        parsed: &'t ParsedClaims,
    ) -> impl Iterator<Item = (&'t TextSource, &'t str)> {
        let first = self.policies.iter().flatten().next();
        first
            .into_iter()
            .flatten()
            .filter(|(claim, value)| parsed.text_at(claim) != Some(value))
            .map(|(claim, value)| (claim, &**value))
    }

    pub(super) fn check(&self, parsed: &ParsedClaims) -> Result<(), AuthError> {
        if let Some(domain) = &self.domain {
            check_workload(domain, parsed)?;
        }
        if let Some(parties) = &self.parties {
            check_party(parties, parsed)?;
        }
        let Some(policies) = &self.policies else { return Ok(()) };
        let fits = |policy: &Vec<(TextSource, String)>| {
            policy.iter().all(|(claim, value)| parsed.text_at(claim) == Some(value))
        };
        if policies.iter().any(fits) {
            return Ok(());
        }
        let detail = match &policies[..] {
            [_] => self.describe_difference(parsed),
            several => format!("the claims fit none of the {} trust policies", several.len()),
        };
        Err(AuthError::with_detail(Reason::NotTrusted, detail))
    }

    fn describe_difference(&self, parsed: &ParsedClaims) -> String {
        let Some((claim, expected)) = self.differences(parsed).next() else {
            return "the claims do not fit the trust policy".to_owned();
        };
        match parsed.text_at(claim) {
            Some(sent) => format!("`{claim}` is \"{}\" instead of {expected:?}", shown(sent)),
            None => {
                format!("there is no text in `{claim}`, and the trust policy asks for {expected:?}")
            }
        }
    }
}

/// Checks that the subject is a SPIFFE ID of this trust domain (JWT-SVID §3.1, SPIFFE-ID §2).
fn check_workload(domain: &str, parsed: &ParsedClaims) -> Result<(), AuthError> {
    let about =
        |reason, detail: String| Err(AuthError::with_detail(reason, detail).about_claim("sub"));
    let Some(subject) = parsed.registered.subject() else {
        return about(Reason::MissingClaim, "no `sub`".to_owned());
    };
    match subject.strip_prefix(domain) {
        Some(path) if path.split('/').all(is_segment) && subject.len() <= MAX_ID_BYTES => Ok(()),
        Some(_) => about(Reason::InvalidClaim, "`sub` is no SPIFFE ID".to_owned()),
        None => {
            let detail = format!("`sub` is \"{}\", which is not of {domain:?}", shown(subject));
            about(Reason::WrongIssuer, detail)
        }
    }
}

/// Returns whether this is a trust domain as it is written in SPIFFE IDs (SPIFFE-ID §2.1).
fn is_trust_domain(issuer: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    let name = issuer.strip_prefix("spiffe://");
    name.is_some_and(|name| !name.is_empty() && name.len() <= 255 && name.bytes().all(is_plain))
}

// SPIFFE-ID §2.2
fn is_segment(segment: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain)
}

// SPIFFE-ID §2.3
const MAX_ID_BYTES: usize = 2048;

const PARTY: &str = "allowed party";

fn check_party(parties: &[String], parsed: &ParsedClaims) -> Result<(), AuthError> {
    match parsed.registered.authorized_party() {
        Some(party) if parties.iter().any(|allowed| allowed == party) => Ok(()),
        Some(party) => {
            let detail = format!("`azp` is \"{}\" and is none of {parties:?}", shown(party));
            Err(AuthError::with_detail(Reason::NotTrusted, detail).about_claim("azp"))
        }
        None => Err(AuthError::with_detail(Reason::MissingClaim, "no `azp`").about_claim("azp")),
    }
}
