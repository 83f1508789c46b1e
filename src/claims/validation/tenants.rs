//! Decides which tenants' tokens are accepted.
//!
//! The application's function is asked last: its argument is then the tenant of a token whose `iss`
//! fits, and is plain text.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::claims::RegisteredClaims;
use crate::config_error::tenant_template::{TenantTemplate, is_tenant};
use crate::config_error::{ConfigError, placeholder};
use crate::error::{AuthError, Reason, shown};

/// The tenants whose tokens are accepted.
#[derive(Clone)]
pub(super) struct Tenants {
    allowed: AllowedTenants,
    /// `None` until the configuration is checked.
    template: Option<TenantTemplate>,
}

#[derive(Clone)]
enum AllowedTenants {
    Listed(Arc<BTreeSet<Box<str>>>),
    By(Arc<dyn Fn(&str) -> bool + Send + Sync>),
}

impl Tenants {
    pub(super) fn listed<T: Into<String>>(tenants: impl IntoIterator<Item = T>) -> Self {
        let listed = tenants.into_iter().map(|tenant| tenant.into().into_boxed_str()).collect();
        Self { allowed: AllowedTenants::Listed(Arc::new(listed)), template: None }
    }

    pub(super) fn by(is_allowed: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { allowed: AllowedTenants::By(Arc::new(is_allowed)), template: None }
    }

    /// Returns the template of the issuers, after the configuration was checked.
    pub(super) fn template(&self) -> Option<&TenantTemplate> {
        self.template.as_ref()
    }

    /// Returns a tenant that is allowed, if they are listed.
    pub(super) fn first(&self) -> Option<&str> {
        match &self.allowed {
            AllowedTenants::Listed(listed) => listed.first().map(|tenant| &**tenant),
            AllowedTenants::By(_) => None,
        }
    }

    /// Checks `iss` and `tid` of a token.
    pub(super) fn check(&self, claims: &RegisteredClaims) -> Result<(), AuthError> {
        let issuer = claims.issuer().ok_or_else(|| missing("iss"))?;
        let wrong = |detail: String| {
            Err(AuthError::with_detail(Reason::WrongIssuer, detail).about_claim("iss"))
        };
        let Some(template) = &self.template else {
            return wrong("the tenants were not checked".to_owned());
        };
        let Some(of_issuer) = template.tenant_in(issuer) else {
            let (sent, template) = (shown(issuer), template.as_str());
            return wrong(format!("`iss` is \"{sent}\" and does not fit {template:?}"));
        };
        if !claims.has_tenant() {
            return Err(missing("tid"));
        }
        let tenant = claims.tenant().filter(|tenant| is_tenant(tenant)).ok_or_else(|| {
            let detail = "`tid` is not the name of a tenant";
            AuthError::with_detail(Reason::InvalidClaim, detail).about_claim("tid")
        })?;
        if tenant != of_issuer {
            let (sent, tenant) = (shown(issuer), shown(tenant));
            return wrong(format!("`iss` is \"{sent}\", which is not of the tenant \"{tenant}\""));
        }
        if !self.allowed.contains(tenant) {
            return wrong(format!("the tenant \"{}\" is not allowed", shown(tenant)));
        }
        Ok(())
    }
}

impl AllowedTenants {
    fn contains(&self, tenant: &str) -> bool {
        match self {
            Self::Listed(listed) => listed.contains(tenant),
            Self::By(is_allowed) => is_allowed(tenant),
        }
    }
}

/// Finds the mistakes in the issuer and its tenants.
pub(super) fn check_set_up(
    issuer: &str,
    tenants: Option<&mut Tenants>,
    accepts_missing_issuer: bool,
) -> Result<(), ConfigError> {
    let wrong = |member, name: &str, problem| {
        Err(ConfigError::Name { member, name: name.to_owned(), problem })
    };
    let Some(tenants) = tenants else {
        if TenantTemplate::is_in(issuer) {
            return wrong("issuer", issuer, TEMPLATE_ALONE);
        }
        return placeholder::check("issuer", issuer);
    };
    let Some(template) = TenantTemplate::parse(issuer)? else {
        placeholder::check("issuer", issuer)?;
        return wrong("issuer", issuer, TENANTS_ALONE);
    };
    if accepts_missing_issuer {
        return wrong("issuer", issuer, NAMELESS);
    }
    if let AllowedTenants::Listed(listed) = &tenants.allowed {
        if listed.is_empty() {
            return Err(ConfigError::NoTenants);
        }
        if let Some(tenant) = listed.iter().find(|tenant| !is_tenant(tenant)) {
            return wrong("tenant", tenant, NO_TENANT);
        }
    }
    tenants.template = Some(template);
    Ok(())
}

impl fmt::Debug for Tenants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.allowed {
            AllowedTenants::Listed(listed) => fmt::Debug::fmt(listed, f),
            AllowedTenants::By(_) => f.write_str("by a function"),
        }
    }
}

fn missing(claim: &str) -> AuthError {
    AuthError::with_detail(Reason::MissingClaim, format!("no `{claim}`")).about_claim(claim)
}

const TEMPLATE_ALONE: &str = "has a placeholder for the tenant, and no tenants are given; name them \
     (`with_tenants`, `tenants`), put in the one tenant, or configure an issuer for each";
const TENANTS_ALONE: &str = "has no place for the tenant, and tenants are given; write `{tenantid}` \
     where tokens have the tenant, or leave the tenants out";
const NAMELESS: &str = "has a place for the tenant, and a token without `iss` has none; leave out \
     `accept_missing_issuer`";
const NO_TENANT: &str = "may have ASCII letters, digits, `-` and `.` only, and not be empty; give the \
     `tid` that tokens carry";
