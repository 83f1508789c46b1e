//! Sends a question about a token to the endpoint (RFC 7662 §2.1).

use std::borrow::Cow;

use bytes::Bytes;
use form_urlencoded::Serializer;
use http::{Response, StatusCode};

use super::client_authentication::ClientAuthentication;
use super::discovery::DiscoveredEndpoint;
use super::problem::Problem;
use crate::net::address::Address;
use crate::net::exchange::Exchange;

/// The place of the endpoint, and all that a question needs.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) place: Place,
    pub(super) exchange: Exchange,
    pub(super) client: ClientAuthentication,
    /// The audience of assertions, if it was set.
    pub(super) assertion_audience: Option<Box<str>>,
}

#[derive(Clone, Debug)]
pub(super) enum Place {
    Known(Address),
    Discovered(DiscoveredEndpoint),
}

impl Endpoint {
    /// Changes how requests are sent.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Exchange)) {
        change(&mut self.exchange);
        if let Place::Discovered(found) = &mut self.place {
            *found = found.anew();
        }
    }

    /// Returns the configured name, for logs.
    pub(super) fn name(&self) -> &str {
        match &self.place {
            Place::Known(address) => address.as_str(),
            Place::Discovered(found) => found.issuer().as_str(),
        }
    }

    /// Asks about a token, and returns the answer if its status is 200.
    pub(super) async fn ask(
        &self,
        token: &str,
        accept: &'static str,
    ) -> Result<Response<Bytes>, Problem> {
        let found = match &self.place {
            Place::Known(address) => return self.post(address, token, accept).await,
            Place::Discovered(found) => found,
        };
        let address = found.address(&self.exchange).await?;
        match self.post(&address, token, accept).await {
            Err(problem) if problem.may_have_moved() => {
                match found.moved(&address, &self.exchange).await {
                    Some(now) => self.post(&now, token, accept).await,
                    None => Err(problem),
                }
            }
            result => result,
        }
    }

    async fn post(
        &self,
        address: &Address,
        token: &str,
        accept: &'static str,
    ) -> Result<Response<Bytes>, Problem> {
        let credentials = self.client.credentials(&self.audience(address)).await;
        let credentials = credentials.map_err(Problem::Assertion)?;
        // RFC 7662 §2.1: in a form, and never in a URL.
        let form = Serializer::new(String::new())
            .append_pair("token", token)
            .append_pair("token_type_hint", "access_token")
            .extend_pairs(credentials.fields.iter().map(|(name, value)| (name, value.as_str())))
            .finish()
            .into();
        let authorization = credentials.authorization;
        let answer = self.exchange.post(address, accept, authorization, form).await;
        let answer = answer.map_err(|problem| Problem::Exchange(problem.at(address)))?;
        match answer.status() {
            StatusCode::OK => Ok(answer),
            status => Err(Problem::Status(status)),
        }
    }

    fn audience<'a>(&'a self, address: &'a Address) -> Cow<'a, str> {
        let audience = match (&self.assertion_audience, &self.place) {
            (Some(audience), _) => audience,
            (None, Place::Discovered(found)) => found.issuer().as_str(),
            (None, Place::Known(_)) => address.as_str(),
        };
        audience.into()
    }
}
