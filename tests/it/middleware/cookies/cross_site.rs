//! Tests which requests may use cookies, by method, `Sec-Fetch-Site`, `Origin` and CSRF token; with
//! the layer of tower-http as a second opinion.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::Request;
use tower_bearer::Reason;
use tower_http::csrf::CsrfLayer;

use super::{OWN, app, app_with, cookies, csrf_for, to_api, with_access};
use crate::support::{PLAIN, WithBearer, good, send};

const APP: &str = "https://app.example.com";
const METHODS: [&str; 9] =
    ["GET", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH", "DELETE", "PROPFIND"];
const SITES: [Option<&str>; 8] = [
    None,
    Some("same-origin"),
    Some("none"),
    Some("same-site"),
    Some("cross-site"),
    Some("Same-Origin"),
    Some("unheard-of"),
    Some(""),
];
const ORIGINS: [Option<&str>; 8] = [
    None,
    Some(OWN),
    Some(APP),
    Some("https://evil.com"),
    Some("http://api.example.com"),
    Some("https://api.example.com:8443"),
    Some("null"),
    Some(""),
];

fn request(method: &str, site: Option<&str>, origin: Option<&str>) -> Request<Body> {
    let mut request = with_access(method, good());
    if let Some(site) = site {
        request = request.field("sec-fetch-site", site);
    }
    match origin {
        Some(origin) => request.field("origin", origin),
        None => request,
    }
}

/// The rule once more, by its table.
fn expected(
    method: &str,
    site: Option<&str>,
    origin: Option<&str>,
    signed: bool,
) -> Option<Reason> {
    match (method, site, origin) {
        ("GET" | "HEAD" | "OPTIONS" | "TRACE", ..) => None,
        (_, Some("same-origin" | "none"), _) | (.., Some(APP)) | (_, None, Some(OWN)) => None,
        (_, None, None) if signed => None,
        (_, None, None) => Some(Reason::MissingCsrfToken),
        _ => Some(Reason::CrossSite),
    }
}

#[tokio::test]
async fn requests_are_judged_by_method_site_origin_and_csrf_token() {
    // Fetch: Sec-Fetch-Site, or else Origin, tells the site of a request
    let cookies = cookies().with_trusted_origin(APP).unwrap();
    let app = app_with(cookies.source());
    let csrf = csrf_for(&cookies, &good());
    for method in METHODS {
        for site in SITES {
            for origin in ORIGINS {
                for signed in [false, true] {
                    let mut request = request(method, site, origin);
                    if signed {
                        request = request.field("cookie", format!("__Host-csrf={csrf}"));
                        request = request.field("x-csrf-token", &csrf);
                    }
                    let answer = send(&app, request).await;
                    let case = format!("{method} {site:?} {origin:?} {signed}");
                    let reason = expected(method, site, origin, signed);
                    assert_eq!(answer.reason, reason, "{case}");
                    assert_eq!(answer.status, if reason.is_none() { 200 } else { 403 }, "{case}");
                    assert_eq!(answer.challenge(), reason.map(|_| PLAIN), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn tower_http_accepts_all_that_is_accepted_and_four_kinds_of_requests_more() {
    let csrf = CsrfLayer::new().add_trusted_origin(APP).unwrap();
    let theirs = Router::new().route("/", any(async || "in")).layer(csrf);
    let ours = app_with(cookies().with_trusted_origin(APP).unwrap().source());
    for method in METHODS.into_iter().filter(|method| *method != "TRACE") {
        for site in SITES {
            for origin in ORIGINS {
                let is_accepted_here =
                    send(&ours, request(method, site, origin)).await.status == 200;
                let is_accepted_there =
                    send(&theirs, request(method, site, origin)).await.status == 200;
                let is_stricter_here = match (site, origin) {
                    // The scheme counts.
                    (None, Some("http://api.example.com")) => true,
                    // Neither field: not a browser, or an old one.
                    (None, None) => true,
                    // An empty field is not an absent one.
                    (Some(""), None | Some("" | OWN | "http://api.example.com")) => true,
                    (None, Some("")) => true,
                    _ => false,
                };
                let is_unsafe = !["GET", "HEAD", "OPTIONS"].contains(&method);
                let case = format!("{method} {site:?} {origin:?}");
                let is_different = is_unsafe && is_stricter_here;
                assert_eq!(is_accepted_there, is_accepted_here || is_different, "{case}");
                assert!(!(is_accepted_here && is_different), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn repeated_fields_are_of_another_site() {
    let repeated = [
        request("POST", Some("same-origin"), None).field("sec-fetch-site", "cross-site"),
        request("POST", None, Some(OWN)).field("origin", "https://evil.com"),
        request("POST", None, Some(OWN)).field("host", "evil.com"),
    ];
    for request in repeated {
        send(&app(), request).await.is_refused(403, Some(PLAIN), Reason::CrossSite);
    }
    send(&app(), request("POST", None, Some(OWN))).await.is_ok("alice");
}

#[tokio::test]
async fn token_in_the_header_needs_no_check() {
    for site in SITES {
        for origin in ORIGINS {
            let mut request = to_api("POST").bearer(good());
            if let Some(site) = site {
                request = request.field("sec-fetch-site", site);
            }
            if let Some(origin) = origin {
                request = request.field("origin", origin);
            }
            send(&app(), request).await.is_ok("alice");
        }
    }
}

#[tokio::test]
async fn trusted_origin_is_accepted_and_a_sibling_is_not() {
    let app = app_with(cookies().with_trusted_origin(APP).unwrap().source());

    send(&app, request("POST", Some("same-site"), Some(APP))).await.is_ok("alice");
    let sibling = request("POST", Some("same-site"), Some("https://blog.example.com"));
    send(&app, sibling).await.is_refused(403, Some(PLAIN), Reason::CrossSite);
}

#[tokio::test]
async fn request_that_opens_a_web_socket_has_to_come_from_this_origin() {
    let upgrade = |upgrade: &str, origin: Option<&str>| {
        let request = request("GET", None, origin).field("connection", "upgrade");
        request.field("upgrade", upgrade).field("sec-websocket-version", "13")
    };
    let app = app();

    for value in ["websocket", "WebSocket", "h2c, websocket"] {
        send(&app, upgrade(value, Some(OWN))).await.is_ok("alice");
        let foreign = send(&app, upgrade(value, Some("https://evil.com"))).await;
        foreign.is_refused(403, Some(PLAIN), Reason::CrossSite);
        let unknown = send(&app, upgrade(value, None)).await;
        unknown.is_refused(403, Some(PLAIN), Reason::MissingCsrfToken);
    }
    send(&app, upgrade("h2c", Some("https://evil.com"))).await.is_ok("alice");
}

#[tokio::test]
async fn all_sites_are_accepted_only_where_it_is_said_to_be_dangerous() {
    let app = app_with(cookies().dangerous().accept_every_site().source());

    for (site, origin) in [(Some("cross-site"), Some("https://evil.com")), (None, None)] {
        send(&app, request("POST", site, origin)).await.is_ok("alice");
    }
}

#[tokio::test]
async fn refusal_has_a_code_of_its_own_in_the_body() {
    let layer = crate::support::layer().with_source(cookies().source());
    let app = Router::new()
        .route("/", any(async || "in"))
        .layer(layer.with_rejection(tower_bearer::render::Json));

    let foreign = send(&app, request("POST", Some("cross-site"), None)).await;
    let unknown = send(&app, request("POST", None, None)).await;

    assert!(foreign.body.contains(r#""error":"cross_site""#), "{}", foreign.body);
    assert!(unknown.body.contains(r#""error":"cross_site""#), "{}", unknown.body);
    assert!(unknown.body.contains("A CSRF token is needed"), "{}", unknown.body);
}
