//! Provides claims without a token, for tests of handlers.

mod service;

use std::fmt;
use std::sync::Arc;

use http::Extensions;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tower_layer::Layer;

pub use service::{DangerouslyTrusting, DangerouslyTrustingFuture};

use crate::challenge::{ChallengeConfig, Realm};
use crate::claims::validation::Validation;
use crate::claims::{self, Footprint, PrincipalBuilder, Verified};
use crate::error::AuthError;
use crate::jose::Header;
use crate::middleware::reject::{self, Empty};
use crate::observe::trace;

/// Admits every request, with claims that it makes up: for tests only.
///
/// It stands in place of the application's [`BearerLayer`](crate::BearerLayer), and handlers and
/// guards behind it see no difference: extractors find the claims, guards refuse requests by the
/// claims, with the same status and challenge. There is no token, no key and no cryptography.
/// Tokens in requests are not read; [`with_optional_token`](Self::with_optional_token) makes it
/// check whether there is one.
///
/// ```
/// use axum::{Router, routing::get};
/// use serde::Deserialize;
/// use serde_json::json;
/// use tower_bearer::Claims;
/// use tower_bearer::test_util::DangerouslyTrustEveryone;
///
/// #[derive(Deserialize)]
/// struct User {
///     email: String,
/// }
///
/// let alice = json!({"sub": "alice", "roles": ["admin"], "email": "alice@example.com"});
/// let app: Router = Router::new()
///     .route("/me", get(|user: Claims<User>| async move { user.email.clone() }))
///     .layer(DangerouslyTrustEveryone::<User>::new(alice));
/// ```
///
/// # Reports
///
/// Each one that is made is reported: as an event of level `ERROR` or, where no subscriber listens
/// to events, as a line on the standard error stream. A program that goes live with it says so at
/// its start.
pub struct DangerouslyTrustEveryone<C, R = Empty> {
    /// The claims as they were given. Required claims that are missing are added when they are
    /// read.
    claims: Map<String, Value>,
    verified: Verified<C>,
    config: Arc<ChallengeConfig>,
    optional: bool,
    renderer: Arc<R>,
}

impl<C: DeserializeOwned + Send + Sync + 'static> DangerouslyTrustEveryone<C> {
    /// Creates a layer that gives every request these claims.
    ///
    /// The claims are an object. `iss`, `aud` and an `exp` in 2100 are added where they are
    /// missing, and nothing is checked: a date may have passed. Roles and scopes are read from
    /// their default places.
    ///
    /// # Panics
    ///
    /// When the claims do not fit `C`, or a registered one has the wrong JSON type.
    #[track_caller]
    pub fn new(claims: Value) -> Self {
        trace::unverified();
        let Value::Object(claims) = claims else {
            panic!("claims are a JSON object, not {claims}")
        };
        let validation = Validation::new("https://id.example.com", "https://api.example.com");
        let config = Arc::default();
        let verified = make_up::<C>(claims.clone(), validation, &config);
        Self { claims, verified, config, optional: false, renderer: Arc::new(Empty) }
    }
}

impl<C: DeserializeOwned + Send + Sync + 'static, R> DangerouslyTrustEveryone<C, R> {
    /// Reads roles and scopes from the places of this validation, and takes missing `iss` and `aud`
    /// from it. Checks nothing.
    ///
    /// # Panics
    ///
    /// When the validation is invalid.
    #[must_use]
    #[track_caller]
    pub fn with_validation(self, validation: Validation) -> Self {
        let verified = make_up::<C>(self.claims.clone(), validation, &self.config);
        Self { verified, ..self }
    }

    /// Sets the realm that challenges name. The default is `api`.
    ///
    /// # Panics
    ///
    /// When it holds a character that is not valid in a challenge.
    #[must_use]
    #[track_caller]
    pub fn with_realm(self, realm: &str) -> Self {
        let realm = Realm::new(realm).unwrap_or_else(|error| panic!("{error}"));
        let config = Arc::new(ChallengeConfig { realm, ..ChallengeConfig::default() });
        Self { verified: self.verified.behind(&Some(Arc::clone(&config))), config, ..self }
    }

    /// Makes the token [optional](crate::BearerLayer::with_optional_token): a request without a
    /// bearer token in its `Authorization` field passes without claims, and a request with any text
    /// as its token gets the claims.
    ///
    /// ```
    /// # use serde_json::{Value, json};
    /// # use tower_bearer::test_util::DangerouslyTrustEveryone;
    /// // `Authorization: Bearer x` makes a request Alice's, and none makes it a visitor's.
    /// let layer = DangerouslyTrustEveryone::<Value>::new(json!({"sub": "alice"})).with_optional_token();
    /// ```
    #[must_use]
    pub fn with_optional_token(self) -> Self {
        Self { optional: true, ..self }
    }

    /// Sets how refusals of guards and extractors look, as
    /// [`BearerLayer::with_rejection`](crate::BearerLayer::with_rejection) does.
    #[must_use]
    pub fn with_rejection<R2>(self, renderer: R2) -> DangerouslyTrustEveryone<C, R2> {
        let Self { claims, verified, config, optional, .. } = self;
        DangerouslyTrustEveryone {
            claims,
            verified,
            config,
            optional,
            renderer: Arc::new(renderer),
        }
    }
}

