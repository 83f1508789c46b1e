//! Decides about a request: the order of the steps from the token to the principal.
//!
//! After any wait (for keys, the active check, a proof, the inner service) everything that can
//! change is checked again, as on a cache hit. If a check fails, the token is verified from the
//! beginning, which finds the reason, and accepts what new rules of the issuer accept. A source
//! that asks for another refresh gets one after the active check. After the wait for the inner
//! service the answer is 503, because waiting for both in turns might not end. The active check is
//! not asked again: its answer counts from the time of the question.

use std::fmt;
use std::sync::Arc;

use http::header::Entry;
use http::request::Parts;
use http::{Request, Response};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::extras::{Extras, Proof, ResponseChanges, TokenOrigin};
use crate::binding::PendingProof;
use crate::challenge::{AuthScheme, ChallengeConfig, OfferedScheme};
use crate::claims::policy::{self, Access, Policy};
use crate::claims::{Principal, Verified};
use crate::error::{AuthError, KeysUnavailable, Reason, ResponseFields};
#[cfg(feature = "cookies")]
use crate::middleware::cookies::CookieToken;
use crate::middleware::reject::{self, Invitation, Rejection};
use crate::middleware::source::{AuthorizationHeader, TokenSource};
#[cfg(feature = "metadata")]
use crate::observe::trace;
#[cfg(feature = "metadata")]
use crate::protected_resource::{LayerSettings, Resource};
use crate::request_head::RequestHead;
use crate::verify::presented::{Presented, TokenText};
use crate::verify::verifier::{
    Attempt, CachedToken, Pending, Recalled, Verifier, is_from_elsewhere,
};

/// Decides about requests, without services and futures.
pub(super) struct Admission<C> {
    pub(super) verifier: Verifier<C>,
    /// `None` for the usual layer: signed JWTs, as bearer tokens, in the `Authorization` field.
    extras: Option<Box<Extras>>,
    pub(super) optional: bool,
    pub(super) policy: Option<Arc<dyn Policy>>,
    /// The token that clients without a good one are told to ask for. `None` if they are told nothing.
    invitation: Option<Arc<Invitation>>,
    /// Whether the challenge for a request without a token names the sign-in that the policy needs.
    pub(super) step_up_without_token: bool,
    /// Whether responses carry the principal.
    pub(super) principal_in_responses: bool,
    pub(super) config: Arc<ChallengeConfig>,
    #[cfg(feature = "metadata")]
    pub(super) resource: Option<Resource>,
}

/// The decision about a request.
pub(super) enum Decision<C> {
    /// The request is admitted, with a token or, where tokens are optional, without one.
    Admit(Option<Admitted>),
    /// The request is admitted, and its response gets these fields of bindings.
    AdmitWith(Admitted, ResponseFields),
    Refuse(Rejection),
    Wait(Box<Deferral<C>>),
}

/// An accepted token, and the place where it was found.
pub(super) struct Admitted {
    pub(super) principal: Principal,
    pub(super) origin: TokenOrigin,
}

/// Whether the cache has to be asked for the token, or does not have it.
#[derive(Clone, Copy)]
enum CacheLookup {
    Needed,
    Done,
}

/// A token whose decision has to wait.
pub(super) struct Deferral<C> {
    pending: Pending<C>,
    origin: TokenOrigin,
    scheme: AuthScheme,
    proof: Option<BegunProof>,
}

/// A check of the proof that has begun already, for this principal.
struct BegunProof {
    principal: Principal,
    proof: Proof,
}

impl BegunProof {
    /// Returns whether the proof is for this principal too. The claims of a token that was signed are
    /// always the same.
    fn is_about(&self, principal: &Principal) -> bool {
        let is_signed = |principal: &Principal| principal.header().is_some();
        self.principal.is(principal) || is_signed(&self.principal) && is_signed(principal)
    }
}

