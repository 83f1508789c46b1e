use std::fmt;
use std::sync::Arc;

use super::document::{Document, document};
use crate::keys::{PublicKeys, Signer};
use crate::server::issue::{IssuerKeys, TokenIssuer};

impl PublicKeys {
    /// Returns a service that answers `GET` with the set, to be cached for 10 minutes.
    pub fn into_service(self) -> JwksService {
        JwksService(Keys::Fixed(document_of(&self)))
    }
}

impl IssuerKeys {
    /// Returns a service that answers `GET` with the JWK set of the moment, to be cached for 10 minutes.
    ///
    /// With axum: `.route_service("/.well-known/jwks.json", keys.jwks_service())`.
    pub fn jwks_service(&self) -> JwksService {
        JwksService(Keys::Live(Arc::new(self.clone())))
    }
}

impl<K: Signer> TokenIssuer<K> {
    /// Returns a service that answers `GET` with the JWK set of the moment, to be cached for 10 minutes.
    ///
    /// With axum: `.route_service("/.well-known/jwks.json", issuer.jwks_service())`.
    pub fn jwks_service(&self) -> JwksService {
        JwksService(Keys::Live(Arc::clone(&self.signer) as Arc<dyn Publish>))
    }
}

/// Serves a JWK set over HTTP, with `Cache-Control` and `ETag`.
///
/// The service of an issuer or of [`IssuerKeys`] writes the set for each request, so a key that is replaced is in
/// the next answer. That costs some microseconds.
#[derive(Clone)]
pub struct JwksService(Keys);

#[derive(Clone)]
enum Keys {
    Fixed(Document),
    Live(Arc<dyn Publish>),
}

trait Publish: Send + Sync {
    fn public_keys(&self) -> PublicKeys;
}

impl<K: Signer> Publish for K {
    fn public_keys(&self) -> PublicKeys {
        Signer::public_keys(self)
    }
}

fn document_of(keys: &PublicKeys) -> Document {
    Document::new(keys.to_json(), "application/jwk-set+json")
}

document!(JwksService, |service, method, headers| {
    match &service.0 {
        Keys::Fixed(document) => document.answer(method, headers),
        Keys::Live(keys) => document_of(&keys.public_keys()).answer(method, headers),
    }
});

impl fmt::Debug for JwksService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksService").finish_non_exhaustive()
    }
}
