//! Finds the endpoint by the metadata of the issuer, which is kept fresh in the background.
//!
//! Without metadata there is no endpoint, and requests wait for the first load. Afterwards no request waits: a known
//! endpoint stays in use for a day while the metadata cannot be fetched.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::problem::Problem;
use crate::net::address::Address;
use crate::net::discovery;
use crate::net::error::FetchError;
use crate::net::exchange::Exchange;
use crate::refresh::{Load, Loaded, Refreshed};

/// The endpoint that the metadata of an issuer names.
#[derive(Clone)]
pub(super) struct DiscoveredEndpoint {
    issuer: Address,
    /// The address of the metadata, if that does not follow from the issuer.
    metadata: Option<Address>,
    /// Made at the first use, when the settings are complete.
    found: Arc<OnceLock<Refreshed<Metadata>>>,
}

impl DiscoveredEndpoint {
    pub(super) fn new(issuer: Address, metadata: Option<Address>) -> Self {
        Self { issuer, metadata, found: Arc::default() }
    }

    pub(super) fn issuer(&self) -> &Address {
        &self.issuer
    }

    /// Returns the same with nothing found, because the settings have changed.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.issuer.clone(), self.metadata.clone())
    }

    /// Returns the address of the endpoint, and waits for the metadata if necessary.
    pub(super) async fn address(&self, exchange: &Exchange) -> Result<Arc<Address>, Problem> {
        self.found(exchange).get().await.map_err(Problem::NoEndpoint)
    }

    /// Returns the address that the metadata names now, if it is another one.
    pub(super) async fn moved(&self, from: &Address, exchange: &Exchange) -> Option<Arc<Address>> {
        let now = self.found(exchange).refresh().await.ok()?;
        (*now != *from).then_some(now)
    }

    fn found(&self, exchange: &Exchange) -> &Refreshed<Metadata> {
        self.found.get_or_init(|| {
            let (issuer, place) = (self.issuer.clone(), self.metadata.clone());
            Refreshed::new(Metadata { issuer, place, exchange: exchange.clone() })
                .with_stale_if_error(KEPT)
        })
    }
}

impl fmt::Debug for DiscoveredEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscoveredEndpoint")
            .field("issuer", &self.issuer)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}

/// Loads the address of the endpoint.
struct Metadata {
    issuer: Address,
    place: Option<Address>,
    exchange: Exchange,
}

impl Load for Metadata {
    type Document = Address;
    type Error = FetchError;

    async fn load(&self) -> Result<Loaded<Address>, FetchError> {
        let allowed = self.exchange.allowed;
        let places = match &self.place {
            Some(place) => vec![place.clone()],
            None => discovery::places(&self.issuer, allowed),
        };
        let mut problems = Vec::new();
        for place in places {
            let document = match self.exchange.get(&place, ACCEPT, None).await {
                Ok(Some(document)) => document,
                Ok(None) => continue,
                Err(problem) => {
                    let is_silent = matches!(problem, FetchError::Timeout(_));
                    problems.push(problem.at(place));
                    // All places are on one host.
                    if is_silent {
                        break;
                    }
                    continue;
                }
            };
            let (body, issuer) = (&document.body, &self.issuer);
            match discovery::read_introspection_endpoint(body, issuer, &place, allowed) {
                Ok(endpoint) => {
                    let loaded = Loaded::from(endpoint);
                    return Ok(match document.fresh_for {
                        Some(fresh_for) => loaded.with_fresh_for(fresh_for),
                        None => loaded,
                    });
                }
                Err(problem) => problems.push(problem.at(place)),
            }
        }
        Err(FetchError::NoMetadata(problems))
    }

    fn describe(&self) -> String {
        format!("the introspection endpoint of {}", self.issuer)
    }
}

const ACCEPT: &str = "application/json";
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);
