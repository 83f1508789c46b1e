use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get as on_get;
use tower_bearer::challenge::AuthScheme;
use tower_bearer::claims::NumericDate;
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::policy::{role, scope};
use tower_bearer::source::Presented;
use tower_bearer::{AuthError, BearerLayer, Claims, Principal, Reason, require};

use crate::support::{
    AUDIENCE, ISSUER, NOW, User, WithBearer, get, good, invalid_token, layer, send, validation,
};

/// A table of API keys that counts its look-ups.
#[derive(Clone, Default)]
struct ApiKeys(Arc<AtomicUsize>);

impl ApiKeys {
    fn asked(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Authenticator for ApiKeys {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"key_")
    }

    async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        let now = i64::try_from(NOW).unwrap();
        match token {
            "key_builder" => Ok(Authenticated::subject("builder").with_scopes(["orders:read"])),
            "key_admin" => Ok(Authenticated::subject("root").with_roles(["admin"])),
            "key_expired" => {
                Ok(Authenticated::subject("builder")
                    .with_expiry(NumericDate::from_seconds(now - 61)))
            }
            "key_expires" => {
                Ok(Authenticated::subject("builder")
                    .with_expiry(NumericDate::from_seconds(now + 1)))
            }
            "key_elsewhere" => {
                Authenticated::from_json(r#"{"sub":"x","aud":"https://other.example"}"#)
            }
            "key_here" => Authenticated::from_json(&format!(
                r#"{{"sub":"introspected","iss":"{ISSUER}","aud":["{AUDIENCE}"],"email":"a@b.example"}}"#
            )),
            "key_bound" => Authenticated::from_json(r#"{"sub":"x","cnf":{"jkt":"abc"}}"#),
            "key_active" => Authenticated::from_json(r#"{"active":true,"sub":"introspected"}"#),
            "key_inactive" => Authenticated::from_json(r#"{"active":false,"sub":"x"}"#),
            "key_true_in_text" => Authenticated::from_json(r#"{"active":"true","sub":"x"}"#),
            "key_odd" => Authenticated::from_json("[]"),
            "key_database" => Err(AuthError::authenticator_failed("the table is locked")),
            _ => Err(Reason::UnknownKey.into()),
        }
    }
}

fn layer_with(keys: &ApiKeys) -> BearerLayer<User> {
    layer().with_authenticator(keys.clone(), validation()).unwrap()
}

fn app(layer: BearerLayer<User>) -> Router {
    let name = async |principal: Principal| principal.subject().unwrap().to_owned();
    let email = async |Claims(user): Claims<User>| user.email.clone().unwrap_or_default();
    Router::new()
        .route("/", on_get(name))
        .route("/email", on_get(email))
        .route("/read", on_get(name).layer(require(scope("orders:read"))))
        .route("/admin", on_get(name).layer(require(role("admin"))))
        .layer(layer)
}

#[tokio::test]
async fn opaque_token_and_jwt_are_accepted_by_one_layer() {
    let keys = ApiKeys::default();
    let app = app(layer_with(&keys));

    send(&app, get("/").bearer("key_builder")).await.is_ok("builder");
    send(&app, get("/").bearer(good())).await.is_ok("alice");

    assert_eq!(keys.asked(), 1, "the table is asked about its own tokens only");
}

#[tokio::test]
async fn opaque_token_that_is_unknown_is_refused() {
    let answer = send(&app(layer_with(&ApiKeys::default())), get("/").bearer("key_other")).await;

    answer.is_refused(
        401,
        Some(&invalid_token("The token cannot be verified")),
        Reason::UnknownKey,
    );
}

#[tokio::test]
async fn token_that_no_authenticator_accepts_is_left_to_the_verifier() {
    let keys = ApiKeys::default();

    let answer = send(&app(layer_with(&keys)), get("/").bearer("other")).await;

    answer.is_refused(401, Some(&invalid_token("The token cannot be verified")), Reason::Malformed);
    assert_eq!(keys.asked(), 0);
}

#[tokio::test]
async fn guards_and_claims_read_what_the_authenticator_says() {
    let app = app(layer_with(&ApiKeys::default()));

    send(&app, get("/read").bearer("key_builder")).await.is_ok("builder");
    send(&app, get("/admin").bearer("key_admin")).await.is_ok("root");
    send(&app, get("/email").bearer("key_here")).await.is_ok("a@b.example");
    let answer = send(&app, get("/admin").bearer("key_builder")).await;
    answer.is_refused(403, Some("Bearer realm=\"api\""), Reason::Forbidden);
}

#[tokio::test]
async fn introspection_response_that_is_not_active_is_refused() {
    let app = app(layer_with(&ApiKeys::default()));

    send(&app, get("/").bearer("key_active")).await.is_ok("introspected");
    for token in ["key_inactive", "key_true_in_text"] {
        let answer = send(&app, get("/").bearer(token)).await;
        let challenge = invalid_token("The token is not active any more");
        answer.is_refused(401, Some(&challenge), Reason::Inactive);
    }
}

#[tokio::test]
async fn dates_and_audience_of_opaque_tokens_are_checked() {
    let app = app(layer_with(&ApiKeys::default()));

    send(&app, get("/").bearer("key_expires")).await.is_ok("builder");
    let expired = send(&app, get("/").bearer("key_expired")).await;
    let elsewhere = send(&app, get("/").bearer("key_elsewhere")).await;

    expired.is_refused(401, Some(&invalid_token("The token has expired")), Reason::Expired);
    let challenge = invalid_token("The token is for another audience");
    elsewhere.is_refused(401, Some(&challenge), Reason::WrongAudience);
}

#[tokio::test]
async fn opaque_token_that_is_bound_to_a_key_is_refused_without_a_binding() {
    let answer = send(&app(layer_with(&ApiKeys::default())), get("/").bearer("key_bound")).await;

    let challenge = invalid_token("The token is bound to a key, which bearer tokens are not");
    answer.is_refused(401, Some(&challenge), Reason::BoundToken);
}

#[tokio::test]
async fn authenticator_that_cannot_decide_is_answered_503() {
    let app = app(layer_with(&ApiKeys::default()));

    let answer = send(&app, get("/").bearer("key_database")).await;

    answer.is_refused(503, None, Reason::AuthenticatorFailed);
    assert_eq!(answer.headers["retry-after"], "5");
}

#[tokio::test]
async fn claims_that_are_no_object_are_refused() {
    let answer = send(&app(layer_with(&ApiKeys::default())), get("/").bearer("key_odd")).await;

    let challenge = invalid_token("A claim of the token is invalid");
    answer.is_refused(401, Some(&challenge), Reason::InvalidClaim);
}

#[tokio::test]
async fn authenticator_can_be_chosen_by_the_scheme() {
    struct ByScheme;
    impl Authenticator for ByScheme {
        fn accepts(&self, presented: Presented<'_>) -> bool {
            presented.scheme() == AuthScheme::new("ApiKey").unwrap()
        }

        async fn authenticate(&self, token: &str) -> Result<Authenticated, AuthError> {
            Ok(Authenticated::subject(token))
        }
    }
    let scheme = AuthScheme::new("ApiKey").unwrap();
    let layer = layer()
        .with_authenticator(ByScheme, validation())
        .unwrap()
        .with_schemes([AuthScheme::BEARER.into(), scheme.into()]);
    let app = app(layer);

    send(&app, get("/").field("authorization", "ApiKey carol")).await.is_ok("carol");
    send(&app, get("/").bearer(good())).await.is_ok("alice");
}

#[test]
fn validation_of_an_authenticator_is_checked_at_set_up() {
    let validation = tower_bearer::Validation::new("", AUDIENCE);

    layer().with_authenticator(ApiKeys::default(), validation).unwrap_err();
}
