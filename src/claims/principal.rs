use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::confirmation::{Confirmation, ConfirmationMethod};
use super::parsed::ParsedClaims;
use super::paths::ClaimPointer;
use super::{Actor, Grants, NumericDate, PrincipalRules, RegisteredClaims};
use crate::challenge::ChallengeConfig;
use crate::clock::{Clock as _, SystemClock};
use crate::jose::Header;

/// Identifies the sender of a request, independently of the application's claims type.
///
/// The layer puts a principal into the extensions of every request with an accepted token, and [on
/// demand](crate::BearerLayer::with_principal_in_responses) into those of the response, for access
/// logs. Cloning is cheap.
#[derive(Clone)]
pub struct Principal {
    // One pointer and nothing beside it: between the cache and the request it stays in registers.
    facts: Arc<Facts<dyn Any + Send + Sync>>,
}

struct Facts<T: ?Sized> {
    /// `None` for a caller that an authenticator vouches for.
    header: Option<Header>,
    parsed: ParsedClaims,
    /// The claim `cnf`. In a box, because most tokens have none.
    confirmation: Option<Box<Confirmation>>,
    /// The moment from which the verifier would refuse the token.
    end: NumericDate,
    /// The rules of the issuer. `None` until they are set.
    rules: Option<Arc<PrincipalRules>>,
    /// The layer that admitted the request. Guards refuse a principal without it.
    layer: Layer,
    /// The application's claims in an [`Arc`], so that a copy of all this costs one count and not
    /// two. An [`Option`] while the principal is built, as the claims are read last.
    claims: T,
}

/// A principal before its claims are read. It is large, so it is filled in place.
pub(crate) struct PrincipalBuilder<C>(Facts<Option<Arc<C>>>);

impl<C: Send + Sync + 'static> PrincipalBuilder<C> {
    /// Starts a principal for a token with this header, if it has one, accepted by this layer.
    #[inline]
    pub(crate) fn new(header: Option<Header>, layer: Layer) -> Self {
        let (parsed, end) = (ParsedClaims::default(), NumericDate::MIN);
        let (confirmation, rules, claims) = (None, None, None);
        Self(Facts { header, parsed, confirmation, end, rules, layer, claims })
    }

    /// The claims of the token, empty at first.
    pub(crate) fn parsed(&mut self) -> &mut ParsedClaims {
        &mut self.0.parsed
    }

    /// Sets the moment from which the token is refused.
    #[inline]
    pub(crate) fn ends_at(&mut self, end: NumericDate) {
        self.0.end = end;
    }

    /// Sets the rules that count when a policy asks about the principal.
    #[inline]
    pub(crate) fn ruled_by(&mut self, rules: &Arc<PrincipalRules>) {
        self.0.rules = Some(Arc::clone(rules));
    }

    #[inline]
    pub(super) fn with_claims(mut self, claims: C) -> Principal {
        let Facts { parsed, confirmation, .. } = &mut self.0;
        if parsed.markers.cnf.is_there() {
            *confirmation = Some(Box::new(Confirmation::read(parsed.confirmation())));
        }
        self.0.claims = Some(Arc::new(claims));
        Principal { facts: Arc::new(self.0) }
    }
}

/// The claim is not kept by the verifier.
pub(super) struct NotKept;

/// The challenge configuration of the layer, if there is a layer.
pub(crate) type Layer = Option<Arc<ChallengeConfig>>;

/// Says whether a person or a program acts through a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrincipalKind {
    /// A user, through some client.
    User,
    /// A client on its own behalf (client credentials): `sub` is the client or absent (RFC 9700
    /// §4.15).
    Client,
}

impl PrincipalKind {
    fn of(parsed: &ParsedClaims) -> Self {
        let ParsedClaims { registered, markers, .. } = parsed;
        let is_client = match (registered.subject(), registered.client_id()) {
            (None | Some(""), _) => true,
            (Some(subject), Some(client)) => {
                subject.strip_suffix("@clients").unwrap_or(subject) == client
            }
            (Some(_), None) => false,
        };
        let is_app = parsed.text_of(markers.idtyp) == Some("app");
        if is_client || is_app { Self::Client } else { Self::User }
    }
}

impl Principal {
    /// The size of a principal in memory, without the strings of the token.
    pub(crate) const BYTES: usize = size_of::<Facts<Option<Arc<()>>>>();

