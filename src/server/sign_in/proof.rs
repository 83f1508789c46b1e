//! Binds the tokens of a session to the key of the proof that comes with a request (RFC 9449 §5).
//!
//! `no_proof.rs` has the same items for builds without DPoP.

use http::request::Parts;

use super::desk::Desk;
use super::keep::Place;
use super::refusal::invalid_grant;
use crate::binding::dpop::UnusedProof;
use crate::error::{AuthError, ErrorCode, Reason};
use crate::server::endpoints::answer::Refusal;
use crate::server::issue::TokenRequest;
use crate::server::session::SignIn;

/// A proof that passes all checks, and is not used up.
pub(super) struct SentProof(UnusedProof);

impl SentProof {
    /// Returns the thumbprint of its key.
    pub(super) fn thumbprint(&self) -> &str {
        self.0.thumbprint()
    }
}

/// The key of a proof that was used up.
pub(super) struct ClientKey(String);

impl ClientKey {
    pub(super) fn thumbprint(&self) -> &str {
        &self.0
    }

    pub(super) fn bind_session(&self, sign_in: SignIn) -> SignIn {
        sign_in.with_key_thumbprint(&*self.0)
    }

    pub(super) fn bind_token<'i, K>(&self, request: TokenRequest<'i, K>) -> TokenRequest<'i, K> {
        request.with_key_thumbprint(&*self.0)
    }
}

impl Desk {
    /// Checks the proof of a request, without using it up. `None` where tokens are bound to no key.
    pub(super) fn proof(
        &self,
        parts: &Parts,
        place: Place<'_>,
    ) -> Result<Option<SentProof>, Refusal> {
        let Some(dpop) = &self.dpop else { return Ok(None) };
        if let Place::Cookies(cookies) = place {
            if dpop.is_bearer_allowed() {
                return Ok(None);
            }
            // The browser would send them again each time.
            let refusal = invalid_grant("A session in cookies is bound to no key, as it has to be");
            return Err(refusal.with_headers(|headers| cookies.clear(headers)));
        }
        match dpop.unused_proof(parts) {
            Ok(None) if !dpop.is_bearer_allowed() => {
                Err(refused(dpop.with_nonce(Reason::MissingProof.into())))
            }
            Ok(proof) => Ok(proof.map(SentProof)),
            Err(error) => Err(refused(error)),
        }
    }

    /// Uses a proof up, and returns its key.
    pub(super) async fn key_of(
        &self,
        proof: Option<SentProof>,
    ) -> Result<Option<ClientKey>, Refusal> {
        match (proof, &self.dpop) {
            (Some(SentProof(proof)), Some(dpop)) => {
                let thumbprint = dpop.use_up(proof).await.map_err(refused)?;
                Ok(Some(ClientKey(thumbprint)))
            }
            _ => Ok(None),
        }
    }
}

/// Refuses the proof of a request for tokens (RFC 9449 §5).
fn refused(error: AuthError) -> Refusal {
    let reason = error.reason();
    let code = reason.code().map_or("temporarily_unavailable", ErrorCode::as_str);
    let fields = error.response_fields();
    let refusal = Refusal::of(error, code, reason.description());
    refusal.with_headers(|headers| headers.extend(fields))
}
