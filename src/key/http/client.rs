use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;

use super::address::Address;
use crate::error::chain;

type BoxError = Box<dyn Error + Send + Sync>;

/// Sends HTTP requests for an [`HttpFetch`](super::HttpFetch), in place of the client it has.
///
/// For programs with certificates, proxies or observation of their own. A client must not follow
/// redirects, since it would follow them anywhere. Any function from a request to a future of a
/// response is one:
///
/// ```
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use bytes::Bytes;
/// use tower_bearer::HttpFetch;
///
/// # async fn ask(request: Request<()>) -> Result<Response<Full<Bytes>>, std::io::Error> { Err(std::io::Error::other(request.uri().to_string())) }
/// let fetch = HttpFetch::discover("https://id.example.com")?.with_client(|request| ask(request));
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// The body of a response. It is read only up to a limit.
    type Body: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static;
    /// What a request fails with.
    type Error: Into<BoxError>;

    /// Sends a `GET` request, whose URI is absolute.
    ///
    /// # Errors
    ///
    /// Any error means that there is no response; whatever its status, a response is not one.
    fn send(
        &self,
        request: Request<()>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Self::Error>> + Send;
}

impl<F, Fut, B, E> HttpClient for F
where
    F: Fn(Request<()>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>, E>> + Send,
    B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    type Body = B;
    type Error = E;

    fn send(&self, request: Request<()>) -> impl Future<Output = Result<Response<B>, E>> + Send {
        self(request)
    }
}

/// An [`HttpClient`] whose type is forgotten.
pub(super) trait ErasedClient: Send + Sync {
    fn send(&self, request: Request<()>) -> Sending<'_>;
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<AnyBody>, BoxError>> + Send + 'a>>;

impl<H: HttpClient> ErasedClient for H {
    fn send(&self, request: Request<()>) -> Sending<'_> {
        Box::pin(async move {
            let response = HttpClient::send(self, request).await.map_err(Into::into)?;
            Ok(response.map(|body| AnyBody(Box::pin(body))))
        })
    }
}

/// A body whose type is forgotten.
pub(super) struct AnyBody(Pin<Box<dyn Read + Send>>);

impl AnyBody {
    /// Reads all of it, or `None` if that is more than `most` bytes; counted while reading, whatever
    /// the fields of the response say.
    pub(super) async fn read(&mut self, most: usize) -> Result<Option<Bytes>, BoxError> {
        let mut all = Vec::new();
        while let Some(part) = std::future::poll_fn(|cx| self.0.as_mut().poll_part(cx)).await {
            let part = part?;
            if all.len() + part.len() > most {
                return Ok(None);
            }
            all.extend_from_slice(&part);
        }
        Ok(Some(all.into()))
    }
}

trait Read {
    fn poll_part(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, BoxError>>>;
}

impl<B: Body<Data: Buf, Error: Into<BoxError>>> Read for B {
    fn poll_part(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            let frame = std::task::ready!(self.as_mut().poll_frame(cx));
            return std::task::Poll::Ready(match frame {
                None => None,
                Some(Err(error)) => Some(Err(error.into())),
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => Some(Ok(data.copy_to_bytes(data.remaining()))),
                    // Trailers.
                    Err(_) => continue,
                },
            });
        }
    }
}

/// The client that is used unless another is given. All sources share it.
///
/// # Errors
///
/// What keeps it from being built: that the system has no certificates, for example.
pub(super) fn usual(address: &Address) -> Result<Arc<dyn ErasedClient>, String> {
    // On this machine there is no proxy in between, and no certificate of the system's is needed for
    // plain HTTP.
    static HERE: LazyLock<Client> =
        LazyLock::new(|| build(reqwest::Client::builder().no_proxy().tls_certs_only([])));
    static ANYWHERE: LazyLock<Client> = LazyLock::new(|| build(reqwest::Client::builder()));
    let is_plain = address.uri().scheme_str() == Some("http");
    let client = if is_plain && address.is_loopback() { &HERE } else { &ANYWHERE };
    let client = client.as_ref().map_err(String::clone)?.clone();
    Ok(Arc::new(move |request: Request<()>| {
        let client = client.clone();
        async move {
            let request = request.map(|()| reqwest::Body::default()).try_into()?;
            // The address is said where the error is reported, and need not be said twice.
            let response = client.execute(request).await.map_err(reqwest::Error::without_url)?;
            Ok::<_, reqwest::Error>(Response::<reqwest::Body>::from(response))
        }
    }))
}

type Client = Result<reqwest::Client, String>;

fn build(builder: reqwest::ClientBuilder) -> Client {
    let client = builder
        .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // Redirects are followed, if at all, where the address is checked.
        .redirect(reqwest::redirect::Policy::none())
        // A connection that is kept belongs to a runtime, and this client outlives runtimes. Once in
        // some minutes a new one costs nothing.
        .pool_max_idle_per_host(0);
    client.build().map_err(|error| chain(&error))
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
