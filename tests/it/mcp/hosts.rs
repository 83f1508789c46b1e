//! Tests which hosts and origins may send requests.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::Request;
use tower_bearer::mcp::HostCheck;
use tower_bearer::{ConfigError, Reason};

use crate::support::log::Log;
use crate::support::{PLAIN, WithBearer, send};

fn app(check: HostCheck) -> Router {
    Router::new().fallback(any(async || "in")).layer(check)
}

fn public() -> HostCheck {
    HostCheck::new("https://mcp.example.com/mcp").unwrap()
}

fn local() -> HostCheck {
    HostCheck::new("http://127.0.0.1:3000/mcp").unwrap()
}

fn request(fields: &[(&'static str, &str)]) -> Request<Body> {
    let request = Request::post("/mcp").body(Body::empty()).unwrap();
    fields.iter().fold(request, |request, (name, value)| request.field(name, value))
}

async fn host(check: &HostCheck, host: &str) -> Option<Reason> {
    let answer = send(&app(check.clone()), request(&[("host", host)])).await;
    match answer.reason {
        None => _ = answer.is_ok("in"),
        Some(reason) => _ = answer.is_refused(403, Some(PLAIN), reason),
    }
    answer.reason
}

async fn origin(check: &HostCheck, origin: &str) -> Option<Reason> {
    let fields = [("host", "localhost"), ("origin", origin)];
    let answer = send(&app(check.clone()), request(&fields)).await;
    match answer.reason {
        None => _ = answer.is_ok("in"),
        Some(reason) => _ = answer.is_refused(403, Some(PLAIN), reason),
    }
    answer.reason
}

#[tokio::test]
async fn host_of_the_server_and_names_of_loopback_are_allowed_with_any_port() {
    for name in [
        "mcp.example.com",
        "MCP.Example.COM",
        "mcp.example.com:443",
        "mcp.example.com:8443",
        "localhost",
        "localhost:3000",
        "LOCALHOST:3000",
        "127.0.0.1",
        "127.0.0.1:1",
        "[::1]",
        "[::1]:3000",
    ] {
        assert_eq!(host(&public(), name).await, None, "{name}");
    }
}

#[tokio::test]
async fn other_host_is_foreign() {
    // MCP: Host is checked against DNS rebinding
    for name in [
        "",
        ":3000",
        "evil.example",
        "evil.example:3000",
        "mcp.example.com.evil.example",
        "evil-mcp.example.com",
        "example.com",
        "mcp.example.com.",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost, evil.example",
        "localhost evil.example",
        "localhost/evil",
        "0.0.0.0:3000",
        "192.168.0.1",
        "[::2]",
        "::1",
    ] {
        for check in [public(), local()] {
            assert_eq!(host(&check, name).await, Some(Reason::ForeignHost), "{name}");
        }
    }
    assert_eq!(host(&local(), "mcp.example.com").await, Some(Reason::ForeignHost));
}

#[tokio::test]
async fn every_host_that_a_request_names_is_checked() {
    let uri = |uri: &str, fields: &[(&'static str, &str)]| {
        let mut request = request(fields);
        *request.uri_mut() = uri.parse().unwrap();
        request
    };
    let app = app(public());

    for (request, is_allowed) in [
        (request(&[]), false),
        (request(&[("host", "localhost"), ("host", "localhost")]), true),
        (request(&[("host", "localhost"), ("host", "evil.example")]), false),
        (request(&[("host", "evil.example"), ("host", "localhost")]), false),
        // `:authority` of HTTP/2.
        (uri("https://mcp.example.com/mcp", &[]), true),
        (uri("https://evil.example/mcp", &[]), false),
        (uri("https://mcp.example.com/mcp", &[("host", "evil.example")]), false),
        (uri("https://evil.example/mcp", &[("host", "mcp.example.com")]), false),
    ] {
        let shown = format!("{request:?}");
        let answer = send(&app, request).await;
        match is_allowed {
            true => _ = answer.is_ok("in"),
            false => {
                assert_eq!(answer.reason, Some(Reason::ForeignHost), "{shown}");
                answer.is_refused(403, Some(PLAIN), Reason::ForeignHost);
            }
        }
    }
}

#[tokio::test]
async fn origin_of_the_server_is_allowed_and_no_other_page() {
    // MCP: Origin is validated, and a foreign one is 403
    for own in ["https://mcp.example.com"] {
        assert_eq!(origin(&public(), own).await, None, "{own}");
    }
    for foreign in [
        "",
        "null",
        "http://mcp.example.com",
        "https://mcp.example.com:8443",
        "https://mcp.example.com:443",
        "https://MCP.example.com",
        "https://mcp.example.com/",
        "https://mcp.example.com.evil.example",
        "https://evil.example",
        "http://localhost:6274",
        "http://127.0.0.1",
        "mcp.example.com",
    ] {
        assert_eq!(origin(&public(), foreign).await, Some(Reason::ForeignOrigin), "{foreign}");
    }
    let two = request(&[
        ("host", "localhost"),
        ("origin", "https://mcp.example.com"),
        ("origin", "https://evil.example"),
    ]);
    send(&app(public()), two).await.is_refused(403, Some(PLAIN), Reason::ForeignOrigin);
}

#[tokio::test]
async fn server_on_loopback_allows_pages_of_this_machine() {
    for own in [
        "http://127.0.0.1:3000",
        "http://localhost:6274",
        "http://localhost",
        "https://localhost:6274",
        "http://[::1]:1",
    ] {
        assert_eq!(origin(&local(), own).await, None, "{own}");
    }
    for foreign in [
        "null",
        "https://evil.example",
        "http://localhost.evil.example",
        "http://evil.example:3000",
        "http://user@localhost",
        "http://localhost/",
        "http://localhost:80",
        "ftp://localhost",
        "localhost",
        "//localhost",
    ] {
        assert_eq!(origin(&local(), foreign).await, Some(Reason::ForeignOrigin), "{foreign}");
    }
}

#[tokio::test]
async fn further_hosts_and_origins_may_be_allowed() {
    let check = public()
        .with_host("MCP.internal")
        .unwrap()
        .with_host("[2001:db8::1]")
        .unwrap()
        .with_origin("https://inspector.example.com")
        .unwrap()
        .with_origin("http://localhost:6274")
        .unwrap();

    for name in ["mcp.internal:3000", "[2001:db8::1]:80", "mcp.example.com"] {
        assert_eq!(host(&check, name).await, None, "{name}");
        let before = host(&public(), name).await;
        assert_eq!(before.is_none(), name == "mcp.example.com", "{name}");
    }
    for page in
        ["https://inspector.example.com", "http://localhost:6274", "https://mcp.example.com"]
    {
        assert_eq!(origin(&check, page).await, None, "{page}");
    }
    assert_eq!(origin(&check, "http://localhost:1").await, Some(Reason::ForeignOrigin));
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    for url in [
        "",
        "mcp.example.com",
        "/mcp",
        "ftp://mcp.example.com",
        "https://",
        "https://user:secret@mcp.example.com",
    ] {
        let error = HostCheck::new(url).unwrap_err();
        assert!(matches!(error, ConfigError::Address { .. }), "{url}: {error:?}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    for host in ["", "https://mcp.internal", "mcp.internal:3000", "a b", "mcp.internal/", "u@h"] {
        let error = public().with_host(host).unwrap_err();
        assert!(matches!(error, ConfigError::Address { .. }), "{host}: {error:?}");
    }
    for origin in
        ["", "*", "null", "http://inspector.example.com", "https://a.example/", "a.example"]
    {
        let error = public().with_origin(origin).unwrap_err();
        assert!(matches!(error, ConfigError::Origin { .. }), "{origin}: {error:?}");
    }
}

#[tokio::test]
async fn default_port_and_case_of_the_url_do_not_count() {
    for url in
        ["https://MCP.Example.com:443/x", "https://mcp.example.com", "https://mcp.example.com/?a#b"]
    {
        let check = HostCheck::new(url).unwrap();
        assert_eq!(origin(&check, "https://mcp.example.com").await, None, "{url}");
        assert_eq!(host(&check, "mcp.example.com").await, None, "{url}");
    }
    let check = HostCheck::new("https://mcp.example.com:8443").unwrap();
    assert_eq!(origin(&check, "https://mcp.example.com:8443").await, None);
    let other = origin(&check, "https://mcp.example.com").await;
    assert_eq!(other, Some(Reason::ForeignOrigin));
}

#[tokio::test]
async fn operator_is_told_of_a_foreign_host_with_the_setting_that_allows_it() {
    let (log, _guard) = Log::of_this_thread();

    for _ in 0..3 {
        _ = send(&app(public()), request(&[("host", "10.0.0.7:3000")])).await;
    }

    let told = log.about("`10.0.0.7:3000`; a proxy's is allowed by `with_host`");
    assert_eq!(told.len(), 3, "{:?}", log.events());
    assert_eq!(
        format!("{:?}", HostCheck::new("https://a.example").unwrap()),
        "HostCheck { hosts: [\"a.example\"], origins: [\"https://a.example\"], .. }"
    );
}