/// A token that was accepted after a wait. It is revalidated before the inner service is called.
pub(super) struct Vetted<C> {
    token: Zeroizing<String>,
    remembered: CachedToken<C>,
    origin: TokenOrigin,
    scheme: AuthScheme,
    proof: Option<BegunProof>,
    fields: ResponseFields,
}

impl<C> Vetted<C> {
    /// Admits a request that has not waited since the token was accepted.
    pub(super) fn admitted(self) -> (Admitted, ResponseFields) {
        let principal = self.remembered.into_verified().into_principal();
        (Admitted { principal, origin: self.origin }, self.fields)
    }
}

impl<C> Admission<C> {
    pub(super) fn new(verifier: Verifier<C>) -> Self {
        let time = verifier.time().clone();
        let config = Arc::new(ChallengeConfig { time, ..ChallengeConfig::default() });
        Self {
            verifier: verifier.behind(Arc::clone(&config)),
            extras: None,
            optional: false,
            policy: None,
            invitation: None,
            step_up_without_token: false,
            principal_in_responses: false,
            config,
            #[cfg(feature = "metadata")]
            resource: None,
        }
    }

    pub(super) fn set_config(&mut self, config: ChallengeConfig) {
        self.config = Arc::new(config);
        self.verifier = self.verifier.clone().behind(Arc::clone(&self.config));
        self.set_schemes();
    }

    /// Configures the `Authorization` source for the offered schemes.
    fn set_schemes(&mut self) {
        let mut schemes: Vec<_> = self.config.offered.iter().map(OfferedScheme::scheme).collect();
        // A bearer token where proofs are required is refused, and does not count as none.
        if self.extras.as_ref().is_some_and(|extras| extras.has_dpop())
            && !schemes.contains(&AuthScheme::BEARER)
        {
            schemes.push(AuthScheme::BEARER);
        }
        let is_usual = schemes == [AuthScheme::BEARER];
        if (self.extras.is_some() || !is_usual)
            && let Some(header) = &mut self.extras_mut().header
        {
            *header = AuthorizationHeader::with_schemes(schemes);
        }
    }

    pub(super) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    /// Accepts bound tokens if a binding proves them.
    pub(super) fn prove_bound_tokens(&mut self) {
        self.verifier = self.verifier.clone().with_proofs();
        let mut config = self.config.copied();
        config.asks_for_proofs = true;
        self.set_config(config);
    }

    /// Works out what clients without a good token are told.
    pub(super) fn set_invitation(&mut self) {
        let invitation = Invitation::new(self.policy.as_deref(), self.step_up_without_token);
        self.invitation = Some(Arc::new(invitation));
    }

    /// Keeps the answers of authenticators, which other layers must not find.
    pub(super) fn keep_answers(&mut self) {
        self.verifier = self.verifier.clone().with_authenticators();
    }

    /// Returns the settings that the metadata of the resource names.
    #[cfg(feature = "metadata")]
    pub(super) fn settings_to_publish(&self) -> LayerSettings {
        self.extras.as_deref().map_or_else(LayerSettings::usual, Extras::settings_to_publish)
    }

    /// Reports a request without a token for the metadata, which has to be outside of the layer.
    #[cfg(feature = "metadata")]
    #[cold]
    pub(super) fn notice_metadata<B>(&self, request: &Request<B>, rejection: &Rejection) {
        if let Some(resource) = &self.resource
            && rejection.reason() == Reason::MissingToken
            && request.uri().path() == resource.metadata_path()
        {
            trace::resource_metadata_guarded(resource.metadata_path(), &self.config.pace);
        }
    }

    /// Returns whether tokens are read from the `Authorization` field and from no other place.
    #[cfg(feature = "mcp")]
    pub(super) fn reads_header_alone(&self) -> bool {
        self.extras.as_deref().is_none_or(Extras::reads_header_alone)
    }

