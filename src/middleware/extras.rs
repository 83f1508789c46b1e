//! Holds everything that the usual layer does without: other sources, other schemes,
//! authenticators, bindings.

#[cfg(feature = "cookies")]
use std::any::Any;
use std::sync::Arc;

#[cfg(feature = "cookies")]
use http::HeaderMap;
use http::Response;
use http::request::Parts;

#[cfg(any(feature = "dpop", feature = "mtls"))]
use crate::binding::DowngradeAlarm;
#[cfg(feature = "dpop")]
use crate::binding::dpop::Dpop;
use crate::binding::{Binding, BindingVerdict, PendingProof};
use crate::challenge::AuthScheme;
use crate::claims::{ConfirmationMethod, Principal};
use crate::error::{AuthError, Reason, ResponseFields};
#[cfg(feature = "cookies")]
use crate::middleware::cookies::{CookieToken, OtherFields};
use crate::middleware::source::{AuthorizationHeader, TokenSource};
#[cfg(feature = "metadata")]
use crate::protected_resource::LayerSettings;
use crate::verify::authenticator::ConfiguredAuthenticator;
use crate::verify::presented::Presented;

#[derive(Clone)]
pub(super) struct Extras {
    /// The `Authorization` source. `None` where another source replaces it.
    pub(super) header: Option<AuthorizationHeader>,
    pub(super) sources: Vec<Arc<dyn TokenSource>>,
    /// The only one of the sources, if it reads cookies.
    #[cfg(feature = "cookies")]
    cookies: Option<CookieToken>,
    pub(super) authenticators: Vec<ConfiguredAuthenticator>,
    /// Decides about the tokens that no key of the verifier has signed.
    fallback: Option<ConfiguredAuthenticator>,
    /// `None` where no proof is looked at.
    proofs: Option<Box<Proofs>>,
}

/// The changes to the response that only some requests need.
pub(super) struct ResponseChanges {
    /// The source of the token, if it is not the `Authorization` field.
    pub(super) source: Option<Arc<dyn TokenSource>>,
    /// The principal that the response carries.
    pub(super) principal: Option<Principal>,
    /// The fields of bindings.
    pub(super) fields: ResponseFields,
}

impl ResponseChanges {
    #[inline(never)]
    pub(super) fn make<B>(&mut self, response: &mut Response<B>) {
        if let Some(source) = &self.source {
            let status = response.status();
            source.complete(status, response.headers_mut());
        }
        self.fields.add_to(response.headers_mut());
        if let Some(principal) = self.principal.take() {
            response.extensions_mut().insert(principal);
        }
    }
}

/// The place where a token was found.
#[derive(Clone, Copy)]
pub(super) enum TokenOrigin {
    Header,
    /// The only source, which reads cookies and was called directly.
    #[cfg(feature = "cookies")]
    Cookie,
    /// The index in the list of sources.
    Source(usize),
}

/// The checks of proofs.
#[derive(Clone, Default)]
pub(super) struct Proofs {
    pub(super) bindings: Vec<Arc<dyn Binding>>,
    /// The binding that is asked last, because it uses the proof up.
    #[cfg(feature = "dpop")]
    pub(super) dpop: Option<Arc<Dpop>>,
    #[cfg(any(feature = "dpop", feature = "mtls"))]
    pub(super) alarm: Option<DowngradeAlarm>,
}

/// The verdict of all bindings together.
#[derive(Default)]
pub(super) struct Proof {
    /// The fields for the response.
    pub(super) fields: ResponseFields,
    /// The part of the check that takes time.
    pub(super) pending: Option<PendingProof>,
}

impl Extras {
    pub(super) fn add_source(&mut self, source: impl TokenSource) {
        #[cfg(feature = "cookies")]
        {
            let cookies = (&source as &dyn Any).downcast_ref::<CookieToken>();
            self.cookies = cookies.filter(|_| self.sources.is_empty()).cloned();
        }
        self.sources.push(Arc::new(source));
    }

    /// Replaces the `Authorization` source and all others.
    pub(super) fn set_source(&mut self, source: impl TokenSource) {
        self.header = None;
        self.sources.clear();
        self.add_source(source);
    }

