use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::{RevocationKind, RevocationKinds};
use crate::claims::NumericDate;
use crate::error::RevocationsUnavailable;

/// Looks up revocations, for every token that is valid otherwise.
///
/// [`MemoryRevocations`](super::MemoryRevocations) is a view. A view of revocations that are kept
/// elsewhere looks them up in a copy in memory, which it updates in the background;
/// [`ready`](Self::ready) says whether the copy may lack some.
///
/// A revocation leaves a view when the tokens it names have expired, leeway included (5 minutes at
/// the most), or when an operator takes it back, and never because a message was lost.
///
/// ```
/// use std::collections::HashSet;
/// use tower_bearer::revocation::{Revocable, RevocationKind, RevocationKinds, Revocations, Revoked};
///
/// /// Tokens that were known to be stolen when the program began.
/// struct Stolen(HashSet<String>);
///
/// impl Revocations for Stolen {
///     fn lookup(&self, _issuer: &str, name: Revocable<'_>) -> Option<Revoked> {
///         match name {
///             Revocable::Token(id) => self.0.contains(id).then_some(Revoked::Entirely),
///             Revocable::Session(_) | Revocable::Subject(_) | Revocable::Client(_) => None,
///         }
///     }
///
///     fn epoch(&self) -> u64 {
///         0
///     }
///
///     fn kinds(&self) -> RevocationKinds {
///         [RevocationKind::Token].into_iter().collect()
///     }
/// }
/// ```
pub trait Revocations: Send + Sync + 'static {
    /// Returns how much is revoked under a name of an issuer. Must not block.
    ///
    /// Called for each name that a token carries, independently of [`kinds`](Self::kinds). Issuers
    /// are compared to the letter: `alice` of one is not `alice` of another.
    fn lookup(&self, issuer: &str, name: Revocable<'_>) -> Option<Revoked>;

    /// Returns a number that changes whenever `lookup` or [`ready`](Self::ready) could give a
    /// different answer.
    ///
    /// It changes after the answer does, and before the call that made the change returns. A caller
    /// may keep an answer with the epoch that it read before, and use it while the epoch is the
    /// same.
    fn epoch(&self) -> u64;

    /// Returns the kinds of revocation that must be possible for every token. See
    /// [`RevocationKinds`].
    fn kinds(&self) -> RevocationKinds {
        RevocationKinds::default()
    }

    /// Returns the longest lifetime of tokens, if revocations of more than one token are forgotten.
    ///
    /// A token that lives longer might outlive its revocation, so it is refused.
    fn max_lifetime(&self) -> Option<Duration> {
        None
    }

    /// Registers an issuer that heeds these revocations: it dates each token later than the last
    /// moment up to which its subject or client was revoked, by the clock of the revocations. A
    /// `TokenIssuer` that [knows them](crate::TokenIssuer::with_revocations) calls this when it is
    /// built.
    ///
    /// A view that forwards to another view forwards this call,
    /// [`is_heeded_by`](Self::is_heeded_by) and [`dated_ahead`](Self::dated_ahead), too. The
    /// default does nothing.
    fn heeded_by(&self, issuer: &str) {
        let _ = issuer;
    }

    /// Returns whether this issuer heeds these revocations. No leeway is then added to their
    /// moments, so that a token issued after a revocation is accepted at once. The default is
    /// `false`.
    fn is_heeded_by(&self, issuer: &str) -> bool {
        let _ = issuer;
        false
    }

    /// Reports that an issuer that heeds these revocations has dated a token with this name later
    /// than now, because of them. The next revocation by this name must cover the token. The
    /// default does nothing.
    fn dated_ahead(&self, issuer: &str, name: Revocable<'_>, date: NumericDate) {
        let _ = (issuer, name, date);
    }

    /// Checks that no revocation is missing.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] while some may be missing. A token that is not known to be
    /// revoked is then answered 503, and a token that is known to be revoked 401 as usual.
    fn ready(&self) -> Result<(), RevocationsUnavailable> {
        Ok(())
    }
}

impl<R: Revocations + ?Sized> Revocations for Arc<R> {
    fn lookup(&self, issuer: &str, name: Revocable<'_>) -> Option<Revoked> {
        (**self).lookup(issuer, name)
    }

    fn epoch(&self) -> u64 {
        (**self).epoch()
    }

    fn kinds(&self) -> RevocationKinds {
        (**self).kinds()
    }

