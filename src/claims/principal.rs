use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::statement::Statement;
use super::{Grants, NumericDate, RegisteredClaims};
use crate::challenge::ChallengeConfig;
use crate::clock::{Clock as _, SystemClock};
use crate::jose::Header;

/// Who sent a request, whatever the application's claims type is.
///
/// The layer puts one into the extensions of every request whose token it accepted, and
/// [on demand](crate::BearerLayer::with_principal_in_responses) into those of the response, where access
/// logs find it. Cloning is cheap.
#[derive(Clone)]
pub struct Principal {
    // One pointer and nothing beside it: on its way from the cache to the request it stays in registers.
    facts: Arc<Facts<dyn Any + Send + Sync>>,
}

struct Facts<T: ?Sized> {
    header: Header,
    statement: Statement,
    /// The moment at which the verifier would refuse it.
    end: NumericDate,
    /// The layer that let the request in. Guards believe no principal without it.
    layer: Layer,
    /// The application's claims in an [`Arc`], so that a copy of all this is one count and not two; an
    /// [`Option`] of it, as they are read last.
    claims: T,
}

/// What becomes a principal when the claims have been read. It is large, so it is filled where it is.
pub(crate) struct Draft<C>(Facts<Option<Arc<C>>>);

impl<C: Send + Sync + 'static> Draft<C> {
    /// Of a token with this header, accepted by this layer.
    #[inline]
    pub(crate) fn new(header: Header, layer: Layer) -> Self {
        let (statement, end) = (Statement::default(), NumericDate::MIN);
        Self(Facts { header, statement, end, layer, claims: None })
    }

    /// What the token says; nothing at first.
    pub(crate) fn statement(&mut self) -> &mut Statement {
        &mut self.0.statement
    }

    /// Says from when on the token is refused.
    #[inline]
    pub(crate) fn ends_at(&mut self, end: NumericDate) {
        self.0.end = end;
    }

    #[inline]
    pub(super) fn with_claims(mut self, claims: C) -> Principal {
        self.0.claims = Some(Arc::new(claims));
        Principal { facts: Arc::new(self.0) }
    }
}

/// What challenges of the layer say, if there is one.
pub(crate) type Layer = Option<Arc<ChallengeConfig>>;

/// Whether a person or a program speaks through a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrincipalKind {
    /// A user, through some client.
    User,
    /// A client of its own (client credentials): `sub` is the client or absent (RFC 9700 §4.15).
    Client,
}

impl PrincipalKind {
    fn of(statement: &Statement) -> Self {
        let Statement { registered, marks, .. } = statement;
        let is_client = match (registered.subject(), registered.client_id()) {
            (None, _) => true,
            (Some(subject), Some(client)) => {
                subject.strip_suffix("@clients").unwrap_or(subject) == client
            }
            (Some(_), None) => false,
        };
        let is_app = statement.text_of(marks.idtyp) == Some("app");
        if is_client || is_app { Self::Client } else { Self::User }
    }
}

impl Principal {
    /// What one takes in memory, without what the token says.
    pub(crate) const BYTES: usize = size_of::<Facts<Option<Arc<()>>>>();

