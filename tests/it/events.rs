//! What the log hears: one event for each refusal, and never a token.

use axum::Router;
use axum::extract::Path;
use axum::routing::get as on_get;
use tower_bearer::policy::role;
use tower_bearer::{Claims, Principal, Reason, Rejection, require};
use tracing::Level;
use tracing::instrument::WithSubscriber;

use crate::log::Log;
use crate::support::{PLAIN, User, WithBearer, get, good, key, layer, send, token};

async fn logged(app: &Router, request: http::Request<axum::body::Body>) -> Vec<(Level, String)> {
    let log = Log::default();
    send(app, request).with_subscriber(log.subscriber()).await;
    log.events()
}

/// What the log hears of something that happens at once.
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

    // How loud it is depends on the last minute of the whole program.
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
    Router::new().route("/{name}", on_get(item)).layer(layer().optional())
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

    let [(level, text)] = &events[..] else { panic!("{events:?}") };
    assert_eq!(*level, Level::ERROR);
    assert!(text.contains("layer_missing"), "{text}");
}
