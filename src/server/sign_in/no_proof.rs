//! Binds the tokens of sessions to no key: for builds without DPoP, in place of `proof.rs`.

use http::request::Parts;

use super::desk::Desk;
use super::keep::Place;
use crate::server::endpoints::answer::Refusal;
use crate::server::issue::TokenRequest;
use crate::server::session::SignIn;

/// There is none.
pub(super) enum SentProof {}

impl SentProof {
    pub(super) fn thumbprint(&self) -> &str {
        match *self {}
    }
}

/// There is none.
pub(super) enum ClientKey {}

impl ClientKey {
    pub(super) fn thumbprint(&self) -> &str {
        match *self {}
    }

    pub(super) fn bind_session(&self, _: SignIn) -> SignIn {
        match *self {}
    }

    pub(super) fn bind_token<'i, K>(&self, _: TokenRequest<'i, K>) -> TokenRequest<'i, K> {
        match *self {}
    }
}

impl Desk {
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as in `proof.rs`")]
    pub(super) fn proof(&self, _: &Parts, _: Place<'_>) -> Result<Option<SentProof>, Refusal> {
        Ok(None)
    }

    #[expect(clippy::unused_async, reason = "as in `proof.rs`")]
    pub(super) async fn key_of(
        &self,
        proof: Option<SentProof>,
    ) -> Result<Option<ClientKey>, Refusal> {
        Ok(proof.map(|never| match never {}))
    }
}
