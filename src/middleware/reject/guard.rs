//! Checks that all guards share: that a layer has admitted the request, and that the policy allows
//! it.
//!
//! One value travels in the extensions. A principal is one pointer: with four words it cost 40 ns
//! more of each request. A verifier knows its layer, so a principal is created for the layer and
//! cached with it. Behind layers of several realms the principal is copied (about a microsecond). A
//! request without a token carries a marker of its own.

use std::sync::{Arc, LazyLock};

use http::Extensions;

use super::{Invitation, Rejection};
use crate::challenge::ChallengeConfig;
use crate::claims::Principal;
#[cfg(feature = "axum")]
use crate::claims::Verified;
use crate::claims::policy::{self, Access, Policy};
use crate::error::{AuthError, Reason};
use crate::request_head::RequestHead;

/// Marks a request that a layer has admitted without a token.
#[derive(Clone)]
pub(crate) struct Anonymous {
    config: Arc<ChallengeConfig>,
    invitation: Option<Arc<Invitation>>,
}

/// Puts the principal into a request, and replaces one from an earlier layer or from other code.
#[inline]
pub(crate) fn admit(extensions: &mut Extensions, principal: Principal) {
    // Guards ignore `Anonymous` where there is a principal.
    extensions.insert(principal);
}

/// Marks a request as anonymous, and removes a principal from an earlier layer or from other code.
#[inline(never)]
pub(crate) fn admit_anonymous(
    extensions: &mut Extensions,
    config: Arc<ChallengeConfig>,
    invitation: Option<Arc<Invitation>>,
) {
    extensions.remove::<Principal>();
    extensions.insert(Anonymous { config, invitation });
}

/// Returns whether a layer has admitted the request without a token.
#[cfg(feature = "axum")]
pub(crate) fn is_anonymous(extensions: &Extensions) -> bool {
    admitted(extensions).is_none() && extensions.get::<Anonymous>().is_some()
}

/// Returns the principal, if a layer has put it there. Any other principal is ignored.
#[inline]
fn admitted(extensions: &Extensions) -> Option<&Principal> {
    extensions.get::<Principal>().filter(|principal| principal.layer().is_some())
}

/// Checks a policy for a request, and for the principal in its extensions.
pub(crate) fn check_in<'r>(
    request: RequestHead<'r>,
    policy: &dyn Policy,
) -> Result<&'r Principal, Rejection> {
    let known = known(request.extensions()).map_err(|rejection| rejection.asking_for(policy));
    let checked = known.and_then(|principal| {
        let access = Access::new(principal).with_request(request);
        check_access(&access, policy).map(|()| principal)
    });
    checked.map_err(|rejection| rejection.asked_with(request.method(), request.headers()))
}

fn check_access(access: &Access<'_>, policy: &dyn Policy) -> Result<(), Rejection> {
    let layer = access.principal().layer();
    let of_layer = layer.map_or(&[][..], |config| &config.scopes);
    // Without a layer (a verifier that is used directly) the challenge has the default realm.
    policy::check(policy, access, of_layer)
        .map_err(|error| Rejection::new(error, layer.cloned().unwrap_or_default()))
}

/// Returns the principal, or the refusal of a request that has none.
pub(crate) fn known(extensions: &Extensions) -> Result<&Principal, Rejection> {
    admitted(extensions).ok_or_else(|| unknown(extensions))
}

#[cold]
fn unknown(extensions: &Extensions) -> Rejection {
    // One for all requests, since they have no layer to take it from.
    static NO_LAYER: LazyLock<Arc<ChallengeConfig>> = LazyLock::new(Arc::default);
    if let Some(Anonymous { config, invitation }) = extensions.get() {
        let rejection = Rejection::new(Reason::MissingToken.into(), Arc::clone(config));
        return rejection.with_invitation(invitation.clone());
    }
    let error = AuthError::with_detail(
        Reason::LayerMissing,
        "add `.layer(BearerLayer::new(verifier))` to the router, after the route and after its guards; \
         what is added behind it is not covered by it",
    );
    Rejection::new(error, Arc::clone(&NO_LAYER))
}

/// Returns the claims of the verified token, if they have this type.
#[cfg(feature = "axum")]
pub(crate) fn claims_in<C: 'static>(extensions: &Extensions) -> Result<&Arc<C>, Rejection> {
    let principal = known(extensions)?;
    principal.shared_claims().ok_or_else(|| wrong_type::<C>(principal))
}