    /// Returns whether all rules accept tokens for these audiences, and for no others.
    #[cfg(feature = "mcp")]
    pub(super) fn is_for(&self, audiences: &[String]) -> bool {
        self.verifier.issuers().all(|rules| rules.is_for(audiences))
            && self.extras.as_deref().is_none_or(|extras| extras.is_for(audiences))
    }

    /// Returns the things that FAPI 2.0 asks for and the layer lacks.
    pub(super) fn lacks_of_fapi2(&self) -> Vec<&'static str> {
        let extras = self.extras.as_deref();
        let needed = [
            (
                self.verifier.is_fapi2() && extras.is_none_or(Extras::has_answers_of_fapi2),
                "`Preset::Fapi2` in the rules of every issuer and authenticator",
            ),
            (
                extras.is_some_and(Extras::has_proofs),
                "a binding, by which tokens are bound to a key (`with_dpop`)",
            ),
            (
                self.verifier.has_revocations() || extras.is_some_and(Extras::asks_about_all),
                "revocations (`Verifier::with_revocations`), or introspection of all tokens, JWTs too",
            ),
            (
                extras.is_none_or(Extras::has_proofs_of_fapi2),
                "proofs by PS256, ES256 or Ed25519, made 10 to 60 seconds ahead at the most",
            ),
            (
                extras.is_none_or(Extras::reads_header_alone),
                "tokens in the `Authorization` field alone",
            ),
            (!self.optional, "a token in every request"),
        ];
        needed.into_iter().filter(|(is_there, _)| !is_there).map(|(_, thing)| thing).collect()
    }

    #[cold]
    fn refuse(&self, error: impl Into<AuthError>) -> Rejection {
        let rejection = Rejection::new(error.into(), Arc::clone(&self.config));
        rejection.with_invitation(self.invitation.clone())
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Admission<C> {
    /// Decides without waiting, as far as possible.
    pub(super) fn decide<B>(&self, request: &mut Request<B>) -> Decision<C> {
        let decision = match &self.extras {
            None => {
                let found = AuthorizationHeader::find_and_mark(request.headers_mut());
                self.decide_usual(found, TokenOrigin::Header)
            }
            Some(extras) => self.decide_with(extras, request),
        };
        let Some(policy) = &self.policy else { return decision };
        // Behind the decision, because the token borrows the request until then.
        let (Decision::Admit(Some(admitted)) | Decision::AdmitWith(admitted, _)) = &decision else {
            return decision;
        };
        match self.check_policy(&**policy, &admitted.principal, RequestHead::of(request)) {
            Ok(()) => decision,
            Err(rejection) => refuse_admitted(rejection, decision),
        }
    }

    #[inline(never)]
    fn decide_with<B>(&self, extras: &Extras, request: &mut Request<B>) -> Decision<C> {
        #[cfg(feature = "cookies")]
        if let Some((cookies, other)) = extras.cookies_alone(request.headers()) {
            return self.decide_usual(cookies.find_and_mark(request, other), TokenOrigin::Cookie);
        }
        if !extras.is_header_alone() {
            return self.decide_by(extras, request, CacheLookup::Needed);
        }
        let origin = TokenOrigin::Header;
        match AuthorizationHeader::find_and_mark(request.headers_mut()) {
            Err(reason) => Decision::Refuse(self.refuse(reason)),
            Ok(None) => self.decide_without_token(),
            Ok(Some(token)) => match self.verifier.decide_from_cache(Presented::bearer(token)) {
                Some(Recalled::Good(verified)) => admit(verified, origin),
                Some(Recalled::Refused(error)) => Decision::Refuse(self.refuse(error)),
                Some(Recalled::Waits(pending)) => {
                    Decision::Wait(Deferral::new(*pending, origin, AuthScheme::BEARER))
                }
                None => self.decide_by(extras, request, CacheLookup::Done),
            },
        }
    }

    /// Decides about a token that the verifier alone decides about.
    #[inline]
    fn decide_usual(
        &self,
        found: Result<Option<&[u8]>, Reason>,
        origin: TokenOrigin,
    ) -> Decision<C> {
        match found {
            Err(reason) => Decision::Refuse(self.refuse(reason)),
            Ok(None) => self.decide_without_token(),
            Ok(Some(token)) => match self.verifier.recall(token) {
                Some(verified) => match self.verifier.is_active(&verified) {
                    Some(Ok(())) => admit(verified, origin),
                    Some(Err(error)) => Decision::Refuse(self.refuse(error)),
                    None => self.attempt(token, origin, Verifier::attempt_once_more),
                },
                None => self.attempt(token, origin, Verifier::attempt),
            },
        }
    }

    #[cold]
    fn decide_without_token(&self) -> Decision<C> {
        if self.optional {
            Decision::Admit(None)
        } else {
            Decision::Refuse(self.refuse(Reason::MissingToken))
        }
    }

    /// Attempts to verify a token that was not recalled. Only such a token needs a check of its
    /// grammar.
    #[inline(never)]
    fn attempt(
        &self,
        token: &[u8],
        origin: TokenOrigin,
        attempt: fn(&Verifier<C>, TokenText<'_>) -> Attempt<C>,
    ) -> Decision<C> {
        let text = match origin {
            #[cfg(feature = "cookies")]
            TokenOrigin::Cookie => CookieToken::read_token(token),
            _ => AuthorizationHeader::new().read(token),
        };
        let text = match text {
            Ok(text) => text,
            Err(reason) => return Decision::Refuse(self.refuse(reason)),
        };
        match attempt(&self.verifier, TokenText::bearer(text)) {
            Attempt::Waits(pending) => {
                Decision::Wait(Deferral::new(pending, origin, AuthScheme::BEARER))
            }
            Attempt::Refused(error) => Decision::Refuse(self.refuse(error)),
            Attempt::Accepted(remembered) => admit(remembered.into_verified(), origin),
        }
    }

    // A function of its own: a request that needs none of it runs little code, which stays in the
    // caches.
    #[inline(never)]
    fn decide_by<B>(
        &self,
        extras: &Extras,
        request: &mut Request<B>,
        lookup: CacheLookup,
    ) -> Decision<C> {
        with_parts(request, |parts| {
            if let Some(header) = &extras.header {
                header.strip(parts);
            }
            if extras.has_dpop()
                && let Entry::Occupied(mut proofs) = parts.headers.entry("dpop")
            {
                proofs.iter_mut().for_each(|proof| proof.set_sensitive(true));
            }
            match extras.find(parts) {
                Err(reason) => Decision::Refuse(self.refuse(reason)),
                Ok(None) => self.decide_without_token(),
                Ok(Some((presented, origin))) => {
                    let decided = self.decide_about(extras, parts, presented, origin, lookup);
                    decided.unwrap_or_else(|error| Decision::Refuse(self.refuse(error)))
                }
            }
        })
    }

    fn decide_about(
        &self,
        extras: &Extras,
        request: &Parts,
        presented: Presented<'_>,
        origin: TokenOrigin,
        lookup: CacheLookup,
    ) -> Result<Decision<C>, AuthError> {
        let wait = |pending| Deferral::new(pending, origin, presented.scheme());
        let recalled = match lookup {
            CacheLookup::Needed => self.verifier.decide_from_cache(presented),
            CacheLookup::Done => None,
        };
        let token = || {
            let text = extras.read(presented.token(), origin)?;
            Ok::<_, AuthError>(TokenText { scheme: presented.scheme(), text })
        };
        match recalled {
            Some(Recalled::Refused(error)) => return Err(error),
            Some(Recalled::Waits(pending)) => return Ok(Decision::Wait(wait(*pending))),
            Some(Recalled::Good(verified)) => {
                let proof = extras.prove(request, presented, verified.principal())?;
                if proof.pending.is_none() {
                    return Ok(admit_with(verified, origin, proof.fields));
                }
                let is_signed = verified.principal().header().is_some();
                let authenticator = if is_signed { None } else { extras.decider_of(presented) };
                let pending = self.verifier.recalled(token()?, authenticator)?;
                let begun = BegunProof { principal: verified.into_principal(), proof };
                return Ok(Decision::Wait(wait(pending).until(begun)));
            }
            None => {}
        }
        match self.decide_new(extras, presented, token()?.text) {
            Attempt::Refused(error) => Err(error),
            Attempt::Waits(pending) => Ok(Decision::Wait(wait(pending))),
            Attempt::Accepted(remembered) => {
                let proof = extras.prove(request, presented, remembered.principal())?;
                if proof.pending.is_none() {
                    return Ok(admit_with(remembered.into_verified(), origin, proof.fields));
                }
                let begun = BegunProof { principal: remembered.principal().clone(), proof };
                let pending = Pending::accepted(token()?, remembered);
                Ok(Decision::Wait(wait(pending).until(begun)))
            }
        }
    }

    /// Decides about a token that is not in the cache: by the authenticator that accepts it, or by
    /// the verifier, or by the fallback for what the verifier does not know.
    fn decide_new(&self, extras: &Extras, presented: Presented<'_>, text: &str) -> Attempt<C> {
        let token = TokenText { scheme: presented.scheme(), text };
        if let Some(authenticator) = extras.authenticator_for(presented) {
            return Attempt::Waits(Pending::decision(token, authenticator));
        }
        match (self.verifier.attempt(token), extras.fallback_for(presented)) {
            (Attempt::Refused(error), Some(fallback)) if is_from_elsewhere(&error) => {
                Attempt::Waits(Pending::decision(token, fallback))
            }
            (Attempt::Waits(pending), fallback) => Attempt::Waits(pending.or_else(fallback)),
            (done, _) => done,
        }
    }

    /// Decides about a token after the answers about it have arrived. [`prove`](Self::prove) and
    /// [`check`](Self::check) come next.
    pub(super) async fn decide_after(
        &self,
        deferral: Box<Deferral<C>>,
    ) -> Result<Vetted<C>, Rejection> {
        let Deferral { pending, origin, scheme, proof } = *deferral;
        let decided = self.verifier.verify_after(pending).await;
        let (token, remembered) = decided.map_err(|error| self.refuse(error))?;
        let fields = ResponseFields::default();
        Ok(Vetted { token, remembered, origin, scheme, proof, fields })
    }

    /// Starts the check of the proof of a token that has waited, unless it has begun before. Another
    /// answer of an authenticator may name another key, so it needs another proof.
    pub(super) fn prove<B>(
        &self,
        vetted: &mut Vetted<C>,
        request: &mut Request<B>,
    ) -> Result<Option<PendingProof>, Rejection> {
        let proof = match vetted.proof.take() {
            Some(begun) if begun.is_about(vetted.remembered.principal()) => begun.proof,
            _ => {
                let Some(extras) = &self.extras else { return Ok(None) };
                let presented = Presented::new(vetted.scheme, vetted.token.as_bytes());
                let principal = vetted.remembered.principal();
                with_parts(request, |parts| extras.prove(parts, presented, principal))
                    .map_err(|error| self.refuse(error))?
            }
        };
        vetted.fields = proof.fields;
        Ok(proof.pending)
    }

    /// Refuses a request that the policy does not allow, before it waits for the inner service.
    pub(super) fn check(
        &self,
        vetted: &Vetted<C>,
        request: RequestHead<'_>,
    ) -> Result<(), Rejection> {
        let Some(policy) = &self.policy else { return Ok(()) };
        let permitted = self.check_policy(&**policy, vetted.remembered.principal(), request);
        permitted.map_err(|rejection| rejection.with_fields(vetted.fields.clone()))
    }

    pub(super) fn refuse_proof(&self, error: AuthError) -> Rejection {
        self.refuse(error)
    }

    /// Decides about a request that has waited for the inner service as well. The grounds for its
    /// admission may have changed meanwhile.
    pub(super) fn decide_again(
        &self,
        vetted: Vetted<C>,
        request: RequestHead<'_>,
    ) -> Result<(Admitted, ResponseFields), Rejection> {
        let Vetted { token, remembered, origin, scheme, fields, .. } = vetted;
        let is_signed = remembered.principal().header().is_some();
        let token = TokenText { scheme, text: &token };
        let remembered = self.verifier.revalidate_after_wait(token, remembered);
        // A request that waits for the answer and for the inner service in turns could wait forever.
        let remembered = remembered.and_then(|remembered| {
            remembered.ok_or_else(|| {
                if is_signed {
                    KeysUnavailable::new(TOO_OLD_MEANWHILE).into()
                } else {
                    AuthError::authenticator_failed(VOID_MEANWHILE)
                }
            })
        });
        let remembered = remembered.map_err(|error| self.refuse(error))?;
        // Other rules may read other roles from the token.
        let principal = remembered.into_verified().into_principal();
        if let Some(policy) = &self.policy {
            let permitted = self.check_policy(&**policy, &principal, request);
            permitted.map_err(|rejection| rejection.with_fields(fields.clone()))?;
        }
        Ok((Admitted { principal, origin }, fields))
    }

    #[inline]
    fn check_policy(
        &self,
        policy: &dyn Policy,
        principal: &Principal,
        request: RequestHead<'_>,
    ) -> Result<(), Rejection> {
        let access = Access::new(principal).with_request(request);
        policy::check(policy, &access, &[]).map_err(|error| self.refuse(error))
    }

    /// Puts into a request what inner services read there.
    pub(super) fn enter<B>(
        &self,
        admitted: Option<Admitted>,
        request: &mut Request<B>,
    ) -> ResponseHook {
        let Some(Admitted { principal, origin }) = admitted else {
            let (config, invitation) = (Arc::clone(&self.config), self.invitation.clone());
            reject::admit_anonymous(request.extensions_mut(), config, invitation);
            return ResponseHook::Nothing;
        };
        let pass = match origin {
            TokenOrigin::Header if !self.principal_in_responses => ResponseHook::Nothing,
            #[cfg(feature = "cookies")]
            TokenOrigin::Cookie if !self.principal_in_responses => ResponseHook::Cookie,
            _ => self.response_hook(&principal, origin, ResponseFields::default(), request),
        };
        reject::admit(request.extensions_mut(), principal);
        pass
    }

    /// Puts into a request what inner services read there. Its response gets these fields.
    pub(super) fn enter_with<B>(
        &self,
        admitted: Admitted,
        fields: ResponseFields,
        request: &mut Request<B>,
    ) -> ResponseHook {
        if fields.is_empty() {
            return self.enter(Some(admitted), request);
        }
        let Admitted { principal, origin } = admitted;
        let pass = self.response_hook(&principal, origin, fields, request);
        reject::admit(request.extensions_mut(), principal);
        pass
    }

    #[inline(never)]
    fn response_hook<B>(
        &self,
        principal: &Principal,
        origin: TokenOrigin,
        fields: ResponseFields,
        request: &mut Request<B>,
    ) -> ResponseHook {
        let source = match origin {
            TokenOrigin::Header => None,
            #[cfg(feature = "cookies")]
            TokenOrigin::Cookie => Some(self.strip(0, request)),
            TokenOrigin::Source(index) => Some(self.strip(index, request)),
        };
        let principal = self.principal_in_responses.then(|| principal.clone());
        ResponseHook::Changes(Box::new(ResponseChanges { source, principal, fields }))
    }

    /// Removes the token from the place where it was found.
    fn strip<B>(&self, index: usize, request: &mut Request<B>) -> Arc<dyn TokenSource> {
        let sources = self.extras.as_ref().map_or(&[][..], |extras| &extras.sources);
        let source = Arc::clone(&sources[index]);
        with_parts(request, |parts| source.strip(parts));
        source
    }
}

#[inline]
fn admit<C>(verified: Verified<C>, origin: TokenOrigin) -> Decision<C> {
    Decision::Admit(Some(Admitted { principal: verified.into_principal(), origin }))
}

fn admit_with<C>(
    verified: Verified<C>,
    origin: TokenOrigin,
    fields: ResponseFields,
) -> Decision<C> {
    Decision::AdmitWith(Admitted { principal: verified.into_principal(), origin }, fields)
}

/// Refuses a request that the policy does not allow. The answer gets the fields of bindings.
#[cold]
fn refuse_admitted<C>(rejection: Rejection, decision: Decision<C>) -> Decision<C> {
    match decision {
        Decision::AdmitWith(_, fields) => Decision::Refuse(rejection.with_fields(fields)),
        _ => Decision::Refuse(rejection),
    }
}

impl<C> Deferral<C> {
    #[cold]
    fn new(pending: Pending<C>, origin: TokenOrigin, scheme: AuthScheme) -> Box<Self> {
        Box::new(Self { pending, origin, scheme, proof: None })
    }

    /// Waits for this proof as well.
    fn until(mut self: Box<Self>, begun: BegunProof) -> Box<Self> {
        self.proof = Some(begun);
        self
    }
}

/// Shows a request without its body, which is not moved.
fn with_parts<B, T>(request: &mut Request<B>, look: impl FnOnce(&mut Parts) -> T) -> T {
    let (mut parts, ()) = Request::new(()).into_parts();
    swap(request, &mut parts);
    let seen = look(&mut parts);
    swap(request, &mut parts);
    seen
}

fn swap<B>(request: &mut Request<B>, parts: &mut Parts) {
    std::mem::swap(request.method_mut(), &mut parts.method);
    std::mem::swap(request.uri_mut(), &mut parts.uri);
    std::mem::swap(request.version_mut(), &mut parts.version);
    std::mem::swap(request.headers_mut(), &mut parts.headers);
    std::mem::swap(request.extensions_mut(), &mut parts.extensions);
}

/// The changes to the response that are due when the inner service answers. Those that few requests
/// need are behind a pointer, because everything in this type moves with the future.
pub(super) enum ResponseHook {
    Nothing,
    /// The changes for a token in a cookie, and no others.
    #[cfg(feature = "cookies")]
    Cookie,
    Changes(Box<ResponseChanges>),
}

impl ResponseHook {
    /// Returns whether the response may have to be changed.
    #[inline]
    pub(super) fn wants<B>(&self, response: &Response<B>) -> bool {
        !matches!(self, Self::Nothing) || !response.extensions().is_empty()
    }

    /// Completes the response to the request.
    #[inline]
    pub(super) fn complete<B>(&mut self, response: &mut Response<B>) {
        match self {
            Self::Nothing => {}
            #[cfg(feature = "cookies")]
            Self::Cookie => CookieToken::complete_headers(response.headers_mut()),
            Self::Changes(changes) => changes.make(response),
        }
    }
}

impl<C> Clone for Admission<C> {
    fn clone(&self) -> Self {
        Self {
            verifier: self.verifier.clone(),
            extras: self.extras.clone(),
            optional: self.optional,
            policy: self.policy.clone(),
            invitation: self.invitation.clone(),
            step_up_without_token: self.step_up_without_token,
            principal_in_responses: self.principal_in_responses,
            config: Arc::clone(&self.config),
            #[cfg(feature = "metadata")]
            resource: self.resource.clone(),
        }
    }
}

impl<C> fmt::Debug for Admission<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission")
            .field("verifier", &self.verifier)
            .field("optional", &self.optional)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

const VOID_MEANWHILE: &str =
    "the answer became void while the request waited for the inner service";
const TOO_OLD_MEANWHILE: &str =
    "the keys became too old, or the key went, while the request waited for the inner service";
