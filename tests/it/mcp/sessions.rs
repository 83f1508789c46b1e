//! Tests that sessions belong to the principal that has begun them.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{HeaderMap, HeaderValue, Method, Request};
use tower_bearer::mcp::McpSessions;
use tower_bearer::test_util::{TestClock, TestToken};
use tower_bearer::{BearerLayer, Issuers, Reason, Validation, Verifier};

use crate::support::{
    AUDIENCE, Answer, ISSUER, NOW, PLAIN, User, WithBearer, good, key, layer, send, token,
};

const SECRET: &[u8] = b"a secret of thirty-two bytes, yes";

/// A server that begins the session `inner.1` without one, and answers with the session it sees.
fn server() -> Router {
    Router::new().route(
        "/mcp",
        any(async |headers: HeaderMap| {
            let seen: Vec<_> = headers.get_all("mcp-session-id").iter().cloned().collect();
            let mut answer = HeaderMap::new();
            answer.insert("mcp-session-id", HeaderValue::from_static("inner.1"));
            (answer, format!("{seen:?}"))
        }),
    )
}

fn app() -> Router {
    server().layer(McpSessions::from_secret(SECRET).unwrap()).layer(layer())
}

fn request(method: Method, token: &TestToken, session: Option<&str>) -> Request<Body> {
    let request = Request::builder().method(method).uri("/mcp").body(Body::empty()).unwrap();
    let request = request.bearer(token.clone().sign(&key()));
    match session {
        Some(session) => request.field("mcp-session-id", session),
        None => request,
    }
}

fn post(token: &TestToken, session: Option<&str>) -> Request<Body> {
    request(Method::POST, token, session)
}

async fn begun(app: &Router, token: &TestToken) -> String {
    let answer = send(app, post(token, None)).await;
    answer.is_ok("[]");
    id(&answer)
}

fn id(answer: &Answer) -> String {
    let ids: Vec<_> = answer.headers.get_all("mcp-session-id").iter().collect();
    assert_eq!(ids.len(), 1, "{answer:?}");
    ids[0].to_str().unwrap().to_owned()
}

fn of(subject: &str, client: &str) -> TestToken {
    token().claim("sub", subject).claim("client_id", client)
}

#[tokio::test]
async fn session_is_the_servers_own_for_its_principal_with_every_method() {
    let alice = of("alice", "app");
    let session = begun(&app(), &alice).await;

    assert!(session.starts_with("inner.1."), "{session}");
    for method in [Method::POST, Method::GET, Method::DELETE] {
        let answer = send(&app(), request(method, &alice, Some(&session))).await;
        answer.is_ok("[\"inner.1\"]");
        assert_eq!(id(&answer), session);
    }
}

#[tokio::test]
async fn session_outlives_the_token_that_began_it() {
    let session = begun(&app(), &of("alice", "app").claim("jti", "one")).await;

    let later = of("alice", "app").claim("jti", "two").claim("scope", "more");
    send(&app(), post(&later, Some(&session))).await.is_ok("[\"inner.1\"]");
}

#[tokio::test]
async fn session_of_another_principal_is_as_one_that_does_not_exist() {
    // MCP: a session is bound to the user that has begun it
    let session = begun(&app(), &of("alice", "app")).await;

    for other in [
        of("bob", "app"),
        of("alice", "other"),
        of("alice", ""),
        of("", "app"),
        of("Alice", "app"),
        of("alic", "eapp"),
        of("alicea", "pp"),
        token().claim("sub", "alice"),
    ] {
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let answer = send(&app(), request(method, &other, Some(&session))).await;
            // MCP: an unknown session is 404
            answer.is_refused(404, None, Reason::ForeignSession);
            assert!(!answer.headers.contains_key("mcp-session-id"));
        }
    }
    send(&app(), post(&of("alice", "app"), Some(&session))).await.is_ok("[\"inner.1\"]");
}

