//! Serves the front end, and the headers that keep browsers from doing anything else.

use axum::Router;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use axum::routing::get;

/// Returns the routes of the front end. The files are part of the program.
pub fn routes() -> Router {
    let page = |kind: &'static str, text: &'static str| {
        let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
        get(async move || (headers, text))
    };
    let script = |text| page("text/javascript; charset=utf-8", text);
    Router::new()
        .route("/", page("text/html; charset=utf-8", include_str!("front/index.html")))
        .route("/front/style.css", page("text/css; charset=utf-8", include_str!("front/style.css")))
        .route("/front/icon.svg", page("image/svg+xml", include_str!("front/icon.svg")))
        .route("/front/app.js", script(include_str!("front/app.js")))
        .route("/front/dom.js", script(include_str!("front/dom.js")))
        .route("/front/http.js", script(include_str!("front/http.js")))
        .route("/front/inspector.js", script(include_str!("front/inspector.js")))
        .route("/front/session.js", script(include_str!("front/session.js")))
        .route("/front/views.js", script(include_str!("front/views.js")))
        .route("/front/words.js", script(include_str!("front/words.js")))
}

/// Adds the headers to a response, unless it has them.
pub fn secure(mut response: Response, is_https: bool) -> Response {
    let headers = response.headers_mut();
    set(headers, CONTENT_SECURITY_POLICY, POLICY);
    set(headers, X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(headers, X_FRAME_OPTIONS, "DENY");
    set(headers, REFERRER_POLICY, "no-referrer");
    set(headers, HeaderName::from_static("cross-origin-opener-policy"), "same-origin");
    set(headers, HeaderName::from_static("cross-origin-resource-policy"), "same-origin");
    if is_https {
        set(headers, STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    response
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &'static str) {
    headers.entry(name).or_insert(HeaderValue::from_static(value));
}

/// Scripts, styles and images of this origin only, none of them inline; requests to this origin only; no frames
/// around this page. A form cannot be sent anywhere: scripts send what is typed. Strings never become HTML.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'; trusted-types 'none'";
