//! Tests the `Authorization` field, through a real router.

use axum::Router;
use axum::routing::get as on_get;
use tower_bearer::{Claims, Reason};

use crate::support::{PLAIN, User, WithBearer, challenge, get, good, layer, send};

fn app() -> Router {
    Router::new()
        .route("/", on_get(|Claims(user): Claims<User>| async move { user.sub.clone().unwrap() }))
        .layer(layer())
}

#[tokio::test]
async fn request_without_a_token_gets_a_challenge_without_error() {
    // RFC 6750 §3.1: no error without credentials
    // RFC 9110 §15.5.2: the challenge is for the scheme that is accepted
    send(&app(), get("/")).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn request_with_a_token_reaches_the_handler() {
    // RFC 6750 §2.1: the Authorization field is supported
    send(&app(), get("/").bearer(good())).await.is_ok("alice");
}

#[tokio::test]
async fn scheme_may_be_written_in_any_case() {
    // RFC 9110 §11.1: the scheme is case-insensitive
    for scheme in ["bearer", "BEARER", "bEARER"] {
        let request = get("/").field("authorization", format!("{scheme} {}", good()));
        send(&app(), request).await.is_ok("alice");
    }
}

#[tokio::test]
async fn another_scheme_counts_as_nothing_sent() {
    // RFC 6750 §3: a challenge without error for other schemes
    for field in ["Basic YWxpY2U6cGFzc3dvcmQ=", "Digest username=\"alice\"", "Negotiate"] {
        let answer = send(&app(), get("/").field("authorization", field)).await;
        answer.is_refused(401, Some(PLAIN), Reason::MissingToken);
    }
}

#[tokio::test]
async fn malformed_field_is_a_bad_request() {
    // RFC 6750 §3.1: invalid_request is answered with 400
    let expected = challenge("invalid_request", "The Authorization field is malformed");
    for field in ["Bearer", "Bearer ", "Bearer\tx", "Bearer a b", "Bearer \"a\"", "Bearer a,b", ""]
    {
        let answer = send(&app(), get("/").field("authorization", field)).await;
        answer.is_refused(400, Some(&expected), Reason::MalformedAuthorization);
    }
    let answer = send(&app(), get("/").field("authorization", b"Bearer \xff")).await;
    answer.is_refused(400, Some(&expected), Reason::MalformedAuthorization);
}

#[tokio::test]
async fn two_fields_are_a_bad_request_even_when_both_are_good() {
    // RFC 9110 §11.6.2: the field is not a list
    let expected = challenge("invalid_request", "There is more than one Authorization field");
    for other in [format!("Bearer {}", good()), "Basic YTpi".to_owned()] {
        let request = get("/").bearer(good()).field("authorization", other);
        let answer = send(&app(), request).await;
        answer.is_refused(400, Some(&expected), Reason::RepeatedAuthorization);
    }
}

#[tokio::test]
async fn field_stays_in_the_request_and_is_marked_as_sensitive() {
    // RFC 6750 §5.2: tokens are not logged
    let handler = |headers: http::HeaderMap| async move {
        headers["authorization"].is_sensitive().to_string()
    };
    let app = Router::new().route("/", on_get(handler)).layer(layer());

    send(&app, get("/").bearer(good())).await.is_ok("true");
}
