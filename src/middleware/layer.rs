#[cfg(feature = "metadata")]
mod resource;

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::admission::Admission;
use super::service::Bearer;
use crate::binding::Binding;
#[cfg(any(feature = "dpop", feature = "mtls"))]
use crate::binding::DowngradeAlarm;
#[cfg(feature = "dpop")]
use crate::binding::dpop::Dpop;
use crate::challenge::{AuthScheme, ChallengeConfig, OfferedScheme, Parameter, Realm};
use crate::claims::policy::Policy;
use crate::claims::validation::Validation;
use crate::config_error::ConfigError;
use crate::middleware::reject::Empty;
use crate::middleware::source::TokenSource;
use crate::verify::CacheStats;
use crate::verify::authenticator::{Authenticator, ConfiguredAuthenticator};
use crate::verify::verifier::Verifier;

/// Admits requests with a good token, and refuses the others.
///
/// Every admitted request carries a [`Principal`](crate::Principal) in its extensions, with the
/// [claims](crate::Principal::claims) in it. A response carries the [`Reason`](crate::Reason) if
/// the request was refused, by the layer or by a guard inside. [On
/// demand](Self::with_principal_in_responses) it carries the [`Principal`](crate::Principal) if the
/// request was admitted.
///
/// ```
/// # use axum::{Router, routing::get};
/// # use serde::Deserialize;
/// # use tower_bearer::keys::VerifyingKey;
/// # use tower_bearer::{Algorithm, BearerLayer, Claims, Validation, Verifier, render};
/// # #[derive(Deserialize)] struct User { email: String }
/// # let key = VerifyingKey::from_secret(Algorithm::HS256, "at least 32 bytes of randomness, please")?;
/// # let verifier = Verifier::<User>::new(key, Validation::new("https://id.example.com", "https://api.example.com"))?;
/// let app: Router = Router::new()
///     .route("/me", get(|Claims(user): Claims<User>| async move { user.email.clone() }))
///     .route_layer(BearerLayer::new(verifier).with_rejection(render::ProblemJson));
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// # Where to put it
///
/// `Router::route_layer` covers the routes that were added **before** it. Routes added after it are
/// open, and so is a fallback. `Router::layer` covers the fallback too: paths that do not exist are
/// then answered 401 without a token, also those of a router that this one is merged into. Layers
/// that must see refused requests, CORS and access logs above all, belong outside of this one: add
/// them later.
pub struct BearerLayer<C, R = Empty> {
    admission: Arc<Admission<C>>,
    renderer: R,
}

impl<C> BearerLayer<C> {
    /// Creates a layer that requires a token in the `Authorization` field and verifies it.
    pub fn new(verifier: Verifier<C>) -> Self {
        Self { admission: Arc::new(Admission::new(verifier)), renderer: Empty }
    }
}

impl<C, R> BearerLayer<C, R> {
    /// Admits requests without a token, without claims.
    ///
    /// For such a request `Option<Claims<C>>` is `None`, while `Claims<C>` and guards answer 401. A
    /// bad token is still refused.
    #[must_use]
    pub fn with_optional_token(self) -> Self {
        self.change(|admission| admission.optional = true)
    }

    /// Requires a permission; see [`policy`](crate::policy). With
    /// [`with_optional_token`](Self::with_optional_token) it is required of every request that has
    /// a token.
    ///
    /// Challenges name the scopes of its [description](crate::policy::Policy::describe): those of a 401 (RFC 6750 §3), so
    /// that a client asks for them from the start, and those of the guards inside, as far as the token has them.
    ///
    /// It replaces a policy that was set before.
    #[must_use]
    pub fn with_policy(self, policy: impl Policy) -> Self {
        let scopes = policy.describe().all_scopes();
        self.change(|admission| {
            admission.policy = Some(Arc::new(policy));
            admission.set_invitation();
        })
        .change_challenges(|config| config.scopes = scopes)
    }

    /// Names the sign-in that the [policy](Self::with_policy) needs (`acr_values` and `max_age`, RFC 9470 §3) in the
    /// challenge for a request without a token too. By default, only a request whose token has another sign-in is told.
    ///
    /// A client then signs its user in once and not twice. Any client learns what the policy needs (RFC 9470 §9).
    /// Guards behind [optional](Self::with_optional_token) tokens name theirs as well.
    #[must_use]
    pub fn with_step_up_without_token(self) -> Self {
        self.change(|admission| {
            admission.step_up_without_token = true;
            admission.set_invitation();
        })
    }

