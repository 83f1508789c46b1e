use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::challenge::ChallengeConfig;
use crate::claims::policy::{self, Policy};
use crate::claims::{Principal, Verified};
use crate::error::{AuthError, KeysUnavailable, Reason};
use crate::middleware::reject::{self, Rejection};
use crate::middleware::source::{AuthorizationHeader, TokenSource};
use crate::verify::verifier::{Attempt, Pending, Remembered, Verifier};

/// The decision about a request, without any of the machinery around it.
pub(super) struct Admission<C> {
    pub(super) verifier: Verifier<C>,
    /// Beside the `Authorization` header.
    pub(super) sources: Vec<Arc<dyn TokenSource>>,
    pub(super) optional: bool,
    pub(super) policy: Option<Arc<dyn Policy>>,
    /// Whether responses carry the principal.
    pub(super) tells: bool,
    pub(super) config: Arc<ChallengeConfig>,
}

/// What becomes of a request.
pub(super) enum Decision<C> {
    /// It goes on: with claims, or without where tokens are optional.
    ResponseHook(Option<Admitted>),
    Refuse(Rejection),
    Wait(Pending<C>, TokenOrigin),
}

/// A token that was accepted, and where it was found.
pub(super) struct Admitted {
    pub(super) principal: Principal,
    pub(super) origin: TokenOrigin,
}

/// A token that was accepted once what it needed had been waited for. It is judged again before the inner
/// service is called.
pub(super) struct Vetted<C> {
    token: Zeroizing<String>,
    remembered: Remembered<C>,
    origin: TokenOrigin,
}

impl<C> Vetted<C> {
    /// For a request that has not waited since.
    pub(super) fn admitted(self) -> Admitted {
        let principal = self.remembered.into_verified().into_principal();
        Admitted { principal, origin: self.origin }
    }
}

/// Where a token was found.
#[derive(Clone, Copy)]
pub(super) enum TokenOrigin {
    Header,
    /// The place in the list of sources.
    Source(usize),
}

type Found<'r> = Result<Option<(&'r [u8], TokenOrigin)>, Reason>;

impl<C> Admission<C> {
    pub(super) fn new(verifier: Verifier<C>) -> Self {
        let config = Arc::<ChallengeConfig>::default();
        Self {
            verifier: verifier.behind(Arc::clone(&config)),
            sources: Vec::new(),
            optional: false,
            policy: None,
            tells: false,
            config,
        }
    }

    pub(super) fn set_config(&mut self, config: ChallengeConfig) {
        self.config = Arc::new(config);
        self.verifier = self.verifier.clone().behind(Arc::clone(&self.config));
    }

