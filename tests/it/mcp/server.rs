//! Tests all layers of an MCP server together.

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::any;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Request};
use serde_json::{Value, json};
use tower_bearer::dpop::Dpop;
use tower_bearer::mcp::{HostCheck, Mcp, McpSessions, Operations, WithoutToken};
use tower_bearer::middleware::{Authenticated, Authenticator};
use tower_bearer::policy::{role, scope};
use tower_bearer::resource::Resource;
use tower_bearer::source::{HeaderToken, Presented};
use tower_bearer::test_util::{TestClock, TestToken};
use tower_bearer::{AuthError, ConfigError, Principal, Reason, Validation, Verifier, render};

use super::operations::call;
use crate::support::{ISSUER, NOW, User, WithBearer, challenge, key, send};

const RESOURCE: &str = "https://mcp.example.com/mcp";
const DOCUMENT: &str = "/.well-known/oauth-protected-resource/mcp";
const DOCUMENT_URL: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

fn resource() -> Resource {
    Resource::new(RESOURCE).unwrap()
}

fn verifier(rules: Validation) -> Verifier<User> {
    Verifier::new(key().verifying_key(), rules).unwrap().with_clock(TestClock::at(NOW))
}

fn mcp() -> Mcp<User> {
    Mcp::new(verifier(Validation::new(ISSUER, RESOURCE)), resource()).unwrap()
}

fn operations() -> Operations {
    Operations::new().with_open_tools(["whoami"]).with_tool("close", scope("orders:write"))
}

/// Begins a session, and answers with what it sees.
async fn server(headers: HeaderMap, principal: Principal, body: String) -> impl IntoResponse {
    let mut answer = HeaderMap::new();
    answer.insert("mcp-session-id", HeaderValue::from_static("inner"));
    let token = headers.get(AUTHORIZATION).is_some();
    let session = headers.get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    let seen = json!({
        "subject": principal.subject(), "token": token, "session": session, "body": body,
    });
    (answer, seen.to_string())
}

fn app(mcp: Mcp<User>) -> Router {
    Router::new().route("/mcp", any(server)).layer(mcp.with_rejection(render::Json))
}

fn token() -> TestToken {
    TestToken::new(ISSUER, RESOURCE).at(NOW).claim("sub", "alice")
}

fn bare(tool: &str) -> Request<Body> {
    Request::post("/mcp")
        .header("host", "mcp.example.com")
        .header("content-type", "application/json")
        .body(call(tool).into())
        .unwrap()
}

fn post(tool: &str, token: &TestToken) -> Request<Body> {
    bare(tool).bearer(token.sign(&key()))
}

fn naming_document(challenge: &str) -> String {
    format!("{challenge}, resource_metadata=\"{DOCUMENT_URL}\"")
}

#[tokio::test]
async fn client_finds_its_way_from_the_401_to_the_tool() {
    let app = app(mcp().with_operations(operations()).unwrap());

    // MCP: a 401 says where the metadata are
    let refused = send(&app, bare("whoami")).await;
    let plain = naming_document("Bearer realm=\"api\"");
    refused.is_refused(401, Some(&plain), Reason::MissingToken);
    let document = Request::get(DOCUMENT).body(Body::empty()).unwrap();
    let document = send(&app, document).await;
    assert_eq!(document.status, 200);
    let document: Value = serde_json::from_str(&document.body).unwrap();
    assert_eq!(document["resource"], RESOURCE);
    assert_eq!(document["authorization_servers"], json!([ISSUER]));
    assert_eq!(document["bearer_methods_supported"], json!(["header"]));

    let answer = send(&app, post("whoami", &token())).await;
    assert_eq!((answer.status.as_u16(), answer.reason), (200, None));
    let session = answer.headers["mcp-session-id"].to_str().unwrap().to_owned();
    // MCP: the token is not passed on
    assert_eq!(
        serde_json::from_str::<Value>(&answer.body).unwrap(),
        json!({ "subject": "alice", "token": false, "session": null, "body": call("whoami") })
    );

    let refused = send(&app, post("close", &token())).await;
    let needs = challenge("insufficient_scope", "The token lacks a scope");
    let needs = naming_document(&format!("{needs}, scope=\"orders:write\""));
    refused.is_refused(403, Some(&needs), Reason::InsufficientScope);
    assert!(refused.body.contains("\"scope\":\"orders:write\""), "{refused:?}");
    let more = token().claim("scope", "orders:write");
    let allowed = send(&app, post("close", &more).field("mcp-session-id", &session)).await;
    assert_eq!(allowed.status, 200);
    assert!(allowed.body.contains("\"session\":\"inner\""), "{allowed:?}");
    let foreign = post("close", &more.claim("sub", "bob")).field("mcp-session-id", &session);
    send(&app, foreign).await.is_refused(404, None, Reason::ForeignSession);
}

