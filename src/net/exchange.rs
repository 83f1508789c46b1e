//! One document, asked for and read within limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, ETAG, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
    LAST_MODIFIED, LOCATION,
};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::timeout;

use super::address::{Address, Allowed, shown_address};
use super::bearer_file::BearerFile;
use super::client::{AnyBody, ErasedClient, Usual};
use super::freshness;
use super::network::Reach;
use super::problem::Problem;
use super::transport::Transport;
use crate::clock::{Clock as _, SystemClock};

/// How documents are asked for.
#[derive(Clone)]
pub(crate) struct Exchange {
    /// The addresses that the operator has written down.
    pub(crate) own: Vec<Address>,
    pub(crate) allowed: Allowed,
    /// `None` is a client of `transport`.
    pub(crate) client: Option<Arc<dyn ErasedClient>>,
    pub(crate) transport: Arc<Transport>,
    pub(crate) bearer: Option<BearerFile>,
    pub(crate) timeout: Duration,
    pub(crate) redirects: usize,
    pub(crate) max_bytes: usize,
    /// Whether redirects must stay with the scheme, host and port where they began.
    pub(crate) same_origin_only: bool,
}

/// A document with what is known of its age.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) body: Bytes,
    pub(crate) fresh_for: Option<Duration>,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Exchange {
    /// Gets a document, or `None` if it is still the `known` one.
    pub(crate) async fn get(
        &self,
        address: &Address,
        accept: &'static str,
        known: Option<&mut Document>,
    ) -> Result<Option<Document>, Problem> {
        let exchange = self.get_slowly(address, accept, known);
        timeout(self.timeout, exchange).await.unwrap_or(Err(Problem::Timeout(self.timeout)))
    }

    async fn get_slowly(
        &self,
        address: &Address,
        accept: &'static str,
        known: Option<&mut Document>,
    ) -> Result<Option<Document>, Problem> {
        let mut address = address.clone();
        for _ in 0..=self.redirects {
            let response = self.send(&address, accept, known.as_deref()).await?;
            match response.status() {
                StatusCode::OK => return Document::read(response, self.max_bytes).await.map(Some),
                StatusCode::NOT_MODIFIED => {
                    let known = known.ok_or(Problem::Status(StatusCode::NOT_MODIFIED))?;
                    // RFC 9111 §4.3.4: new fields count from now on; where there are none, the old ones.
                    let fresh_for = freshness::of(response.headers(), SystemClock.now());
                    known.fresh_for = fresh_for.or(known.fresh_for);
                    return Ok(None);
                }
                status if status.is_redirection() => {
                    let location = response.headers().get(LOCATION);
                    let location = location.and_then(|location| location.to_str().ok());
                    let Some(location) = location else { return Err(Problem::Status(status)) };
                    if self.redirects == 0 {
                        let to = shown_address(location);
                        return Err(Problem::NotFollowed { status, to });
                    }
                    let next = address.join(location, self.allowed).map_err(Problem::Redirect)?;
                    if self.same_origin_only && !next.is_same_origin(&address) {
                        return Err(Problem::OtherOrigin(next.to_string()));
                    }
                    address = next;
                }
                status => return Err(Problem::Status(status)),
            }
        }
        Err(Problem::Redirects(self.redirects))
    }

    async fn send(
        &self,
        address: &Address,
        accept: &'static str,
        known: Option<&Document>,
    ) -> Result<Response<AnyBody>, Problem> {
        let reach = self.reach(address);
        if let Some(ip) = address.ip() {
            // A client resolves nothing then, so it is judged here.
            reach.check(ip).map_err(|refused| Problem::Refused(refused.to_string()))?;
        }
        let mut request = Request::new(());
        *request.uri_mut() = address.uri().clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        if let Some(known) = known {
            known.etag.iter().for_each(|etag| drop(headers.insert(IF_NONE_MATCH, etag.clone())));
            known
                .last_modified
                .iter()
                .for_each(|date| drop(headers.insert(IF_MODIFIED_SINCE, date.clone())));
        }
        if let Some(bearer) = self.bearer_for(address) {
            // A disk may be slow.
            let read = tokio::task::spawn_blocking(move || bearer.read()).await;
            let field = read.map_err(|error| Problem::Transport(error.into()))?;
            headers.insert(AUTHORIZATION, field.map_err(Problem::Bearer)?);
        }
        if let Some(client) = &self.client {
            return client.send(request).await.map_err(Problem::Transport);
        }
        if reach != Reach::Anywhere && self.transport.is_proxy(address) {
            return Err(Problem::Refused(
                "a document of a provider may not lead to a proxy".into(),
            ));
        }
        let client = self.transport.client(address, reach).map_err(Problem::Client)?;
        ErasedClient::send(&Usual(client), request).await.map_err(Problem::Transport)
    }

    /// How far a connection to this address may go.
    fn reach(&self, address: &Address) -> Reach {
        if self.own.iter().any(|own| own.is_same_host(address)) {
            Reach::Anywhere
        } else if self.allowed.private_networks {
            Reach::Private
        } else {
            Reach::Public
        }
    }

    /// Whether this address is of the origin of one that the operator has written down.
    pub(crate) fn is_own_origin(&self, address: &Address) -> bool {
        self.own.iter().any(|own| own.is_same_origin(address))
    }

    /// The token goes to the host that is asked, and to no other: not to one that a document names, nor to the
    /// issuer's, if its metadata is elsewhere.
    fn bearer_for(&self, address: &Address) -> Option<BearerFile> {
        let is_safe = !address.is_plain() || address.is_loopback();
        let is_asked = self.own.last().is_some_and(|asked| asked.is_same_origin(address));
        self.bearer.clone().filter(|_| is_safe && is_asked)
    }
}

impl Document {
    async fn read(response: Response<AnyBody>, max_bytes: usize) -> Result<Self, Problem> {
        let (parts, mut body) = response.into_parts();
        if stated_length(&parts.headers).is_some_and(|length| length > max_bytes) {
            return Err(Problem::TooLarge(max_bytes));
        }
        let read = body.read(max_bytes).await.map_err(Problem::Transport)?;
        let body = read.ok_or(Problem::TooLarge(max_bytes))?;
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

fn stated_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The longest `ETag` or `Last-Modified` that is kept and sent back, in bytes.
const MAX_VALIDATOR: usize = 1024;
