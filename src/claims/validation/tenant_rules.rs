//! Accepts the tokens of several tenants, whose issuers fit one template.
//!
//! Microsoft Entra ID signs the tokens of all tenants with one set of keys, so the signature alone
//! says nothing about the tenant. Three checks do: `iss` is the template with the token's own `tid`
//! put in, the tenant is allowed, and the key that signed the token is for this issuer. The last
//! one is made here and not for all verifiers, because the member `issuer` of a JWK is Microsoft's
//! own. RFC 7517 knows no such member, and another provider may write anything into it.

use super::config::Validation;
use super::rules::Rules;
use super::tenants::Tenants;
use crate::claims::RegisteredClaims;
use crate::config_error::tenant_template::TenantTemplate;
use crate::error::{AuthError, Reason, shown};
use crate::keys::VerifyingKey;

impl Validation {
    /// Accepts tokens of these tenants of a provider whose tenants share keys, as those of Microsoft
    /// Entra ID do. The issuer is then a template: it has `{tenantid}` in place of the tenant.
    ///
    /// A token must carry its tenant in `tid`, its `iss` must be the template with this `tid` put
    /// in, to the letter, and its tenant must be one of these. If the key that signed it names an
    /// issuer of its own ([`VerifyingKey::with_issuer`]), that must be the template or the token's
    /// `iss`.
    ///
    /// ```
    /// use tower_bearer::validation::Preset;
    /// use tower_bearer::Validation;
    ///
    /// let rules = Validation::new("https://login.microsoftonline.com/{tenantid}/v2.0", "api://orders")
    ///     .with_preset(Preset::Entra)
    ///     .with_tenants(["aaaaaaaa-1111-4222-8333-444444444444"]);
    /// ```
    ///
    /// Tell users apart by issuer and subject together:
    /// [`Principal::issuer`](crate::Principal::issuer) is the `iss` of the token, not the template.
    /// Revocations name the issuer of one tenant too.
    ///
    /// Replaces tenants that were set before. [`Verifier::new`](crate::Verifier::new) reports an
    /// empty list, a tenant with other characters than ASCII letters, digits, `-` and `.`, and an
    /// issuer without `{tenantid}`.
    #[must_use]
    pub fn with_tenants<T: Into<String>>(mut self, tenants: impl IntoIterator<Item = T>) -> Self {
        self.tenants = Some(Tenants::listed(tenants));
        self
    }

    /// Accepts tokens of the tenants for which this function returns `true`; see
    /// [`with_tenants`](Self::with_tenants).
    ///
    /// The function is called once for each new token, after its signature was verified, and must
    /// not block. It is not called for a token in the cache, so a tenant that it does not allow any
    /// more is refused when its tokens expire. To refuse them at once, remove the issuer from a set
    /// of [`Issuers`](crate::Issuers) and add it again, use [`Verifier::without_cache`](crate::Verifier::without_cache),
    /// or check the tenant in an [`ActiveCheck`](crate::active_check::ActiveCheck) or a policy.
    /// [`Verifier::explain`](crate::Verifier::explain) calls it for tokens of any signature.
    ///
    /// ```
    /// use std::collections::HashSet;
    /// use tower_bearer::Validation;
    ///
    /// # let customers = HashSet::from(["aaaaaaaa-1111-4222-8333-444444444444".to_owned()]);
    /// let rules = Validation::new("https://login.microsoftonline.com/{tenantid}/v2.0", "api://orders")
    ///     .with_tenants_by(move |tenant| customers.contains(tenant));
    /// ```
    #[must_use]
    pub fn with_tenants_by(
        mut self,
        is_allowed: impl Fn(&str) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.tenants = Some(Tenants::by(is_allowed));
        self
    }
}

impl Rules {
    /// Returns the template of the issuers, if there are tenants.
    pub(crate) fn template(&self) -> Option<&TenantTemplate> {
        self.tenants()?.template()
    }

    /// Returns a tenant that is allowed, if they are listed.
    pub(crate) fn first_tenant(&self) -> Option<&str> {
        self.tenants()?.first()
    }

    /// Returns the issuer of a token whose claims were checked: its own `iss` if there are tenants.
    pub(crate) fn issuer_of<'c>(&'c self, claims: &'c RegisteredClaims) -> &'c str {
        let own = self.tenants().and_then(|_| claims.issuer());
        own.unwrap_or_else(|| self.issuer())
    }

    /// Returns the key that signed a token and is for its issuer. A set may hold one key several
    /// times, each time for another issuer.
    ///
    /// `key` verified the signature, and `candidates` are the keys that it is one of.
    pub(crate) fn check_key<'k>(
        &self,
        key: &'k VerifyingKey,
        candidates: &'k [VerifyingKey],
        claims: &RegisteredClaims,
    ) -> Result<&'k VerifyingKey, AuthError> {
        let (Some(template), Some(issuer)) = (self.template(), claims.issuer()) else {
            return Ok(key);
        };
        let is_for = |key: &VerifyingKey| {
            key.issuer().is_none_or(|own| own == template.as_str() || own == issuer)
        };
        if is_for(key) {
            return Ok(key);
        }
        let same = candidates.iter().find(|other| other.is_same_key(key) && is_for(other));
        same.ok_or_else(|| {
            let own = key.issuer().unwrap_or_default();
            let detail = format!("`iss` is \"{}\", and its key is for {own:?}", shown(issuer));
            AuthError::with_detail(Reason::WrongIssuer, detail).about_claim("iss").after_signature()
        })
    }
}
