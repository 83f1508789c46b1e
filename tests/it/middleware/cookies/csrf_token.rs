//! Tests the CSRF token of clients that send neither `Sec-Fetch-Site` nor `Origin`.

use axum::body::Body;
use http::{HeaderMap, Request};
use tower_bearer::Reason;
use tower_bearer::cookies::Cookies;

use super::{MINUTE, app, cookies, csrf_for, kept, with_access};
use crate::support::{PLAIN, WithBearer, good, key, send, token};

fn submit(cookie: &str, header: &str) -> Request<Body> {
    with_access("POST", good())
        .field("cookie", format!("__Host-csrf={cookie}"))
        .field("x-csrf-token", header)
}

async fn is_refused(request: Request<Body>) {
    send(&app(), request).await.is_refused(403, Some(PLAIN), Reason::MissingCsrfToken);
}

#[tokio::test]
async fn token_in_cookie_and_header_is_accepted_and_in_one_of_them_refused() {
    let csrf = csrf_for(&cookies(), &good());

    send(&app(), submit(&csrf, &csrf)).await.is_ok("alice");
    is_refused(with_access("POST", good())).await;
    is_refused(with_access("POST", good()).field("cookie", format!("__Host-csrf={csrf}"))).await;
    is_refused(with_access("POST", good()).field("x-csrf-token", &csrf)).await;
    is_refused(submit("", "")).await;
}

#[tokio::test]
async fn token_that_nobody_signed_is_refused_though_both_copies_agree() {
    let csrf = csrf_for(&cookies(), &good());
    let other = Cookies::new([7; 32]).unwrap();

    is_refused(submit("x", "x")).await;
    is_refused(submit(&csrf[..63], &csrf[..63])).await;
    is_refused(submit(&csrf_for(&other, &good()), &csrf_for(&other, &good()))).await;
    send(&app(), submit(&csrf, &csrf)).await.is_ok("alice");
}

#[tokio::test]
async fn two_good_tokens_that_differ_are_refused() {
    let (one, two) = (csrf_for(&cookies(), &good()), csrf_for(&cookies(), &good()));

    is_refused(submit(&one, &two)).await;
    send(&app(), submit(&two, &two)).await.is_ok("alice");
}

#[tokio::test]
async fn token_of_another_session_that_a_sibling_domain_has_set_is_refused() {
    let mallory = token().claim("sub", "mallory").sign(&key());
    let tossed = csrf_for(&cookies(), &mallory);
    let own = csrf_for(&cookies(), &good());

    is_refused(submit(&tossed, &tossed)).await;
    // An old browser, which does not know the prefix, sends both.
    is_refused(submit(&own, &own).field("cookie", format!("__Host-csrf={tossed}"))).await;
    is_refused(submit(&tossed, &own)).await;
    is_refused(submit(&own, &own).field("x-csrf-token", &own)).await;
    send(&app(), submit(&own, &own)).await.is_ok("alice");
}

#[tokio::test]
async fn foreign_origin_is_refused_with_the_token_too() {
    let csrf = csrf_for(&cookies(), &good());

    for (name, value) in [("origin", "https://evil.com"), ("sec-fetch-site", "cross-site")] {
        let answer = send(&app(), submit(&csrf, &csrf).field(name, value)).await;
        answer.is_refused(403, Some(PLAIN), Reason::CrossSite);
    }
}

#[tokio::test]
async fn token_of_a_session_is_good_with_the_refresh_token_it_was_made_for() {
    let mut headers = HeaderMap::new();
    cookies().set(&mut headers, (&good(), MINUTE), Some(("a.refresh~token", 60 * MINUTE))).unwrap();
    let cookie = |name: &str| {
        let (_, value) = kept(&headers).into_iter().find(|(known, _)| known == name).unwrap();
        format!("{name}={value}")
    };
    let csrf = cookie("__Host-csrf").split_once('=').unwrap().1.to_owned();
    // The access token was replaced by another tab meanwhile.
    let other = token().claim("jti", "another").sign(&key());

    let request = with_access("POST", &other).field("x-csrf-token", &csrf);
    let request = request.field("cookie", cookie("__Host-csrf"));
    is_refused(with_access("POST", &other).field("x-csrf-token", &csrf)).await;
    let with_refresh = request.field("cookie", cookie("__Host-refresh"));
    send(&app(), with_refresh).await.is_ok("alice");
}
