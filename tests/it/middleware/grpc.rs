//! Tests refusals of gRPC requests, by the headers of an answer. `outside/tonic` reads them with a
//! real client.

use axum::Router;
use axum::body::Body;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderMap, Request};
use serde_json::Value;
use tower_bearer::jose::Header;
use tower_bearer::keys::{KeySource, KeysUnavailable, Lookup};
use tower_bearer::policy::{role, scope};
use tower_bearer::render;
use tower_bearer::render::Render;
use tower_bearer::test_util::DangerouslyTrustEveryone;
use tower_bearer::{
    BearerLayer, Claims, Principal, Reason, Rejection, Require, Requirement, Verified, require,
};

use crate::support::{
    Answer, PLAIN, User, WithBearer, challenge, good, invalid_token, key, layer, send, token,
    verifier_of,
};

struct Admin;

impl Requirement for Admin {
    fn policy() -> impl tower_bearer::policy::Policy {
        role("admin")
    }
}

/// Keys that are never there, after a while.
struct Down;

impl KeySource for Down {
    fn lookup(&self, _: &Header) -> Lookup {
        Lookup::Refresh
    }

    async fn refresh(&self, _: &Header) -> Result<Lookup, KeysUnavailable> {
        tokio::task::yield_now().await;
        Err(KeysUnavailable::new("nobody answers"))
    }
}

fn routes() -> Router {
    Router::new()
        .route("/", post(|| async { "in" }))
        .route("/layer", post(|| async { "in" }).layer(require(scope("orders:write"))))
        .route("/extractor", post(|_: Require<Admin>| async { "in" }))
        .route("/claims", post(|_: Claims<u8>| async { "in" }))
        .route(
            "/handler",
            post(|who: Principal| async move {
                who.check(role("admin"))?;
                Ok::<_, Rejection>("in")
            }),
        )
}

fn app<R: Render<Body> + Clone>(layer: BearerLayer<User, R>) -> Router {
    routes().layer(layer)
}

fn call(path: &str) -> Request<Body> {
    let request = Request::post(path).header("content-type", "application/grpc+proto");
    request.body(Body::empty()).unwrap()
}

#[track_caller]
fn is_status(
    answer: &Answer,
    status: &str,
    message: &str,
    challenge: Option<&str>,
    reason: Reason,
) {
    answer.is_refused(200, challenge, reason);
    assert_eq!(answer.headers["content-type"], "application/grpc");
    assert_eq!(answer.headers["grpc-status"], status);
    assert_eq!(answer.headers["grpc-message"], message);
    assert_eq!(answer.body, "");
}

