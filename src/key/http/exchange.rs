//! One document, asked for and read within limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, CONTENT_LENGTH, ETAG, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED,
    LOCATION,
};
use http::{HeaderMap, Request, Response, StatusCode};
use tokio::time::timeout;

use super::address::Address;
use super::client::{self, AnyBody, ErasedClient};
use super::freshness;
use super::problem::Problem;
use crate::clock::{Clock as _, SystemClock};

/// How documents are asked for.
#[derive(Clone)]
pub(super) struct Exchange {
    /// `None` is the usual client.
    pub(super) client: Option<Arc<dyn ErasedClient>>,
    pub(super) timeout: Duration,
    pub(super) redirects: usize,
    /// Whether redirects must stay with the scheme, host and port where they began.
    pub(super) same_origin_only: bool,
}

/// A document with what is known of its age.
#[derive(Clone)]
pub(super) struct Document {
    pub(super) body: Bytes,
    pub(super) fresh_for: Option<Duration>,
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

impl Exchange {
    /// Gets a document, or `None` if it is still the `known` one.
    pub(super) async fn get(
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
                StatusCode::OK => return Document::read(response).await.map(Some),
                StatusCode::NOT_MODIFIED => {
                    let known = known.ok_or(Problem::Status(StatusCode::NOT_MODIFIED))?;
                    // RFC 9111 §4.3.4: new fields count from now on; where there are none, the old ones.
                    let fresh_for = freshness::of(response.headers(), SystemClock.now());
                    known.fresh_for = fresh_for.or(known.fresh_for);
                    return Ok(None);
                }
                status if status.is_redirection() && self.redirects > 0 => {
                    let location = response.headers().get(LOCATION);
                    let location = location.and_then(|location| location.to_str().ok());
                    let location = location.ok_or(Problem::Status(status))?;
                    let next = address.join(location).map_err(Problem::Redirect)?;
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
        let client = match &self.client {
            Some(client) => Arc::clone(client),
            None => client::usual(address).map_err(Problem::Client)?,
        };
        client.send(request).await.map_err(Problem::Transport)
    }
}

impl Document {
    async fn read(response: Response<AnyBody>) -> Result<Self, Problem> {
        let (parts, mut body) = response.into_parts();
        if stated_length(&parts.headers).is_some_and(|length| length > MAX_BYTES) {
            return Err(Problem::TooLarge(MAX_BYTES));
        }
        let read = body.read(MAX_BYTES).await.map_err(Problem::Transport)?;
        let body = read.ok_or(Problem::TooLarge(MAX_BYTES))?;
        Ok(Self {
            body,
            fresh_for: freshness::of(&parts.headers, SystemClock.now()),
            etag: parts.headers.get(ETAG).cloned(),
            last_modified: parts.headers.get(LAST_MODIFIED).cloned(),
        })
    }
}

fn stated_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

const MAX_BYTES: usize = 256 * 1024;