impl<S, C, R> Layer<S> for DangerouslyTrustEveryone<C, R> {
    type Service = DangerouslyTrusting<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let visitors = self.optional.then(|| Arc::clone(&self.config));
        DangerouslyTrusting::new(inner, self.verified.clone(), visitors, Arc::clone(&self.renderer))
    }
}

impl<C, R> Clone for DangerouslyTrustEveryone<C, R> {
    fn clone(&self) -> Self {
        Self {
            claims: self.claims.clone(),
            verified: self.verified.clone(),
            config: Arc::clone(&self.config),
            optional: self.optional,
            renderer: Arc::clone(&self.renderer),
        }
    }
}

// Claims may be personal data, even in tests.
impl<C, R> fmt::Debug for DangerouslyTrustEveryone<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DangerouslyTrustEveryone")
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}

/// Puts unverified claims into the extensions of one request, in place of a
/// [`BearerLayer`](crate::BearerLayer): for tests only.
///
/// Claims are read, and the call reported, as by [`DangerouslyTrustEveryone::new`].
///
/// ```
/// # use http::Request;
/// use serde_json::{Value, json};
/// use tower_bearer::Principal;
/// use tower_bearer::test_util::trust_without_verifying;
///
/// let mut request = Request::get("/orders").body(())?;
/// trust_without_verifying::<Value>(request.extensions_mut(), json!({"sub": "alice"}));
///
/// let principal = request.extensions().get::<Principal>().unwrap();
/// assert_eq!(principal.subject(), Some("alice"));
/// # Ok::<(), http::Error>(())
/// ```
///
/// # Panics
///
/// As [`DangerouslyTrustEveryone::new`] does.
#[track_caller]
pub fn trust_without_verifying<C>(extensions: &mut Extensions, claims: Value)
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    let everyone = DangerouslyTrustEveryone::<C>::new(claims);
    reject::admit(extensions, everyone.verified.into_principal());
}

/// Reads claims as if they had been verified.
#[track_caller]
fn make_up<C>(
    mut claims: Map<String, Value>,
    validation: Validation,
    config: &Arc<ChallengeConfig>,
) -> Verified<C>
where
    C: DeserializeOwned + Send + Sync + 'static,
{
    let rules = validation.into_rules().unwrap_or_else(|error| panic!("{error}"));
    let (issuer, audience) = rules.validation().parties();
    let usual = [("iss", Some(issuer)), ("aud", Some(audience)), ("azp", rules.first_party())];
    for (name, value) in usual {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            claims.entry(name).or_insert(json!(value));
        }
    }
    claims.entry("exp").or_insert(json!(IN_2100));
    let text = Value::Object(claims).to_string();
    let refused = |error: AuthError| -> ! {
        panic!("claims that no token could have: {}", error.detail().unwrap_or_default())
    };
    let header = Header::parse(HEADER).unwrap_or_else(|error| refused(error));
    let mut builder = PrincipalBuilder::new(Some(header), Some(Arc::clone(config)));
    let parsed = builder.parsed();
    claims::read(&text, rules.claim_paths(), parsed, &mut Footprint::uncounted())
        .unwrap_or_else(|error| refused(error));
    let end = rules.span(&parsed.registered).end();
    builder.ends_at(end);
    builder.ruled_by(rules.principal_rules());
    let claims = serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("the claims do not fit {}: {error}", std::any::type_name::<C>())
    });
    Verified::new(builder, claims)
}

/// The header of the token that does not exist.
const HEADER: &[u8] = br#"{"alg":"ES256","typ":"at+jwt"}"#;
const IN_2100: i64 = 4_102_444_800;
