//! Permissions that compare a part of the request with a claim: whose account a path names, whose tenant a host is.

use std::any::type_name;
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use super::request_part::RequestPart;
use super::{Access, Policy, PolicyDescription};
use crate::claims::Principal;
use crate::claims::paths::ClaimPointer;

/// A segment of the path, counted from 0: in `/users/alice`, `path_segment(1)` is `alice`.
///
/// The path is the one that the layer or guard sees: `nest` of axum, and of `Routes`, has removed its prefix. The segment is
/// percent-decoded once. A path with an empty segment before the last one, or with a segment `.` or `..`, is refused,
/// because another program may count its segments in another way. So is a path with fewer segments.
///
/// ```
/// use tower_bearer::policy::{path_segment, role};
///
/// let own_account_or_admin = path_segment(1).equals_subject().or(role("admin"));
/// ```
pub fn path_segment(index: usize) -> RequestPart {
    RequestPart::PathSegment(index)
}

/// A parameter of an axum route: in `/users/{user}`, `path("user")`.
///
/// It is read as axum's `Path` reads it. A route without the parameter, and a guard that is outside of the router, are
/// a [misuse](Policy::misuse). With `Router::layer`, the policy also guards paths that no route has: use
/// `Router::route_layer`.
#[cfg(feature = "axum-router")]
pub fn path(name: impl Into<Cow<'static, str>>) -> RequestPart {
    RequestPart::PathParameter(name.into())
}

/// A label of the host, counted from 0 at its beginning: in `acme.example.com`, `host_label(0)` is `acme`.
///
/// The host is that of the URI (HTTP/2) or of the field `Host`. A request with several `Host` fields, or with two hosts
/// that differ, is refused, and so are IP addresses and names with fewer labels. A port and a final dot do not count.
/// Labels are compared without regard to ASCII case.
///
/// Behind a proxy, the proxy decides which `Host` arrives here: it must pass on that of the client, and accept only the
/// hosts of the service. `X-Forwarded-Host` and `Forwarded` are not read.
///
/// ```
/// use tower_bearer::Validation;
/// use tower_bearer::policy::host_label;
///
/// let rules = Validation::new("https://id.example.com", "https://api.example.com")
///     .with_kept_claims(["/tenant"]);
/// let own_tenant = host_label(0).equals_claim("/tenant");
/// ```
pub fn host_label(index: usize) -> RequestPart {
    RequestPart::HostLabel(index)
}

/// A header field, such as `x-tenant`. A request without the field, or with several, is refused.
///
/// The sender chooses the field, and the guard makes sure that it has chosen its own tenant. A name that no field can
/// have is a [misuse](Policy::misuse).
pub fn header_field(name: impl Into<Cow<'static, str>>) -> RequestPart {
    RequestPart::HeaderField(name.into())
}

impl RequestPart {
    /// Requires that this part equals `sub`, to the letter. A token without `sub` is refused.
    ///
    /// Subjects are names of one issuer. Behind a verifier for several issuers, two users may have the same subject.
    pub fn equals_subject(self) -> Equals {
        Equals { part: self, side: ClaimSide::Subject }
    }

    /// Requires that this part equals a claim, to the letter: the name of a claim, or a JSON Pointer (`/tenant/id`) as for
    /// [`Validation::with_roles_at`](crate::Validation::with_roles_at).
    ///
    /// The verifier must keep the claim ([`Validation::with_kept_claims`](crate::Validation::with_kept_claims)), unless it
    /// is `sub`, `client_id`, `azp`, `jti` or `acr`. A claim that is not kept is a [misuse](Policy::misuse).
    ///
    /// A claim that is absent, empty or no string equals nothing. A list equals nothing either: with several tenants in a
    /// token, decide in a function ([`when`](super::when)).
    pub fn equals_claim(self, claim: impl Into<Cow<'static, str>>) -> Equals {
        let claim = claim.into();
        let pointer = ClaimPointer::parse(&claim);
        Equals { part: self, side: ClaimSide::Claim { claim, pointer } }
    }