    /// Adds another source of tokens. A request with tokens in two places is refused with 400 (RFC
    /// 6750 §2).
    #[must_use]
    pub fn with_source(self, source: impl TokenSource) -> Self {
        self.change(|admission| admission.extras_mut().add_source(source))
    }

    /// Replaces the `Authorization` field by this source, for networks in which a proxy writes its
    /// own token into the field. [`with_source`](Self::with_source) adds further sources.
    #[must_use]
    pub fn with_source_instead(self, source: impl TokenSource) -> Self {
        self.change(|admission| admission.extras_mut().set_source(source))
    }

    /// Adds an authenticator, which decides about the tokens that it accepts. The validation holds
    /// the rules for its claims. The verifier decides about the tokens that no authenticator accepts.
    ///
    /// The layer asks its authenticators in the order in which they were added, and the first that
    /// accepts a token decides alone. Add API keys before an introspection by shape or of all tokens:
    /// otherwise they are sent to the authorization server.
    ///
    /// The claims may lack `exp`, and the claims by which tokens are revoked. They may lack `iss`
    /// and `aud` too, which then count as those of the validation.
    ///
    /// The [revocations](crate::Verifier::with_revocations) and the active check of the verifier
    /// count for these callers as well. Answers that may be
    /// [kept](crate::middleware::Authenticated::with_freshness) are in the cache of the layer, which
    /// is then its own: see [`cache_stats`](Self::cache_stats).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a rule of the validation is invalid.
    pub fn with_authenticator(
        self,
        authenticator: impl Authenticator,
        validation: Validation,
    ) -> Result<Self, ConfigError> {
        let configured = ConfiguredAuthenticator::new(authenticator, validation)?;
        Ok(self.change(|admission| {
            admission.extras_mut().authenticators.push(configured);
            admission.keep_answers();
        }))
    }

    /// Lets this authenticator decide about the tokens that no key of the verifier has signed:
    /// opaque tokens, and JWTs of other issuers and keys. It replaces an earlier one.
    ///
    /// The verifier comes first and decides about every token that one of its keys has signed, so an
    /// expired token is refused without a question. What is refused before the signature is looked at
    /// (an algorithm that is not allowed, an `iss` that none of several issuers has) goes to the fallback. A token of another kind (an ID token, by its
    /// `typ`) and one that is too large are refused too. While the keys cannot be fetched, JWTs that
    /// need them are answered 503; opaque tokens still go to the fallback. A verifier with
    /// `with_required_encryption` refuses every token that is not encrypted, opaque ones too, and the
    /// fallback is not asked: use [`with_authenticator`](Self::with_authenticator) there.
    ///
    /// All else is as for [`with_authenticator`](Self::with_authenticator). The authenticator must
    /// [accept](crate::middleware::Authenticator::accepts) the token as well.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a rule of the validation is invalid.
    pub fn with_fallback_authenticator(
        self,
        authenticator: impl Authenticator,
        validation: Validation,
    ) -> Result<Self, ConfigError> {
        let configured = ConfiguredAuthenticator::new(authenticator, validation)?;
        Ok(self.change(|admission| {
            admission.extras_mut().set_fallback(configured);
            admission.keep_answers();
        }))
    }

    /// Adds a binding, which checks the proof of possession of tokens that are bound to a key. A
    /// layer can have several bindings, for example DPoP and mutual TLS.
    ///
    /// Tokens that are not bound to a key are accepted as before, unless the binding refuses them.
    ///
    /// The layer then has a cache of its own: see [`cache_stats`](Self::cache_stats).
    #[must_use]
    pub fn with_binding(self, binding: impl Binding) -> Self {
        self.change(|admission| {
            admission.extras_mut().proofs_mut().bindings.push(Arc::new(binding));
            admission.prove_bound_tokens();
        })
    }