    fn max_lifetime(&self) -> Option<Duration> {
        (**self).max_lifetime()
    }

    fn heeded_by(&self, issuer: &str) {
        (**self).heeded_by(issuer);
    }

    fn is_heeded_by(&self, issuer: &str) -> bool {
        (**self).is_heeded_by(issuer)
    }

    fn dated_ahead(&self, issuer: &str, name: Revocable<'_>, date: NumericDate) {
        (**self).dated_ahead(issuer, name, date);
    }

    fn ready(&self) -> Result<(), RevocationsUnavailable> {
        (**self).ready()
    }
}

/// Combines two views: a token is refused if either has revoked it, and both must be ready.
impl<A: Revocations, B: Revocations> Revocations for (A, B) {
    fn lookup(&self, issuer: &str, name: Revocable<'_>) -> Option<Revoked> {
        match (self.0.lookup(issuer, name), self.1.lookup(issuer, name)) {
            (Some(Revoked::IssuedUpTo(one)), Some(Revoked::IssuedUpTo(other))) => {
                Some(Revoked::IssuedUpTo(one.max(other)))
            }
            (Some(Revoked::Entirely), _) | (_, Some(Revoked::Entirely)) => Some(Revoked::Entirely),
            (one, other) => one.or(other),
        }
    }

    fn epoch(&self) -> u64 {
        // Multiplied by an odd number, so that counting one up and the other down changes the
        // result.
        self.0.epoch().wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self.1.epoch())
    }

    fn kinds(&self) -> RevocationKinds {
        self.0.kinds().and(self.1.kinds())
    }

    fn max_lifetime(&self) -> Option<Duration> {
        match (self.0.max_lifetime(), self.1.max_lifetime()) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn heeded_by(&self, issuer: &str) {
        self.0.heeded_by(issuer);
        self.1.heeded_by(issuer);
    }

    fn is_heeded_by(&self, issuer: &str) -> bool {
        self.0.is_heeded_by(issuer) && self.1.is_heeded_by(issuer)
    }

    fn dated_ahead(&self, issuer: &str, name: Revocable<'_>, date: NumericDate) {
        self.0.dated_ahead(issuer, name, date);
        self.1.dated_ahead(issuer, name, date);
    }

    fn ready(&self) -> Result<(), RevocationsUnavailable> {
        self.0.ready().and_then(|()| self.1.ready())
    }
}

/// A name in a token by which it may have been revoked. `Debug` does not show it.
// Not `non_exhaustive`: a view that does not know a kind would accept its tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub enum Revocable<'t> {
    /// `jti`.
    Token(&'t str),
    /// `sid`.
    Session(&'t str),
    /// `sub`.
    Subject(&'t str),
    /// `client_id`, or a claim in its place (`azp`, `cid`, `appid`).
    Client(&'t str),
}

impl fmt::Debug for Revocable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocable").field("kind", &self.kind()).finish_non_exhaustive()
    }
}

impl<'t> Revocable<'t> {
    pub(super) const fn new(kind: RevocationKind, name: &'t str) -> Self {
        match kind {
            RevocationKind::Token => Self::Token(name),
            RevocationKind::Session => Self::Session(name),
            RevocationKind::Subject => Self::Subject(name),
            RevocationKind::Client => Self::Client(name),
        }
    }

    /// Returns the kind of the name.
    pub const fn kind(self) -> RevocationKind {
        match self {
            Self::Token(_) => RevocationKind::Token,
            Self::Session(_) => RevocationKind::Session,
            Self::Subject(_) => RevocationKind::Subject,
            Self::Client(_) => RevocationKind::Client,
        }
    }

    /// Returns the name itself.
    pub const fn as_str(self) -> &'t str {
        match self {
            Self::Token(name) | Self::Session(name) | Self::Subject(name) | Self::Client(name) => {
                name
            }
        }
    }
}

/// The extent of a revocation: all tokens of a name, or those issued up to a moment.
// Not `non_exhaustive`: a reader must understand every variant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Revoked {
    /// Every token that carries the name.
    Entirely,
    /// The tokens that were issued up to this moment. The whole second of the moment counts, and
    /// the leeway of the rules is added, so that neither dates in whole seconds nor an issuer's
    /// clock that is ahead let a token through. No leeway is added for an issuer that [heeds the
    /// view](Revocations::is_heeded_by), unless the rules set one for revocations. A token without
    /// `iat` counts as issued before.
    IssuedUpTo(NumericDate),
}
