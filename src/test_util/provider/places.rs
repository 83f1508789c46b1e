use std::net::SocketAddr;

use super::fault::ProviderDocument;

/// A place of metadata, relative to an issuer such as `https://id.example.com/realms/shop`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MetadataPlace {
    /// `/realms/shop/.well-known/openid-configuration` (OpenID Connect Discovery §4).
    OpenIdAppended,
    /// `/.well-known/openid-configuration/realms/shop` (RFC 8414 §5).
    OpenIdInserted,
    /// `/.well-known/oauth-authorization-server/realms/shop` (RFC 8414 §3).
    OAuthInserted,
}

impl MetadataPlace {
    fn path(self, issuer_path: &str) -> String {
        match self {
            Self::OpenIdAppended => format!("{issuer_path}{OPEN_ID}"),
            Self::OpenIdInserted => format!("{OPEN_ID}{issuer_path}"),
            Self::OAuthInserted => format!("{OAUTH}{issuer_path}"),
        }
    }
}

/// The target of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    ProviderDocument(ProviderDocument),
    /// The document that a redirect leads to.
    Moved(ProviderDocument),
    Nothing,
}

/// The provider's addresses.
pub(super) struct ProviderUrls {
    issuer: String,
    origin: String,
    jwks: String,
    introspection: String,
    metadata: Vec<String>,
}

impl ProviderUrls {
    pub(super) fn new(
        address: SocketAddr,
        issuer_path: &str,
        metadata_at: impl IntoIterator<Item = MetadataPlace>,
    ) -> Self {
        assert!(
            issuer_path.is_empty() || issuer_path.starts_with('/'),
            "the issuer's path {issuer_path:?} does not begin with a slash"
        );
        let origin = format!("http://{address}");
        let issuer = format!("{origin}{issuer_path}");
        // All specifications remove a trailing slash before they add anything.
        let path = issuer_path.trim_end_matches('/');
        let metadata = metadata_at.into_iter().map(|place| place.path(path)).collect();
        let (jwks, introspection) = (format!("{path}/jwks"), format!("{path}/introspect"));
        Self { issuer, origin, jwks, introspection, metadata }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns an address of this provider at which there is no document.
    pub(super) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    pub(super) fn jwks_url(&self) -> String {
        self.url(&self.jwks)
    }

    pub(super) fn introspection_url(&self) -> String {
        self.url(&self.introspection)
    }

    /// Returns the address that a redirect from this path leads to.
    pub(super) fn elsewhere(&self, path: &str) -> String {
        self.url(&format!("{ELSEWHERE}{path}"))
    }

    pub(super) fn find(&self, path: &str) -> Target {
        let document = |path: &str| {
            if path == self.jwks {
                Some(ProviderDocument::Jwks)
            } else if path == self.introspection {
                Some(ProviderDocument::Introspection)
            } else if self.metadata.iter().any(|metadata| metadata == path) {
                Some(ProviderDocument::Metadata)
            } else {
                None
            }
        };
        document(path)
            .map(Target::ProviderDocument)
            .or_else(|| path.strip_prefix(ELSEWHERE).and_then(document).map(Target::Moved))
            .unwrap_or(Target::Nothing)
    }
}

const OPEN_ID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const ELSEWHERE: &str = "/elsewhere";

#[cfg(test)]
mod tests {
    use super::*;

    fn places(issuer_path: &str, metadata_at: MetadataPlace) -> ProviderUrls {
        ProviderUrls::new(([127, 0, 0, 1], 1).into(), issuer_path, [metadata_at])
    }

    #[test]
    fn metadata_is_where_the_specifications_have_it() {
        use MetadataPlace::{OAuthInserted, OpenIdAppended, OpenIdInserted};
        for (issuer_path, place, path) in [
            ("", OpenIdAppended, "/.well-known/openid-configuration"),
            ("/", OpenIdAppended, "/.well-known/openid-configuration"),
            ("/a/b", OpenIdAppended, "/a/b/.well-known/openid-configuration"),
            ("/a/b", OpenIdInserted, "/.well-known/openid-configuration/a/b"),
            ("/a/b/", OAuthInserted, "/.well-known/oauth-authorization-server/a/b"),
        ] {
            let found = places(issuer_path, place).find(path);

            assert_eq!(found, Target::ProviderDocument(ProviderDocument::Metadata), "{path}");
        }
    }

    #[test]
    fn redirects_lead_to_the_document_and_not_further() {
        let places = places("/a", MetadataPlace::OpenIdAppended);

        assert_eq!(places.elsewhere("/a/jwks"), "http://127.0.0.1:1/elsewhere/a/jwks");
        assert_eq!(places.find("/elsewhere/a/jwks"), Target::Moved(ProviderDocument::Jwks));
        assert_eq!(places.find("/elsewhere/elsewhere/a/jwks"), Target::Nothing);
        assert_eq!(places.find("/jwks"), Target::Nothing);
    }
}
