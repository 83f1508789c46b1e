//! Measures what reading the operation of a message costs, beside a request without it.
//!
//! `cargo bench --bench mcp`. `-- --quick` shows that it runs, and measures nothing. The times of both were taken in turns.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]
#![expect(clippy::cast_precision_loss, reason = "numbers for people")]

use std::convert::Infallible;
use std::fmt::Write as _;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::Service;
use tower_bearer::mcp::Operations;
use tower_bearer::policy::scope;
use tower_bearer::test_util::{TestKey, TestToken};
use tower_bearer::{Algorithm, BearerLayer, Validation, Verifier};
use tower_layer::Layer as _;

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, calls) = if is_quick { (2, 5) } else { (60, 2000) };
    let key = TestKey::generate(Algorithm::HS256);
    let rules = Validation::new(ISSUER, AUDIENCE);
    let verifier = Verifier::<serde_json::Value>::new(key.verifying_key(), rules);
    let layer = BearerLayer::new(verifier.expect("sensible rules"));
    let operations = Operations::new()
        .with_open_tools(["whoami"])
        .with_tool("list_orders", scope("orders:read"))
        .with_tool("close_order", scope("orders:read orders:write"));
    let mut without = layer.layer(Server);
    let mut with = layer.layer(operations.layer(Server));
    let token = TestToken::new(ISSUER, AUDIENCE).claim("scope", "orders:read orders:write");
    let token = format!("Bearer {}", token.sign(&key));
    for size in [200, 2 << 10, 64 << 10] {
        let body = message(size);
        let mut differences: Vec<f64> = (0..rounds)
            .map(|_| {
                let before = time(calls, || call(&mut without, &token, &body));
                time(calls, || call(&mut with, &token, &body)) - before
            })
            .collect();
        differences.sort_by(f64::total_cmp);
        println!("{:>6} bytes: {:>7.0} ns more", body.len(), differences[rounds / 2]);
    }
}

/// Returns a call of a tool of about this size.
fn message(size: usize) -> Bytes {
    let mut text = String::from(
        r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"_meta":{"progressToken":17},"name":"close_order","arguments":{"first":0"#,
    );
    let mut number = 0;
    while text.len() + 40 < size {
        _ = write!(
            text,
            r#","field{number}":{{"number":{number},"note":"words about order {number}","tags":["a","b"]}}"#
        );
        number += 1;
    }
    text += "}}}";
    text.into()
}

fn time(calls: usize, mut call: impl FnMut()) -> f64 {
    let began = Instant::now();
    (0..calls).for_each(|_| call());
    began.elapsed().as_nanos() as f64 / calls as f64
}

fn call<S>(service: &mut S, token: &str, body: &Bytes)
where
    S: Service<Request<Full<Bytes>>, Response = Response<()>, Error = Infallible>,
{
    let request = Request::post("/mcp")
        .header("content-type", "application/json")
        .header("authorization", token)
        .body(Full::new(body.clone()))
        .expect("a request");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(service.poll_ready(&mut cx).is_ready());
    let response = pin!(service.call(request)).poll(&mut cx);
    assert!(matches!(response, Poll::Ready(Ok(response)) if response.status() == 200));
}

#[derive(Clone)]
struct Server;

impl<B> Service<Request<B>> for Server {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Ready<Result<Response<()>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(&request);
        ready(Ok(Response::new(())))
    }
}
