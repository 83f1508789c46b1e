use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use super::{Grants, Registered};
use crate::challenge::ChallengeConfig;
use crate::jose::Header;

/// Who sent a request, whatever the application's claims type is.
///
/// The layer puts one into the extensions of every request whose token it accepted, and into those
/// of the response, where access logs find it. Cloning is cheap.
#[derive(Clone)]
pub struct Principal {
    facts: Arc<Facts>,
    /// Set by the layer on the copy that travels with the request, and by nothing else: guards
    /// believe no principal without it.
    layer: Option<Arc<ChallengeConfig>>,
}

struct Facts {
    header: Header,
    registered: Registered,
    grants: Grants,
    claims: Arc<dyn Any + Send + Sync>,
}

/// Whether a person or a program speaks through a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speaker {
    /// A user, through some client.
    User,
    /// A client of its own (client credentials): `sub` is the client or absent (RFC 9700 §4.15).
    Client,
}

impl Principal {
    pub(super) fn new(
        header: Header,
        registered: Registered,
        grants: Grants,
        claims: Arc<dyn Any + Send + Sync>,
    ) -> Self {
        Self { facts: Arc::new(Facts { header, registered, grants, claims }), layer: None }
    }

    /// `sub`, if the token has one.
    pub fn subject(&self) -> Option<&str> {
        self.registered().subject()
    }

    /// `iss`.
    pub fn issuer(&self) -> &str {
        self.registered().issuer().unwrap_or_default()
    }

    /// The registered claims.
    pub fn registered(&self) -> &Registered {
        &self.facts.registered
    }

    /// The roles and scopes.
    pub fn grants(&self) -> &Grants {
        &self.facts.grants
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

    /// When the token stops being valid, without leeway.
    ///
    /// Whoever keeps a connection open, a WebSocket for example, should end it then. Absurdly late
    /// dates are cut to what the system can tell.
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.registered().expires_at().map(super::NumericDate::to_system_time)
    }

    /// Whether a user or a client of its own speaks.
    ///
    /// A client when `sub` is absent or equal to `client_id` (or `azp`). Providers that give a
    /// client another subject than its id (Keycloak's service accounts, Auth0's `…@clients`) look
    /// like users here; tell them apart by a claim of theirs.
    pub fn speaker(&self) -> Speaker {
        match (self.subject(), self.registered().client_id()) {
            (None, _) => Speaker::Client,
            (Some(subject), Some(client)) if subject == client => Speaker::Client,
            (Some(_), _) => Speaker::User,
        }
    }

    /// The application's claims, when `C` is the type the layer was built for.
    pub fn claims<C: 'static>(&self) -> Option<&C> {
        self.facts.claims.downcast_ref()
    }

    /// A copy that guards believe.
    pub(crate) fn behind(&self, layer: &Arc<ChallengeConfig>) -> Self {
        Self { facts: Arc::clone(&self.facts), layer: Some(Arc::clone(layer)) }
    }

    pub(crate) fn layer(&self) -> Option<&Arc<ChallengeConfig>> {
        self.layer.as_ref()
    }

    /// Whether both come from the verification of one token.
    #[cfg(feature = "axum")]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.facts, &other.facts)
    }
}

// Claims are personal data and may hold anything: only what names the token is shown.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.issuer())
            .field("subject", &self.subject())
            .field("speaker", &self.speaker())
            .field("grants", self.grants())
            .finish_non_exhaustive()
    }
}