#[tokio::test]
async fn document_is_for_every_page_and_host_and_the_rest_is_not() {
    let app = app(mcp());
    let with = |path: &str, name: &'static str, value: &str| {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let host = if name == "host" { value } else { "mcp.example.com" };
        let request = request.field("host", host).bearer(token().sign(&key()));
        if name == "host" { request } else { request.field(name, value) }
    };

    for (name, value, reason) in [
        ("origin", "https://evil.example", Reason::ForeignOrigin),
        ("host", "evil.example", Reason::ForeignHost),
    ] {
        assert_eq!(send(&app, with(DOCUMENT, name, value)).await.status, 200);
        let refused = send(&app, with("/mcp", name, value)).await;
        assert_eq!((refused.status.as_u16(), refused.reason), (403, Some(reason)));
    }
    let own = send(&app, with("/mcp", "origin", "https://mcp.example.com")).await;
    assert_eq!((own.status.as_u16(), own.reason), (200, None));
    assert!(mcp().metadata().is_served_by(app).await);
}

#[tokio::test]
async fn audience_is_the_resource_and_nothing_else() {
    for rules in [
        Validation::new(ISSUER, "https://mcp.example.com"),
        Validation::new(ISSUER, "https://mcp.example.com/mcp/"),
        Validation::new(ISSUER, RESOURCE).with_audiences(["https://api.example.com"]),
        Validation::new(ISSUER, RESOURCE).dangerous().accept_any_audience(),
    ] {
        let error = Mcp::new(verifier(rules), resource()).unwrap_err();
        assert!(error.to_string().contains(RESOURCE), "{error}");
    }
    let app = app(mcp());
    send(&app, post("whoami", &token())).await;
    // MCP: no token for another resource is accepted
    let other = TestToken::new(ISSUER, "https://mcp.example.com").at(NOW);
    let refused = send(&app, post("whoami", &other)).await;
    assert_eq!((refused.status.as_u16(), refused.reason), (401, Some(Reason::WrongAudience)));
}

#[tokio::test]
async fn resource_without_a_path_has_two_spellings_that_both_have_to_be_accepted() {
    let root = Resource::new("https://mcp.example.com").unwrap();
    let one = Validation::new(ISSUER, root.as_str());

    let error = Mcp::new(verifier(one.clone()), root.clone()).unwrap_err();

    assert!(error.to_string().contains("with_audiences"), "{error}");
    let both = one.with_audiences(root.audiences());
    let app = app(Mcp::new(verifier(both), root).unwrap());
    for audience in ["https://mcp.example.com", "https://mcp.example.com/"] {
        let token = TestToken::new(ISSUER, audience).at(NOW);
        assert_eq!(send(&app, post("whoami", &token)).await.status, 200, "{audience}");
    }
}

#[tokio::test]
async fn policy_of_the_server_is_needed_first_and_named_with_that_of_the_operation() {
    for mcp in [
        mcp().with_operations(operations()).unwrap().with_policy(scope("mcp")).unwrap(),
        mcp().with_policy(scope("mcp")).unwrap().with_operations(operations()).unwrap(),
    ] {
        let app = app(mcp);
        let needs = |scopes: &str| {
            let start = challenge("insufficient_scope", "The token lacks a scope");
            naming_document(&format!("{start}, scope=\"{scopes}\""))
        };

        let missing = naming_document("Bearer realm=\"api\", scope=\"mcp\"");
        send(&app, bare("close")).await.is_refused(401, Some(&missing), Reason::MissingToken);
        let nothing = send(&app, post("whoami", &token())).await;
        nothing.is_refused(403, Some(&needs("mcp")), Reason::InsufficientScope);
        let base = token().claim("scope", "mcp");
        assert_eq!(send(&app, post("whoami", &base)).await.status, 200);
        // MCP: an operation is refused with all its scopes
        let close = send(&app, post("close", &base)).await;
        close.is_refused(403, Some(&needs("mcp orders:write")), Reason::InsufficientScope);
        let both = token().claim("scope", "orders:write mcp");
        assert_eq!(send(&app, post("close", &both)).await.status, 200);
    }
}

/// An authenticator that accepts no token.
struct Closed;

impl Authenticator for Closed {
    fn accepts(&self, presented: Presented<'_>) -> bool {
        presented.token().starts_with(b"opaque")
    }

    async fn authenticate(&self, _: &str) -> Result<Authenticated, AuthError> {
        Err(Reason::UnknownKey.into())
    }
}

#[test]
fn audience_of_authenticators_is_the_resource_too() {
    let with = |audience: &str, is_fallback: bool| {
        let rules = Validation::new(ISSUER, audience);
        mcp().with_bearer(|bearer| match is_fallback {
            true => bearer.with_fallback_authenticator(Closed, rules),
            false => bearer.with_authenticator(Closed, rules),
        })
    };

    for is_fallback in [false, true] {
        let error = with("https://api.example.com", is_fallback).unwrap_err();
        assert!(matches!(error, ConfigError::Mcp { .. }), "{error}");
        assert!(with(RESOURCE, is_fallback).is_ok());
    }
}

