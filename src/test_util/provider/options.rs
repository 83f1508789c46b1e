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
#[derive(Clone, Debug)]
pub struct ProviderOptions {
    pub(super) algorithm: Algorithm,
    pub(super) issuer_path: String,
    pub(super) metadata_at: Vec<MetadataPlace>,
}

impl ProviderOptions {
    /// Returns the defaults: ES256, an issuer without a path, metadata at
    /// [`OpenIdAppended`](MetadataPlace::OpenIdAppended).
    pub fn new() -> Self {
        Self {
            algorithm: Algorithm::ES256,
            issuer_path: String::new(),
            metadata_at: vec![MetadataPlace::OpenIdAppended],
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
}

impl Default for ProviderOptions {
    fn default() -> Self {
        Self::new()
    }
}
