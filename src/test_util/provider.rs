//! Runs an OpenID provider inside a test.

mod busy;
mod body;
mod fault;
mod key_ring;
mod places;
mod documents;
mod introspection;
mod options;
mod shared;
mod answer;
mod server;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::Request;
use tokio::net::TcpListener;

pub use fault::Fault;
pub use options::ProviderOptions;
pub use places::MetadataPlace;
pub use shared::Requests;

use self::documents::jwks;
use self::fault::Faults;
use self::key_ring::KeyRing;
use self::places::ProviderUrls;
use self::server::ProviderServer;
use self::shared::SharedProvider;
use super::{TestKey, TestToken};
use crate::jose::Algorithm;

/// Runs an OpenID provider on a port of 127.0.0.1: publishes keys, signs tokens with them, and
/// fails on demand.
///
/// It serves its metadata and its keys over HTTP, [introspects](ProviderOptions::with_introspection) opaque
/// tokens on demand, and does nothing else: there is no sign-in. Each change
/// takes effect before its call returns, so a test need not wait. Dropping the provider stops it.
///
/// ```
/// use tower_bearer::test_util::{Fault, TestProvider};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let provider = TestProvider::start().await;
///
/// // Configure the code under test with `provider.issuer()`, or `provider.jwks_url()`, and send it this:
/// let token = provider.mint("https://api.example.com");
///
/// // The next tokens are signed with a key that has not been loaded yet.
/// provider.rotate();
/// let next = provider.mint("https://api.example.com");
///
/// // An outage, during which connections are refused:
/// provider.set_fault(Fault::Down);
/// provider.heal();
///
/// assert_eq!(provider.requests().jwks, 0);
/// # assert_ne!(token, next);
/// # }
/// ```
///
/// # Panics
///
/// Every method panics when the crate was built without a back end for signatures.
pub struct TestProvider {
    shared: Arc<SharedProvider>,
    server: ProviderServer,
}

impl TestProvider {
    /// Starts a provider with one key for ES256, named `key-1`, and its metadata at the place that
    /// OpenID Connect defines.
    ///
    /// # Panics
    ///
    /// When no port can be listened on.
    pub async fn start() -> Self {
        Self::start_with(ProviderOptions::new()).await
    }

    /// Starts a provider with options.
    ///
    /// # Panics
    ///
    /// When no port can be listened on, or an option is invalid.
    pub async fn start_with(options: ProviderOptions) -> Self {
        let any_port = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listener = TcpListener::bind(any_port).await.expect("a free port of 127.0.0.1");
        let address = listener.local_addr().expect("a listener has an address");
        let keys = KeyRing::new(options.algorithm);
        let places = ProviderUrls::new(address, &options.issuer_path, options.metadata_at);
        let shared = Arc::new(SharedProvider::new(places, keys, options.introspection));
        let server = ProviderServer::start(listener, address, Arc::clone(&shared));
        Self { shared, server }
    }

    /// Returns the issuer: an `http` URL of 127.0.0.1 without a trailing slash, unless
    /// [`ProviderOptions::with_issuer_path`] says otherwise.
    pub fn issuer(&self) -> &str {
        self.shared.places.issuer()
    }

    /// Returns the address of the keys, even if the metadata names another.
    pub fn jwks_url(&self) -> String {
        self.shared.places.jwks_url()
    }

    /// Returns the published keys as a JWK set.
    pub fn jwks(&self) -> String {
        jwks(&self.shared.state().keys, None)
    }

    /// Returns a token of this provider, to be changed as a test needs it and then
    /// [signed](Self::sign).
    pub fn token(&self, audience: &str) -> TestToken {
        TestToken::new(self.issuer(), audience)
    }

    /// Signs a token with the current key.
    pub fn sign(&self, token: &TestToken) -> String {
        token.sign(&self.key())
    }

    /// Returns a valid, signed token for this audience.
    pub fn mint(&self, audience: &str) -> String {
        self.sign(&self.token(audience))
    }

    /// Returns a valid opaque token for this audience, for providers with
    /// [introspection](ProviderOptions::with_introspection).
    pub fn mint_opaque(&self, audience: &str) -> String {
        self.issue_opaque(&self.token(audience))
    }

    /// Returns an opaque token that stands for the claims of this token. It is active until it is
    /// [revoked](Self::revoke_opaque), whatever its dates are.
    pub fn issue_opaque(&self, token: &TestToken) -> String {
        self.shared.state().opaque.issue(token)
    }

    /// Makes an opaque token inactive.
    pub fn revoke_opaque(&self, token: &str) {
        self.shared.state().opaque.revoke(token);
    }

    /// Returns the address of the introspection endpoint.
    pub fn introspection_url(&self) -> String {
        self.shared.places.introspection_url()
    }

    /// Returns the current signing key.
    pub fn key(&self) -> TestKey {
        self.shared.state().keys.current().clone()
    }