#[tokio::test]
async fn policy_that_the_bearer_layer_gets_is_that_of_the_server() {
    let mcp = mcp()
        .with_operations(operations())
        .unwrap()
        .with_policy(scope("replaced"))
        .unwrap()
        .with_bearer(|bearer| Ok(bearer.with_policy(scope("mcp"))))
        .unwrap();
    let app = app(mcp);
    let start = challenge("insufficient_scope", "The token lacks a scope");
    let needs = naming_document(&format!("{start}, scope=\"mcp orders:write\""));

    let close = send(&app, post("close", &token().claim("scope", "mcp"))).await;
    close.is_refused(403, Some(&needs), Reason::InsufficientScope);
    let both = token().claim("scope", "orders:write mcp");
    assert_eq!(send(&app, post("close", &both)).await.status, 200);

    let offline = self::mcp().with_bearer(|bearer| Ok(bearer.with_policy(scope("offline_access"))));
    assert!(offline.unwrap_err().to_string().contains("offline_access"));
}

#[tokio::test]
async fn without_operations_every_operation_is_allowed() {
    let app = app(mcp());

    for tool in ["close", "unknown"] {
        assert_eq!(send(&app, post(tool, &token())).await.status, 200);
    }
    let refused = send(&app, bare("close")).await;
    assert_eq!((refused.status.as_u16(), refused.reason), (401, Some(Reason::MissingToken)));
}

#[tokio::test]
async fn bearer_layer_may_be_changed_but_reads_the_header_alone() {
    let dpop = Dpop::new("https://mcp.example.com").unwrap();
    let mcp = mcp().with_bearer(|bearer| Ok(bearer.with_dpop(dpop))).unwrap();
    let app = app(mcp.clone());
    let document = Request::get(DOCUMENT).body(Body::empty()).unwrap();
    let document = send(&app, document).await.body;
    assert!(document.contains("dpop_signing_alg_values_supported"), "{document}");
    let refused = send(&app, bare("close")).await;
    let challenge = refused.headers[WWW_AUTHENTICATE].to_str().unwrap();
    assert!(challenge.starts_with("DPoP ") && challenge.contains(DOCUMENT_URL), "{challenge}");

    let source = HeaderToken::new(http::HeaderName::from_static("x-token"));
    let error = mcp.with_bearer(|bearer| Ok(bearer.with_source(source))).unwrap_err();
    assert!(error.to_string().contains("another place"), "{error}");
    let error = self::mcp().with_bearer(|bearer| bearer.with_realm("\"")).unwrap_err();
    assert!(matches!(error, ConfigError::Realm { .. }), "{error}");
}

#[test]
fn scope_for_refresh_tokens_is_no_scope_of_a_server() {
    let offline = || scope("orders:read offline_access");

    for error in [
        mcp().with_policy(offline()).unwrap_err(),
        mcp().with_policy(role("admin").or(role("x").and(offline()))).unwrap_err(),
        mcp().with_operations(operations().with_tool("x", offline())).unwrap_err(),
        mcp().with_operations(operations().with_other_methods(offline())).unwrap_err(),
    ] {
        assert!(error.to_string().contains("offline_access"), "{error}");
    }
    mcp().with_policy(scope("offline_access:read")).unwrap();
}

#[tokio::test]
async fn settings_of_the_parts_reach_them() {
    let sessions = || McpSessions::from_secret([7; 32]).unwrap();
    let change = |mcp: Mcp<User>| {
        let mcp = mcp.with_host("mcp.internal").unwrap();
        mcp.with_origin("https://inspector.example.com").unwrap().with_sessions(sessions())
    };
    let (one, other) = (app(change(mcp())), app(change(mcp())));

    let mut request = post("x", &token()).field("origin", "https://inspector.example.com");
    request.headers_mut().insert("host", HeaderValue::from_static("mcp.internal:3000"));
    let answer = send(&one, request).await;
    assert_eq!(answer.status, 200);
    let session = answer.headers["mcp-session-id"].to_str().unwrap();
    let next = post("x", &token()).field("mcp-session-id", session);
    assert_eq!(send(&other, next).await.status, 200);
    let next = post("x", &token()).field("mcp-session-id", session);
    send(&app(mcp()), next).await.is_refused(404, None, Reason::ForeignSession);

    assert!(matches!(mcp().with_host("a:1").unwrap_err(), ConfigError::Address { .. }));
    assert!(matches!(mcp().with_origin("x").unwrap_err(), ConfigError::Origin { .. }));
    let shown = format!("{:?}", mcp());
    assert!(shown.contains("mcp.example.com") && !shown.contains("secret"), "{shown}");
}

#[tokio::test]
async fn token_can_be_kept_from_a_server_without_the_other_layers() {
    let seen = any(async |headers: HeaderMap| format!("{}", headers.contains_key(AUTHORIZATION)));
    let app = Router::new()
        .fallback(seen.clone())
        .layer(WithoutToken::new())
        .layer(crate::support::layer())
        .layer(HostCheck::new(RESOURCE).unwrap());

    let request = Request::get("/").header("host", "localhost").body(Body::empty()).unwrap();
    send(&app, request.bearer(crate::support::good())).await.is_ok("false");

    let plain = Router::new().fallback(seen).layer(crate::support::layer());
    let request = Request::get("/").body(Body::empty()).unwrap();
    send(&plain, request.bearer(crate::support::good())).await.is_ok("true");
}
