//! Tests that no server reads another tool than the layer has checked.
//!
//! Random messages go through the layer with a token for one tool. What comes through is read as servers read it: as the
//! official SDK does, as `serde_json` does, which takes the last of two members, as a reader does that takes the first,
//! and as one does that ignores case.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use proptest::prelude::*;
use proptest::sample::select;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use tower::{Layer as _, ServiceExt as _, service_fn};
use tower_bearer::mcp::{OperationBody, Operations};
use tower_bearer::policy::scope;

use crate::support::{WithBearer, key, layer, token};

/// A text that is nearly a message: names and values in odd spellings, members twice and in any order.
fn message() -> impl Strategy<Value = String> {
    let tool = || {
        select(vec![
            r#""mine""#,
            r#""other""#,
            r#""m\u0069ne""#,
            r#""oth\u0065r""#,
            r#""open""#,
            r#""OTHER""#,
            r#""mine ""#,
            "1",
            "null",
            r#"["other"]"#,
            r#"{"name":"other"}"#,
            r#""\ud800""#,
            r#""other\u0000""#,
        ])
    };
    let name = select(vec![
        r#""name""#,
        r#""name""#,
        r#""name""#,
        r#""n\u0061me""#,
        r#""Name""#,
        r#""arguments""#,
        r#""_meta""#,
        r#""__proto__""#,
    ]);
    let members = prop::collection::vec((name, tool()), 0..4);
    let params = members.prop_map(|members| {
        let members: Vec<_> = members.iter().map(|(name, tool)| format!("{name}:{tool}")).collect();
        format!("{{{}}}", members.join(","))
    });
    let params = prop_oneof![
        8 => params,
        1 => select(vec!["null", r#"["other"]"#, r#""other""#, "[]"]).prop_map(str::to_owned),
    ];
    let method = select(vec![
        r#""tools/call""#,
        r#""tools/call""#,
        r#""tools/call""#,
        r#""tools\/call""#,
        r#""ping""#,
        r#""tools/list""#,
        r#""notifications/initialized""#,
        r#""Tools/Call""#,
        r#""tools/call ""#,
        "1",
        "null",
    ]);
    let member = prop_oneof![
        4 => (select(vec![r#""method""#, r#""method""#, r#""m\u0065thod""#, r#""METHOD""#]), method.prop_map(str::to_owned)),
        4 => (select(vec![r#""params""#, r#""params""#, r#""p\u0061rams""#, r#""Params""#, "\"param\u{17f}\""]), params),
        2 => (Just(r#""id""#), select(vec!["1", "null", r#""a""#, "1.5", "[]", "99999999999999999999"]).prop_map(str::to_owned)),
        2 => (Just(r#""jsonrpc""#), select(vec![r#""2.0""#, r#""2.0""#, r#""1.0""#, "2"]).prop_map(str::to_owned)),
        1 => (select(vec![r#""result""#, r#""error""#, r#""x""#, r#""$serde_json::private::RawValue""#]), Just("{}".to_owned())),
    ];
    let members = prop::collection::vec(member, 1..7);
    let space = select(vec!["", "", " ", "\n", "\u{feff}", "\u{a0}"]);
    (members, space, prop::bool::weighted(0.05)).prop_map(|(members, space, is_batch)| {
        let members: Vec<_> =
            members.iter().map(|(name, value)| format!("{name}{space}:{value}")).collect();
        let message = format!("{space}{{{}}}{space}", members.join(","));
        if is_batch { format!("[{message}]") } else { message }
    })
}

/// A message that all readers agree about, so that enough of them come through.
fn plain() -> impl Strategy<Value = String> {
    select(vec!["mine", "other", "open", "unknown"]).prop_map(super::operations::call)
}

/// Returns the body as the server gets it, or `None` if the layer refuses it.
fn through(body: &str) -> Option<Bytes> {
    let seen = Arc::new(Mutex::new(None));
    let inner = service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<OperationBody<Full<Bytes>>>| {
            let seen = Arc::clone(&seen);
            async move {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                *seen.lock().unwrap() = Some(body);
                Ok::<_, Infallible>(Response::new(()))
            }
        }
    });
    let table = Operations::new()
        .with_open_tools(["open"])
        .with_tool("mine", scope("mine"))
        .with_tool("other", scope("other"));
    let request = Request::post("/mcp")
        .header("content-type", "application/json")
        .body(Full::from(body.to_owned()))
        .unwrap()
        .bearer(token().claim("scope", "mine").sign(&key()));
    let response = layer().layer(table.layer(inner)).oneshot(request).now_or_never();
    let status = response.unwrap().unwrap().status().as_u16();
    let seen = seen.lock().unwrap().take();
    assert_eq!(status, if seen.is_some() { 200 } else { 403 });
    seen
}

/// The tool that the official SDK would run.
fn by_sdk(body: &[u8]) -> Option<String> {
    match serde_json::from_slice(body).ok()? {
        ClientJsonRpcMessage::Request(request) => match request.request {
            ClientRequest::CallToolRequest(call) => Some(call.params.name.into_owned()),
            // One that the SDK does not know, for the application.
            ClientRequest::CustomRequest(custom) if custom.method == "tools/call" => {
                Some("custom".to_owned())
            }
            _ => None,
        },
        ClientJsonRpcMessage::Notification(_)
        | ClientJsonRpcMessage::Response(_)
        | ClientJsonRpcMessage::Error(_) => None,
    }
}

/// The tools that a reader would run that takes whole values: the last of two members.
fn by_values(body: &[u8]) -> Vec<String> {
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return Vec::new() };
    let messages = match value {
        Value::Array(messages) => messages,
        one => vec![one],
    };
    let calls = messages.into_iter().filter(|message| message["method"] == "tools/call");
    calls.filter_map(|call| call["params"]["name"].as_str().map(str::to_owned)).collect()
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

/// The tools that readers would run that find any of these members, by their names in small letters.
fn by_any(body: &[u8]) -> Vec<String> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let of = |text: &str, wanted: &str| -> Vec<String> {
        let is_wanted = |name: &str| name.to_uppercase().to_lowercase() == wanted;
        let members = members(text).into_iter();
        members.filter(|(name, _)| is_wanted(name)).map(|(_, value)| value).collect()
    };
    let string = |text: &String| serde_json::from_str::<String>(text).ok();
    let is_call =
        of(&text, "method").iter().filter_map(string).any(|method| method == "tools/call");
    let params = of(&text, "params").into_iter().filter(|_| is_call);
    params.flat_map(|params| of(&params, "name")).filter_map(|name| string(&name)).collect()
}

const ALLOWED: [&str; 2] = ["mine", "open"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn no_reader_runs_a_tool_that_was_not_checked(body in prop_oneof![9 => message(), 1 => plain()]) {
        let Some(seen) = through(&body) else {
            // What is clear and allowed is not refused.
            let is_plain = ALLOWED.iter().any(|tool| body == super::operations::call(tool));
            prop_assert!(!is_plain, "{body}");
            return Ok(());
        };

        prop_assert_eq!(&*seen, body.as_bytes());
        let tools = by_sdk(&seen).into_iter().chain(by_values(&seen)).chain(by_any(&seen));
        for tool in tools {
            prop_assert!(ALLOWED.contains(&&*tool), "{tool} in {body}");
        }
    }
}

#[test]
fn readers_of_this_test_find_the_tools_that_they_are_to_find() {
    let call = super::operations::call("other");
    assert_eq!(by_sdk(call.as_bytes()).as_deref(), Some("other"));
    assert_eq!(by_values(call.as_bytes()), ["other"]);
    assert_eq!(by_any(call.as_bytes()), ["other"]);
    let twice = r#"{"METHOD":"ping","method":"tools/call","params":{"name":"a","Name":"b"}}"#;
    assert_eq!(by_any(twice.as_bytes()), ["a", "b"]);
    assert_eq!(by_values(br#"[{"method":"tools/call","params":{"name":"a","name":"b"}}]"#), ["b"]);
}
