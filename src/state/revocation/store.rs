use std::error::Error;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Revocable, RevocationKind, Revoked};
use crate::claims::{NumericDate, Principal};
use crate::error::RevocationsUnavailable;

/// What is to be revoked.
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
    /// Up to when it was issued, or for a token, when it expires.
    moment: Option<NumericDate>,
}

impl Revocation {
    /// One token, by its issuer and `jti`. The revocation may be forgotten some minutes after
    /// `expires_at`.
    pub fn token(issuer: &str, token_id: &str, expires_at: SystemTime) -> Self {
        Self::new(issuer, Revocable::Token(token_id), Some(expires_at.into()))
    }

    /// All tokens of a session, by its issuer and `sid`, those among them that it is given as long as the
    /// revocation is kept (see [`MemoryRevocations`](crate::revocation::MemoryRevocations)).
    pub fn session(issuer: &str, session_id: &str) -> Self {
        Self::new(issuer, Revocable::Session(session_id), None)
    }

    /// All tokens of a subject that were issued up to this moment, usually now.
    ///
    /// A leeway is added to it, because the issuer's clock may be ahead. For as long (60 seconds, unless
    /// [`Validation::with_revocation_leeway`](crate::Validation::with_revocation_leeway) says
    /// otherwise) tokens that are issued after it are refused too. None is added for a `TokenIssuer` that
    /// [knows the revocations](crate::TokenIssuer::with_revocations).
    pub fn subject(issuer: &str, subject: &str, up_to: SystemTime) -> Self {
        Self::new(issuer, Revocable::Subject(subject), Some(up_to.into()))
    }

    /// All tokens of a client that were issued up to this moment, by its issuer and `client_id`, `azp`,
    /// `cid` or `appid`. As [`subject`](Self::subject).
    pub fn client(issuer: &str, client_id: &str, up_to: SystemTime) -> Self {
        Self::new(issuer, Revocable::Client(client_id), Some(up_to.into()))
    }

    /// The one token that this principal came with. For logging out.
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

    /// `iss` of the tokens.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// By which name they are revoked.
    pub fn name(&self) -> Revocable<'_> {
        Revocable::new(self.kind, &self.name)
    }

    /// How much is revoked under that name.
    pub fn revoked(&self) -> Revoked {
        match (self.kind, self.moment) {
            (RevocationKind::Subject | RevocationKind::Client, Some(moment)) => {
                Revoked::IssuedUpTo(moment)
            }
            _ => Revoked::Entirely,
        }
    }

    /// When a revoked token expires. `None` for other kinds, and for a token that never does.
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

/// Where revocations are written down. [`MemoryRevocations`](crate::revocation::MemoryRevocations) is one.
pub trait RevocationStore: Send + Sync + 'static {
    /// Writes a revocation down. When it is done, it holds here from the next look-up on, and is not
    /// lost with this program if the store outlives it.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when it could not be written down. It may hold here all the same. Try
    /// again: twice is as good as once.
    fn add(
        &self,
        revocation: Revocation,
    ) -> impl Future<Output = Result<(), RevocationsUnavailable>> + Send;

    /// Writes several revocations down that belong together: those of one logout.
    ///
    /// By default one after the other, up to the first that fails. A store that can write all of them
    /// or none, in a transaction, should.
    ///
    /// # Errors
    ///
    /// [`RevocationsUnavailable`] when not all could be written down. Some may hold all the same. Try all of
    /// them again: twice is as good as once.
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

/// A token without `jti`: there is nothing to revoke it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingTokenId(());

impl fmt::Display for MissingTokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the token has no `jti` to revoke it by")
    }
}

impl Error for MissingTokenId {}
