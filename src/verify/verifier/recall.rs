//! Revalidates tokens that were verified before. Only what may have changed since is checked.
//!
//! A token comes again with a later request, or with the same request after it has waited.
//!
//! A hit checks again: dates and maximum age; that the issuer is still configured, and is the one
//! that decided (by its number, since it may have been added again with other rules); that the key
//! is still a candidate for the header; revocations, and that the view is ready. The rest is
//! arithmetic with the same input. Readiness is checked although the epoch covers it, because a
//! view may lose it as time passes.
//!
//! The span in which the dates are good is computed once. A hit compares two numbers with the
//! coarse clock of the kernel (8 ns instead of 32). That clock is late by a tick, so the exact
//! clock is read if the token ends within five seconds.
//!
//! Builders empty the cache: a clone with another clock or other revocations must not trust the old
//! verdicts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::claims::validation::Rules;
use crate::claims::{Layer, Principal, Span, Verified};
use crate::clock::{Moment, Time};
use crate::keys::{KeyIdentity, KeySource as _, Lookup};
use crate::state::revocation::{self, Revocations};
use crate::verify::authenticator::ConfiguredAuthenticator;
use crate::verify::cache::Miss;
use crate::verify::compact::MAX_CANDIDATES;
use crate::verify::issuers::{IssuerEntry, IssuerSet, Issuers};

/// A verified token, and the grounds of its verdict.
pub(crate) struct CachedToken<C> {
    verified: Verified<C>,
    grounds: Grounds,
}

/// The grounds of a verdict, which is valid as long as all of them are.
pub(super) struct Grounds {
    /// The number of the issuer whose rules applied to the token. [`NO_ISSUER`] if an authenticator
    /// decided.
    issuer: u64,
    /// The time in which the dates are good, by the rules that applied.
    span: Span,
    /// The epoch of the keys, read before the key was looked up. With [`UNKNOWN`] the key is looked
    /// up each time.
    keys_epoch: AtomicU64,
    /// The epoch of the revocations, read before they were.
    revocations_epoch: AtomicU64,
    authority: Authority,
}

/// The authority that says that the token is good.
#[derive(Clone)]
enum Authority {
    /// The issuer, by a signature with this key.
    Key(KeyIdentity),
    Authenticator(Arc<Answer>),
}

/// The answer of an authenticator.
pub(super) struct Answer {
    pub(super) authenticator: ConfiguredAuthenticator,
    /// The generation of the authenticator, read before it was asked.
    pub(super) generation: u64,
    pub(super) asked_at: Moment,
    pub(super) fresh_for: Duration,
}

/// Where a verdict comes from that is checked once more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// From the cache, so the answer of an authenticator has to be fresh.
    Cache,
    /// From this very request, which has waited.
    Request,
}

/// The epochs to read before a token is verified. They tell afterwards which state it was verified
/// against.
pub(super) struct Epochs {
    keys: u64,
    revocations: u64,
}

impl Epochs {
    pub(super) fn read(trusted: &IssuerEntry, revocations: Option<&dyn Revocations>) -> Self {
        Self {
            keys: trusted.keys.epoch().unwrap_or(UNKNOWN),
            revocations: revocations.map_or(0, Revocations::epoch),
        }
    }
}

impl<C> CachedToken<C> {
    pub(super) fn new(verified: Verified<C>, grounds: Grounds) -> Self {
        Self { verified, grounds }
    }

    pub(crate) fn verified(&self) -> Verified<C> {
        self.verified.clone()
    }

    pub(crate) fn into_verified(self) -> Verified<C> {
        self.verified
    }

    pub(crate) fn principal(&self) -> &Principal {
        self.verified.principal()
    }

    /// Returns the same token for this layer, or for none.
    pub(super) fn behind(self, layer: &Layer) -> Self
    where
        C: Send + Sync + 'static,
    {
        Self { verified: self.verified.behind(layer), ..self }
    }

    /// Returns the authenticator that decided about the token, if it was one.
    pub(super) fn authenticator(&self) -> Option<&ConfiguredAuthenticator> {
        match &self.grounds.authority {
            Authority::Key(_) => None,
            Authority::Authenticator(answer) => Some(&answer.authenticator),
        }
    }

    /// Checks whether the token would be accepted again, as if it came for the first time.
    #[inline]
    pub(super) fn revalidate(
        &self,
        origin: Origin,
        trust: &IssuerSet,
        revocations: Option<&dyn Revocations>,
        time: &Time,
    ) -> Result<(), Miss> {
        self.grounds.revalidate(self.verified.principal(), origin, trust, revocations, time)
    }
}

impl<C> Clone for CachedToken<C> {
    fn clone(&self) -> Self {
        Self { verified: self.verified.clone(), grounds: self.grounds.clone() }
    }
}

impl Grounds {
    pub(super) fn new(
        trusted: &IssuerEntry,
        key: KeyIdentity,
        span: Span,
        epochs: &Epochs,
    ) -> Self {
        Self {
            issuer: trusted.number(),
            span,
            keys_epoch: AtomicU64::new(epochs.keys),
            revocations_epoch: AtomicU64::new(epochs.revocations),
            authority: Authority::Key(key),
        }
    }

    /// The grounds of an authenticator's answer. `revocations_epoch` was read before the view was.
    pub(super) fn of_answer(answer: Answer, span: Span, revocations_epoch: u64) -> Self {
        Self {
            issuer: NO_ISSUER,
            span,
            keys_epoch: AtomicU64::new(UNKNOWN),
            revocations_epoch: AtomicU64::new(revocations_epoch),
            authority: Authority::Authenticator(Arc::new(answer)),
        }
    }

