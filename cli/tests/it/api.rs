//! `bearer explain --url` asks a running API over a real socket.

use axum::Router;
use axum::http::{HeaderMap, Method, header};
use axum::response::Redirect;
use axum::routing::get;
use serde_json::{Value, json};
use tower_bearer::policy::scope;
use tower_bearer::{BearerLayer, Validation, Verifier, require};
use tower_http::cors::CorsLayer;

use crate::support::{AUDIENCE, ISSUER, bearer, key, now, token};

/// Serves an API with an open, a guarded and a CORS route, and returns its address.
fn serve() -> String {
    let verifier =
        Verifier::<Value>::new(key().verifying_key(), Validation::new(ISSUER, AUDIENCE)).unwrap();
    let cors = CorsLayer::new()
        .allow_origin(["https://app.example.com".parse().unwrap()])
        .allow_methods([Method::GET])
        .allow_headers([header::AUTHORIZATION])
        .expose_headers([header::WWW_AUTHENTICATE]);
    let app = Router::new()
        .route("/me", get(|| async { "me" }))
        .route("/write", get(|| async { "written" }).layer(require(scope("orders:write"))))
        .route_layer(BearerLayer::new(verifier.clone()))
        .route("/open", get(|| async { "open" }))
        .route("/bare", get(|| async { axum::http::StatusCode::UNAUTHORIZED }))
        .route("/away", get(|| async { axum::http::StatusCode::SERVICE_UNAVAILABLE }))
        .route(
            "/metadata",
            get(|| async {
                let challenge = "Bearer resource_metadata=\"http://example.com/x\", realm=\"a, b\"";
                (axum::http::StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)])
            }),
        )
        .route(
            "/redirecting-metadata",
            get(|headers: HeaderMap| async move {
                let host = headers[header::HOST].to_str().unwrap().to_owned();
                let challenge = format!("Bearer resource_metadata=\"http://{host}/moved\"");
                (axum::http::StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)])
            }),
        )
        .route("/moved", get(|| async { Redirect::temporary("http://127.0.0.1:1/elsewhere") }))
        .merge(
            Router::new()
                .route("/cors", get(|| async { "cors" }))
                .route_layer(BearerLayer::new(verifier))
                .layer(cors),
        );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    format!("http://{address}")
}

fn asked(url: &str, token: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let output =
        bearer().args(["explain", "--json", "--url", url]).args(arguments).stdin(token).assert();
    let output = output.get_output();
    (output.status.code(), serde_json::from_slice(&output.stdout).unwrap())
}

fn fresh() -> String {
    token().at(now()).claim("scope", "orders:read").sign(&key())
}

#[test]
fn answer_of_an_api_is_the_verdict() {
    let api = serve();
    let expired = token().sign(&key());

    let (code, report) = asked(&format!("{api}/me"), &fresh(), &[]);
    assert_eq!((code, &report["verdict"]), (Some(0), &json!("accepted")));
    assert_eq!(report["status_without_token"], 401);

    let (code, report) = asked(&format!("{api}/me"), &expired, &[]);
    assert_eq!((code, &report["status"]), (Some(1), &json!(401)));
    assert_eq!(report["challenges"][0]["scheme"], "Bearer");
    assert!(report["challenges"].to_string().contains("invalid_token"), "{report}");

    let (code, report) = asked(&format!("{api}/write"), &fresh(), &[]);
    assert_eq!((code, &report["status"]), (Some(1), &json!(403)));
    assert!(report["challenges"].to_string().contains("orders:write"), "{report}");

    let (code, report) = asked(&format!("{api}/away"), &fresh(), &[]);
    assert_eq!((code, &report["verdict"]), (Some(2), &json!("undecided")));
}

#[test]
fn open_routes_and_answers_without_challenge_are_found() {
    let api = serve();

    let (_, report) = asked(&format!("{api}/open"), &fresh(), &[]);
    assert!(report["findings"].to_string().contains("it is open"), "{report}");
    let (_, report) = asked(&format!("{api}/bare"), &fresh(), &[]);
    assert!(report["findings"].to_string().contains("no `WWW-Authenticate` field"), "{report}");
    let (code, report) = asked(&format!("{api}/me"), "", &[]);
    assert_eq!((code, &report["verdict"]), (Some(2), &json!("undecided")));
    assert!(report["findings"].to_string().contains("No token was sent"), "{report}");
}

#[test]
fn cors_is_read_from_the_preflight_and_the_answer() {
    let api = serve();
    let origin = ["--origin", "https://app.example.com"];
    let expired = token().sign(&key());

    let (_, report) = asked(&format!("{api}/cors"), &expired, &origin);
    assert_eq!(
        report["cors"],
        json!({
            "origin": "https://app.example.com", "preflight_status": 200, "allows_origin": true,
            "allows_authorization": true, "exposes_challenge": true
        })
    );
    let (_, report) =
        asked(&format!("{api}/cors"), &expired, &["--origin", "https://other.example"]);
    assert_eq!(report["cors"]["allows_origin"], false);
    let (_, report) = asked(&format!("{api}/me"), &expired, &origin);
    assert!(report["findings"].to_string().contains("outside of the layer"), "{report}");
}

#[test]
fn metadata_on_another_host_is_not_fetched() {
    let api = serve();

    let (_, report) = asked(&format!("{api}/metadata"), &fresh(), &[]);

    let metadata = &report["resource_metadata"];
    assert_eq!(metadata["url"], "http://example.com/x");
    assert_eq!(metadata["problem"], "it is on another host, and was not fetched");
    assert!(report["challenges"].to_string().contains("a, b"), "{report}");
}

#[test]
fn metadata_that_redirects_is_not_followed_to_another_host() {
    let api = serve();

    let (_, report) = asked(&format!("{api}/redirecting-metadata"), &fresh(), &[]);

    let metadata = &report["resource_metadata"];
    assert_eq!(metadata["url"], format!("{api}/moved"));
    assert_eq!(metadata["problem"], "it is answered with 307");
}

#[test]
fn api_that_does_not_answer_is_an_error() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let output = bearer()
        .args(["explain", "--url", &format!("http://{closed}/")])
        .stdin(fresh())
        .assert()
        .code(2);

    let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
    assert!(text.contains("does not answer"), "{text}");
}

#[test]
fn token_goes_to_no_proxy_on_the_way_to_this_machine() {
    let api = serve();
    let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    proxy.set_nonblocking(true).unwrap();

    let output = bearer()
        .args(["explain", "--json", "--url", &format!("{api}/me")])
        .env("http_proxy", &address)
        .env("HTTP_PROXY", &address)
        .env("ALL_PROXY", &address)
        .stdin(fresh())
        .assert();

    output.code(0);
    assert!(proxy.accept().is_err(), "the proxy was asked");
}

#[test]
fn address_with_a_password_or_of_another_kind_is_refused() {
    for (url, word) in [
        ("https://user:secret@api.example.com/", "has a user or password in it"),
        ("ftp://api.example.com/", "is no address of HTTPS"),
        ("file:///etc/passwd", "is no address of HTTPS"),
    ] {
        let output = bearer().args(["explain", "--url", url]).stdin(fresh()).assert().code(2);
        let text = String::from_utf8(output.get_output().stderr.clone()).unwrap();
        assert!(text.contains(word) && !text.contains("secret"), "{url}: {text}");
    }
}

#[test]
fn answer_that_does_not_depend_on_the_token_is_no_verdict() {
    let api = serve();

    let (code, report) = asked(&format!("{api}/open"), &fresh(), &[]);

    assert_eq!((code, &report["verdict"]), (Some(2), &json!("undecided")));
}