    fn find<'r>(&self, request: &'r Parts) -> Found<'r> {
        let in_header = AuthorizationHeader.find(request)?;
        let mut found = in_header.map(|token| (token, TokenOrigin::Header));
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(token) = source.find(request)?
                && found.replace((token, TokenOrigin::Source(index))).is_some()
            {
                // RFC 6750 §2: a client uses one method for each request.
                return Err(Reason::SeveralTokens);
            }
        }
        Ok(found)
    }

    fn read<'t>(&self, token: &'t [u8], origin: TokenOrigin) -> Result<&'t str, Reason> {
        match origin {
            TokenOrigin::Header => AuthorizationHeader.read(token),
            TokenOrigin::Source(index) => self.sources[index].read(token),
        }
    }

    #[cold]
    fn refuse(&self, error: impl Into<AuthError>) -> Rejection {
        Rejection::new(error.into(), Arc::clone(&self.config))
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Admission<C> {
    /// Decides what can be decided without waiting.
    pub(super) fn decide<B>(&self, request: &mut Request<B>) -> Decision<C> {
        if self.sources.is_empty() {
            let found = AuthorizationHeader::find_and_mark(request.headers_mut());
            return self
                .revalidate(found.map(|found| found.map(|token| (token, TokenOrigin::Header))));
        }
        self.decide_by_sources(request)
    }

    // Not within the rest: what requests pass that need none of it is short, and stays in the caches.
    #[inline(never)]
    fn decide_by_sources<B>(&self, request: &mut Request<B>) -> Decision<C> {
        with_parts(request, |parts| {
            AuthorizationHeader.strip(parts);
            self.revalidate(self.find(parts))
        })
    }

    fn revalidate(&self, found: Found<'_>) -> Decision<C> {
        match found {
            Err(reason) => Decision::Refuse(self.refuse(reason)),
            Ok(None) if self.optional => Decision::ResponseHook(None),
            Ok(None) => Decision::Refuse(self.refuse(Reason::MissingToken)),
            Ok(Some((token, origin))) => match self.verifier.recall(token) {
                Some(verified) => match self.verifier.is_active(&verified) {
                    Some(Ok(())) => self.pass(verified, origin),
                    Some(Err(error)) => Decision::Refuse(self.refuse(error)),
                    None => self.attempt(token, origin, Verifier::attempt_once_more),
                },
                None => self.attempt(token, origin, Verifier::attempt),
            },
        }
    }

    /// Only what is new has to be looked at.
    #[inline(never)]
    fn attempt(
        &self,
        token: &[u8],
        origin: TokenOrigin,
        attempt: fn(&Verifier<C>, &str) -> Attempt<C>,
    ) -> Decision<C> {
        let text = match self.read(token, origin) {
            Ok(text) => text,
            Err(reason) => return Decision::Refuse(self.refuse(reason)),
        };
        match attempt(&self.verifier, text) {
            Attempt::Waits(waiting) => Decision::Wait(waiting, origin),
            Attempt::Done(Err(error)) => Decision::Refuse(self.refuse(error)),
            Attempt::Done(Ok(verified)) => self.pass(verified, origin),
        }
    }

    #[inline]
    fn pass(&self, verified: Verified<C>, origin: TokenOrigin) -> Decision<C> {
        match self.permit(verified) {
            Ok(principal) => Decision::ResponseHook(Some(Admitted { principal, origin })),
            Err(rejection) => Decision::Refuse(rejection),
        }
    }

    /// Decides about a token once what it needs has been waited for.
    pub(super) async fn decide_after(
        &self,
        waiting: Pending<C>,
        origin: TokenOrigin,
    ) -> Result<Vetted<C>, Rejection> {
        let verified = self.verifier.verify_after(waiting).await;
        let (token, remembered) = verified.map_err(|error| self.refuse(error))?;
        // A request that is refused anyway does not wait for the inner service.
        self.permit(remembered.verified())?;
        Ok(Vetted { token, remembered, origin })
    }

    /// Decides about a request that has waited for the inner service as well. What it was accepted on may
    /// have gone meanwhile.
    pub(super) fn decide_again(&self, vetted: Vetted<C>) -> Result<Admitted, Rejection> {
        let Vetted { token, remembered, origin } = vetted;
        let judged = self.verifier.revalidate_after_wait(&token, remembered).and_then(|judged| {
            // To wait for keys and for the inner service in turns could go on for ever.
            judged.ok_or_else(|| KeysUnavailable::new(TOO_OLD_MEANWHILE).into())
        });
        let remembered = judged.map_err(|error| self.refuse(error))?;
        // The roles may be others, if the rules are.
        let principal = self.permit(remembered.into_verified())?;
        Ok(Admitted { principal, origin })
    }

    /// What the policy says, if there is one.
    #[inline]
    fn permit(&self, verified: Verified<C>) -> Result<Principal, Rejection> {
        let principal = verified.into_principal();
        match &self.policy {
            None => Ok(principal),
            Some(policy) => match policy::check(&**policy, &principal) {
                Ok(()) => Ok(principal),
                Err(error) => Err(self.refuse(error)),
            },
        }
    }

    /// Leaves in a request what inner services find there.
    pub(super) fn enter<B>(
        &self,
        admitted: Option<Admitted>,
        request: &mut Request<B>,
    ) -> ResponseHook {
        let Some(Admitted { principal, origin }) = admitted else {
            reject::admit_nobody(request.extensions_mut(), Arc::clone(&self.config));
            return ResponseHook(None);
        };
        let pass = match origin {
            TokenOrigin::Header if !self.tells => ResponseHook(None),
            _ => self.remember(&principal, origin, request),
        };
        reject::admit(request.extensions_mut(), principal);
        pass
    }

    #[inline(never)]
    fn remember<B>(
        &self,
        principal: &Principal,
        origin: TokenOrigin,
        request: &mut Request<B>,
    ) -> ResponseHook {
        let source = match origin {
            TokenOrigin::Header => None,
            TokenOrigin::Source(index) => Some(self.strip(index, request)),
        };
        let told = self.tells.then(|| principal.clone());
        ResponseHook(Some(Box::new(ResponseChanges { source, told })))
    }

    /// Takes the token out of where it was found.
    fn strip<B>(&self, index: usize, request: &mut Request<B>) -> Arc<dyn TokenSource> {
        let source = Arc::clone(&self.sources[index]);
        with_parts(request, |parts| source.strip(parts));
        source
    }
}

/// Shows a request without its body, which stays where it is.
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

/// What is remembered of a request while the inner service works on it, if anything is. On the heap, since
/// it rarely is: what passes moves about with the future.
pub(super) struct ResponseHook(Option<Box<ResponseChanges>>);

struct ResponseChanges {
    /// Where the token was found, if not in the `Authorization` header.
    source: Option<Arc<dyn TokenSource>>,
    /// What the response shall carry.
    told: Option<Principal>,
}

impl ResponseHook {
    /// Whether the response may have to be changed.
    #[inline]
    pub(super) fn wants<B>(&self, response: &Response<B>) -> bool {
        self.0.is_some() || !response.extensions().is_empty()
    }

    /// Completes the response to the request.
    pub(super) fn leave<B>(&mut self, response: &mut Response<B>) {
        let Some(ResponseChanges { source, told }) = self.0.take().map(|changes| *changes) else {
            return;
        };
        if let Some(source) = source {
            let status = response.status();
            source.complete(status, response.headers_mut());
        }
        if let Some(principal) = told {
            response.extensions_mut().insert(principal);
        }
    }
}

impl<C> Clone for Admission<C> {
    fn clone(&self) -> Self {
        Self {
            verifier: self.verifier.clone(),
            sources: self.sources.clone(),
            optional: self.optional,
            policy: self.policy.clone(),
            tells: self.tells,
            config: Arc::clone(&self.config),
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

const TOO_OLD_MEANWHILE: &str =
    "the keys became too old, or the key went, while the request waited for the inner service";