    /// Returns the heap memory beside [`BYTES`](Self::BYTES), without the application's claims.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        let Facts { header, parsed, confirmation, .. } = &*self.facts;
        let bound = confirmation.as_ref().map_or(0, |keys| keys.heap_bytes(parsed.confirmation()));
        header.as_ref().map_or(0, Header::heap_bytes) + parsed.heap_bytes() + bound
    }

    /// Returns `sub`, if the token has one.
    pub fn subject(&self) -> Option<&str> {
        self.registered().subject()
    }

    /// Returns the issuer: `iss`, or the configured issuer for a token that was accepted without
    /// `iss` ([`accept_missing_issuer`](crate::Dangerous::accept_missing_issuer)).
    pub fn issuer(&self) -> &str {
        self.registered().issuer_or_assumed().unwrap_or_default()
    }

    /// Returns the registered claims.
    pub fn registered(&self) -> &RegisteredClaims {
        &self.facts.parsed.registered
    }

    /// Returns the roles and scopes.
    pub fn grants(&self) -> Grants<'_> {
        let rules = self.facts.rules.as_deref();
        self.facts.parsed.grants().with_hierarchies(rules.map(|rules| &rules.hierarchies))
    }

    /// Returns whether the token grants the role, or one that implies it
    /// ([`with_role_hierarchy`](crate::Validation::with_role_hierarchy)).
    pub fn has_role(&self, role: &str) -> bool {
        self.grants().has_role(role)
    }

    /// Returns whether the token grants the scope, or one that implies it
    /// ([`with_scope_hierarchy`](crate::Validation::with_scope_hierarchy)).
    pub fn has_scope(&self, scope: &str) -> bool {
        self.grants().has_scope(scope)
    }

    /// Returns the header of the token. `None` for a token that is no JWT, and that an
    /// [`Authenticator`](crate::middleware::Authenticator) decided about.
    pub fn header(&self) -> Option<&Header> {
        self.facts.header.as_ref()
    }

    /// Returns `exp`: the moment at which the token expires, without leeway. `None` for a token
    /// without `exp` ([`accept_missing_expiry`](crate::Dangerous::accept_missing_expiry)).
    ///
    /// Dates beyond the range of system time become the end of that range. See also
    /// [`time_left`](Self::time_left).
    pub fn expires_at(&self) -> Option<SystemTime> {
        self.registered().expires_at().map(NumericDate::to_system_time)
    }

    /// Returns how long the token is still accepted, by the system's clock and not by the
    /// verifier's. Zero once the token is refused.
    ///
    /// The time ends with `exp` or, if that comes first, with the [maximum
    /// age](crate::Validation::with_max_age), each with the leeway of the validation: a request
    /// with the same token would be refused from then on. For a token that never expires, the time
    /// ends with the year 9999.
    ///
    /// A token is checked when a request begins. A connection that lives longer than its request
    /// should end with the token:
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

    /// Returns whether a user acts through the token, or a client on its own behalf.
    ///
    /// A client when `sub` is absent or empty (service tokens of Cloudflare Access), or equal to the client's id (Auth0 adds `@clients`), or when
    /// `idtyp` is `app` (Entra). Keycloak gives a client's service account a subject of its own:
    /// such a token looks like a user's here; tell it apart by a claim of the realm's.
    pub fn kind(&self) -> PrincipalKind {
        PrincipalKind::of(&self.facts.parsed)
    }

    /// Returns whether the principal was authenticated by one of the [API keys](crate::api_key::ApiKeys), which carry
    /// `typ` with the value `api_key` among their claims.
    #[cfg(feature = "api-keys")]
    pub fn is_api_key(&self) -> bool {
        let parsed = &self.facts.parsed;
        parsed.text_of(parsed.markers.typ) == Some(crate::claims::API_KEY)
    }

    /// Returns `acr`: the class of the sign-in behind the token (RFC 9470 §6). `None` if it is absent or no string.
    pub fn acr(&self) -> Option<&str> {
        self.facts.parsed.text_of(self.facts.parsed.asked.acr)
    }

    /// Returns `amr`: the methods of the sign-in (RFC 8176). Entries that are no strings are left out.
    pub fn authentication_methods(&self) -> impl Iterator<Item = &str> {
        let ranges = self.facts.parsed.asked.amr.ranges();
        ranges.iter().filter_map(|range| self.registered().get(Some(*range)))
    }

    /// Returns `auth_time`: the moment of the sign-in. `None` if it is absent or no number.
    ///
    /// Dates beyond the range of system time become the end of that range.
    pub fn authenticated_at(&self) -> Option<SystemTime> {
        self.auth_time().map(NumericDate::to_system_time)
    }

    pub(super) fn auth_time(&self) -> Option<NumericDate> {
        self.facts.parsed.asked.auth_time.date()
    }

    /// Returns the entries of this `type` in `authorization_details` (RFC 9396), for an API that acts on more than scopes.
    ///
    /// Entries that cannot be read as a `T` are left out. They are read anew by each call.
    pub fn authorization_details<T: DeserializeOwned>(&self, kind: &str) -> Vec<T> {
        let Some(json) = self.registered().get(self.facts.parsed.asked.details.range()) else {
            return Vec::new();
        };
        let entries = serde_json::from_str::<Vec<Value>>(json).unwrap_or_default();
        let of_kind = entries.into_iter().filter(|entry| entry["type"] == kind);
        of_kind.filter_map(|entry| serde_json::from_value(entry).ok()).collect()
    }

    /// Returns the party that acts for the subject now (`act`, RFC 8693 §4.1). `None` if the subject acts itself.
    pub fn actor(&self) -> Option<&Actor> {
        self.actors().next()
    }

    /// Returns all parties that act for the subject: the current one first, then those that acted earlier. At most 8.
    ///
    /// Parties that acted earlier are for information, and not for a decision about access (RFC 8693 §4.1).
    pub fn actors(&self) -> impl Iterator<Item = &Actor> {
        self.facts.parsed.asked.actors().iter()
    }

    /// Returns a claim that the verifier keeps ([`with_kept_claims`](crate::Validation::with_kept_claims)), by its name or
    /// by a JSON Pointer. `None` if the claim is absent or no string, or not kept.
    pub fn kept_claim(&self, claim: &str) -> Option<&str> {
        self.text_at(&ClaimPointer::parse(claim).ok()?).ok()?
    }

    /// Returns the text of a claim, or an error if the verifier does not keep the claim.
    pub(super) fn text_at(&self, pointer: &ClaimPointer) -> Result<Option<&str>, NotKept> {
        let kept = self.facts.rules.iter().flat_map(|rules| &rules.kept);
        let mut kept = kept.filter(|(one, _)| one == pointer).map(|(_, source)| source);
        match (kept.next(), pointer.always_read()) {
            (Some(source), _) => Ok(self.facts.parsed.text_at(source)),
            (None, Some(source)) => Ok(self.facts.parsed.text_at(&source)),
            (None, None) => Err(NotKept),
        }
    }

    /// Returns the difference between clocks that the issuer's rules allow.
    pub(super) fn leeway(&self) -> Duration {
        self.facts.rules.as_ref().map_or(Duration::ZERO, |rules| rules.leeway)
    }

    /// Returns the keys that the token is bound to (`cnf`, RFC 7800), for a
    /// [`Binding`](crate::binding::Binding) to check. `None` for a token that is bound to no key.
    pub fn confirmation(&self) -> Option<&Confirmation> {
        self.facts.confirmation.as_deref()
    }

    /// Returns whether the token is bound to a key, and the layer has checked that the sender of the
    /// request has it. Always `false` behind a layer without a [`Binding`](crate::binding::Binding).
    pub fn is_bound(&self) -> bool {
        self.is_proved() && self.confirmation().is_some()
    }

    /// Returns whether the token is bound to a key by this method, and the layer has checked that the
    /// sender of the request has it.
    pub fn is_bound_by(&self, method: ConfirmationMethod) -> bool {
        self.is_proved() && self.confirmation().is_some_and(|keys| keys.names(method))
    }

    /// Returns whether the layer asks for the proof of every key that a token names.
    fn is_proved(&self) -> bool {
        self.layer().is_some_and(|layer| layer.asks_for_proofs)
    }

    /// Returns the application's claims, when `C` is the type the layer was built for.
    pub fn claims<C: 'static>(&self) -> Option<&C> {
        self.shared_claims().map(|claims| &**claims)
    }

    pub(crate) fn shared_claims<C: 'static>(&self) -> Option<&Arc<C>> {
        self.facts.claims.downcast_ref::<Option<Arc<C>>>()?.as_ref()
    }

    /// Returns the same principal behind this layer, or behind none. The claims must be of this
    /// type.
    #[inline]
    pub(super) fn behind<C: Send + Sync + 'static>(self, layer: &Layer) -> Self {
        let is_same = match (&self.facts.layer, layer) {
            (Some(one), Some(other)) => Arc::ptr_eq(one, other) || one == other,
            (None, None) => true,
            _ => false,
        };
        if is_same { self } else { self.moved::<C>(layer.clone()) }
    }

    /// Copies the principal for another layer: for verifiers that are used with and without a
    /// layer, or behind layers of several realms.
    #[cold]
    fn moved<C: Send + Sync + 'static>(self, layer: Layer) -> Self {
        let Some(claims) = self.shared_claims::<C>() else { return self };
        let Facts { header, parsed, confirmation, end, rules, .. } = &*self.facts;
        let facts = Facts {
            header: header.clone(),
            parsed: parsed.clone(),
            confirmation: confirmation.clone(),
            end: *end,
            rules: rules.clone(),
            layer,
            claims: Some(Arc::clone(claims)),
        };
        Self { facts: Arc::new(facts) }
    }

    /// Returns whether both are of the same verdict about the same token.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.facts, &other.facts)
    }

    pub(crate) fn layer(&self) -> Option<&Arc<ChallengeConfig>> {
        self.facts.layer.as_ref()
    }
}

// Shows no personal data, so a log of it does not identify a user.
impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Principal")
            .field("issuer", &self.issuer())
            .field("kind", &self.kind())
            .field("grants", &self.grants())
            .finish_non_exhaustive()
    }
}
