use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{Request, Response};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::challenge::ChallengeConfig;
use crate::claims::{Principal, Verified};
use crate::error::{AuthError, Reason};
use crate::policy::{self, Policy};
use crate::reject::{self, Rejection};
use crate::source::{AuthorizationHeader, TokenSource};
use crate::verifier::{Attempt, Verifier};

/// The decision about a request, without any of the machinery around it.
pub(super) struct Gate<C> {
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
    Pass(Option<Admitted>),
    Refuse(Rejection),
    Wait(Waiting<C>, Origin),
}

/// What must be waited for.
pub(super) enum Waiting<C> {
    /// The keys for this token.
    Keys(Zeroizing<String>),
    /// Whether whom this token speaks for is still active.
    Answer(Verified<C>),
}

/// A token that was accepted, and where it was found.
pub(super) struct Admitted {
    pub(super) principal: Principal,
    pub(super) origin: Origin,
}

/// Where a token was found.
#[derive(Clone, Copy)]
pub(super) enum Origin {
    Header,
    /// The place in the list of sources.
    Source(usize),
}

type Found<'r> = Result<Option<(&'r [u8], Origin)>, Reason>;

impl<C> Gate<C> {
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
        let mut found = in_header.map(|token| (token, Origin::Header));
        for (index, source) in self.sources.iter().enumerate() {
            if let Some(token) = source.find(request)?
                && found.replace((token, Origin::Source(index))).is_some()
            {
                // RFC 6750 §2: a client uses one method for each request.
                return Err(Reason::SeveralTokens);
            }
        }
        Ok(found)
    }

    fn read<'t>(&self, token: &'t [u8], origin: Origin) -> Result<&'t str, Reason> {
        match origin {
            Origin::Header => AuthorizationHeader.read(token),
            Origin::Source(index) => self.sources[index].read(token),
        }
    }

    fn refuse(&self, error: impl Into<AuthError>) -> Rejection {
        reject::refuse(error.into(), Arc::clone(&self.config))
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static> Gate<C> {
    /// Decides what can be decided without waiting.
    pub(super) fn decide<B>(&self, request: &mut Request<B>) -> Decision<C> {
        if self.sources.is_empty() {
            let found = AuthorizationHeader::find_and_mark(request.headers_mut());
            return self.judge(found.map(|found| found.map(|token| (token, Origin::Header))));
        }
        with_parts(request, |parts| {
            AuthorizationHeader.strip(parts);
            self.judge(self.find(parts))
        })
    }

    fn judge(&self, found: Found<'_>) -> Decision<C> {
        match found {
            Err(reason) => Decision::Refuse(self.refuse(reason)),
            Ok(None) if self.optional => Decision::Pass(None),
            Ok(None) => Decision::Refuse(self.refuse(Reason::MissingToken)),
            Ok(Some((token, origin))) => match self.verifier.recall(token) {
                Some(verified) => self.conclude(self.verifier.if_active(verified), origin),
                None => self.attempt(token, origin),
            },
        }
    }

    /// Only what is new has to be looked at.
    fn attempt(&self, token: &[u8], origin: Origin) -> Decision<C> {
        match self.read(token, origin) {
            Ok(text) => self.conclude(self.verifier.attempt(text), origin),
            Err(reason) => Decision::Refuse(self.refuse(reason)),
        }
    }

    #[inline]
    fn conclude(&self, attempt: Attempt<C>, origin: Origin) -> Decision<C> {
        match attempt {
            Attempt::NeedsKeys(token) => Decision::Wait(Waiting::Keys(token), origin),
            Attempt::NeedsAnswer(verified) => Decision::Wait(Waiting::Answer(verified), origin),
            Attempt::Done(result) => match self.admit(result) {
                Ok(principal) => Decision::Pass(Some(Admitted { principal, origin })),
                Err(rejection) => Decision::Refuse(rejection),
            },
        }
    }

    /// Decides about a token once what it needs has been waited for.
    pub(super) async fn decide_after(&self, waiting: Waiting<C>) -> Result<Principal, Rejection> {
        self.admit(match waiting {
            Waiting::Keys(token) => self.verifier.verify_after_refresh(&token).await,
            Waiting::Answer(verified) => self.verifier.ask_if_active(verified).await,
        })
    }

    #[inline]
    fn admit(&self, result: Result<Verified<C>, AuthError>) -> Result<Principal, Rejection> {
        let principal = match result {
            Ok(verified) => verified.into_principal(),
            Err(error) => return Err(self.refuse(error)),
        };
        if let Some(policy) = &self.policy
            && let Err(error) = policy::check(&**policy, &principal)
        {
            return Err(self.refuse(error));
        }
        Ok(principal)
    }

    /// Leaves in a request what inner services find there.
    pub(super) fn enter<B>(&self, admitted: Option<Admitted>, request: &mut Request<B>) -> Pass {
        let Some(Admitted { principal, origin }) = admitted else {
            reject::admit_nobody(request.extensions_mut(), Arc::clone(&self.config));
            return Pass::default();
        };
        let source = match origin {
            Origin::Header => None,
            Origin::Source(index) => Some(Arc::clone(&self.sources[index])),
        };
        if let Some(source) = &source {
            with_parts(request, |parts| source.strip(parts));
        }
        let told = self.tells.then(|| principal.clone());
        reject::admit(request.extensions_mut(), principal);
        Pass { source, told }
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

/// What is remembered of a request while the inner service works on it.
#[derive(Default)]
pub(super) struct Pass {
    /// Where the token was found, if not in the `Authorization` header.
    source: Option<Arc<dyn TokenSource>>,
    /// What the response shall carry.
    told: Option<Principal>,
}

impl Pass {
    /// Completes the response to the request.
    pub(super) fn leave<B>(&mut self, response: &mut Response<B>) {
        if let Some(source) = &self.source {
            let status = response.status();
            source.complete(status, response.headers_mut());
        }
        if let Some(principal) = self.told.take() {
            response.extensions_mut().insert(principal);
        }
    }
}

impl<C> Clone for Gate<C> {
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

impl<C> fmt::Debug for Gate<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("verifier", &self.verifier)
            .field("optional", &self.optional)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}