    /// What it takes in memory besides that, without the application's claims.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        self.header().heap_bytes() + self.facts.statement.heap_bytes()
    }

    /// `sub`, if the token has one.
    pub fn subject(&self) -> Option<&str> {
        self.registered().subject()
    }

    /// The issuer: `iss`, or the configured issuer if the token has none and was accepted all the same
    /// ([`accept_missing_issuer`](crate::Dangerous::accept_missing_issuer)).
    pub fn issuer(&self) -> &str {
        self.registered().issuer_or_assumed().unwrap_or_default()
    }

    /// The registered claims.
    pub fn registered(&self) -> &RegisteredClaims {
        &self.facts.statement.registered
    }

    /// The roles and scopes.
    pub fn grants(&self) -> Grants<'_> {
        self.facts.statement.grants()
    }

    /// Whether the role is granted.
    pub fn has_role(&self, role: &str) -> bool {
        self.grants().has_role(role)
    }

    /// Whether the scope is granted.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.grants().has_scope(scope)
    }

    /// The header of the token.
    pub fn header(&self) -> &Header {
        &self.facts.header
    }

    /// `exp`: when the token stops being valid, without leeway. `None` for a token without `exp`
    /// ([`accept_missing_expiry`](crate::Dangerous::accept_missing_expiry)).
    ///
    /// Absurdly late dates are cut to what the system can tell. See also
    /// [`time_left`](Self::time_left).
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.registered().expires_at().map(NumericDate::to_system_time)
    }

    /// How long the token is still accepted by the system's clock, whatever clock the verifier has; zero
    /// once it is refused.
    ///
    /// It ends with `exp` or, if that comes first, with the
    /// [maximum age](crate::Validation::with_max_age), each with the leeway of the validation: a request
    /// with the same token would be refused from then on. A token that never ends has until the end of the
    /// year 9999.
    ///
    /// A token is checked when a request begins. What lives longer than its request should end with
    /// its token:
    ///
    /// ```
    /// use axum::extract::ws::{Message, WebSocket};
    /// use tower_bearer::Principal;
    ///
    /// async fn talk(mut socket: WebSocket, principal: Principal) {
    ///     let expired = tokio::time::sleep(principal.time_left());
    ///     tokio::pin!(expired);
    ///     loop {
    ///         tokio::select! {
    ///             () = &mut expired => {
    ///                 _ = socket.send(Message::Close(None)).await;
    ///                 break;
    ///             }
    ///             message = socket.recv() => match message {
    ///                 Some(Ok(message)) => { /* … */ }
    ///                 _ => break,
    ///             }
    ///         }
    ///     }
    /// }
    /// ```
    pub fn time_left(&self) -> Duration {
        let end = self.facts.end.to_system_time();
        end.duration_since(SystemClock.now()).unwrap_or_default()
    }

    /// Whether a user or a client of its own speaks.
    ///
    /// A client when `sub` is absent, or equal to the client's id (Auth0 adds `@clients`), or when
    /// `idtyp` says `app` (Entra). Keycloak gives a client's service account a subject of its own:
    /// such a token looks like a user's here; tell it apart by a claim of the realm's.
    pub fn kind(&self) -> PrincipalKind {
        PrincipalKind::of(&self.facts.statement)
    }

    /// Whether the token is bound to a key (`cnf`, RFC 7800).
    pub(crate) fn is_bound(&self) -> bool {
        self.facts.statement.marks.cnf.is_there()
    }

    /// The application's claims, when `C` is the type the layer was built for.
    pub fn claims<C: 'static>(&self) -> Option<&C> {
        self.shared_claims().map(|claims| &**claims)
    }

    pub(crate) fn shared_claims<C: 'static>(&self) -> Option<&Arc<C>> {
        self.facts.claims.downcast_ref::<Option<Arc<C>>>()?.as_ref()
    }

    /// The same behind this layer, or behind none. The claims must be of this type.
    #[inline]
    pub(super) fn behind<C: Send + Sync + 'static>(self, layer: &Layer) -> Self {
        let is_same = match (&self.facts.layer, layer) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (None, None) => true,
            _ => false,
        };
        if is_same { self } else { self.moved::<C>(layer.clone()) }
    }

    /// For verifiers that are used with and without a layer, or behind layers of several realms.
    #[cold]
    fn moved<C: Send + Sync + 'static>(self, layer: Layer) -> Self {
        let Some(claims) = self.shared_claims::<C>() else { return self };
        let Facts { header, statement, end, .. } = &*self.facts;
        let (header, statement, end) = (header.clone(), statement.clone(), *end);
        let facts = Facts { header, statement, end, layer, claims: Some(Arc::clone(claims)) };
        Self { facts: Arc::new(facts) }
    }

    pub(crate) fn layer(&self) -> Option<&Arc<ChallengeConfig>> {
        self.facts.layer.as_ref()
    }
}

// Names no person: a log that shows this does not tell who was here.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.issuer())
            .field("kind", &self.kind())
            .field("grants", &self.grants())
            .finish_non_exhaustive()
    }
}