/// Returns the verified token, if its claims have this type.
#[cfg(feature = "axum")]
pub(crate) fn verified_in<C: 'static>(extensions: &Extensions) -> Result<Verified<C>, Rejection> {
    let principal = known(extensions)?;
    Verified::of(principal).ok_or_else(|| wrong_type::<C>(principal))
}

#[cfg(feature = "axum")]
#[cold]
fn wrong_type<C>(principal: &Principal) -> Rejection {
    let wanted = std::any::type_name::<C>();
    let detail = format!("the handler asks for {wanted}; build the layer's `Verifier` for it");
    let config = principal.layer().cloned().unwrap_or_default();
    Rejection::new(AuthError::with_detail(Reason::ClaimsTypeMissing, detail), config)
}

impl Principal {
    /// Returns the principal that a [`BearerLayer`](crate::BearerLayer) has left in the extensions
    /// of a request.
    ///
    /// Handlers and middleware outside of axum start with it. In axum, the extractor does the same.
    /// Behind a layer whose tokens are [optional](crate::BearerLayer::with_optional_token), a
    /// handler that does need a token answers with the error:
    ///
    /// ```
    /// use http::{Request, Response};
    /// use tower_bearer::{Principal, Rejection};
    ///
    /// fn read(request: &Request<()>, is_public: bool) -> Result<Response<String>, Rejection> {
    ///     let principal = Principal::from_extensions(request.extensions());
    ///     if is_public {
    ///         return Ok(Response::new("for all".into())); // nothing is logged
    ///     }
    ///     let name = principal?.subject().unwrap_or("a machine").to_owned();
    ///     Ok(Response::new(name))
    /// }
    ///
    /// fn answer(request: &Request<()>, is_public: bool) -> Response<String> {
    ///     read(request, is_public).unwrap_or_else(Rejection::into_response)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The [`Rejection`] of a request without a token, [`Reason::MissingToken`], or of a request
    /// that no layer has seen, [`Reason::LayerMissing`], which is answered 500.
    pub fn from_extensions(extensions: &Extensions) -> Result<&Self, Rejection> {
        known(extensions)
    }

    /// Checks a permission inside a handler.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] that a guard would answer with.
    ///
    /// ```
    /// # use tower_bearer::policy::role;
    /// # use tower_bearer::{Principal, Rejection};
    /// async fn close(principal: Principal) -> Result<&'static str, Rejection> {
    ///     principal.check(role("cashier"))?;
    ///     Ok("closed")
    /// }
    /// ```
    ///
    /// The policy is not told the request. A policy that reads it refuses with
    /// [`Reason::MisusedPolicy`]: use [`check_for`](Self::check_for).
    pub fn check(&self, policy: impl Policy) -> Result<(), Rejection> {
        check_access(&Access::new(self), &policy)
    }

    /// Checks a permission for a request.
    ///
    /// # Errors
    ///
    /// The [`Rejection`] that a guard would answer with.
    ///
    /// ```
    /// # use tower_bearer::policy::{RequestHead, scope};
    /// # use tower_bearer::{Principal, Rejection};
    /// use http::request::Parts;
    ///
    /// fn may_read(principal: &Principal, request: &Parts) -> Result<(), Rejection> {
    ///     principal.check_for(RequestHead::of_parts(request), scope("files:read"))
    /// }
    /// ```
    pub fn check_for(
        &self,
        request: RequestHead<'_>,
        policy: impl Policy,
    ) -> Result<(), Rejection> {
        check_access(&Access::new(self).with_request(request), &policy)
            .map_err(|rejection| rejection.asked_with(request.method(), request.headers()))
    }
}

#[cfg(all(test, feature = "tracing"))]
mod tests {
    use std::sync::Mutex;

    use tracing::{Event, Level, Subscriber};
    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Levels(Arc<Mutex<Vec<Level>>>);

    impl<S: Subscriber> Layer<S> for Levels {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.lock().expect("no test panics here").push(*event.metadata().level());
        }
    }

    // In this file, because no other test of this program may report it first.
    #[test]
    fn missing_layer_is_one_error_however_many_requests_meet_it() {
        let levels = Levels::default();
        let log = tracing_subscriber::registry().with(levels.clone());

        tracing::subscriber::with_default(log, || {
            for _ in 0..1000 {
                let rejection = known(&Extensions::new()).unwrap_err();
                assert_eq!(rejection.reason(), Reason::LayerMissing);
                assert_eq!(rejection.into_response::<()>().status(), 500);
            }
        });

        let levels = levels.0.lock().unwrap();
        assert_eq!((levels.len(), levels[0]), (1000, Level::ERROR));
        assert!(levels[1..].iter().all(|level| *level == Level::DEBUG));
    }
}
