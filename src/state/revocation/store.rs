use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Revocable, RevocationKind, Revoked};
use crate::claims::{NumericDate, Principal};
use crate::error::RevocationsUnavailable;

/// Names the tokens to revoke.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use tower_bearer::revocation::{MemoryRevocations, Revocation};
///
/// let issuer = "https://id.example.com";
/// let now = SystemTime::now();
/// let revocations = MemoryRevocations::new();
/// revocations.revoke(Revocation::token(issuer, "a-stolen-jti", now + Duration::from_secs(900)));
/// revocations.revoke(Revocation::session(issuer, "one-of-her-sessions"));
/// revocations.revoke(Revocation::subject(issuer, "alice", now));
/// revocations.revoke(Revocation::client(issuer, "an-app-with-a-leak", now));
/// ```
///
/// `Debug` does not show the name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Revocation {
    issuer: Box<str>,
    kind: RevocationKind,
    name: Box<str>,
    /// The latest issue of the revoked tokens; or for a single token, its expiry.
    moment: Option<NumericDate>,
}

impl Revocation {
    /// Revokes one token, by its issuer and `jti`. The revocation may be forgotten some minutes
    /// after `expires_at`.
    pub fn token(issuer: &str, token_id: &str, expires_at: SystemTime) -> Self {
        Self::new(issuer, Revocable::Token(token_id), Some(expires_at.into()))
    }

    /// Revokes all tokens of a session, by its issuer and `sid`. Includes tokens that are issued to
    /// the session later, as long as the revocation is kept (see
    /// [`MemoryRevocations`](crate::revocation::MemoryRevocations)).
    pub fn session(issuer: &str, session_id: &str) -> Self {
        Self::new(issuer, Revocable::Session(session_id), None)
    }

    /// Revokes all tokens of a subject that were issued up to this moment, usually now.
    ///
    /// A leeway is added to the moment, because the issuer's clock may be ahead. Tokens that are
    /// issued within the leeway (60 seconds, unless
    /// [`Validation::with_revocation_leeway`](crate::Validation::with_revocation_leeway) says
    /// otherwise) are refused too. No leeway is added for a `TokenIssuer` that [knows the
    /// revocations](crate::TokenIssuer::with_revocations).
    pub fn subject(issuer: &str, subject: &str, up_to: SystemTime) -> Self {
        Self::new(issuer, Revocable::Subject(subject), Some(up_to.into()))
    }

    /// Revokes all tokens of a client that were issued up to this moment, by its issuer and
    /// `client_id`, `azp`, `cid` or `appid`. Otherwise as [`subject`](Self::subject).
    pub fn client(issuer: &str, client_id: &str, up_to: SystemTime) -> Self {
        Self::new(issuer, Revocable::Client(client_id), Some(up_to.into()))
    }

    /// Revokes the one token of this principal, for a logout.
    ///
    /// # Errors
    ///
    /// [`MissingTokenId`] when the token has no `jti`.
    pub fn of(principal: &Principal) -> Result<Self, MissingTokenId> {
        let token_id = principal.registered().token_id().ok_or(MissingTokenId(()))?;
        // A token without `exp` may be accepted for ever, so its revocation is kept as long.
        let expires_at = principal.registered().expires_at();
        Ok(Self::new(principal.issuer(), Revocable::Token(token_id), expires_at))
    }

    pub(super) fn new(issuer: &str, name: Revocable<'_>, moment: Option<NumericDate>) -> Self {
        let kind = name.kind();
        Self { issuer: issuer.into(), kind, name: name.as_str().into(), moment }
    }

    /// Returns `iss` of the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Returns the name by which the tokens are revoked.
    pub fn name(&self) -> Revocable<'_> {
        Revocable::new(self.kind, &self.name)
    }

    /// Returns how much is revoked under that name.
    pub fn revoked(&self) -> Revoked {
        match (self.kind, self.moment) {
            (RevocationKind::Subject | RevocationKind::Client, Some(moment)) => {
                Revoked::IssuedUpTo(moment)
            }
            _ => Revoked::Entirely,
        }
    }

    /// Returns when the revoked token expires. `None` for other kinds, and for a token that never
    /// expires.
    pub fn expires_at(&self) -> Option<NumericDate> {
        self.moment.filter(|_| self.kind == RevocationKind::Token)
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation")
            .field("issuer", &self.issuer)
            .field("kind", &self.kind)
            .field("moment", &self.moment)
            .finish_non_exhaustive()
    }
}

/// Stores revocations. [`MemoryRevocations`](crate::revocation::MemoryRevocations) is a store.
pub trait RevocationStore: Send + Sync + 'static {
    /// Stores a revocation. When the call returns, the revocation holds here from the next look-up
    /// on, and is not lost with this program if the store outlives it.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when it could not be stored. It may hold here all the same. Try
    /// again: storing a revocation twice changes nothing.
    fn add(
        &self,
        revocation: Revocation,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send;

    /// Stores several revocations that belong together: those of one logout.
    ///
    /// The default stores one after the other, up to the first failure. A store with transactions
    /// should store all of them or none.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when not all could be stored. Some may hold all the same. Try all
    /// of them again: storing a revocation twice changes nothing.
    fn add_all(
        &self,
        revocations: Vec<Revocation>,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send {
        async move {
            for revocation in revocations {
                self.add(revocation).await?;
            }
            Ok(())
        }
    }
}

impl<S: RevocationStore> RevocationStore for Arc<S> {
    fn add(
        &self,
        revocation: Revocation,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send {
        (**self).add(revocation)
    }

    fn add_all(
        &self,
        revocations: Vec<Revocation>,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send {
        (**self).add_all(revocations)
    }
}

/// A token without `jti` cannot be revoked by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingTokenId(());

impl fmt::Display for MissingTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token has no `jti` to revoke it by")
    }
}

impl Error for MissingTokenId {}