    /// Requires that tokens are bound to a key, and that each request proves the possession of the key:
    /// DPoP (RFC 9449).
    ///
    /// The layer then offers the scheme `DPoP` alone, and refuses every token that is not bound so: API keys
    /// and tokens in cookies too. With [`with_bearer_allowed`](crate::dpop::Dpop::with_bearer_allowed) it
    /// offers `DPoP` beside the [schemes](Self::with_schemes) that were set before.
    ///
    /// The proof is checked after all other bindings, because it can be used once. For the same reason, put
    /// one layer with a store around a route, and not two.
    ///
    /// ```
    /// # use tower_bearer::{BearerLayer, ConfigError};
    /// use tower_bearer::dpop::Dpop;
    ///
    /// # fn add(layer: BearerLayer<()>) -> Result<BearerLayer<()>, ConfigError> {
    /// let layer = layer.with_dpop(Dpop::new("https://api.example.com")?.with_bearer_allowed());
    /// # Ok(layer)
    /// # }
    /// ```
    ///
    /// # Browsers of other origins
    ///
    /// A CORS layer outside replaces the list of fields that scripts may read. Let it name those of DPoP:
    /// `expose_headers([HeaderName::from_static("dpop-nonce"), WWW_AUTHENTICATE])`.
    #[cfg(feature = "dpop")]
    #[must_use]
    pub fn with_dpop(self, dpop: Dpop) -> Self {
        let offered = OfferedScheme::dpop(&dpop.algs());
        let is_bearer_allowed = dpop.is_bearer_allowed();
        let layer = self.change(|admission| {
            admission.extras_mut().proofs_mut().dpop = Some(Arc::new(dpop));
            admission.prove_bound_tokens();
        });
        layer.change_challenges(|config| config.offer_dpop(offered, is_bearer_allowed))
    }

    /// Notices users that have used bound tokens and come with a bearer token, or with many keys. See
    /// [`DowngradeAlarm`].
    ///
    /// Tokens that are bound to a key are refused unless a [binding](Self::with_binding) checks their proof.
    #[cfg(any(feature = "dpop", feature = "mtls"))]
    #[must_use]
    pub fn with_downgrade_alarm(self, alarm: DowngradeAlarm) -> Self {
        self.change(|admission| admission.extras_mut().proofs_mut().alarm = Some(alarm))
    }

    /// Checks that the layer is one that FAPI 2.0 allows (Security Profile §5.4): call it last.
    ///
    /// ```
    /// use tower_bearer::dpop::Dpop;
    /// use tower_bearer::revocation::Revocations;
    /// use tower_bearer::validation::Preset;
    /// use tower_bearer::{Algorithm, BearerLayer, ConfigError, KeySet, Validation, Verifier};
    ///
    /// # fn build(keys: KeySet, revocations: impl Revocations) -> Result<(), ConfigError> {
    /// let rules = Validation::new("https://id.example.com", "https://api.example.com");
    /// let verifier = Verifier::<serde_json::Value>::new(keys, rules.with_preset(Preset::Fapi2))?;
    /// let dpop = Dpop::new("https://api.example.com")?;
    /// let dpop = dpop.with_algorithms([Algorithm::PS256, Algorithm::ES256, Algorithm::Ed25519])?;
    /// let layer = BearerLayer::new(verifier.with_revocations(revocations))
    ///     .with_dpop(dpop)
    ///     .with_fapi2()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError::Fapi2`], which names everything that is missing:
    /// [`Preset::Fapi2`](crate::validation::Preset::Fapi2) in the rules of every authenticator, and of every issuer that the
    /// verifier has now; a binding, with proofs by PS256, ES256 or Ed25519; revocations, or an introspection of all tokens;
    /// and no place for tokens but the `Authorization` field.
    pub fn with_fapi2(self) -> Result<Self, ConfigError> {
        let missing = self.admission.lacks_of_fapi2();
        if missing.is_empty() { Ok(self) } else { Err(ConfigError::Fapi2 { missing }) }
    }

    /// Returns the counts of the cache of this layer. `None` without a cache.
    ///
    /// It is the cache of its verifier, unless the layer has a [binding](Self::with_binding) or an
    /// [authenticator](Self::with_authenticator).
    pub fn cache_stats(&self) -> Option<CacheStats> {
        self.admission.verifier.cache_stats()
    }

    /// Sets the realm of the challenges. The default is `api`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Realm`] when the realm holds a character that is illegal in a challenge.
    pub fn with_realm(self, realm: impl Into<String>) -> Result<Self, ConfigError> {
        let realm = Realm::new(realm)?;
        Ok(self.change_challenges(|config| config.realm = realm))
    }

