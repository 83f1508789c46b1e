//! Sends one request and reads its answer, within limits: fetches a document, or posts a form.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::address::{Address, Allowed, shown_address};
use super::bearer_file::BearerFile;
use super::client::{AnyBody, ErasedClient, Usual};
use super::error::FetchError;
use super::freshness;
use super::network::Reach;
use super::transport::Transport;
use crate::clock::{Clock as _, SystemClock};

/// The settings with which requests are sent.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// The addresses that the operator has configured.
    pub(crate) own: Vec<Address>,
    pub(crate) allowed: Allowed,
    /// The client of the application. `None` is a client of `transport`.
    pub(crate) client: Option<Arc<dyn ErasedClient>>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) bearer: Option<BearerFile>,
    pub(crate) timeout: Duration,
    pub(crate) redirects: usize,
    pub(crate) max_bytes: usize,
    /// Whether redirects must stay with the scheme, host and port where they began.
    pub(crate) same_origin_only: bool,
}

/// A document with its validators and the time for which it is fresh.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) body: Bytes,
    pub(crate) fresh_for: Option<Duration>,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Exchange {
    /// Sends requests to these addresses, which the operator has configured, with the default limits.
    pub(crate) fn new(own: Vec<Address>, allowed: Allowed) -> Self {
        Self {
            own,
            allowed,
            client: None,
            transport: Transport::usual(),
            bearer: None,
            timeout: DEFAULT_TIMEOUT,
            redirects: 0,
            max_bytes: DEFAULT_MAX_BYTES,
            same_origin_only: false,
        }
    }

    /// Posts a form (`application/x-www-form-urlencoded`), and returns the answer whatever its status. A
    /// redirect is an error, since its target would be sent the form as well.
    pub(crate) async fn post(
        &self,
        address: &Address,
        accept: &'static str,
        authorization: Option<HeaderValue>,
        form: Bytes,
    ) -> Result<Response<Bytes>, FetchError> {
        let mut request = Request::new(form);
        *request.method_mut() = Method::POST;
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        if let Some(field) = authorization {
            headers.insert(AUTHORIZATION, field);
        }
        self.in_time(async {
            let (parts, body) = self.send(address, request).await?.into_parts();
            if parts.status.is_redirection() {
                return Err(FetchError::Redirected(parts.status));
            }
            let body = read(&parts.headers, body, self.max_bytes).await?;
            Ok(Response::from_parts(parts, body))
        })
        .await
    }

    async fn in_time<T>(
        &self,
        exchange: impl Future<Output = Result<T, FetchError>>,
    ) -> Result<T, FetchError> {
        let done = timeout(self.timeout, exchange).await;
        let done = done.unwrap_or(Err(FetchError::Timeout(self.timeout)));
        if done.is_err() {
            // When a runtime ends, it drops the connection first, and this task at its next wait. So the failure is not
            // reported, and a request of another runtime asks again.
            yield_now().await;
        }
        done
    }

    /// Gets a document, or `None` if it is still the `known` one.
    pub(crate) async fn get(
        &self,
        address: &Address,
        accept: &'static str,
        known: Option<&mut Document>,
    ) -> Result<Option<Document>, FetchError> {
        self.in_time(self.get_slowly(address, accept, known)).await
    }

    async fn get_slowly(
        &self,
        address: &Address,
        accept: &'static str,
        known: Option<&mut Document>,
    ) -> Result<Option<Document>, FetchError> {
        let mut address = address.clone();
        for _ in 0..=self.redirects {
            let response = self.send(&address, request_for(accept, known.as_deref())).await?;
            match response.status() {
                StatusCode::OK => return Document::read(response, self.max_bytes).await.map(Some),
                StatusCode::NOT_MODIFIED => {
                    let known = known.ok_or(FetchError::Status(StatusCode::NOT_MODIFIED))?;
                    // RFC 9111 §4.3.4: new fields replace the old ones; without new fields, the old ones stay.
                    let fresh_for = freshness::of(response.headers(), SystemClock.now());
                    known.fresh_for = fresh_for.or(known.fresh_for);
                    return Ok(None);
                }
                status if status.is_redirection() => {
                    let location = response.headers().get(LOCATION);
                    let location = location.and_then(|location| location.to_str().ok());
                    let Some(location) = location else { return Err(FetchError::Status(status)) };
                    if self.redirects == 0 {
                        let to = shown_address(location);
                        return Err(FetchError::NotFollowed { status, to });
                    }
                    let next =
                        address.join(location, self.allowed).map_err(FetchError::Redirect)?;
                    if self.same_origin_only && !next.is_same_origin(&address) {
                        return Err(FetchError::OtherOrigin(next.to_string()));
                    }
                    address = next;
                }
                status => return Err(FetchError::Status(status)),
            }
        }
        Err(FetchError::Redirects(self.redirects))
    }

    async fn send(
        &self,
        address: &Address,
        mut request: Request<Bytes>,
    ) -> Result<Response<AnyBody>, FetchError> {
        let reach = self.reach(address);
        if let Some(ip) = address.ip() {
            // The client resolves no name then, so the address is checked here.
            reach.check(ip).map_err(|refused| FetchError::Refused(refused.to_string()))?;
        }
        *request.uri_mut() = address.uri().clone();
        if let Some(bearer) = self.bearer_for(address) {
            // A disk may be slow.
            let read = tokio::task::spawn_blocking(move || bearer.read()).await;
            let field = read.map_err(|error| FetchError::Transport(error.into()))?;
            request.headers_mut().insert(AUTHORIZATION, field.map_err(FetchError::Bearer)?);
        }
        if let Some(client) = &self.client {
            return client.send(request).await.map_err(FetchError::Transport);
        }
        if reach != Reach::Anywhere && self.transport.is_proxy(address) {
            return Err(FetchError::Refused(
                "a document of a provider may not lead to a proxy".into(),
            ));
        }
        let client = self.transport.client(address, reach).map_err(FetchError::Client)?;
        ErasedClient::send(&Usual(client), request).await.map_err(FetchError::Transport)
    }

    /// Returns the IP addresses that a connection to this address may use.
    fn reach(&self, address: &Address) -> Reach {
        if self.own.iter().any(|own| own.is_same_host(address)) {
            Reach::Anywhere
        } else if self.allowed.private_networks {
            Reach::Private
        } else {
            Reach::Public
        }
    }

    /// Returns whether this address has the origin of an address that the operator has configured.
    pub(crate) fn is_own_origin(&self, address: &Address) -> bool {
        self.own.iter().any(|own| own.is_same_origin(address))
    }

    /// Returns the token if it may be sent to this address. It goes to the configured host only: not to a host that a
    /// document names, nor to the host of the issuer if its metadata is elsewhere.
    fn bearer_for(&self, address: &Address) -> Option<BearerFile> {
        let is_safe = !address.is_plain() || address.is_loopback();
        let is_asked = self.own.last().is_some_and(|asked| asked.is_same_origin(address));
        self.bearer.clone().filter(|_| is_safe && is_asked)
    }
}

