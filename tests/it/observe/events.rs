//! Tests the log: one event for each refusal, and never a token.

use axum::Router;
use axum::extract::Path;
use axum::routing::get as on_get;
use tower_bearer::policy::role;
use tower_bearer::{Claims, Principal, Reason, Rejection, Verifier, require};
use tracing::Level;
use tracing::instrument::WithSubscriber;

use crate::support::log::Log;
use crate::support::{
    NOW, PLAIN, User, WithBearer, get, good, key, layer, send, token, validation, verifier,
};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tower_bearer::test_util::TestClock;

async fn logged(app: &Router, request: http::Request<axum::body::Body>) -> Vec<(Level, String)> {
    let log = Log::default();
    send(app, request).with_subscriber(log.subscriber()).await;
    log.events()
}

/// Returns the events of a call.
pub fn reported(happens: impl FnOnce()) -> Vec<(Level, String)> {
    let log = Log::default();
    tracing::subscriber::with_default(log.subscriber(), happens);
    log.events()
}

fn app() -> Router {
    Router::new()
        .route("/", on_get(|| async {}))
        .route("/admin", on_get(|| async {}).layer(require(role("admin"))))
        .route("/wrong-type", on_get(|_: Claims<u8>| async {}))
        .layer(layer())
        .route("/no-layer", on_get(|_: Claims<User>| async {}))
}

