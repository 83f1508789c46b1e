//! Tests what services outside of the layer use: the refresh token, and the check alone.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::routing::any;
use tower_bearer::cookies::Cookies;
use tower_bearer::{Reason, Rejection};

use super::{OWN, cookies, csrf_for, head, to_api, with_access};
use crate::support::{PLAIN, WithBearer, challenge, good, send};

async fn refresh(State(cookies): State<Cookies>, parts: Parts) -> Result<String, Rejection> {
    Ok(cookies.refresh_token(&parts)?.unwrap_or("none").to_owned())
}

async fn refresh_only(State(cookies): State<Cookies>, parts: Parts) -> Result<String, Rejection> {
    Ok(cookies.refresh_only_token(&parts)?.unwrap_or("none").to_owned())
}

async fn check(
    State(cookies): State<Cookies>,
    request: Request,
) -> Result<&'static str, Rejection> {
    cookies.check(&head(request))?;
    Ok("in")
}

fn app() -> Router {
    Router::new().route("/", any(refresh)).with_state(cookies())
}

fn app_of_refresh_only() -> Router {
    Router::new().route("/", any(refresh_only)).with_state(cookies())
}

fn checked() -> Router {
    Router::new().route("/", any(check)).with_state(cookies())
}

fn with_refresh(method: &str) -> Request {
    to_api(method).field("cookie", "x=1; __Host-refresh=a.refresh~token")
}

#[tokio::test]
async fn refresh_token_is_given_to_pages_of_this_origin_alone() {
    for method in ["POST", "GET"] {
        send(&app(), with_refresh(method).field("origin", OWN)).await.is_ok("a.refresh~token");
        let foreign = send(&app(), with_refresh(method).field("origin", "https://evil.com")).await;
        foreign.is_refused(403, Some(PLAIN), Reason::CrossSite);
        let unknown = send(&app(), with_refresh(method)).await;
        unknown.is_refused(403, Some(PLAIN), Reason::MissingCsrfToken);
    }
}

fn with_refresh_only(method: &str) -> Request {
    to_api(method).field("cookie", "x=1; __Host-refresh-only=a.refresh~token")
}

#[tokio::test]
async fn refresh_token_alone_is_given_to_pages_of_this_origin_alone() {
    let app = app_of_refresh_only();
    for method in ["POST", "GET"] {
        let own = with_refresh_only(method).field("origin", OWN);
        send(&app, own).await.is_ok("a.refresh~token");
        let foreign = with_refresh_only(method).field("origin", "https://evil.com");
        send(&app, foreign).await.is_refused(403, Some(PLAIN), Reason::CrossSite);
        let unknown = send(&app, with_refresh_only(method)).await;
        unknown.is_refused(403, Some(PLAIN), Reason::MissingCsrfToken);
    }
    let csrf = csrf_for(&cookies(), "a.refresh~token");
    let submitted = with_refresh_only("POST").field("cookie", format!("__Host-csrf={csrf}"));
    send(&app, submitted.field("x-csrf-token", csrf)).await.is_ok("a.refresh~token");
}

#[tokio::test]
async fn refresh_token_is_in_one_of_the_two_cookies_and_never_taken_for_the_other() {
    let expected = challenge("invalid_request", "There is more than one cookie of this name");
    let own = |request: Request| request.field("origin", OWN);

    send(&app(), own(with_refresh_only("POST"))).await.is_ok("none");
    send(&app_of_refresh_only(), own(with_refresh("POST"))).await.is_ok("none");
    let two = own(with_refresh_only("POST")).field("cookie", "__Host-refresh-only=x");
    let two = send(&app_of_refresh_only(), two).await;
    two.is_refused(400, Some(&expected), Reason::RepeatedCookie);
}

#[tokio::test]
async fn refresh_token_is_given_for_the_csrf_token_that_is_bound_to_it() {
    let csrf = csrf_for(&cookies(), "a.refresh~token");
    let other = csrf_for(&cookies(), "another");
    let submit = |csrf: &str| {
        let request = with_refresh("POST").field("cookie", format!("__Host-csrf={csrf}"));
        request.field("x-csrf-token", csrf)
    };

    send(&app(), submit(&csrf)).await.is_ok("a.refresh~token");
    let refused = send(&app(), submit(&other)).await;
    refused.is_refused(403, Some(PLAIN), Reason::MissingCsrfToken);
}

#[tokio::test]
async fn request_without_a_refresh_token_has_none_and_two_are_a_bad_request() {
    let expected = challenge("invalid_request", "There is more than one cookie of this name");

    send(&app(), to_api("POST")).await.is_ok("none");
    send(&app(), to_api("POST").field("cookie", "__Host-refresh=")).await.is_ok("none");
    let strange = to_api("POST").field("cookie", "__Host-refresh=a b").field("origin", OWN);
    send(&app(), strange).await.is_ok("none");
    let two = with_refresh("POST").field("cookie", "__Host-refresh=x").field("origin", OWN);
    send(&app(), two).await.is_refused(400, Some(&expected), Reason::RepeatedCookie);
}

#[tokio::test]
async fn check_alone_refuses_other_sites_with_cookies_or_without() {
    let from = |origin: &str| to_api("POST").field("origin", origin);

    send(&checked(), from(OWN)).await.is_ok("in");
    // A sign-in with the attacker's name.
    let foreign = send(&checked(), from("https://evil.com")).await;
    foreign.is_refused(403, Some(PLAIN), Reason::CrossSite);
    send(&checked(), to_api("GET").field("origin", "https://evil.com")).await.is_ok("in");
}

#[tokio::test]
async fn check_alone_needs_a_csrf_token_only_where_there_is_a_session() {
    let csrf = csrf_for(&cookies(), &good());
    let with_csrf = with_access("POST", good()).field("cookie", format!("__Host-csrf={csrf}"));

    send(&checked(), to_api("POST")).await.is_ok("in");
    for request in [with_access("POST", good()), with_refresh("POST"), with_refresh_only("POST")] {
        send(&checked(), request).await.is_refused(403, Some(PLAIN), Reason::MissingCsrfToken);
    }
    send(&checked(), with_csrf.field("x-csrf-token", csrf)).await.is_ok("in");
}

#[tokio::test]
async fn check_alone_refuses_two_cookies_of_a_name() {
    let expected = challenge("invalid_request", "There is more than one cookie of this name");
    let two = with_refresh("GET").field("cookie", "__Host-refresh=x");

    send(&checked(), two).await.is_refused(400, Some(&expected), Reason::RepeatedCookie);
    send(&checked(), with_refresh("GET")).await.is_ok("in");
}
