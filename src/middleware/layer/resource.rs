use super::BearerLayer;
use crate::protected_resource::{LayerSettings, Resource};
use crate::verify::issuers::IssuerSet;

impl<C, R> BearerLayer<C, R> {
    /// Says which resource this layer protects. Each challenge of the layer, and of the guards inside, then names the
    /// metadata of the resource (`resource_metadata`, RFC 9728 §5.1), for every scheme.
    ///
    /// Serve the [metadata](Self::resource_metadata) outside of the layer. The layer checks no audience: give the
    /// [identifier](Resource::as_str) to the rules of the verifier.
    ///
    /// It replaces a resource that was set before.
    #[must_use]
    pub fn with_resource(self, resource: Resource) -> Self {
        let url = resource.metadata_url();
        self.change(|admission| admission.resource = Some(resource))
            .change_challenges(|config| config.name_metadata(&url))
    }

    /// Returns whether tokens are read from the `Authorization` field and from no other place.
    #[cfg(feature = "mcp")]
    pub(crate) fn reads_header_alone(&self) -> bool {
        self.admission.reads_header_alone()
    }

    /// Returns whether the rules of all issuers and authenticators accept tokens for these audiences, and for no others.
    #[cfg(feature = "mcp")]
    pub(crate) fn is_for(&self, audiences: &[String]) -> bool {
        self.admission.is_for(audiences)
    }

    /// Returns the resource, and what its document tells beside it.
    pub(crate) fn resource_settings(&self) -> Option<(Resource, LayerSettings, IssuerSet)> {
        let resource = self.admission.resource.clone()?;
        let settings = self.admission.settings_to_publish();
        Some((resource, settings, self.admission.verifier.issuers().clone()))
    }
}