    /// Requires that this part equals what a function returns of the application's claims, to the letter. An empty text
    /// equals nothing.
    ///
    /// Behind a layer of another claims type it is a [misuse](Policy::misuse).
    ///
    /// ```
    /// use tower_bearer::policy::path_segment;
    ///
    /// struct User { tenant: Option<String> }
    ///
    /// let own_tenant =
    ///     path_segment(0).equals(|user: &User| user.tenant.as_deref().unwrap_or_default());
    /// ```
    pub fn equals<C, F>(self, text_of: F) -> EqualsText<C, F>
    where
        C: 'static,
        F: Fn(&C) -> &str + Send + Sync + 'static,
    {
        EqualsText { part: self, text_of, claims: PhantomData }
    }

    /// Returns whether this part of the request is this text. Nothing is empty.
    fn is(&self, access: &Access<'_>, text: Option<&str>) -> bool {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return false };
        let Some(Ok(Some(part))) = access.request().map(|request| self.read(request)) else {
            return false;
        };
        if self.ignores_case() { part.eq_ignore_ascii_case(text) } else { part == text }
    }

    /// Returns the mistake because of which this part cannot be read.
    fn mistake(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        match access.request() {
            Some(request) => self.read(request).err(),
            None => Some(NO_REQUEST.into()),
        }
    }
}

/// The policy that [`RequestPart::equals_subject`] and [`RequestPart::equals_claim`] return.
#[derive(Clone, Debug)]
pub struct Equals {
    part: RequestPart,
    side: ClaimSide,
}

#[derive(Clone, Debug)]
enum ClaimSide {
    Subject,
    /// The pointer is an error if it is no JSON Pointer.
    Claim {
        claim: Cow<'static, str>,
        pointer: Result<ClaimPointer, &'static str>,
    },
}

impl ClaimSide {
    fn text<'p>(&self, principal: &'p Principal) -> Option<&'p str> {
        match self {
            Self::Subject => principal.subject(),
            Self::Claim { pointer, .. } => principal.text_at(pointer.as_ref().ok()?).ok()?,
        }
    }
}

impl Policy for Equals {
    fn allows(&self, access: &Access<'_>) -> bool {
        self.part.is(access, self.side.text(access.principal()))
    }

    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        if let Some(mistake) = self.part.mistake(access) {
            return Some(mistake);
        }
        match &self.side {
            ClaimSide::Subject => None,
            ClaimSide::Claim { claim, pointer: Err(problem) } => {
                Some(format!("change the claim {claim:?} of the policy: it {problem}").into())
            }
            ClaimSide::Claim { claim, pointer: Ok(pointer) } => {
                let is_kept = access.principal().text_at(pointer).is_ok();
                (!is_kept).then(|| {
                    let issuer = access.principal().issuer();
                    let keep = format!("add `.with_kept_claims([{claim:?}])` to the `Validation`");
                    format!("{keep} of {issuer}, or the claim cannot be compared").into()
                })
            }
        }
    }

    fn describe(&self) -> PolicyDescription {
        let claim = match &self.side {
            ClaimSide::Subject => "sub",
            ClaimSide::Claim { claim, .. } => claim,
        };
        PolicyDescription::Equals { part: self.part.clone(), claim: claim.to_owned() }
    }
}

/// The policy that [`RequestPart::equals`] returns.
pub struct EqualsText<C, F> {
    part: RequestPart,
    text_of: F,
    claims: PhantomData<fn(&C)>,
}

impl<C, F> Policy for EqualsText<C, F>
where
    C: 'static,
    F: Fn(&C) -> &str + Send + Sync + 'static,
{
    fn allows(&self, access: &Access<'_>) -> bool {
        let claims = access.principal().claims::<C>();
        self.part.is(access, claims.map(|claims| (self.text_of)(claims)))
    }

    fn misuse(&self, access: &Access<'_>) -> Option<Cow<'static, str>> {
        self.part.mistake(access).or_else(|| super::wrong_claims_type::<C>(access, "equals"))
    }

    fn describe(&self) -> PolicyDescription {
        let (part, function) = (&self.part, type_name::<F>());
        PolicyDescription::Custom(format!("{part} that equals the text of {function}"))
    }
}

impl<C, F: Clone> Clone for EqualsText<C, F> {
    fn clone(&self) -> Self {
        let (part, text_of) = (self.part.clone(), self.text_of.clone());
        Self { part, text_of, claims: PhantomData }
    }
}

impl<C, F> fmt::Debug for EqualsText<C, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("EqualsText").field(&self.part).field(&type_name::<F>()).finish()
    }
}

const NO_REQUEST: &str = "tell the policy the request: ask with `require`, `Require`, the layer or `Principal::check_for`";