/// The details as text, including bytes that are not text.
fn details(headers: &HeaderMap) -> String {
    let bytes = STANDARD_NO_PAD.decode(&headers["grpc-status-details-bin"]).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn refusals_of_the_layer_and_of_guards_are_statuses_of_grpc() {
    let app = app(layer().with_rejection(render::Grpc::new()));
    let expired = token().claim("exp", 1).sign(&key());
    let missing_scope =
        challenge("insufficient_scope", "The token lacks a scope") + ", scope=\"orders:write\"";
    let malformed = challenge("invalid_request", "The Authorization field is malformed");

    let answer = send(&app, call("/")).await;
    is_status(&answer, "16", "An access token is needed", Some(PLAIN), Reason::MissingToken);
    let answer = send(&app, call("/").bearer(expired)).await;
    let challenge = invalid_token("The token has expired");
    is_status(&answer, "16", "The token has expired", Some(&challenge), Reason::Expired);
    let answer = send(&app, call("/").field("authorization", "Bearer")).await;
    let message = "The Authorization field is malformed";
    is_status(&answer, "16", message, Some(&malformed), Reason::MalformedAuthorization);
    let answer = send(&app, call("/layer").bearer(good())).await;
    let message = "The token lacks a scope";
    is_status(&answer, "7", message, Some(&missing_scope), Reason::InsufficientScope);
    let answer = send(&app, call("/extractor").bearer(good())).await;
    is_status(&answer, "7", "The token does not allow this", Some(PLAIN), Reason::Forbidden);
    let answer = send(&app, call("/claims").bearer(good())).await;
    is_status(&answer, "13", "The server is set up wrongly", None, Reason::ClaimsTypeMissing);

    let admin = token().claim("roles", "admin").claim("scope", "orders:write").sign(&key());
    for path in ["/", "/layer", "/extractor", "/handler"] {
        let answer = send(&app, call(path).bearer(&admin)).await;
        answer.is_ok("in");
        assert!(!answer.headers.contains_key("grpc-status"));
    }
}

#[tokio::test]
async fn every_extractor_and_guard_behind_an_optional_layer_answers_grpc() {
    let routes = routes()
        .route("/verified", post(|_: Verified<User>| async { "in" }))
        .route("/principal", post(|_: Principal| async { "in" }))
        .route("/user", post(|_: Claims<User>| async { "in" }));
    let app = routes.layer(layer().with_optional_token().with_rejection(render::Grpc::new()));
    let admin = token().claim("roles", "admin").claim("scope", "orders:write").sign(&key());

    for (path, scope) in [
        ("/verified", ""),
        ("/principal", ""),
        ("/user", ""),
        ("/extractor", ""),
        ("/layer", ", scope=\"orders:write\""),
    ] {
        let answer = send(&app, call(path)).await;
        let challenge = format!("{PLAIN}{scope}");
        let reason = Reason::MissingToken;
        is_status(&answer, "16", "An access token is needed", Some(&challenge), reason);
        send(&app, call(path).bearer(&admin)).await.is_ok("in");
    }
}

#[tokio::test]
async fn refusal_of_a_request_that_has_waited_is_a_status_of_grpc_too() {
    let app = app(BearerLayer::new(verifier_of(Down)).with_rejection(render::Grpc::new()));

    let answer = send(&app, call("/").bearer(good())).await;

    let message = "The token cannot be verified right now";
    is_status(&answer, "14", message, None, Reason::KeysUnavailable);
    assert_eq!(answer.headers["retry-after"], "5");
    assert!(details(&answer.headers).contains("google.rpc.RetryInfo"));
}

#[tokio::test]
async fn details_say_in_a_word_what_is_wrong_and_which_scopes_are_needed() {
    let layer = layer().with_realm("orders").unwrap().with_rejection(render::Grpc::new());
    let app = app(layer);

    let answer = send(&app, call("/layer").bearer(good())).await;

    let details = details(&answer.headers);
    for part in ["google.rpc.ErrorInfo", "INSUFFICIENT_SCOPE", "orders", "scope", "orders:write"] {
        assert!(details.contains(part), "{details:?}");
    }
    assert!(!details.contains("RetryInfo"), "{details:?}");
}

#[tokio::test]
async fn answer_names_the_protocol_of_the_request() {
    let app = app(layer().with_rejection(render::Grpc::new()));
    for (sent, answered) in [
        ("application/grpc", "application/grpc"),
        ("application/grpc-web+proto", "application/grpc-web+proto"),
        ("application/grpc-web-text", "application/grpc-web-text+proto"),
    ] {
        let request = Request::post("/").header("content-type", sent);

        let answer = send(&app, request.body(Body::empty()).unwrap()).await;

        assert_eq!(answer.headers["content-type"], answered);
        assert_eq!(answer.headers["grpc-status"], "16");
    }
}

#[tokio::test]
async fn other_requests_are_answered_as_the_other_renderer_does() {
    let empty = app(layer().with_rejection(render::Grpc::new()));
    let json = app(layer().with_rejection(render::Grpc::new().with_http(render::Json)));
    for path in ["/", "/layer"] {
        let request = || {
            let request = Request::post(path).header("content-type", "application/json");
            let request = request.body(Body::empty()).unwrap();
            if path == "/" { request } else { request.bearer(good()) }
        };
        let status = if path == "/" { 401 } else { 403 };

        let empty = send(&empty, request()).await;
        let json = send(&json, request()).await;

        assert_eq!((empty.status.as_u16(), &*empty.body), (status, ""));
        assert!(!empty.headers.contains_key("grpc-status"));
        let body: Value = serde_json::from_str(&json.body).unwrap();
        assert_eq!((json.status.as_u16(), body["error"].is_string()), (status, true));
    }
    // A cache would keep a 200, and a proxy that only checks the status would let the request pass.
    let get = Request::get("/").header("content-type", "application/grpc").body(Body::empty());
    send(&json, get.unwrap()).await.is_refused(401, Some(PLAIN), Reason::MissingToken);
    // Those that are gRPC are not.
    let answer = send(&json, call("/")).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    is_status(&answer, "16", "An access token is needed", Some(PLAIN), Reason::MissingToken);
}

#[tokio::test]
async fn refusal_that_a_handler_makes_does_not_know_the_request_and_is_one_of_http() {
    // Never 200 to a client that cannot read `grpc-status`.
    let app = app(layer().with_rejection(render::Grpc::new()));

    let answer = send(&app, call("/handler").bearer(good())).await;

    answer.is_refused(403, Some(PLAIN), Reason::Forbidden);
}

#[tokio::test]
async fn stand_in_for_the_layer_answers_grpc_too() {
    let layer = DangerouslyTrustEveryone::<User>::new(serde_json::json!({"sub": "alice"}));
    let app = routes().layer(layer.with_rejection(render::Grpc::new()));

    let answer = send(&app, call("/extractor")).await;

    is_status(&answer, "7", "The token does not allow this", Some(PLAIN), Reason::Forbidden);
}

mod needs_grpcio {
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    use axum::response::Response;
    use bytes::Bytes;
    use http::HeaderValue;
    use http_body_util::{BodyExt, Full};
    use tokio::net::TcpListener;

    use super::*;

    /// One message of two bytes, and the status that it is complete.
    async fn order() -> Response {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let message = Full::new(Bytes::from_static(b"\0\0\0\0\x02in"));
        let body = message.with_trailers(async { Some(Ok(trailers)) });
        Response::builder()
            .header("content-type", "application/grpc")
            .body(Body::new(body))
            .unwrap()
    }

    async fn serve() -> String {
        let app = Router::new()
            .route("/shop.Orders/Handle", post(order).layer(require(role("user"))))
            .route_layer(layer().with_rejection(render::Grpc::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    /// One answer for each value of `authorization`.
    fn ask(address: &str, fields: &[Value]) -> Vec<Value> {
        let command = std::env::var("GRPCIO_CALL").expect("run scripts/interop");
        let mut client = Command::new("sh")
            .args(["-c", &format!("{command} {address}")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = client.stdin.take().unwrap();
        fields.iter().for_each(|field| writeln!(input, "{field}").unwrap());
        drop(input);
        let output = client.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "needs grpcio: scripts/interop"]
    async fn client_of_another_library_reads_status_message_and_challenge() {
        let address = serve().await;
        let bearer = |token: &str| Value::from(format!("Bearer {token}"));
        let user = token().claim("roles", "user").sign(&key());
        let expired = token().claim("exp", 1).sign(&key());
        let fields =
            [bearer(&user), Value::Null, bearer(&expired), Value::from("Bearer"), bearer(&good())];

        let answers = tokio::task::spawn_blocking(move || ask(&address, &fields)).await.unwrap();

        let seen: Vec<_> = answers
            .iter()
            .map(|answer| (answer["code"].as_str().unwrap(), answer["message"].as_str().unwrap()))
            .collect();
        assert_eq!(
            seen,
            [
                ("OK", "in"),
                ("UNAUTHENTICATED", "An access token is needed"),
                ("UNAUTHENTICATED", "The token has expired"),
                ("UNAUTHENTICATED", "The Authorization field is malformed"),
                ("PERMISSION_DENIED", "The token does not allow this"),
            ]
        );
        for answer in &answers[1..] {
            assert!(answer["challenge"].as_str().unwrap().starts_with(PLAIN), "{answer}");
            assert_eq!(answer["has_details"], true, "{answer}");
        }
    }
}
