use std::fmt;

use super::places::MetadataPlace;
use crate::jose::Algorithm;

/// Options of a [`TestProvider`](super::TestProvider).
///
/// ```
/// use tower_bearer::Algorithm;
/// use tower_bearer::test_util::{MetadataPlace, ProviderOptions, TestProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let options = ProviderOptions::new()
///     .with_algorithm(Algorithm::EdDSA)
///     .with_issuer_path("/realms/shop")
///     .with_metadata_at([MetadataPlace::OAuthInserted]);
///
/// let provider = TestProvider::start_with(options).await;
///
/// assert!(provider.issuer().ends_with("/realms/shop"));
/// # }
/// ```
#[derive(Clone)]
pub struct ProviderOptions {
    pub(super) algorithm: Algorithm,
    pub(super) issuer_path: String,
    pub(super) metadata_at: Vec<MetadataPlace>,
    pub(super) introspection: Option<(String, String)>,
}

impl ProviderOptions {
    /// Returns the defaults: ES256, an issuer without a path, metadata at
    /// [`OpenIdAppended`](MetadataPlace::OpenIdAppended).
    pub fn new() -> Self {
        Self {
            algorithm: Algorithm::ES256,
            issuer_path: String::new(),
            metadata_at: vec![MetadataPlace::OpenIdAppended],
            introspection: None,
        }
    }

    /// Sets the first key's algorithm. Generating an RSA key takes a moment.
    ///
    /// The provider panics if the algorithm is for secrets, which no provider publishes.
    #[must_use]
    pub fn with_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Adds a path to the issuer: `/realms/shop`, or `/` for an issuer that ends with a slash.
    ///
    /// The provider panics if the path does not begin with a slash.
    #[must_use]
    pub fn with_issuer_path(mut self, path: impl Into<String>) -> Self {
        self.issuer_path = path.into();
        self
    }

    /// Serves the metadata at these places only. With an empty list, the provider has a key set and
    /// no metadata.
    #[must_use]
    pub fn with_metadata_at(mut self, places: impl IntoIterator<Item = MetadataPlace>) -> Self {
        self.metadata_at = places.into_iter().collect();
        self
    }

    /// Introspects opaque tokens (RFC 7662) for this client, whose secret comes by HTTP Basic or in the
    /// form. Answers are signed (RFC 9701) for requests that ask for that. The metadata names the
    /// endpoint.
    ///
    /// ```
    /// use tower_bearer::test_util::{ProviderOptions, TestProvider};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let options = ProviderOptions::new().with_introspection("orders-api", "secret of the API");
    /// let provider = TestProvider::start_with(options).await;
    ///
    /// // Configure the code under test with `provider.introspection_url()`, and send it this:
    /// let token = provider.mint_opaque("https://api.example.com");
    ///
    /// provider.revoke_opaque(&token);
    /// assert_eq!(provider.requests().introspection, 0);
    /// # }
    /// ```
    #[must_use]
    pub fn with_introspection(
        mut self,
        client_id: impl Into<String>,
        client_secret: impl Into<String>,
    ) -> Self {
        self.introspection = Some((client_id.into(), client_secret.into()));
        self
    }
}

// The secret of the client may be a real one.
impl fmt::Debug for ProviderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderOptions")
            .field("algorithm", &self.algorithm)
            .field("issuer_path", &self.issuer_path)
            .field("metadata_at", &self.metadata_at)
            .field("has_introspection", &self.introspection.is_some())
            .finish_non_exhaustive()
    }
}

impl Default for ProviderOptions {
    fn default() -> Self {
        Self::new()
    }
}