    #[expect(clippy::inline_always, reason = "the call costs as much as the checks")]
    #[inline(always)]
    fn revalidate(
        &self,
        principal: &Principal,
        origin: Origin,
        trust: &IssuerSet,
        revocations: Option<&dyn Revocations>,
        time: &Time,
    ) -> Result<(), Miss> {
        match trust {
            IssuerSet::One(trusted) if trusted.number() == self.issuer => {
                self.check_by(principal, trusted, revocations, time)
            }
            IssuerSet::Several(issuers) if self.issuer != NO_ISSUER => {
                self.check_by_one_of(principal, issuers, revocations, time)
            }
            _ => self.check_answer(principal, origin, revocations, time),
        }
    }

    #[inline(never)]
    fn check_answer(
        &self,
        principal: &Principal,
        origin: Origin,
        revocations: Option<&dyn Revocations>,
        time: &Time,
    ) -> Result<(), Miss> {
        let Authority::Authenticator(answer) = &self.authority else {
            // The issuer was added again, with other keys or rules.
            return Err(Miss::Permanent);
        };
        let ConfiguredAuthenticator { authenticator, rules } = &answer.authenticator;
        if authenticator.generation() != answer.generation {
            return Err(Miss::Permanent);
        }
        self.check_time(time)?;
        if origin == Origin::Cache && Moment::now().since(answer.asked_at) >= answer.fresh_for {
            return Err(Miss::Permanent);
        }
        revocations.map_or(Ok(()), |view| self.check_revocations(principal, rules, view))
    }

    #[inline(never)]
    fn check_by_one_of(
        &self,
        principal: &Principal,
        issuers: &Issuers,
        revocations: Option<&dyn Revocations>,
        time: &Time,
    ) -> Result<(), Miss> {
        issuers.look(principal.issuer(), |trusted| match trusted {
            Some(trusted) if trusted.number() == self.issuer => {
                self.check_by(principal, trusted, revocations, time)
            }
            // The issuer was removed, or added again with other keys or rules.
            _ => Err(Miss::Permanent),
        })
    }

    #[expect(clippy::inline_always, reason = "the call costs as much as the checks")]
    #[inline(always)]
    fn check_by(
        &self,
        principal: &Principal,
        trusted: &IssuerEntry,
        revocations: Option<&dyn Revocations>,
        time: &Time,
    ) -> Result<(), Miss> {
        self.check_time(time)?;
        self.check_key(principal, trusted)?;
        revocations.map_or(Ok(()), |view| self.check_revocations(principal, &trusted.rules, view))
    }

    #[inline]
    fn check_time(&self, time: &Time) -> Result<(), Miss> {
        if self.span.contains_now(time) { Ok(()) } else { Err(Miss::Permanent) }
    }

    #[inline]
    fn check_key(&self, principal: &Principal, trusted: &IssuerEntry) -> Result<(), Miss> {
        let epoch = trusted.keys.epoch();
        if let Some(epoch) = epoch
            && epoch != UNKNOWN
            && epoch == self.keys_epoch.load(Ordering::Acquire)
        {
            return Ok(());
        }
        self.look_up_key_again(principal, trusted, epoch)
    }

    #[inline(never)]
    fn look_up_key_again(
        &self,
        principal: &Principal,
        trusted: &IssuerEntry,
        epoch: Option<u64>,
    ) -> Result<(), Miss> {
        let (Some(header), Authority::Key(key_then)) = (principal.header(), &self.authority) else {
            return Err(Miss::Permanent);
        };
        match trusted.keys.lookup(header) {
            Lookup::Found(candidates) => {
                let mut keys = candidates.keys().iter().take(MAX_CANDIDATES);
                if keys.any(|key| key.identity() == *key_then) {
                    self.keys_epoch.store(epoch.unwrap_or(UNKNOWN), Ordering::Release);
                    Ok(())
                } else {
                    Err(Miss::Permanent)
                }
            }
            // The key may be found again after a wait.
            Lookup::Refresh => Err(Miss::Temporary),
            Lookup::Unknown | Lookup::WrongAlgorithm => Err(Miss::Permanent),
        }
    }

    #[inline(never)]
    fn check_revocations(
        &self,
        principal: &Principal,
        rules: &Rules,
        view: &dyn Revocations,
    ) -> Result<(), Miss> {
        let epoch = view.epoch();
        if epoch == self.revocations_epoch.load(Ordering::Acquire) && view.ready().is_ok() {
            return Ok(());
        }
        match revocation::check(view, principal.registered(), rules) {
            Ok(()) => {
                self.revocations_epoch.store(epoch, Ordering::Release);
                Ok(())
            }
            // Revocations may be taken back, and a view may become complete.
            Err(_) => Err(Miss::Temporary),
        }
    }
}

impl Clone for Grounds {
    fn clone(&self) -> Self {
        let copy = |epoch: &AtomicU64| AtomicU64::new(epoch.load(Ordering::Acquire));
        Self {
            issuer: self.issuer,
            span: self.span,
            keys_epoch: copy(&self.keys_epoch),
            revocations_epoch: copy(&self.revocations_epoch),
            authority: self.authority.clone(),
        }
    }
}

/// The number of no issuer.
const NO_ISSUER: u64 = u64::MAX;
/// The epoch of sources that have none. They are asked each time.
const UNKNOWN: u64 = u64::MAX;
