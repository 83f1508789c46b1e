//! Reads an issuer with a place for the tenant: `https://login.microsoftonline.com/{tenantid}/v2.0`.
//!
//! Microsoft Entra ID writes such a template into the metadata that all tenants share. Only this one
//! spelling is a template. Every other placeholder stays a mistake.

use super::{ConfigError, placeholder};

/// An issuer with one place for the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TenantTemplate {
    text: Box<str>,
    /// Where the place begins.
    at: usize,
}

impl TenantTemplate {
    /// Parses a template. `None` for an issuer without a place for the tenant.
    pub(crate) fn parse(issuer: &str) -> Result<Option<Self>, ConfigError> {
        let Some(at) = issuer.find(PLACE) else { return Ok(None) };
        let template = Self { text: issuer.into(), at };
        let wrong = |problem| ConfigError::Name { member: "issuer", name: issuer.into(), problem };
        let example = template.example();
        if placeholder::is_in(&example) {
            return Err(wrong(
                "may have one placeholder, which is `{tenantid}`; put in the others",
            ));
        }
        match placeholder::check("issuer", &example) {
            Ok(()) => Ok(Some(template)),
            Err(ConfigError::Name { problem, .. }) => Err(wrong(problem)),
            Err(other) => Err(other),
        }
    }

    /// Returns whether a name has a place for the tenant.
    pub(crate) fn is_in(issuer: &str) -> bool {
        issuer.contains(PLACE)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the issuer of a tenant.
    pub(crate) fn issuer_of(&self, tenant: &str) -> String {
        let (before, after) = self.parts();
        [before, tenant, after].concat()
    }

    /// Returns the issuer of a tenant that stands for any.
    pub(crate) fn example(&self) -> String {
        self.issuer_of(EXAMPLE)
    }

    /// Returns the tenant in an issuer that fits this template, to the letter.
    pub(crate) fn tenant_in<'i>(&self, issuer: &'i str) -> Option<&'i str> {
        let (before, after) = self.parts();
        let tenant = issuer.strip_prefix(before)?.strip_suffix(after)?;
        is_tenant(tenant).then_some(tenant)
    }

    fn parts(&self) -> (&str, &str) {
        (&self.text[..self.at], &self.text[self.at + PLACE.len()..])
    }
}

/// Returns whether a text can be the name of a tenant: an id, or a domain.
pub(crate) fn is_tenant(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    (1..=MOST_BYTES).contains(&text.len()) && text.bytes().all(is_plain)
}

const PLACE: &str = "{tenantid}";
const EXAMPLE: &str = "tenant";
/// The length of the longest tenant. An id has 36 bytes, and a domain 253.
const MOST_BYTES: usize = 253;

#[cfg(test)]
mod tests {
    use super::*;

    fn template(issuer: &str) -> TenantTemplate {
        TenantTemplate::parse(issuer).unwrap().unwrap()
    }

    #[test]
    fn issuer_fits_its_template_to_the_letter_and_only_with_a_plain_tenant() {
        let template = template("https://login.example.com/{tenantid}/v2.0");

        let issuer = template.issuer_of("aaaa-1");
        assert_eq!(issuer, "https://login.example.com/aaaa-1/v2.0");
        assert_eq!(template.tenant_in(&issuer), Some("aaaa-1"));
        for other in [
            "https://login.example.com/aaaa-1/v2.0/",
            "https://login.example.com/aaaa-1/v1.0",
            "https://LOGIN.example.com/aaaa-1/v2.0",
            "https://login.example.com/a/a/v2.0",
            "https://login.example.com//v2.0",
            "https://login.example.com/v2.0",
            "https://login.example.com/{tenantid}/v2.0",
            "https://login.example.com/a?b/v2.0",
            "https://login.example.com/a b/v2.0",
            "https://login.example.com/\u{e4}/v2.0",
            "",
        ] {
            assert_eq!(template.tenant_in(other), None, "{other}");
        }
        assert_eq!(template.tenant_in(&template.issuer_of(&"a".repeat(254))), None);
        assert!(template.tenant_in(&template.issuer_of(&"a".repeat(253))).is_some());
    }

    #[test]
    fn parts_of_a_template_do_not_overlap_in_an_issuer() {
        let template = template("https://a/{tenantid}/a/");

        assert_eq!(template.tenant_in("https://a/"), None);
        assert_eq!(template.tenant_in("https://a/b/a/"), Some("b"));
    }

    #[test]
    fn template_has_one_place_and_no_other_placeholder() {
        for wrong in [
            "https://login.example.com/{tenantid}/{tenantid}",
            "https://{region}.example.com/{tenantid}",
            "https://login.example.com/{tenantid}/<version>",
            "https://login.example.com/{tenantid}/v2.0 ",
            "{{tenantid}}",
        ] {
            let error = TenantTemplate::parse(wrong).unwrap_err();
            let ConfigError::Name { member: "issuer", name, .. } = error else { panic!("{error}") };
            assert_eq!(name, wrong);
        }
        for none in ["https://login.example.com/{tenant}", "https://login.example.com", ""] {
            assert_eq!(TenantTemplate::parse(none), Ok(None), "{none}");
        }
    }
}