    /// Changes the signing key: to the key that was [published](Self::publish_next) for this, or to
    /// a new one of the same algorithm. Earlier keys stay published.
    pub fn rotate(&self) -> TestKey {
        self.shared.change(|state| state.keys.rotate())
    }

    /// Changes the signing key to a new key for this algorithm. Generating an RSA key takes a
    /// moment.
    ///
    /// # Panics
    ///
    /// When the algorithm is for secrets, which no provider publishes.
    pub fn rotate_to(&self, algorithm: Algorithm) -> TestKey {
        self.shared.change(|state| state.keys.rotate_to(algorithm))
    }

    /// Publishes the key that the next [`rotate`](Self::rotate) will sign with, as careful
    /// providers do some time before a rotation.
    pub fn publish_next(&self) -> TestKey {
        self.shared.change(|state| state.keys.publish_next())
    }

    /// Stops publishing a key. If it is the current one, tokens are still signed with it.
    ///
    /// # Panics
    ///
    /// When no key of this name is published.
    pub fn withdraw(&self, key_id: &str) {
        self.shared.change(|state| state.keys.withdraw(key_id));
    }

    /// Sets a fault of metadata, keys and introspection. Replaces the faults set before.
    ///
    /// Requests that hang, or are answered slowly, under an earlier fault lose their connection.
    ///
    /// # Panics
    ///
    /// For [`Fault::Status`] with a number that is no status of a response (200 to 999).
    pub fn set_fault(&self, fault: Fault) {
        let fault = Some(fault);
        self.set_faults(Faults { metadata: fault, jwks: fault, introspection: fault });
    }

    /// Sets a fault of the metadata only. A fault of the keys stays as it is. [`Fault::Down`]
    /// affects the whole provider nevertheless.
    ///
    /// # Panics
    ///
    /// As [`set_fault`](Self::set_fault) does.
    pub fn set_metadata_fault(&self, fault: Fault) {
        self.set_faults(Faults { metadata: Some(fault), ..self.shared.faults() });
    }

    /// Sets a fault of the keys only. A fault of the metadata stays as it is. [`Fault::Down`]
    /// affects the whole provider nevertheless.
    ///
    /// # Panics
    ///
    /// As [`set_fault`](Self::set_fault) does.
    pub fn set_jwks_fault(&self, fault: Fault) {
        self.set_faults(Faults { jwks: Some(fault), ..self.shared.faults() });
    }

    /// Sets a fault of the introspection endpoint only. The other faults stay as they are.
    /// [`Fault::Down`] affects the whole provider nevertheless.
    ///
    /// # Panics
    ///
    /// As [`set_fault`](Self::set_fault) does.
    pub fn set_introspection_fault(&self, fault: Fault) {
        self.set_faults(Faults { introspection: Some(fault), ..self.shared.faults() });
    }

    /// Removes all faults. The port is the same as before.
    pub fn heal(&self) {
        self.set_faults(Faults::default());
    }

    /// Sets `jwks_uri` in the metadata, in place of [`jwks_url`](Self::jwks_url).
    pub fn set_jwks_uri(&self, uri: impl Into<String>) {
        let uri = uri.into();
        self.shared.change(|state| state.jwks_uri = Some(uri));
    }

    /// Sets `Cache-Control` of all answers. By default there is none.
    ///
    /// # Panics
    ///
    /// When the value is not a valid header field value.
    pub fn set_cache_control(&self, value: Option<&str>) {
        match value {
            Some(value) => self.set_header("cache-control", value),
            None => self.hide_header("cache-control"),
        }
    }

    /// Sets a header field of all answers, in place of the provider's own field of that name:
    /// `Age`, `Expires` or `Retry-After`, for example, or another `ETag`.
    ///
    /// # Panics
    ///
    /// When the name or the value is not valid in a header.
    pub fn set_header(&self, name: &str, value: &str) {
        let value = value.parse().expect("a value that can stand in a field");
        self.shared.state().set_field(name, Some(value));
    }

    /// Leaves a header field out of all answers, `ETag` for example.
    ///
    /// # Panics
    ///
    /// When the name is not valid in a header.
    pub fn hide_header(&self, name: &str) {
        self.shared.state().set_field(name, None);
    }

    /// Returns the number of requests received so far.
    pub fn requests(&self) -> Requests {
        self.shared.state().requests
    }

    /// Returns all requests received so far, in their order: targets and header fields.
    pub fn received(&self) -> Vec<Request<()>> {
        self.shared.state().received.clone()
    }

    fn set_faults(&self, faults: Faults) {
        faults.check();
        // Some faults change the documents.
        self.shared.change(|_| ());
        self.shared.set_faults(faults, |is_down| self.server.set_open(!is_down));
    }
}

impl fmt::Debug for TestProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestProvider")
            .field("issuer", &self.issuer())
            .field("faults", &self.shared.faults())
            .finish_non_exhaustive()
    }
}