    /// Returns the source of cookies if it is the only place where this request can have a token,
    /// and the verifier alone decides about the token. The source is then called directly, which
    /// takes half the time.
    #[cfg(feature = "cookies")]
    #[inline]
    pub(super) fn cookies_alone(&self, headers: &HeaderMap) -> Option<(&CookieToken, OtherFields)> {
        let is_usual = !self.has_authenticators() && self.proofs.is_none();
        let cookies = self.cookies.as_ref().filter(|_| is_usual)?;
        let other = OtherFields::of(headers);
        let is_alone = self.header.is_none() || !other.authorization;
        is_alone.then_some((cookies, other))
    }

    /// Returns whether only the `Authorization` field, in the scheme `Bearer`, can hold a token, and
    /// no binding asks for more.
    #[inline]
    pub(super) fn is_header_alone(&self) -> bool {
        self.sources.is_empty()
            && self.proofs.is_none()
            && self.header.as_ref().is_some_and(AuthorizationHeader::is_usual)
    }

    pub(super) fn find<'r>(
        &self,
        request: &'r Parts,
    ) -> Result<Option<(Presented<'r>, TokenOrigin)>, Reason> {
        let in_header = match &self.header {
            Some(header) => header.find(request)?,
            None => None,
        };
        let mut found = in_header.map(|presented| (presented, TokenOrigin::Header));
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(presented) = source.find(request)?
                && found.replace((presented, TokenOrigin::Source(index))).is_some()
            {
                // RFC 6750 §2: a client uses one method for each request.
                return Err(Reason::SeveralTokens);
            }
        }
        Ok(found)
    }

    pub(super) fn read<'t>(&self, token: &'t [u8], origin: TokenOrigin) -> Result<&'t str, Reason> {
        match origin {
            TokenOrigin::Header => AuthorizationHeader::new().read(token),
            #[cfg(feature = "cookies")]
            TokenOrigin::Cookie => CookieToken::read_token(token),
            TokenOrigin::Source(index) => self.sources[index].read(token),
        }
    }

    pub(super) fn authenticator_for(
        &self,
        presented: Presented<'_>,
    ) -> Option<&ConfiguredAuthenticator> {
        self.authenticators.iter().find(|authenticator| authenticator.accepts(presented))
    }

    /// Returns the authenticator that decides about this token where no key of the verifier does.
    pub(super) fn decider_of(&self, presented: Presented<'_>) -> Option<&ConfiguredAuthenticator> {
        self.authenticator_for(presented).or_else(|| self.fallback_for(presented))
    }

    pub(super) fn set_fallback(&mut self, authenticator: ConfiguredAuthenticator) {
        self.fallback = Some(authenticator);
    }

    /// Returns the authenticator for this token if no key of the verifier has signed it.
    pub(super) fn fallback_for(
        &self,
        presented: Presented<'_>,
    ) -> Option<&ConfiguredAuthenticator> {
        self.fallback.as_ref().filter(|authenticator| authenticator.accepts(presented))
    }

    #[cfg(feature = "cookies")]
    fn has_authenticators(&self) -> bool {
        !self.authenticators.is_empty() || self.fallback.is_some()
    }

    /// Asks all bindings. A bound token needs a proof by each method that it names, and no binding that refuses.
    /// Without bindings there is nothing to prove: the verifier has refused bound tokens.
    pub(super) fn prove(
        &self,
        request: &Parts,
        presented: Presented<'_>,
        principal: &Principal,
    ) -> Result<Proof, AuthError> {
        let mut proof = Proof::default();
        let Some(proofs) = &self.proofs else { return Ok(proof) };
        let mut proved = [false; ConfirmationMethod::ALL.len()];
        #[cfg(feature = "dpop")]
        let dpop = proofs.dpop.as_ref().map(|dpop| &**dpop as &dyn Binding);
        #[cfg(not(feature = "dpop"))]
        let dpop = None;
        for binding in proofs.bindings.iter().map(|binding| &**binding).chain(dpop) {
            let (by, pending) = match binding.check(request, presented, principal) {
                BindingVerdict::NotApplicable => continue,
                BindingVerdict::Proved(by) => (by, None),
                BindingVerdict::Refused(error) => return Err(error),
                BindingVerdict::Pending(by, pending) => (by, Some(pending)),
            };
            let (method, fields) = by.into_parts();
            proved[method as usize] = true;
            proof.fields.extend(fields);
            proof.pending = match (proof.pending.take(), pending) {
                (Some(first), Some(second)) => Some(Box::pin(async move {
                    first.await?;
                    second.await
                })),
                (one, other) => one.or(other),
            };
        }
        if let Some(confirmation) = principal.confirmation() {
            let is_missing = |method: &ConfirmationMethod| {
                confirmation.names(*method) && !proved[*method as usize]
            };
            if ConfirmationMethod::ALL.iter().any(is_missing) {
                return Err(AuthError::with_detail(Reason::BoundToken, NOT_PROVED));
            }
        }
        #[cfg(any(feature = "dpop", feature = "mtls"))]
        if let Some(alarm) = &proofs.alarm {
            match proof.pending.take() {
                None => alarm.see(principal)?,
                Some(pending) => {
                    let (alarm, principal) = (alarm.clone(), principal.clone());
                    proof.pending = Some(Box::pin(async move {
                        pending.await?;
                        alarm.see(&principal)
                    }));
                }
            }
        }
        Ok(proof)
    }

    pub(super) fn proofs_mut(&mut self) -> &mut Proofs {
        self.proofs.get_or_insert_default()
    }

    /// Returns whether tokens are bound to keys for DPoP.
    pub(super) fn has_dpop(&self) -> bool {
        #[cfg(feature = "dpop")]
        return self.proofs.as_ref().is_some_and(|proofs| proofs.dpop.is_some());
        #[cfg(not(feature = "dpop"))]
        false
    }

    /// Returns whether the proofs of DPoP, if there are any, are those of FAPI 2.0.
    pub(super) fn has_proofs_of_fapi2(&self) -> bool {
        #[cfg(feature = "dpop")]
        {
            let dpop = self.proofs.as_ref().and_then(|proofs| proofs.dpop.as_ref());
            dpop.is_none_or(|dpop| dpop.is_fapi2())
        }
        #[cfg(not(feature = "dpop"))]
        true
    }

    /// Returns whether the rules of all authenticators are those of FAPI 2.0.
    pub(super) fn has_answers_of_fapi2(&self) -> bool {
        self.authenticators.iter().chain(&self.fallback).all(ConfiguredAuthenticator::is_fapi2)
    }

    /// Returns whether an authenticator decides about every token, JWTs too.
    pub(super) fn asks_about_all(&self) -> bool {
        let shapes: [&[u8]; 2] = [b"eyJhbGciOiJFUzI1NiJ9.e30.AA", b"opaque"];
        self.authenticators.iter().any(|one| {
            let schemes = [AuthScheme::BEARER, AuthScheme::DPOP];
            let accepts =
                |scheme| shapes.iter().all(|text| one.accepts(Presented::new(scheme, text)));
            schemes.into_iter().all(accepts)
        })
    }

    /// Returns whether a binding checks proofs.
    pub(super) fn has_proofs(&self) -> bool {
        let has_bindings = self.proofs.as_ref().is_some_and(|proofs| !proofs.bindings.is_empty());
        has_bindings || self.has_dpop()
    }

    /// Returns the settings that the metadata of the resource names.
    #[cfg(feature = "metadata")]
    pub(super) fn settings_to_publish(&self) -> LayerSettings {
        let proofs = self.proofs.as_deref();
        let has_certificates = proofs.is_some_and(|proofs| {
            let of_certificates = Some(ConfirmationMethod::Certificate);
            proofs.bindings.iter().any(|binding| binding.method() == of_certificates)
        });
        #[cfg(feature = "dpop")]
        let dpop = proofs.and_then(|proofs| proofs.dpop.as_deref());
        LayerSettings {
            reads_header: self.header.is_some(),
            #[cfg(feature = "dpop")]
            dpop_algorithms: dpop.map(Dpop::algs),
            #[cfg(feature = "dpop")]
            needs_dpop: dpop.is_some_and(|dpop| !dpop.is_bearer_allowed()),
            has_certificates,
            ..LayerSettings::usual()
        }
    }

    /// Returns whether tokens are read from the `Authorization` field and nowhere else.
    pub(super) fn reads_header_alone(&self) -> bool {
        self.header.is_some() && self.sources.is_empty()
    }
}

impl Default for Extras {
    fn default() -> Self {
        Self {
            header: Some(AuthorizationHeader::new()),
            sources: Vec::new(),
            #[cfg(feature = "cookies")]
            cookies: None,
            authenticators: Vec::new(),
            fallback: None,
            proofs: None,
        }
    }
}

const NOT_PROVED: &str = "the token has `cnf`: it is bound to a key, and the request proves no key";
