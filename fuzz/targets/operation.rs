//! The body of a request to a JSON-RPC server, through a layer with a token for one tool. What comes through is read as
//! servers read it, the last of two members and any of them, and must call that tool, an open one or none.

#![no_main]

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::OnceLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use libfuzzer_sys::fuzz_target;
use serde::Deserializer as _;
use serde::de::{MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tower_bearer::mcp::{OperationBody, Operations, OperationsService};
use tower_bearer::middleware::Bearer;
use tower_bearer::policy::scope;
use tower_bearer::{BearerLayer, Reason};
use tower_bearer_fuzz as fuzz;
use tower_layer::Layer as _;
use tower_service::Service;

struct Fixed {
    token: String,
    service: Bearer<OperationsService<Server>, Value>,
}

fuzz_target!(|input: &[u8]| {
    static FIXED: OnceLock<Fixed> = OnceLock::new();
    let Fixed { token, service } = FIXED.get_or_init(fixed);
    let request = Request::post("/mcp")
        .header("authorization", token)
        .header("content-type", "application/json")
        .body(Full::from(input.to_vec()))
        .expect("a request");
    SEEN.take();

    let response = fuzz::now(service.clone().call(request)).expect("no error");

    let Some(seen) = SEEN.take() else {
        assert_eq!(response.status(), 403);
        let reason = response.extensions().get();
        // An operation that the table does not name is forbidden; one that is not clear needs every scope.
        assert!(
            matches!(reason, Some(Reason::InsufficientScope | Reason::Forbidden)),
            "{reason:?}"
        );
        // A message that leaves no doubt is not refused.
        assert!(!is_plain(input));
        return;
    };
    assert_eq!(response.status(), 200);
    assert_eq!(&seen[..], input);
    for tool in by_values(input).into_iter().chain(by_any(input)) {
        assert!(ALLOWED.contains(&&*tool), "{tool}");
    }
});

thread_local! {
    static SEEN: RefCell<Option<Bytes>> = const { RefCell::new(None) };
}

#[derive(Clone)]
struct Server;

impl Service<Request<OperationBody<Full<Bytes>>>> for Server {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<OperationBody<Full<Bytes>>>) -> Self::Future {
        let body = fuzz::now(request.into_body().collect()).expect("no error").to_bytes();
        SEEN.set(Some(body));
        ready(Ok(Response::new(())))
    }
}

/// The tools that a reader would call that takes whole values: the last of two members.
fn by_values(body: &[u8]) -> Vec<String> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let messages = match value {
        Value::Array(messages) => messages,
        one => vec![one],
    };
    let calls = messages.into_iter().filter(|message| message["method"] == CALL);
    calls.filter_map(|call| call["params"]["name"].as_str().map(str::to_owned)).collect()
}

/// The tools that readers would call that find any of these members, by their names in any case.
fn by_any(body: &[u8]) -> Vec<String> {
    let Ok(text) = std::str::from_utf8(body) else { return Vec::new() };
    let of = |text: &str, wanted: &str| -> Vec<String> {
        let is_wanted = |name: &str| name.to_uppercase().to_lowercase() == wanted;
        let members = members(text).into_iter();
        members.filter(|(name, _)| is_wanted(name)).map(|(_, value)| value).collect()
    };
    let string = |text: &String| serde_json::from_str::<String>(text).ok();
    let is_call = of(text, "method").iter().filter_map(string).any(|method| method == CALL);
    let params = of(text, "params").into_iter().filter(|_| is_call);
    params.flat_map(|params| of(&params, "name")).filter_map(|name| string(&name)).collect()
}

/// The members of an object, as often as they come.
fn members(text: &str) -> Vec<(String, String)> {
    struct Members;
    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(String, String)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((name, value)) = map.next_entry::<String, Box<RawValue>>()? {
                members.push((name, value.get().to_owned()));
            }
            Ok(members)
        }
    }
    serde_json::Deserializer::from_str(text).deserialize_map(Members).unwrap_or_default()
}

/// Returns whether this is a call of an allowed tool as an SDK writes it.
fn is_plain(body: &[u8]) -> bool {
    ALLOWED.iter().any(|tool| {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}"}}}}"#
        );
        call.as_bytes() == body
    })
}

fn fixed() -> Fixed {
    let token = tower_bearer::test_util::TestToken::new(fuzz::ISSUER, fuzz::AUDIENCE)
        .at(fuzz::NOW)
        .claim("scope", "mine")
        .sign(&fuzz::signer());
    let operations = Operations::new()
        .with_open_tools(["open"])
        .with_tool("mine", scope("mine"))
        .with_tool("other", scope("other"));
    let layer = BearerLayer::new(fuzz::verifier());
    Fixed { token: format!("Bearer {token}"), service: layer.layer(operations.layer(Server)) }
}

const CALL: &str = "tools/call";
const ALLOWED: [&str; 2] = ["mine", "open"];
