use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderName, Request, Response, StatusCode, Uri};
use tower_layer::Layer;
use tower_service::Service;

use super::DpopKey;
use super::nonces::ServerNonces;
use crate::keys::SignError;

/// Adds a DPoP proof to every request of an HTTP client: for services that call an API, and for
/// tests.
///
/// The URI of a request is absolute. A request with `Authorization: DPoP <token>` gets a proof for
/// this token, any other one a proof without a token, as a token endpoint wants it.
///
/// The layer keeps the last nonce of each server (`DPoP-Nonce`) and writes it into the next proof. A
/// request that a server answers with `use_dpop_nonce` is sent once more, with the nonce of the
/// answer. So is a request without a token and a nonce that is answered 400 with a nonce: a token
/// endpoint says the rest in its body, which is not read.
///
/// Put a layer that follows redirects outside of this one, so that each request has a proof of its own.
///
/// ```
/// use tower::ServiceBuilder;
/// use tower_bearer::Algorithm;
/// use tower_bearer::dpop::{DpopClientLayer, DpopKey};
/// # async fn send(_: http::Request<String>) -> Result<http::Response<String>, std::io::Error> { unimplemented!() }
/// # let http_client = tower::service_fn(send);
///
/// let key = DpopKey::generate(Algorithm::ES256)?;
/// let client = ServiceBuilder::new().layer(DpopClientLayer::new(key)).service(http_client);
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct DpopClientLayer {
    key: DpopKey,
    nonces: Arc<ServerNonces>,
}

/// The service of a [`DpopClientLayer`].
#[derive(Clone)]
pub struct DpopClientService<S> {
    inner: S,
    layer: DpopClientLayer,
}

impl DpopClientLayer {
    /// Creates a layer that makes proofs with this key. All services of one layer share their nonces.
    pub fn new(key: DpopKey) -> Self {
        Self { key, nonces: Arc::default() }
    }

    /// Adds a proof to a request.
    fn prove<B>(&self, request: &mut Request<B>) -> Result<Sent, SignError> {
        let uri = target(request.uri()).ok_or_else(|| SignError::new(RELATIVE))?;
        let nonce = self.nonces.of(request.uri());
        let token = request.headers().get(AUTHORIZATION).and_then(|field| {
            let (scheme, token) = field.to_str().ok()?.split_once(' ')?;
            scheme.eq_ignore_ascii_case("DPoP").then(|| token.trim_start_matches(' '))
        });
        let mut proof = self.key.proof(request.method(), &uri);
        if let Some(token) = token {
            proof = proof.with_token(token);
        }
        if let Some(nonce) = &nonce {
            proof = proof.with_nonce(nonce);
        }
        let sent = match (token, &nonce) {
            (None, None) => Sent::WithoutTokenAndNonce,
            _ => Sent::WithTokenOrNonce,
        };
        let proof = proof.sign()?;
        request.headers_mut().insert(DPOP, proof);
        Ok(sent)
    }

    /// Keeps the nonce of an answer, and returns whether the request has to be sent again with it.
    fn learn<B>(&self, uri: &Uri, sent: Sent, response: &Response<B>) -> bool {
        let nonce = response.headers().get(DPOP_NONCE).and_then(|nonce| nonce.to_str().ok());
        let Some(nonce) = nonce.filter(|nonce| !nonce.is_empty()) else { return false };
        self.nonces.remember(uri, nonce);
        match response.status() {
            StatusCode::UNAUTHORIZED => {
                let mut challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
                challenges
                    .any(|challenge| challenge.to_str().is_ok_and(|text| text.contains(USE_NONCE)))
            }
            // RFC 9449 §8: a token endpoint says so in its body, which is not read here. A request with a nonce was
            // refused for another reason.
            StatusCode::BAD_REQUEST => sent == Sent::WithoutTokenAndNonce,
            _ => false,
        }
    }
}

impl<S> Layer<S> for DpopClientLayer {
    type Service = DpopClientService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        DpopClientService { inner, layer: self.clone() }
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for DpopClientService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone + Send + 'static,
    S::Error: Into<BoxError>,
    S::Future: Send,
    ReqBody: Clone + Send + 'static,
    ResBody: Send,
{
    type Response = Response<ResBody>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResBody>, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let layer = self.layer.clone();
        let clone = self.inner.clone();
        // The call goes to the instance that was made ready.
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let mut again = request.clone();
            let uri = request.uri().clone();
            let sent = layer.prove(&mut request)?;
            let response = inner.call(request).await.map_err(Into::into)?;
            if !layer.learn(&uri, sent, &response) {
                return Ok(response);
            }
            drop(response);
            let sent = layer.prove(&mut again)?;
            std::future::poll_fn(|cx| inner.poll_ready(cx)).await.map_err(Into::into)?;
            let response = inner.call(again).await.map_err(Into::into)?;
            layer.learn(&uri, sent, &response);
            Ok(response)
        })
    }
}

impl fmt::Debug for DpopClientLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopClientLayer").field("key", &self.key).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for DpopClientService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopClientService").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// The proof of a request that was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    WithoutTokenAndNonce,
    WithTokenOrNonce,
}

/// Returns an absolute URI without user and password.
fn target(uri: &Uri) -> Option<String> {
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    Some(format!("{scheme}://{host}{}", uri.path()))
}

type BoxError = Box<dyn Error + Send + Sync>;

const DPOP: HeaderName = HeaderName::from_static("dpop");
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
const RELATIVE: &str = "the URI of a request with a DPoP proof has to be absolute";
const USE_NONCE: &str = "use_dpop_nonce";