impl Document {
    async fn read(response: Response<AnyBody>, max_bytes: usize) -> Result<Self, FetchError> {
        let (parts, body) = response.into_parts();
        let body = read(&parts.headers, body, max_bytes).await?;
        let validator =
            |name| parts.headers.get(name).filter(|v| v.len() <= MAX_VALIDATOR).cloned();
        Ok(Self {
            body,
            fresh_for: freshness::of(&parts.headers, SystemClock.now()),
            etag: validator(ETAG),
            last_modified: validator(LAST_MODIFIED),
        })
    }
}

/// Builds the request for a document, with the validators of the known one: the answer may be that nothing has changed.
fn request_for(accept: &'static str, known: Option<&Document>) -> Request<Bytes> {
    let mut request = Request::new(Bytes::new());
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    if let Some(known) = known {
        known.etag.iter().for_each(|etag| drop(headers.insert(IF_NONE_MATCH, etag.clone())));
        let dates = known.last_modified.iter();
        dates.for_each(|date| drop(headers.insert(IF_MODIFIED_SINCE, date.clone())));
    }
    request
}

async fn read(
    headers: &HeaderMap,
    mut body: AnyBody,
    max_bytes: usize,
) -> Result<Bytes, FetchError> {
    if stated_length(headers).is_some_and(|length| length > max_bytes) {
        return Err(FetchError::TooLarge(max_bytes));
    }
    let read = body.read(max_bytes).await.map_err(FetchError::Transport)?;
    read.ok_or(FetchError::TooLarge(max_bytes))
}

