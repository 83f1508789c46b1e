use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::document::Document;
use crate::keys::{PublicKeys, Signer};
use crate::server::body::ServiceBody;
use crate::server::issue::{IssuerKeys, TokenIssuer};

impl PublicKeys {
    /// Returns a service that answers `GET` with the set, to be cached for 10 minutes.
    pub fn into_service(self) -> JwksService {
        JwksService(Keys::Fixed(document(&self)))
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

fn document(keys: &PublicKeys) -> Document {
    Document::new(keys.to_json(), "application/jwk-set+json")
}

impl<B> Service<Request<B>> for JwksService {
    type Response = Response<ServiceBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (method, headers) = (request.method(), request.headers());
        ready(Ok(match &self.0 {
            Keys::Fixed(document) => document.answer(method, headers),
            Keys::Live(keys) => document(&keys.public_keys()).answer(method, headers),
        }))
    }
}

impl fmt::Debug for JwksService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksService").finish_non_exhaustive()
    }
}