#[tokio::test]
async fn session_of_the_same_names_at_another_issuer_is_foreign() {
    const OTHER: &str = "https://other.example.com";
    let issuers = Issuers::new();
    for issuer in [ISSUER, OTHER] {
        issuers.add(key().verifying_key(), Validation::new(issuer, AUDIENCE)).unwrap();
    }
    let verifier = Verifier::<User>::multi_issuer(&issuers).with_clock(TestClock::at(NOW));
    let layer = BearerLayer::new(verifier);
    let app = server().layer(McpSessions::from_secret(SECRET).unwrap()).layer(layer);
    let session = begun(&app, &of("alice", "app")).await;

    let other = of("alice", "app").claim("iss", OTHER);
    send(&app, post(&other, None)).await.is_ok("[]");
    let refused = send(&app, post(&other, Some(&session))).await;
    refused.is_refused(404, None, Reason::ForeignSession);
    send(&app, post(&of("alice", "app"), Some(&session))).await.is_ok("[\"inner.1\"]");
}

#[tokio::test]
async fn id_that_was_changed_or_never_marked_is_foreign() {
    let alice = of("alice", "app");
    let session = begun(&app(), &alice).await;
    let (own, mac) = session.rsplit_once('.').unwrap();

    for id in [
        String::new(),
        ".".to_owned(),
        "inner.1".to_owned(),
        "inner.1.".to_owned(),
        format!("inner.2.{mac}"),
        format!("inner.1{mac}"),
        format!(".{mac}"),
        format!("{own}.{}", &mac[1..]),
        format!("{own}.{}", &mac[..42]),
        format!("{own}.{mac}="),
        format!("{own}.{}", mac.to_ascii_uppercase()),
        format!("{session}.{mac}"),
        format!("{own}..{mac}"),
    ] {
        let answer = send(&app(), post(&alice, Some(&id))).await;
        answer.is_refused(404, None, Reason::ForeignSession);
    }
    let twice = post(&alice, Some(&session)).field("mcp-session-id", &session);
    send(&app(), twice).await.is_refused(404, None, Reason::ForeignSession);
}

#[tokio::test]
async fn session_is_good_on_every_node_with_the_secret_and_on_no_other() {
    let alice = of("alice", "app");
    let session = begun(&app(), &alice).await;
    let with = |sessions: McpSessions| server().layer(sessions).layer(layer());

    let other = with(McpSessions::from_secret([8; 32]).unwrap());
    send(&other, post(&alice, Some(&session))).await.is_refused(404, None, Reason::ForeignSession);
    let first = McpSessions::generate().unwrap();
    let random = begun(&with(first.clone()), &alice).await;
    send(&with(first), post(&alice, Some(&random))).await.is_ok("[\"inner.1\"]");
    let second = with(McpSessions::generate().unwrap());
    send(&second, post(&alice, Some(&random))).await.is_refused(404, None, Reason::ForeignSession);
}

#[tokio::test]
async fn principal_without_a_name_gets_no_session() {
    for nameless in [token().without("sub"), of("", "")] {
        let answer = send(&app(), post(&nameless, None)).await;
        answer.is_ok("[]");
        assert!(!answer.headers.contains_key("mcp-session-id"), "{answer:?}");
    }
    let machine = token().without("sub").claim("client_id", "robot");
    let session = begun(&app(), &machine).await;
    send(&app(), post(&machine, Some(&session))).await.is_ok("[\"inner.1\"]");
}

#[tokio::test]
async fn server_without_sessions_is_left_alone() {
    let app = Router::new()
        .route("/mcp", any(async || "in"))
        .layer(McpSessions::from_secret(SECRET).unwrap())
        .layer(layer());

    let answer = send(&app, post(&token(), None)).await;

    answer.is_ok("in");
    assert!(!answer.headers.contains_key("mcp-session-id"));
}

#[tokio::test]
async fn session_needs_a_token_and_a_bearer_layer() {
    let sessions = McpSessions::from_secret(SECRET).unwrap();
    let bare = || Request::post("/mcp").body(Body::empty()).unwrap();

    let optional = server().layer(sessions.clone()).layer(layer().with_optional_token());
    // MCP: a session is not used for authentication
    send(&optional, bare()).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    send(&optional, bare().bearer(good())).await.is_ok("[]");
    let alone = server().layer(sessions);
    send(&alone, bare()).await.is_refused(500, None, Reason::LayerMissing);
}

#[test]
fn secret_that_can_be_guessed_is_refused_and_never_shown() {
    let short = McpSessions::from_secret([7; 31]).unwrap_err();
    assert_eq!(
        short.to_string(),
        "the key cannot be used: the secret has 248 bits but this algorithm needs 256"
    );

    let sessions = McpSessions::from_secret(SECRET).unwrap();
    assert_eq!(format!("{sessions:?}"), "McpSessions { .. }");
}