fn stated_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_MAX_BYTES: usize = 256 * 1024;
/// The longest `ETag` or `Last-Modified` that is kept and sent back, in bytes.
const MAX_VALIDATOR: usize = 1024;

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::ready;
    use std::sync::Mutex;

    use super::super::client::HttpClient;
    use super::*;

    type Sent = Arc<Mutex<Vec<Request<Bytes>>>>;

    /// Answers each request with this status, and with a place to go on.
    fn client(status: StatusCode, sent: &Sent) -> impl HttpClient {
        let sent = Arc::clone(sent);
        move |request: Request<Bytes>| {
            sent.lock().unwrap().push(request);
            let answer = Response::builder().status(status).header(LOCATION, "/moved");
            ready(Ok::<_, Infallible>(answer.body("{}".to_owned()).unwrap()))
        }
    }

    fn exchange(status: StatusCode, redirects: usize) -> (Exchange, Address, Sent) {
        let (address, sent) = ("https://id.example.com/introspect", Sent::default());
        let address = Address::parse(address, Allowed::default()).unwrap();
        let mut exchange = Exchange::new(vec![address.clone()], Allowed::default());
        exchange.client = Some(Arc::new(client(status, &sent)));
        exchange.redirects = redirects;
        (exchange, address, sent)
    }

    async fn post(exchange: &Exchange, address: &Address) -> Result<Response<Bytes>, FetchError> {
        exchange.post(address, "application/json", None, Bytes::from_static(b"token=a")).await
    }

    #[tokio::test]
    async fn form_is_sent_nowhere_else_where_documents_follow_redirects() {
        for status in [301, 302, 303, 307, 308].map(|code| StatusCode::from_u16(code).unwrap()) {
            let (exchange, address, sent) = exchange(status, 3);

            let error = post(&exchange, &address).await.unwrap_err();

            assert!(matches!(error, FetchError::Redirected(at) if at == status), "{error}");
            assert_eq!(sent.lock().unwrap().len(), 1);

            let error = exchange.get(&address, "application/json", None).await.err().unwrap();

            assert!(matches!(error, FetchError::Redirects(3)), "{error}");
            assert_eq!(sent.lock().unwrap().len(), 5);
        }
    }

    #[tokio::test]
    async fn form_goes_to_the_addresses_that_a_document_may_come_from() {
        let (exchange, own, sent) = exchange(StatusCode::OK, 0);
        let parse = |text: &str| Address::parse(text, Allowed::default()).unwrap();
        let (public, inner) = (parse("https://192.0.1.1/"), parse("https://10.0.0.1/"));

        for address in [&own, &public] {
            assert_eq!(post(&exchange, address).await.unwrap().body(), "{}");
        }
        let error = post(&exchange, &inner).await.unwrap_err();

        assert!(matches!(error, FetchError::Refused(_)), "{error}");
        let sent = sent.lock().unwrap();
        assert!(sent.iter().all(|request| request.method() == Method::POST));
        assert_eq!(sent.len(), 2);
    }
}
