//! Permissions that need a sign-in of some kind (RFC 9470).

use std::borrow::Cow;
use std::time::Duration;

use super::{Access, Policy, PolicyDescription, Remedy};
use crate::challenge::is_scope_token;
use crate::claims::NumericDate;

/// Requires a sign-in of one of these authentication context classes (`acr`), the preferred class first.
///
/// A request with another token is answered 401 `insufficient_user_authentication`
/// ([`Reason::InsufficientAuthentication`](crate::Reason::InsufficientAuthentication)), and the challenge lists the
/// classes in `acr_values` (RFC 9470 §3). Classes are compared to the letter, and none is higher than another: list each
/// that is enough.
///
/// An empty list, and a class that a challenge cannot name (with a blank, a quote or another character than printable
/// ASCII), are a [misuse](Policy::misuse).
///
/// ```
/// use std::time::Duration;
///
/// use tower_bearer::policy::{acr, scope, signed_in_within};
///
/// let may_pay = scope("payments:write")
///     .and(acr(["phrh", "phr"]))
///     .and(signed_in_within(Duration::from_secs(300)));
/// ```
pub fn acr<S: Into<Cow<'static, str>>>(classes: impl IntoIterator<Item = S>) -> Acr {
    Acr(classes.into_iter().map(Into::into).collect())
}

/// Requires that the user has signed in within this time (`auth_time`).
///
/// A request with another token is answered 401 `insufficient_user_authentication` with `max_age` (RFC 9470 §3). A token
/// without `auth_time`, or with one that is no number, is not recent.
///
/// The time is that of the verifier's clock. For a principal that no layer has admitted it is the system's. The
/// [leeway](crate::Validation::with_leeway) of the issuer counts on both sides: a sign-in may be that much older, or
/// that much in the future.
pub fn signed_in_within(max_age: Duration) -> SignedInWithin {
    SignedInWithin(max_age)
}

/// Requires an authentication method (`amr`, RFC 8176), or all methods of a list separated by spaces: `mfa`, `hwk`, `otp`.
///
/// RFC 9470 has no parameter by which a challenge asks for a method. Without [`by_acr`](Amr::by_acr), a refusal is a
/// plain 403 [`Reason::Forbidden`](crate::Reason::Forbidden).
///
/// ```
/// use tower_bearer::policy::amr;
///
/// let with_second_factor = amr("mfa").by_acr(["https://id.example.com/acr/mfa"]);
/// ```
pub fn amr(methods: impl Into<Cow<'static, str>>) -> Amr {
    Amr { methods: methods.into(), classes: Vec::new() }
}

/// The policy that [`acr`] returns.
#[derive(Clone, Debug)]
pub struct Acr(Vec<Cow<'static, str>>);

/// The policy that [`signed_in_within`] returns.
#[derive(Clone, Debug)]
pub struct SignedInWithin(Duration);

/// The policy that [`amr`] returns.
#[derive(Clone, Debug)]
pub struct Amr {
    methods: Cow<'static, str>,
    classes: Vec<Cow<'static, str>>,
}

impl Amr {
    /// Sets the authentication context classes whose sign-in has the methods. A refusal is then 401
    /// `insufficient_user_authentication` and asks for them. The classes of the token itself are not looked at.
    #[must_use]
    pub fn by_acr<S: Into<Cow<'static, str>>>(
        mut self,
        classes: impl IntoIterator<Item = S>,
    ) -> Self {
        self.classes = classes.into_iter().map(Into::into).collect();
        self
    }

    fn methods(&self) -> impl Iterator<Item = &str> {
        self.methods.split(' ').filter(|method| !method.is_empty())
    }
}

impl Policy for Acr {
    fn allows(&self, access: &Access<'_>) -> bool {
        let acr = access.principal().acr();
        acr.is_some_and(|acr| !acr.is_empty() && self.0.iter().any(|class| *class == acr))
    }

    fn remedy(&self, _: &Access<'_>) -> Option<Remedy> {
        sign_in_of(&self.0)
    }

    fn misuse(&self, _: &Access<'_>) -> Option<Cow<'static, str>> {
        if self.0.is_empty() {
            return Some("give `acr` the classes that are enough; its list is empty".into());
        }
        unspeakable(&self.0)
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Acr(owned(&self.0))
    }
}

impl Policy for SignedInWithin {
    fn allows(&self, access: &Access<'_>) -> bool {
        let principal = access.principal();
        let Some(signed_in_at) = principal.auth_time() else { return false };
        let (now, leeway) = (NumericDate::from(access.now()), principal.leeway());
        let oldest = now.saturating_sub(self.0).saturating_sub(leeway);
        oldest <= signed_in_at && signed_in_at <= now.saturating_add(leeway)
    }

    fn remedy(&self, _: &Access<'_>) -> Option<Remedy> {
        Some(Remedy::recent_authentication(self.0))
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::SignedInWithin(self.0)
    }
}

impl Policy for Amr {
    fn allows(&self, access: &Access<'_>) -> bool {
        let has = |method| access.principal().authentication_methods().any(|one| one == method);
        // An empty list is a mistake, and a mistake must not grant a permission.
        let mut methods = self.methods().peekable();
        methods.peek().is_some() && methods.all(has)
    }

    fn remedy(&self, _: &Access<'_>) -> Option<Remedy> {
        sign_in_of(&self.classes)
    }

    fn misuse(&self, _: &Access<'_>) -> Option<Cow<'static, str>> {
        if self.methods().next().is_none() {
            return Some("give `amr` the method that is needed; its list is empty".into());
        }
        unspeakable(&self.classes)
    }

    fn describe(&self) -> PolicyDescription {
        PolicyDescription::Amr {
            methods: self.methods().map(str::to_owned).collect(),
            by_acr: owned(&self.classes),
        }
    }
}

fn sign_in_of(classes: &[Cow<'static, str>]) -> Option<Remedy> {
    (!classes.is_empty()).then(|| Remedy::authentication(owned(classes)))
}

/// Returns the mistake if a challenge cannot name one of the classes: they are separated by blanks there.
fn unspeakable(classes: &[Cow<'static, str>]) -> Option<Cow<'static, str>> {
    let odd = classes.iter().find(|class| !is_scope_token(class))?;
    Some(format!("change the class {odd:?}: a challenge cannot name it (RFC 9470 §3)").into())
}

fn owned(texts: &[Cow<'static, str>]) -> Vec<String> {
    texts.iter().map(|text| text.clone().into_owned()).collect()
}
