//! Tests which operations need which policy.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use tower_bearer::mcp::Operations;
use tower_bearer::policy::{role, scope, when};
use tower_bearer::test_util::TestToken;
use tower_bearer::{Principal, Reason};

use crate::support::log::Log;
use crate::support::{PLAIN, WithBearer, challenge, good, key, layer, send, token, verifier};

/// Answers with the body that it gets.
pub fn server() -> Router {
    Router::new().route("/mcp", any(async |body: Body| body.collect().await.unwrap().to_bytes()))
}

fn table() -> Operations {
    Operations::new()
        .with_open_tools(["whoami"])
        .with_tool("search", scope("orders:read"))
        .with_tool("close", scope("orders:read orders:write"))
        .with_tool("wipe", role("admin"))
        .with_method("resources/read", scope("files:read"))
}

fn app() -> Router {
    server().layer(table()).layer(layer())
}

pub fn post(body: impl Into<Body>) -> Request<Body> {
    Request::post("/mcp").header("content-type", "application/json").body(body.into()).unwrap()
}

pub fn call(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    )
}

fn request(method: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#)
}

fn with_scope(scope: &str) -> TestToken {
    token().claim("scope", scope)
}

/// A token with everything that the table asks for.
pub fn with_everything() -> String {
    with_scope("orders:read orders:write files:read").claim("roles", "admin").sign(&key())
}

fn needs(scopes: &str) -> String {
    let start = challenge("insufficient_scope", "The token lacks a scope");
    format!("{start}, scope=\"{scopes}\"")
}

#[tokio::test]
async fn tool_needs_its_policy_and_the_refusal_names_all_scopes() {
    for (tool, token, needed) in [
        ("search", with_scope("orders:read"), None),
        // MCP: an operation is refused with all its scopes
        ("search", with_scope("orders:write"), Some("orders:read")),
        ("close", with_scope("orders:write orders:read"), None),
        ("close", with_scope("orders:read"), Some("orders:read orders:write")),
        ("close", token(), Some("orders:read orders:write")),
        ("whoami", token(), None),
    ] {
        let body = call(tool);
        let answer = send(&app(), post(body.clone()).bearer(token.sign(&key()))).await;

        match needed {
            None => _ = answer.is_ok(&body),
            Some(scopes) => {
                _ = answer.is_refused(403, Some(&needs(scopes)), Reason::InsufficientScope)
            }
        }
    }
}

