use std::error::Error;
use std::future::Future;
use std::pin::Pin;

use bytes::{Buf, Bytes};
use http::{Request, Response};
use http_body::Body;

type BoxError = Box<dyn Error + Send + Sync>;

/// Sends HTTP requests for an [`HttpFetch`](crate::keys::HttpFetch), a [`FormClient`](super::FormClient) or an
/// `Introspection`, in place of the client that these have.
///
/// It is for programs whose connections need settings that these two do not have. Any function from a request to a
/// future of a response is a client. A client of hyper takes `request.map(Full::new)`, one of reqwest
/// `request.map(reqwest::Body::from).try_into()?`.
///
/// The duties of a client, because no other code does these things:
///
/// - It sends the request as it is: method, URI, fields and the whole body, with its `Content-Length`.
///   The request has an absolute URI, and neither `Host` nor `Content-Length`. Clients with a pool add
///   both; a bare connection of hyper needs `Host`, and a URI without scheme and authority.
/// - It does not follow redirects, since it would follow them anywhere.
/// - It checks the certificate of the server.
/// - It resolves names, so it decides about their addresses. The metadata of a provider and redirects can name
///   any host. A client that can reach a private network connects to hosts that are not configured (the
///   host of the issuer, of [`with_metadata_url`](crate::keys::HttpFetch::with_metadata_url) or of
///   [`HttpFetch::new`](crate::keys::HttpFetch::new)) at public addresses only, and checks the address that
///   it connects to. Hosts that are written as addresses are checked before the client is called.
/// - It does not decompress answers without a limit of its own: the limit of bytes counts only the bytes that it
///   returns.
///
/// Certificates and proxies that are set on an `HttpFetch`, a `FormClient` or an `Introspection` do not reach a client of your own.
/// A request may hold a token or a secret: they belong neither in a log nor in an error.
///
/// ```
/// # use http::{Request, Response};
/// # use http_body_util::Full;
/// # use bytes::Bytes;
/// use tower_bearer::keys::HttpFetch;
///
/// # async fn ask(request: Request<Bytes>) -> Result<Response<Full<Bytes>>, std::io::Error> { Err(std::io::Error::other(request.uri().to_string())) }
/// let fetch = HttpFetch::discover("https://id.example.com")?.with_client(|request| ask(request));
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// The body of a response. It is read only up to a limit.
    type Body: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static;
    /// The error of a request that fails.
    type Error: Into<BoxError>;

    /// Sends a request, whose URI is absolute. The body of a `GET` is empty.
    ///
    /// # Errors
    ///
    /// Any error means that there is no response. A response is not an error, whatever its status.
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Response<Self::Body>, Self::Error>> + Send;
}

impl<F, Fut, B, E> HttpClient for F
where
    F: Fn(Request<Bytes>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>, E>> + Send,
    B: Body<Data: Buf, Error: Into<BoxError>> + Send + 'static,
    E: Into<BoxError>,
{
    type Body = B;
    type Error = E;

    fn send(&self, request: Request<Bytes>) -> impl Future<Output = Result<Response<B>, E>> + Send {
        self(request)
    }
}

/// An [`HttpClient`] whose type is erased.
pub(crate) trait ErasedClient: Send + Sync {
    fn send(&self, request: Request<Bytes>) -> Sending<'_>;
}

type Sending<'a> = Pin<Box<dyn Future<Output = Result<Response<AnyBody>, BoxError>> + Send + 'a>>;

impl<H: HttpClient> ErasedClient for H {
    fn send(&self, request: Request<Bytes>) -> Sending<'_> {
        Box::pin(async move {
            let response = HttpClient::send(self, request).await.map_err(Into::into)?;
            Ok(response.map(|body| AnyBody(Box::pin(body))))
        })
    }
}

/// A body whose type is erased.
pub(crate) struct AnyBody(Pin<Box<dyn Read + Send>>);

impl AnyBody {
    /// Reads the body. `None` if it is longer than `most` bytes, which are counted while reading, whatever
    /// the fields of the response say.
    pub(crate) async fn read(&mut self, most: usize) -> Result<Option<Bytes>, BoxError> {
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

/// A client of reqwest.
pub(crate) struct Usual(pub(crate) reqwest::Client);

impl HttpClient for Usual {
    type Body = reqwest::Body;
    type Error = reqwest::Error;

    async fn send(
        &self,
        request: Request<Bytes>,
    ) -> Result<Response<reqwest::Body>, reqwest::Error> {
        let request = request.map(reqwest::Body::from).try_into()?;
        // The report of the error names the address already.
        let response = self.0.execute(request).await.map_err(reqwest::Error::without_url)?;
        Ok(response.into())
    }
}