    /// Sets the authentication schemes that the layer accepts in the `Authorization` field and
    /// offers in its challenges, in this order. The default is `Bearer` alone, also for an empty
    /// list.
    ///
    /// Tokens of all schemes are verified in the same way. A scheme that requires more, such as the
    /// proof of DPoP, needs a [`Binding`](crate::binding::Binding) too.
    ///
    /// ```
    /// # use tower_bearer::{BearerLayer, ConfigError};
    /// use tower_bearer::challenge::{AuthScheme, OfferedScheme};
    ///
    /// # fn add(layer: BearerLayer<()>) -> Result<BearerLayer<()>, ConfigError> {
    /// let dpop = OfferedScheme::new(AuthScheme::DPOP).with_parameter("algs", "ES256 EdDSA")?;
    /// let layer = layer.with_schemes([AuthScheme::BEARER.into(), dpop]);
    /// # Ok(layer)
    /// # }
    /// ```
    #[must_use]
    pub fn with_schemes(self, schemes: impl IntoIterator<Item = OfferedScheme>) -> Self {
        let mut offered: Vec<_> = schemes.into_iter().collect();
        if offered.is_empty() {
            offered.push(AuthScheme::BEARER.into());
        }
        self.change_challenges(|config| config.offered = offered)
    }

    /// Adds a parameter to the challenge of every scheme.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ChallengeParameter`] when the name or the value is illegal in a challenge, or
    /// when the crate sets a parameter of this name itself.
    pub fn with_challenge_parameter(
        self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let parameter = Parameter::new(name.into(), value.into())?;
        Ok(self.change_challenges(|config| config.parameters.push(parameter)))
    }

    /// Sets the renderer of refusals, those of guards and extractors inside included: [`Empty`] by
    /// default, [`render::Json`](crate::render::Json),
    /// [`render::ProblemJson`](crate::render::ProblemJson), [`render::Grpc`](crate::render::Grpc),
    /// or a closure ([`render::from_fn`](crate::render::from_fn)). The renderer is cloned for each
    /// request, so keep large parts of it in an [`Arc`].
    #[must_use]
    pub fn with_rejection<R2: Clone>(self, renderer: R2) -> BearerLayer<C, R2> {
        BearerLayer { admission: self.admission, renderer }
    }

    /// Adds the [`Principal`](crate::Principal) of an accepted token to the extensions of the
    /// response, for access logs and metrics outside of this layer. By default it is left out,
    /// because to carry it costs more than a cache hit.
    ///
    /// ```
    /// # use tower_bearer::{BearerLayer, Principal};
    /// # fn add(layer: BearerLayer<()>, app: axum::Router) -> axum::Router {
    /// use axum::middleware::map_response;
    /// use axum::response::Response;
    ///
    /// app.layer(layer.with_principal_in_responses()).layer(map_response(async |response: Response| {
    ///     if let Some(principal) = response.extensions().get::<Principal>() {
    ///         tracing::info!(user = principal.subject(), status = %response.status());
    ///     }
    ///     response
    /// }))
    /// # }
    /// ```
    #[must_use]
    pub fn with_principal_in_responses(self) -> Self {
        self.change(|admission| admission.principal_in_responses = true)
    }

    /// Takes [`with_optional_token`](Self::with_optional_token) back.
    #[cfg(feature = "axum-router")]
    pub(crate) fn with_required_token(self) -> Self {
        self.change(|admission| admission.optional = false)
    }

    /// Returns the permission that is required of every token.
    #[cfg(any(feature = "axum-router", feature = "mcp"))]
    pub(crate) fn policy(&self) -> Option<Arc<dyn Policy>> {
        self.admission.policy.clone()
    }

    /// Returns the schemes that the layer offers, in their order.
    #[cfg(feature = "axum-router")]
    pub(crate) fn offered_schemes(&self) -> impl Iterator<Item = AuthScheme> {
        self.admission.config.offered.iter().map(OfferedScheme::scheme)
    }

    fn change_challenges(self, change: impl FnOnce(&mut ChallengeConfig)) -> Self {
        self.change(|admission| {
            let mut config = admission.config.copied();
            change(&mut config);
            admission.set_config(config);
        })
    }

    fn change(mut self, change: impl FnOnce(&mut Admission<C>)) -> Self {
        change(Arc::make_mut(&mut self.admission));
        self
    }
}

impl<S, C, R: Clone> Layer<S> for BearerLayer<C, R> {
    type Service = Bearer<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Bearer::new(inner, Arc::clone(&self.admission), self.renderer.clone())
    }
}

impl<C, R: Clone> Clone for BearerLayer<C, R> {
    fn clone(&self) -> Self {
        Self { admission: Arc::clone(&self.admission), renderer: self.renderer.clone() }
    }
}

impl<C, R> fmt::Debug for BearerLayer<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerLayer").field("admission", &self.admission).finish_non_exhaustive()
    }
}
