//! Tokens that were verified before: what may have changed since is checked each time, and nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::cache::Miss;
use crate::claims::{Span, Verified};
use crate::clock::Time;
use crate::issuers::{Issuers, Trust, Trusted};
use crate::key::{KeyIdentity, Lookup};
use crate::revoke::{self, Revocations};
use crate::token::MAX_CANDIDATES;

/// A verified token, and by what it was found to be good.
pub(super) struct Remembered<C> {
    verified: Verified<C>,
    /// The issuer by whose rules it was judged.
    issuer: u64,
    key: KeyIdentity,
    /// When the dates are good, by the rules of the issuer.
    span: Span,
    /// Read before the key was looked up; [`UNKNOWN`] has it looked up again each time.
    keys_epoch: AtomicU64,
    /// Read before the revocations were.
    revocations_epoch: AtomicU64,
}

/// What has to be read before a token is verified, to know afterwards what it was verified against.
pub(super) struct Epochs {
    keys: u64,
    revocations: u64,
}

impl Epochs {
    pub(super) fn read(trusted: &Trusted, revocations: Option<&dyn Revocations>) -> Self {
        Self {
            keys: trusted.keys.epoch().unwrap_or(UNKNOWN),
            revocations: revocations.map_or(0, Revocations::epoch),
        }
    }
}

impl<C> Remembered<C> {
    pub(super) fn new(
        verified: Verified<C>,
        trusted: &Trusted,
        key: KeyIdentity,
        span: Span,
        epochs: &Epochs,
    ) -> Self {
        Self {
            verified,
            issuer: trusted.number(),
            key,
            span,
            keys_epoch: AtomicU64::new(epochs.keys),
            revocations_epoch: AtomicU64::new(epochs.revocations),
        }
    }

    pub(super) fn verified(&self) -> Verified<C> {
        self.verified.clone()
    }

    /// Says whether the token would be found good once more, if it came for the first time.
    pub(super) fn judge(
        &self,
        trust: &Trust,
        revocations: Option<&dyn Revocations>,
        time: &Time,
    ) -> Result<(), Miss> {
        match trust {
            Trust::One(trusted) => self.judge_by(trusted, revocations, time),
            Trust::Several(issuers) => self.judge_by_one_of(issuers, revocations, time),
        }
    }

    #[inline(never)]
    fn judge_by_one_of(
        &self,
        issuers: &Issuers,
        revocations: Option<&dyn Revocations>,
        time: &Time,
    ) -> Result<(), Miss> {
        issuers.look(self.verified.principal().issuer(), |trusted| match trusted {
            Some(trusted) => self.judge_by(trusted, revocations, time),
            None => Err(Miss::Over),
        })
    }

    #[inline]
    fn judge_by(
        &self,
        trusted: &Trusted,
        revocations: Option<&dyn Revocations>,
        time: &Time,
    ) -> Result<(), Miss> {
        if trusted.number() != self.issuer {
            // It has come back with other keys or rules.
            return Err(Miss::Over);
        }
        self.judge_time(time)?;
        self.judge_key(trusted)?;
        revocations.map_or(Ok(()), |view| self.judge_revocations(trusted, view))
    }

    #[inline]
    fn judge_time(&self, time: &Time) -> Result<(), Miss> {
        if self.span.contains_now(time) { Ok(()) } else { Err(Miss::Over) }
    }

    #[inline]
    fn judge_key(&self, trusted: &Trusted) -> Result<(), Miss> {
        let epoch = trusted.keys.epoch().unwrap_or(UNKNOWN);
        if epoch != UNKNOWN && epoch == self.keys_epoch.load(Ordering::Acquire) {
            return Ok(());
        }
        self.judge_key_anew(trusted, epoch)
    }

    #[inline(never)]
    fn judge_key_anew(&self, trusted: &Trusted, epoch: u64) -> Result<(), Miss> {
        match trusted.keys.lookup(self.verified.principal().header()) {
            Lookup::Found(candidates) => {
                let mut keys = candidates.keys().iter().take(MAX_CANDIDATES);
                if keys.any(|key| key.identity() == self.key) {
                    self.keys_epoch.store(epoch, Ordering::Release);
                    Ok(())
                } else {
                    Err(Miss::Over)
                }
            }
            // It may come back when it was waited for.
            Lookup::Refresh => Err(Miss::NotNow),
            Lookup::Unknown | Lookup::WrongAlgorithm => Err(Miss::Over),
        }
    }

    #[inline(never)]
    fn judge_revocations(&self, trusted: &Trusted, view: &dyn Revocations) -> Result<(), Miss> {
        let epoch = view.epoch();
        if epoch == self.revocations_epoch.load(Ordering::Acquire) && view.whole().is_ok() {
            return Ok(());
        }
        let claims = self.verified.principal().registered();
        match revoke::check(view, claims, &trusted.rules) {
            Ok(()) => {
                self.revocations_epoch.store(epoch, Ordering::Release);
                Ok(())
            }
            // Revocations may be taken back, and a view may become whole.
            Err(_) => Err(Miss::NotNow),
        }
    }
}

/// No epoch that was read: sources that cannot tell theirs are asked each time.
const UNKNOWN: u64 = u64::MAX;