#[tokio::test]
async fn every_refusal_is_one_event_with_its_reason() {
    let bad_claim = token().claim("email", 7).sign(&key());
    let expired = token().claim("exp", 1).sign(&key());
    for (request, level, reason, detail) in [
        (get("/"), Level::DEBUG, "missing_token", ""),
        (get("/").bearer(expired), Level::DEBUG, "expired", "`exp` is 1"),
        (get("/admin").bearer(good()), Level::DEBUG, "forbidden", "role `admin`"),
        (get("/").bearer(bad_claim), Level::WARN, "claims_mismatch", "User"),
        (get("/wrong-type").bearer(good()), Level::ERROR, "claims_type_missing", "u8"),
    ] {
        let events = logged(&app(), request).await;

        let [(seen, text)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(*seen, level);
        assert!(text.contains(&format!("reason=\"{reason}\"")), "{text}");
        assert!(text.contains(detail), "{text}");
    }
}

#[tokio::test]
async fn missing_layer_is_one_event_that_says_what_to_add() {
    let events = logged(&app(), get("/no-layer")).await;

    // Its level depends on the last minute of the whole program.
    let [(_, text)] = &events[..] else { panic!("{events:?}") };
    assert!(text.contains("reason=\"layer_missing\""), "{text}");
    assert!(text.contains(".layer(BearerLayer::new(verifier))"), "{text}");
}

#[tokio::test]
async fn accepted_request_is_no_event() {
    assert_eq!(logged(&app(), get("/").bearer(good())).await, []);
}

#[tokio::test]
async fn no_event_holds_any_part_of_a_token() {
    // RFC 6750 §5.2: tokens are not logged
    // RFC 9068 §6: contents of tokens are not logged
    let tokens = [
        good(),
        token().claim("iss", "x").sign(&key()),
        token().claim("email", "secret-value").claim("exp", 1).sign(&key()),
        token().claim("email", 7).sign(&key()),
        token().header("kid", "k".repeat(240)).sign(&key().with_key_id("other")),
        format!("{}x", good()),
    ];
    for token in tokens {
        for path in ["/", "/admin", "/no-layer", "/wrong-type"] {
            for (_, text) in logged(&app(), get(path).bearer(&token)).await {
                for part in token.split('.') {
                    assert!(!text.contains(part), "{text}");
                }
                assert!(!text.contains("secret-value"), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn strangers_key_id_is_escaped_and_cut() {
    // RFC 8725bis §3.10: a stranger's kid is escaped
    use crate::support::verifier_of;
    let stranger = token().header("kid", format!("\n\u{1b}[31m{}", "k".repeat(240)));
    let known = key().with_key_id("known").verifying_key();
    let error = verifier_of(known).verify(&stranger.sign(&key())).await.unwrap_err();

    let detail = error.detail().unwrap();

    assert!(detail.len() < 250 && !detail.contains('\n') && !detail.contains('\u{1b}'), "{detail}");
}

#[tokio::test]
async fn detail_of_a_malformed_token_says_which_part_is_wrong() {
    let good = good();
    let parts: Vec<&str> = good.split('.').collect();
    let [header, payload, signature] = parts[..] else { panic!("{good}") };
    for (token, reason, detail) in [
        (format!("{header}.{payload}"), Reason::Malformed, Some("there are not three segments")),
        (format!("{good}.{signature}"), Reason::Malformed, Some("there are not three segments")),
        (format!("{good}.x.y"), Reason::Encrypted, None),
        (
            format!("{good}="),
            Reason::Malformed,
            Some("the signature is not base64url without padding"),
        ),
        (format!("{header}..{signature}"), Reason::Malformed, Some("the payload is empty")),
        (
            format!("{header}.{payload}."),
            Reason::Malformed,
            Some("there is no signature: the token is not signed"),
        ),
        (
            format!("!.{payload}.{signature}"),
            Reason::Malformed,
            Some("the header is not base64url without padding"),
        ),
    ] {
        let error = verifier().verify(&token).await.unwrap_err();

        assert_eq!((error.reason(), error.detail()), (reason, detail), "{token}");
    }
}

#[tokio::test]
async fn detail_of_claims_that_do_not_fit_says_what_was_expected_and_not_what_was_there() {
    #[derive(Debug, Deserialize)]
    struct Tenant {
        #[serde(rename = "tenant")]
        _tenant: String,
    }
    #[derive(Debug)]
    struct Odd;
    impl<'de> Deserialize<'de> for Odd {
        fn deserialize<D: serde::Deserializer<'de>>(claims: D) -> Result<Self, D::Error> {
            let claims = Value::deserialize(claims)?;
            Err(serde::de::Error::custom(format!("{} is odd", claims["email"])))
        }
    }
    #[derive(Debug, Deserialize)]
    struct Kind {
        #[serde(rename = "email")]
        _email: One,
    }
    #[derive(Debug, Deserialize)]
    enum One {
        A,
    }
    #[derive(Debug, Deserialize)]
    struct NoKind {
        #[serde(rename = "email")]
        _email: None,
    }
    #[derive(Debug, Deserialize)]
    enum None {}
    async fn detail<C: DeserializeOwned + Send + Sync + 'static>(email: Value) -> String {
        let token = token().claim("email", email).sign(&key());
        let verifier = Verifier::<C>::new(key().verifying_key(), validation()).unwrap();
        let Err(error) = verifier.with_clock(TestClock::at(NOW)).verify(&token).await else {
            panic!("the claims fit")
        };
        assert_eq!(error.reason(), Reason::ClaimsMismatch);
        error.detail().unwrap().to_owned()
    }

    let detail_of_user = detail::<User>(987_654_321.into()).await;
    let expected = "the claims do not fit it::support::User: expected a string at line 1 column ";
    assert!(detail_of_user.starts_with(expected), "{detail_of_user}");
    let detail_of_tenant = detail::<Tenant>("secret".into()).await;
    let expected = "Tenant: missing field `tenant` at line 1 column ";
    assert!(detail_of_tenant.contains(expected), "{detail_of_tenant}");
    // An application's own message may hold any text.
    for claim in ["secret", "x at line secret", "x, expected secret"] {
        let detail_of_odd = detail::<Odd>(claim.into()).await;
        assert!(detail_of_odd.ends_with("Odd: "), "{detail_of_odd}");
    }
    // A claim may look like an error message of serde.
    for claim in
        ["x, expected secret", "x at line secret", "x`, expected secret at line 1 column 2"]
    {
        let details = [detail::<Kind>(claim.into()).await, detail::<NoKind>(claim.into()).await];
        for detail in details {
            assert!(!detail.contains("secret"), "{detail}");
        }
    }
}

/// An item that some may read without a token, behind a layer whose tokens are optional.
fn late() -> Router {
    async fn item(
        Path(name): Path<String>,
        who: Result<Principal, Rejection>,
    ) -> Result<String, Rejection> {
        if name == "public" {
            return Ok("for all".to_owned());
        }
        let who = who?;
        if who.check(role("admin")).is_ok() {
            return Ok("for admins".to_owned());
        }
        if name == "admin" {
            who.check(role("admin"))?;
        }
        Ok("for users".to_owned())
    }
    Router::new().route("/{name}", on_get(item)).layer(layer().with_optional_token())
}

#[tokio::test]
async fn rejection_that_the_handler_does_without_is_no_event() {
    send(&late(), get("/public")).await.is_ok("for all");
    send(&late(), get("/user").bearer(good())).await.is_ok("for users");

    assert_eq!(logged(&late(), get("/public")).await, []);
    assert_eq!(logged(&late(), get("/user").bearer(good())).await, []);
}

#[tokio::test]
async fn rejection_that_is_decided_late_is_answered_like_any_other_and_logged_once() {
    for (request, status, reason) in [
        (get("/user"), 401, Reason::MissingToken),
        (get("/admin").bearer(good()), 403, Reason::Forbidden),
    ] {
        let log = Log::default();
        let answer = send(&late(), request).with_subscriber(log.subscriber()).await;

        answer.is_refused(status, Some(PLAIN), reason);
        let events = log.events();
        let [(_, text)] = &events[..] else { panic!("{events:?}") };
        assert!(text.contains(&format!("reason=\"{reason}\"")), "{text}");
    }
}

#[tokio::test]
async fn rejection_as_a_status_of_grpc_is_logged_once() {
    let request = get("/");

    let events = reported(|| {
        let rejection = Principal::from_extensions(request.extensions()).unwrap_err();
        _ = tonic::Status::from(rejection);
    });

    // The level depends on whether other tests have caused it within the last minute.
    let [(_, text)] = &events[..] else { panic!("{events:?}") };
    assert!(text.contains("layer_missing"), "{text}");
}
