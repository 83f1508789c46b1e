use super::{HttpFetch, Place};
use crate::config_error::ConfigError;
use crate::config_error::tenant_template::TenantTemplate;
use crate::net::address::{Address, Allowed, shown_address};

/// Allows an [`HttpFetch`] to use addresses that are refused by default; see [`HttpFetch::dangerous`].
///
/// ```
/// use tower_bearer::keys::HttpFetch;
/// use tower_bearer::RemoteKeys;
///
/// // In a compose file, where no attacker stands in between.
/// let fetch = HttpFetch::dangerous()
///     .allow_plain_http()
///     .discover("http://keycloak:8080/realms/shop")?;
/// let keys = RemoteKeys::new(fetch);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a switch fetches nothing by itself"]
pub struct DangerousFetch(Allowed);

impl HttpFetch {
    /// Returns the switches that allow addresses which are refused by default. They come first, because an address
    /// is checked when it is given.
    pub fn dangerous() -> DangerousFetch {
        DangerousFetch(Allowed::default())
    }
}

impl DangerousFetch {
    /// Allows plain HTTP to other machines than this one, for networks in which no attacker stands in between.
    ///
    /// An attacker there can insert keys and sign tokens with them. A document that came
    /// over HTTPS still leads to HTTPS only.
    pub fn allow_plain_http(mut self) -> Self {
        self.0.plain_http = true;
        self
    }

    /// Allows the provider's metadata and redirects to lead to private networks (10.0.0.0/8, 172.16.0.0/12,
    /// 192.168.0.0/16, 100.64.0.0/10, 198.18.0.0/15, `fc00::/7`) and to this machine.
    ///
    /// A provider can then cause requests to any service there. Link-local addresses, where
    /// clouds keep the credentials of machines (169.254.169.254), are refused all the same. Hosts that are
    /// configured may be anywhere without this.
    pub fn allow_private_networks(mut self) -> Self {
        self.0.private_networks = true;
        self
    }

    /// Fetches the JWK set at this address; see [`HttpFetch::new`].
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when it is no URL, or neither HTTPS nor allowed to be plain HTTP.
    pub fn from_url(self, jwks_url: &str) -> Result<HttpFetch, ConfigError> {
        let address = Address::parse(jwks_url, self.0)?;
        Ok(HttpFetch::at(Place::Jwks(address), self.0))
    }

    /// Finds the JWK set by the metadata of an issuer; see [`HttpFetch::discover`].
    ///
    /// # Errors
    ///
    /// [`ConfigError::Address`] when the issuer is no URL, neither HTTPS nor allowed to be plain HTTP, or
    /// has a query or a fragment.
    pub fn discover(self, issuer: &str) -> Result<HttpFetch, ConfigError> {
        if TenantTemplate::is_in(issuer) {
            return Err(ConfigError::Address {
                address: shown_address(issuer),
                problem: "has a placeholder for the tenant, so it leads nowhere; give the address of the metadata too \
                          (`discover_at`, `metadata_url`), or put in the one tenant",
            });
        }
        let issuer = Address::parse_issuer(issuer, self.0)?;
        Ok(HttpFetch::at(Place::Issuer { issuer, metadata: None }, self.0))
    }

    /// Finds the JWK set by the metadata at this address; see [`HttpFetch::discover_at`].
    ///
    /// # Errors
    ///
    /// Those of [`HttpFetch::discover_at`], but for addresses that are allowed.
    pub fn discover_at(self, issuer: &str, metadata_url: &str) -> Result<HttpFetch, ConfigError> {
        let Some(template) = TenantTemplate::parse(issuer)? else {
            return self.discover(issuer)?.with_metadata_url(metadata_url);
        };
        // As strict as for the issuer of one tenant.
        Address::parse_issuer(&template.example(), self.0)?;
        let metadata = Address::parse(metadata_url, self.0)?;
        let issuer = template.as_str().into();
        Ok(HttpFetch::at(Place::Template { issuer, metadata }, self.0))
    }
}
