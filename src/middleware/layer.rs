use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::admission::Admission;
use super::authenticator::Authenticator;
use super::binding::Binding;
use super::extras::Backend;
use super::service::Bearer;
use crate::challenge::{AuthScheme, ChallengeConfig, OfferedScheme, Parameter, Realm};
use crate::claims::policy::Policy;
use crate::claims::validation::Validation;
use crate::config_error::ConfigError;
use crate::middleware::reject::Empty;
use crate::middleware::source::TokenSource;
use crate::verify::verifier::Verifier;

/// Lets requests with a good token through, and answers the others.
///
/// Behind it every request carries a [`Principal`](crate::Principal) in its extensions, with the
/// [claims](crate::Principal::claims) in it. A response carries the
/// [`Reason`](crate::Reason) if the request was refused, by the layer or by a guard inside, and
/// [on demand](Self::with_principal_in_responses) the [`Principal`](crate::Principal) if it was not.
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
/// `Router::route_layer` covers the routes that were added **before** it; routes added after it are open, and so
/// is a fallback. `Router::layer` covers the fallback too, so that paths which do not exist are answered 401
/// without a token, also those of a router that this one is merged into. Put layers that must see refused
/// requests too, CORS and access logs above all, outside of this one: they are added later.
pub struct BearerLayer<C, R = Empty> {
    admission: Arc<Admission<C>>,
    renderer: R,
}

impl<C> BearerLayer<C> {
    /// Asks for a token in the `Authorization` field and verifies it.
    pub fn new(verifier: Verifier<C>) -> Self {
        Self { admission: Arc::new(Admission::new(verifier)), renderer: Empty }
    }
}

impl<C, R> BearerLayer<C, R> {
    /// Lets requests without a token pass, without claims.
    ///
    /// Inside, `Option<Claims<C>>` is `None` for them, while `Claims<C>` and guards answer 401. A
    /// broken token is still refused.
    #[must_use]
    pub fn with_optional_token(self) -> Self {
        self.change(|admission| admission.optional = true)
    }

    /// Needs a permission of every token; see [`policy`](crate::policy). With
    /// [`optional`](Self::with_optional_token), of every token that is sent.
    #[must_use]
    pub fn with_policy(self, policy: impl Policy) -> Self {
        self.change(|admission| admission.policy = Some(Arc::new(policy)))
    }

    /// Also looks for the token somewhere else. A request with tokens in two places is refused with
    /// 400 (RFC 6750 §2).
    #[must_use]
    pub fn with_source(self, source: impl TokenSource) -> Self {
        self.change(|admission| admission.extras_mut().sources.push(Arc::new(source)))
    }

    /// Looks for the token in this source and not in the `Authorization` field, for networks in which a proxy
    /// writes a token of its own there. [`with_source`](Self::with_source) adds further ones.
    #[must_use]
    pub fn with_source_instead(self, source: impl TokenSource) -> Self {
        self.change(|admission| {
            let extras = admission.extras_mut();
            extras.header = None;
            extras.sources = vec![Arc::new(source)];
        })
    }

    /// Has this authenticator decide about the tokens that it accepts, by these rules for its claims. The
    /// verifier decides about all others.
    ///
    /// `exp` may be absent from the claims; `iss` and `aud` may be too, and count as those of the validation.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when a rule of the validation makes no sense.
    pub fn with_authenticator(
        self,
        authenticator: impl Authenticator,
        validation: Validation,
    ) -> Result<Self, ConfigError> {
        let rules = validation.dangerous().accept_missing_expiry().into_rules()?;
        let backend = Backend { authenticator: Arc::new(authenticator), rules: Arc::new(rules) };
        Ok(self.change(|admission| admission.extras_mut().authenticators.push(backend)))
    }

    /// Checks the proof of possession of tokens that are bound to a key. Several bindings stand beside each other:
    /// DPoP and mutual TLS, for example.
    ///
    /// Tokens that are bound to no key are accepted as before, unless the binding refuses them.
    #[must_use]
    pub fn with_binding(self, binding: impl Binding) -> Self {
        self.change(|admission| {
            admission.extras_mut().bindings.push(Arc::new(binding));
            admission.prove_bound_tokens();
        })
    }

    /// Sets the realm that challenges name. The default is `api`.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Realm`] when it holds a character that cannot stand in a challenge.
    pub fn with_realm(self, realm: impl Into<String>) -> Result<Self, ConfigError> {
        let realm = Realm::new(realm)?;
        Ok(self.change_challenges(|config| config.realm = realm))
    }

    /// Sets the authentication schemes that the layer accepts in the `Authorization` field and offers in its
    /// challenges, in this order. The default is `Bearer` alone; an empty list is the same.
    ///
    /// A token of any scheme is verified in the same way. A scheme that demands more (a proof, for DPoP) needs a
    /// [`Binding`](crate::middleware::Binding) too.
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

    /// Adds a parameter to the challenge of every scheme: `resource_metadata` (RFC 9728 §5.1), for example.
    ///
    /// # Errors
    ///
    /// [`ConfigError::ChallengeParameter`] when the name or the value cannot stand in a challenge, or the crate
    /// sets a parameter of this name itself.
    pub fn with_challenge_parameter(
        self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let parameter = Parameter::new(name.into(), value.into())?;
        Ok(self.change_challenges(|config| config.parameters.push(parameter)))
    }

    /// Sets how refusals look, those of guards and extractors inside included: [`Empty`] by
    /// default, [`render::Json`](crate::render::Json), [`render::ProblemJson`](crate::render::ProblemJson),
    /// [`render::Grpc`](crate::render::Grpc), or a closure ([`render::from_fn`](crate::render::from_fn)). It is
    /// cloned for each request: what is large in it belongs into an [`Arc`].
    #[must_use]
    pub fn with_rejection<R2: Clone>(self, renderer: R2) -> BearerLayer<C, R2> {
        BearerLayer { admission: self.admission, renderer }
    }

    /// Leaves the [`Principal`](crate::Principal) of an accepted token in the extensions of the response
    /// too, for access logs and metrics outside of this layer. The default leaves it out, because to
    /// carry it there costs more than to find a token that was seen before.
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
        self.change(|admission| admission.tells = true)
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
