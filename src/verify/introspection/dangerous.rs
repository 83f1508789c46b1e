use super::{ClientAuthentication, Introspection, OpaqueTokens};
use crate::config_error::ConfigError;
use crate::net::address::Allowed;

/// Allows an [`Introspection`] to use addresses that are refused by default; see [`Introspection::dangerous`].
#[derive(Clone, Copy, Debug)]
#[must_use = "a switch introspects nothing by itself"]
pub struct DangerousIntrospection(Allowed);

impl Introspection {
    /// Returns the switches that allow addresses which are refused by default. They come first, because an address is
    /// checked when it is given.
    ///
    /// ```
    /// use tower_bearer::introspection::{ClientAuthentication, Introspection, OpaqueTokens};
    ///
    /// // In a compose file, where no attacker stands in between.
    /// let introspection = Introspection::dangerous().allow_plain_http().discover(
    ///     "http://keycloak:8080/realms/shop",
    ///     ClientAuthentication::client_secret_basic("orders-api", "secret of the API"),
    ///     OpaqueTokens::by_shape(),
    /// )?;
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn dangerous() -> DangerousIntrospection {
        DangerousIntrospection(Allowed::default())
    }
}

impl DangerousIntrospection {
    /// Allows plain HTTP to other machines than this one, for networks in which no attacker stands in between.
    ///
    /// An attacker there can read tokens and the secret of the client, and can answer that any token is active.
    /// Metadata that came over HTTPS still leads to HTTPS only.
    pub fn allow_plain_http(mut self) -> Self {
        self.0.plain_http = true;
        self
    }

    /// Allows the metadata to lead to private networks and to this machine; see
    /// [`DangerousFetch::allow_private_networks`](crate::keys::DangerousFetch::allow_private_networks).
    pub fn allow_private_networks(mut self) -> Self {
        self.0.private_networks = true;
        self
    }

    /// Asks this endpoint; see [`Introspection::new`].
    ///
    /// # Errors
    ///
    /// As [`Introspection::new`], but for addresses that are allowed.
    pub fn from_url(
        self,
        endpoint: &str,
        client: ClientAuthentication,
        tokens: OpaqueTokens,
    ) -> Result<Introspection, ConfigError> {
        Introspection::at(endpoint, client, tokens, self.0)
    }

    /// Asks the endpoint that the metadata of this issuer names; see [`Introspection::discover`].
    ///
    /// # Errors
    ///
    /// As [`Introspection::discover`], but for addresses that are allowed.
    pub fn discover(
        self,
        issuer: &str,
        client: ClientAuthentication,
        tokens: OpaqueTokens,
    ) -> Result<Introspection, ConfigError> {
        Introspection::of_issuer(issuer, client, tokens, self.0)
    }
}