#[tokio::test]
async fn tool_may_need_a_role_which_no_scope_replaces() {
    let admin = token().claim("roles", "admin").sign(&key());

    send(&app(), post(call("wipe")).bearer(admin)).await.is_ok(&call("wipe"));
    let refused = send(&app(), post(call("wipe")).bearer(good())).await;
    refused.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn request_without_a_token_is_refused_by_the_bearer_layer_alone() {
    let answer = send(&app(), post(call("close"))).await;

    answer.is_refused(401, Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn optional_token_is_needed_for_every_operation() {
    let app = server().layer(table()).layer(layer().with_optional_token());

    for body in [call("whoami"), request("ping")] {
        send(&app, post(body.clone())).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
        send(&app, post(body.clone()).bearer(good())).await.is_ok(&body);
    }
}

#[tokio::test]
async fn without_a_bearer_layer_outside_nothing_is_allowed() {
    let app = server().layer(table());

    for body in [call("whoami"), request("ping"), call("close")] {
        send(&app, post(body)).await.is_refused(500, None, Reason::LayerMissing);
    }
    let get = Request::get("/mcp").body(Body::empty()).unwrap();
    send(&app, get).await.is_refused(500, None, Reason::LayerMissing);
}

#[tokio::test]
async fn methods_that_say_no_more_than_what_there_is_need_a_token_alone() {
    for method in [
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
    ] {
        let body = request(method);
        send(&app(), post(body.clone()).bearer(good())).await.is_ok(&body);
    }
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","id":4,"result":{"roots":[]}}"#,
        r#"{"jsonrpc":"2.0","id":4,"error":{"code":-1,"message":"no"}}"#,
    ] {
        send(&app(), post(body).bearer(good())).await.is_ok(body);
    }
}

#[tokio::test]
async fn open_method_may_be_given_a_policy() {
    let table = table().with_method("tools/list", scope("list")).with_method("ping", scope("ping"));
    let app = server().layer(table).layer(layer());

    for (method, scope) in [("tools/list", "list"), ("ping", "ping")] {
        let refused = send(&app, post(request(method)).bearer(good())).await;
        refused.is_refused(403, Some(&needs(scope)), Reason::InsufficientScope);
        let allowed = post(request(method)).bearer(with_scope(scope).sign(&key()));
        send(&app, allowed).await.is_ok(&request(method));
    }
}

const EVERYTHING: &str = "orders:read orders:write files:read";

/// A table without roles, so that scopes alone are everything.
fn of_scopes() -> Operations {
    Operations::new()
        .with_tool("search", scope("orders:read"))
        .with_tool("close", scope("orders:write"))
        .with_method("resources/read", scope("files:read"))
        .with_open_tools(["whoami"])
}

async fn needs_everything(table: Operations, request: impl Fn() -> Request<Body>) {
    // One that names all operations is the exception. By default, what it does not name is refused.
    let refusing = server().layer(table.clone()).layer(layer());
    let refused = send(&refusing, request().bearer(with_scope(EVERYTHING).sign(&key()))).await;
    refused.is_refused(403, Some(PLAIN), Reason::Forbidden);
    let table =
        table.with_other_tools(scope("orders:read")).with_other_methods(scope("files:read"));
    let app = server().layer(table).layer(layer());
    let body = request().into_body().collect().await.unwrap().to_bytes();
    let body = str::from_utf8(&body).unwrap_or_default().to_owned();

    for scopes in ["orders:read orders:write", "orders:read files:read", ""] {
        let refused = send(&app, request().bearer(with_scope(scopes).sign(&key()))).await;
        refused.is_refused(403, Some(&needs(EVERYTHING)), Reason::InsufficientScope);
    }
    let allowed = send(&app, request().bearer(with_scope(EVERYTHING).sign(&key()))).await;
    if !body.is_empty() {
        allowed.is_ok(&body);
    }
    assert_eq!((allowed.status.as_u16(), allowed.reason), (200, None));
}

#[tokio::test]
async fn what_the_table_does_not_name_is_refused_to_all() {
    let app = server().layer(of_scopes()).layer(layer());
    let (log, _guard) = Log::of_this_thread();

    for body in [
        call("unknown"),
        call(""),
        call("Close"),
        call("close "),
        call("WHOAMI"),
        request("prompts/get"),
        request("logging/setLevel"),
        request("Resources/Read"),
        request("TOOLS/CALL"),
        request("tools/list "),
        request(""),
        // A request, and no notification.
        request("notifications/initialized"),
        r#"{"method":"rpc.discover"}"#.to_owned(),
    ] {
        let all = with_scope(EVERYTHING).sign(&key());
        let answer = send(&app, post(body).bearer(all)).await;
        answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
    }
    assert_eq!(log.about("an entry in the table: see `with_tool`").len(), 13);
    let search = post(call("search")).bearer(with_scope("orders:read").sign(&key()));
    send(&app, search).await.is_ok(&call("search"));
}

#[tokio::test]
async fn request_for_another_protocol_needs_everything() {
    let upgrade = || {
        let request = Request::get("/mcp").header("connection", "upgrade");
        request.header("upgrade", "websocket").body(Body::empty()).unwrap()
    };

    needs_everything(of_scopes(), upgrade).await;
    let app = server().layer(of_scopes()).layer(layer());
    let stream = Request::get("/mcp").body(Body::empty()).unwrap();
    send(&app, stream.bearer(good())).await.is_ok("");
}

#[tokio::test]
async fn other_tools_and_methods_may_be_given_a_policy() {
    let table = of_scopes().with_other_tools(scope("tools")).with_other_methods(scope("rest"));
    let app = || server().layer(table.clone()).layer(layer());
    let all = format!("{EVERYTHING} tools rest");

    for (body, needed) in [
        (call("unknown"), "tools"),
        (request("prompts/get"), "rest"),
        (r#"{"method":"anything"}"#.to_owned(), "rest"),
        // A server that ignores case has them in the table.
        (call("CLOSE"), &*all),
        (request("Resources/read"), &*all),
        (request("Tools/Call"), &*all),
    ] {
        let refused = send(&app(), post(body.clone()).bearer(good())).await;
        refused.is_refused(403, Some(&needs(needed)), Reason::InsufficientScope);
        let allowed = post(body.clone()).bearer(with_scope(needed).sign(&key()));
        send(&app(), allowed).await.is_ok(&body);
    }
    let open = post(call("whoami")).bearer(good());
    send(&app(), open).await.is_ok(&call("whoami"));
}

#[tokio::test]
async fn policy_of_calls_is_needed_beside_that_of_the_tool() {
    let table = of_scopes().with_method("tools/call", scope("call")).with_other_tools(scope("x"));
    let app = server().layer(table).layer(layer());

    for (tool, needed) in
        [("close", "call orders:write"), ("whoami", "call"), ("unknown", "call x")]
    {
        for less in ["", "orders:write", "x"] {
            let refused = send(&app, post(call(tool)).bearer(with_scope(less).sign(&key()))).await;
            refused.is_refused(403, Some(&needs(needed)), Reason::InsufficientScope);
        }
        let allowed = post(call(tool)).bearer(with_scope(needed).sign(&key()));
        send(&app, allowed).await.is_ok(&call(tool));
    }
}

#[tokio::test]
async fn second_policy_of_a_tool_is_needed_beside_the_first_and_open_does_not_undo_it() {
    let table = Operations::new()
        .with_open_tools(["close"])
        .with_tool("close", scope("a"))
        .with_tool("close", scope("b"))
        .with_open_tools(["close"]);
    let app = server().layer(table).layer(layer());

    for less in ["a", "b", ""] {
        let refused = send(&app, post(call("close")).bearer(with_scope(less).sign(&key()))).await;
        refused.is_refused(403, Some(&needs("a b")), Reason::InsufficientScope);
    }
    let allowed = post(call("close")).bearer(with_scope("a b").sign(&key()));
    send(&app, allowed).await.is_ok(&call("close"));
}

#[tokio::test]
async fn unclear_operation_may_be_one_that_the_table_does_not_name() {
    let all = || with_scope(EVERYTHING).sign(&key());
    let batch = format!("[{}]", call("drop"));
    let tables = [
        (of_scopes(), 403),
        (of_scopes().with_other_tools(scope("orders:read")), 403),
        (of_scopes().with_other_methods(scope("orders:read")), 403),
        (
            of_scopes()
                .with_other_tools(scope("orders:read"))
                .with_other_methods(scope("orders:read")),
            200,
        ),
    ];
    for (table, status) in tables {
        let app = server().layer(table).layer(layer());

        assert_eq!(send(&app, post(batch.clone()).bearer(all())).await.status, status);
    }
}

#[tokio::test]
async fn open_method_is_allowed_to_all_and_the_rest_of_the_table_stays() {
    let app = server().layer(of_scopes().with_open_methods(["prompts/get"])).layer(layer());

    send(&app, post(request("prompts/get")).bearer(good())).await.is_ok(&request("prompts/get"));
    for (body, needed) in
        [(call("close"), "orders:write"), (request("resources/read"), "files:read")]
    {
        let refused = send(&app, post(body).bearer(good())).await;
        refused.is_refused(403, Some(&needs(needed)), Reason::InsufficientScope);
    }
    send(&app, post(request("prompts/list/x")).bearer(good())).await.is_refused(
        403,
        Some(PLAIN),
        Reason::Forbidden,
    );
}

#[tokio::test]
async fn empty_table_allows_no_tool_and_what_needs_no_policy() {
    let app = server().layer(Operations::default()).layer(layer());

    let refused = send(&app, post(call("close")).bearer(with_everything())).await;
    refused.is_refused(403, Some(PLAIN), Reason::Forbidden);
    send(&app, post(request("ping")).bearer(good())).await.is_ok(&request("ping"));
}

#[tokio::test]
async fn body_that_is_not_clear_needs_everything() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for body in [
        String::new(),
        "{".to_owned(),
        format!("[{}]", call("whoami")),
        format!("\u{feff}{}", call("whoami")),
        format!("{}{}", call("whoami"), call("close")),
        r#"{"method":"ping","method":"ping"}"#.to_owned(),
        r#"{"method":"tools/call","params":{"name":"whoami","name":"close"}}"#.to_owned(),
        r#"{"method":"tools/call","params":{"name":"whoami","n\u0061me":"close"}}"#.to_owned(),
        r#"{"method":"tools/call","params":{"name":"whoami"},"Params":{"name":"close"}}"#
            .to_owned(),
        r#"{"method":"tools/call","params":["whoami"]}"#.to_owned(),
        r#"{"method":"tools/call","params":{"name":1}}"#.to_owned(),
        r#"{"method":"tools/call"}"#.to_owned(),
        r#"{"method":"ping","result":{}}"#.to_owned(),
        format!(r#"{{"method":"ping","params":{deep}}}"#),
    ] {
        needs_everything(of_scopes(), || post(body.clone())).await;
    }
    let utf16: Vec<u8> = call("whoami").encode_utf16().flat_map(u16::to_be_bytes).collect();
    needs_everything(of_scopes(), || post(utf16.clone())).await;
}

#[tokio::test]
async fn body_that_is_not_said_to_be_json_in_utf8_needs_everything() {
    let post = |fields: &[(&'static str, &str)]| {
        let mut request = Request::post("/mcp").body(call("whoami").into()).unwrap();
        for (name, value) in fields {
            request = request.field(name, value);
        }
        request
    };

    for fields in [
        &[][..],
        &[("content-type", "")],
        &[("content-type", "text/plain")],
        &[("content-type", "application/jsonp")],
        &[("content-type", "application/json-rpc")],
        &[("content-type", "application/json, text/plain")],
        &[("content-type", "application/json; charset=utf-16")],
        &[("content-type", "application/json; charset=iso-2022-jp")],
        &[("content-type", "application/json; charset=utf-8; charset=utf-16")],
        &[("content-type", "application/json"), ("content-type", "application/json")],
        &[("content-type", "application/json"), ("content-encoding", "gzip")],
        &[("content-type", "application/json"), ("content-encoding", "identity")],
    ] {
        needs_everything(of_scopes(), || post(fields)).await;
    }
    for content_type in [
        "application/json",
        "Application/JSON",
        "application/json;",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        "application/json ; charset=\"utf-8\"",
    ] {
        let app = server().layer(of_scopes()).layer(layer());
        let allowed = post(&[("content-type", content_type)]).bearer(good());
        send(&app, allowed).await.is_ok(&call("whoami"));
    }
}

#[tokio::test]
async fn request_that_opens_a_stream_or_ends_a_session_needs_a_token_alone() {
    let app = || server().layer(of_scopes()).layer(layer());
    let bare =
        |method: Method| Request::builder().method(method).uri("/mcp").body(Body::empty()).unwrap();

    for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
        send(&app(), bare(method.clone()).bearer(good())).await.is_ok("");
        // With a body, it could be anything.
        needs_everything(of_scopes(), || {
            let body = Body::from(if method == Method::HEAD { "" } else { "{}" });
            let mut request = bare(method.clone()).map(|_| body);
            if method == Method::HEAD {
                *request.method_mut() = Method::PUT;
            }
            request
        })
        .await;
    }
    for method in [Method::PUT, Method::PATCH, Method::from_bytes(b"POSTER").unwrap()] {
        needs_everything(of_scopes(), || bare(method.clone())).await;
        needs_everything(of_scopes(), || {
            let request = post(call("whoami"));
            let (mut head, body) = request.into_parts();
            head.method = method.clone();
            Request::from_parts(head, body)
        })
        .await;
    }
}

#[tokio::test]
async fn list_of_tools_may_show_what_the_principal_may_call() {
    let table = table().with_other_tools(when(|who: &Principal| who.has_role("guest")));
    let principal = async |token: TestToken| {
        let verified = verifier().verify(&token.sign(&key())).await.unwrap();
        verified.principal().clone()
    };
    let allowed = |who: &Principal| {
        ["whoami", "search", "close", "wipe", "unknown", "Close"]
            .into_iter()
            .filter(|tool| table.allows_tool(who, tool))
            .collect::<Vec<_>>()
    };

    assert_eq!(allowed(&principal(token()).await), ["whoami"]);
    let reader = principal(with_scope("orders:read")).await;
    assert_eq!(allowed(&reader), ["whoami", "search"]);
    let writer = principal(with_scope("orders:read orders:write")).await;
    assert_eq!(allowed(&writer), ["whoami", "search", "close"]);
    let admin = principal(token().claim("roles", ["admin"].to_vec())).await;
    assert_eq!(allowed(&admin), ["whoami", "wipe"]);
    let guest = principal(token().claim("roles", ["guest"].to_vec())).await;
    assert_eq!(allowed(&guest), ["whoami", "unknown"]);
}

#[tokio::test]
async fn refusal_is_rendered_by_the_bearer_layer_and_the_log_names_the_operation() {
    let (log, _guard) = Log::of_this_thread();
    let app = server().layer(of_scopes()).layer(layer().with_rejection(tower_bearer::render::Json));

    let answer = send(&app, post(call("close")).bearer(good())).await;

    assert!(answer.body.contains(r#""scope":"orders:write""#), "{answer:?}");
    let shown = log.about("the tool `close` needs scope `orders:write`");
    assert_eq!(shown.len(), 1, "{:?}", log.events());

    _ = send(&app, post("[1]").bearer(good())).await;
    _ = send(&app, post(call("\u{202e}x")).bearer(good())).await;
    assert_eq!(log.about("a batch needs").len(), 1, "{:?}", log.events());
    assert_eq!(log.about(r"u{202e}x` needs").len(), 1, "{:?}", log.events());
}

#[test]
fn debug_shows_the_names_of_the_table() {
    let shown = format!("{:?}", table());

    assert!(shown.contains(r#"["close", "search", "whoami", "wipe"]"#), "{shown}");
    assert!(shown.contains("resources/read"), "{shown}");
}
