//! Tests that a body goes on as it came, however it comes.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body as AxumBody;
use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Response, Version};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};
use tower_bearer::Reason;
use tower_bearer::mcp::{OperationBody, Operations};
use tower_bearer::policy::scope;

use super::operations::{call, post, server};
use crate::support::{Answer, WithBearer, good, key, layer, token};

/// A body that comes in these steps, and counts how many were taken.
struct Steps {
    steps: VecDeque<Step>,
    taken: Arc<AtomicUsize>,
    hint: SizeHint,
}

#[derive(Clone)]
enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    Error(&'static str),
    /// Nothing for now. The reader is woken at once.
    Wait,
    /// Nothing, ever.
    Hang,
}

impl Steps {
    fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { steps, taken: Arc::default(), hint: SizeHint::default() }
    }
}

impl Body for Steps {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        if matches!(self.steps.front(), Some(Step::Hang)) {
            return Poll::Pending;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(match self.steps.pop_front() {
            None => None,
            Some(Step::Data(data)) => Some(Ok(Frame::data(data))),
            Some(Step::Trailers(trailers)) => Some(Ok(Frame::trailers(trailers))),
            Some(Step::Error(error)) => Some(Err(error)),
            Some(Step::Wait) => {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Some(Step::Hang) => unreachable!("it stays in front"),
        })
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}

fn data(text: impl Into<Bytes>) -> Step {
    Step::Data(text.into())
}

fn trailers() -> HeaderMap {
    HeaderMap::from_iter([("x-sum".parse().unwrap(), HeaderValue::from_static("7"))])
}

/// The things that the inner service has read: the bytes, the trailers, and the error.
type Seen = (Vec<u8>, Option<HeaderMap>, Option<&'static str>);

async fn read(mut body: OperationBody<Steps>) -> Seen {
    let mut seen = Seen::default();
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => seen.0.extend_from_slice(&data),
            Ok(Err(frame)) => seen.1 = frame.into_trailers().ok(),
            Err(error) => seen.2 = Some(error),
        }
    }
    // It stays over.
    assert!(seen.2.is_some() || body.is_end_stream());
    seen
}

/// Sends a body with a token of these scopes, and returns what the inner service has read, or the refusal.
async fn through(table: Operations, body: Steps, scopes: &str) -> Result<Seen, Response<()>> {
    let seen = Arc::new(std::sync::Mutex::new(None));
    let inner = {
        let seen = Arc::clone(&seen);
        service_fn(move |request: Request<OperationBody<Steps>>| {
            let seen = Arc::clone(&seen);
            async move {
                let read = read(request.into_body()).await;
                *seen.lock().unwrap() = Some(read);
                Ok::<_, Infallible>(Response::new(()))
            }
        })
    };
    let service = layer().layer(table.layer(inner));
    let request = Request::post("/mcp")
        .header("content-type", "application/json")
        .body(body)
        .unwrap()
        .bearer(token().claim("scope", scopes).sign(&key()));
    let response = service.oneshot(request).await.unwrap();
    seen.lock().unwrap().take().ok_or(response)
}

fn table() -> Operations {
    Operations::new()
        .with_open_tools(["whoami"])
        .with_tool("close", scope("write"))
        .with_other_tools(scope("write"))
        .with_other_methods(scope("write"))
}

fn is_refused(seen: Result<Seen, Response<()>>) -> bool {
    let response = seen.expect_err("the body was let through");
    assert_eq!(response.status(), 403);
    response.extensions().get() == Some(&Reason::InsufficientScope)
}

#[tokio::test]
async fn body_goes_on_whole_however_it_is_cut() {
    let text = call("whoami");
    for size in [1, 2, 3, 7, 50, text.len()] {
        let pieces = || text.as_bytes().chunks(size).map(Bytes::copy_from_slice).map(Step::Data);
        let waiting = pieces().flat_map(|piece| [Step::Wait, piece, Step::Wait]);
        let empty = pieces().flat_map(|piece| [data(""), piece, data("")]);
        let ends = pieces().chain([Step::Trailers(trailers())]);

        for steps in [Steps::new(pieces()), Steps::new(waiting), Steps::new(empty)] {
            let seen = through(table(), steps, "").await.unwrap();
            assert_eq!(seen, (text.clone().into_bytes(), None, None));
        }
        let seen = through(table(), Steps::new(ends), "").await.unwrap();
        assert_eq!(seen, (text.clone().into_bytes(), Some(trailers()), None));
    }
}

#[tokio::test]
async fn tool_is_read_across_frames() {
    for size in [1, 2, 3, 7, 50] {
        let text = call("close");
        let pieces = || text.as_bytes().chunks(size).map(Bytes::copy_from_slice).map(Step::Data);

        assert!(is_refused(through(table(), Steps::new(pieces()), "").await));
        let seen = through(table(), Steps::new(pieces()), "write").await.unwrap();
        assert_eq!(seen.0, text.as_bytes());
    }
}

#[tokio::test]
async fn body_up_to_the_bound_is_read_and_a_larger_one_needs_everything() {
    let text = call("whoami");
    let exact = || table().with_max_body(text.len());
    let less = || table().with_max_body(text.len() - 1);
    for size in [1, 10, text.len()] {
        let pieces = || text.as_bytes().chunks(size).map(Bytes::copy_from_slice).map(Step::Data);
        let steps = || Steps::new(pieces().chain([Step::Trailers(trailers())]));
        let whole = (text.clone().into_bytes(), Some(trailers()), None);

        assert_eq!(through(exact(), steps(), "").await.unwrap(), whole);
        assert!(is_refused(through(less(), steps(), "").await));
        assert_eq!(through(less(), steps(), "write").await.unwrap(), whole);
        assert!(is_refused(through(exact(), Steps::new(pieces().chain([data(" ")])), "").await));
    }
}

#[tokio::test]
async fn default_bound_is_one_mebibyte() {
    let call = |filler: usize| {
        let start = r#"{"method":"tools/call","params":{"name":"whoami","x":""#;
        format!("{start}{}\"}}}}", "a".repeat(filler - start.len() - 3))
    };

    let largest = Steps::new([data(call(1 << 20))]);
    assert_eq!(through(table(), largest, "").await.unwrap().0.len(), 1 << 20);
    let larger = Steps::new([data(call((1 << 20) + 1))]);
    assert!(is_refused(through(table(), larger, "").await));
}

#[tokio::test]
async fn body_that_says_it_is_too_large_is_not_read() {
    let body = |hint: u64| {
        let mut steps = Steps::new([data(call("whoami")), Step::Hang]);
        steps.hint = SizeHint::with_exact(hint);
        steps
    };
    let large = body(1 << 40);
    let taken = Arc::clone(&large.taken);

    assert!(is_refused(through(table(), large, "").await));

    assert_eq!(taken.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn body_that_says_it_has_just_the_size_of_the_bound_is_read() {
    let text = call("whoami");
    let mut steps = Steps::new([data(text.clone())]);
    steps.hint = SizeHint::with_exact(text.len() as u64);

    let seen = through(table().with_max_body(text.len()), steps, "").await.unwrap();

    assert_eq!(seen.0, text.as_bytes());
}

#[tokio::test]
async fn size_counts_what_was_read_within_the_bound_and_beyond_it() {
    let text = call("close");
    let (first, rest) = text.split_at(10);
    let steps = Steps::new([data(first.to_owned()), data(rest.to_owned())]);
    let length = text.len() as u64;
    let inner = service_fn(move |request: Request<OperationBody<Steps>>| async move {
        assert_eq!(request.body().size_hint().lower(), length);
        Ok::<_, Infallible>(Response::new(()))
    });
    let service = layer().layer(table().with_max_body(20).layer(inner));
    let token = token().claim("scope", "write").sign(&key());

    let response = service.oneshot(post("").map(|_| steps).bearer(token)).await.unwrap();

    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn what_is_held_of_an_endless_body_is_bounded() {
    let endless = Steps::new((0..100_000).map(|_| data("[")));
    let taken = Arc::clone(&endless.taken);

    assert!(is_refused(through(table().with_max_body(1000), endless, "").await));

    assert_eq!(taken.load(Ordering::Relaxed), 1001);
}

#[tokio::test]
async fn body_that_fails_needs_everything_and_its_error_goes_on() {
    let text = call("whoami");
    let steps = || Steps::new([data(text.clone()), Step::Error("reset")]);

    assert!(is_refused(through(table(), steps(), "").await));
    let seen = through(table(), steps(), "write").await.unwrap();
    assert_eq!(seen, (text.into_bytes(), None, Some("reset")));
}

#[tokio::test]
async fn body_that_does_not_come_holds_no_reservation_of_the_inner_service() {
    let permits = tower::limit::ConcurrencyLimit::new(server(), 1);
    let mut service = layer().layer(table().layer(
        permits.map_request(|request: Request<OperationBody<AxumBody>>| request.map(AxumBody::new)),
    ));
    let stream = futures::stream::pending::<Result<Bytes, Infallible>>();
    let stuck = post(AxumBody::from_stream(stream)).bearer(good());

    let mut first = Box::pin(service.ready().await.unwrap().call(stuck));
    assert!((&mut first).now_or_never().is_none());

    // The only permit is free for the next request.
    let second = service.ready().await.unwrap().call(post(call("whoami")).bearer(good()));
    Answer::of(second.await.unwrap()).await.is_ok(&call("whoami"));
    drop(first);
}

#[tokio::test]
async fn service_is_made_ready_again_when_the_body_had_to_be_waited_for() {
    let read = service_fn(async |request: Request<OperationBody<Steps>>| {
        let (bytes, ..) = read(request.into_body()).await;
        Ok::<_, Infallible>(Response::new(String::from_utf8(bytes).unwrap()))
    });
    // It panics if it is called without a permit.
    let permits = tower::limit::ConcurrencyLimit::new(read, 1);
    let mut service = layer().layer(table().layer(permits));
    for waits in [0, 1, 2, 0, 1] {
        let waits = (0..waits).map(|_| Step::Wait);
        let steps = Steps::new(waits.chain([data(call("whoami"))]));
        let request = post("").map(|_| steps).bearer(good());

        let response = service.ready().await.unwrap().call(request).await.unwrap();

        assert_eq!(*response.body(), call("whoami"));
    }
}

#[tokio::test]
async fn size_of_the_body_is_known_as_before() {
    let text = call("whoami");
    let length = text.len() as u64;
    let inner = service_fn(move |request: Request<OperationBody<AxumBody>>| async move {
        let body = request.into_body();
        assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(length), false));
        Ok::<_, Infallible>(Response::new(()))
    });
    let service = layer().layer(table().layer(inner));

    let response = service.oneshot(post(text).bearer(good())).await.unwrap();

    assert_eq!(response.status(), 200);
}

/// Sends raw bytes to a server of hyper, and returns the first line of the answer and all of it.
async fn over_a_socket(app: Router, request: Vec<Vec<u8>>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    for part in request {
        socket.write_all(&part).await.unwrap();
        tokio::task::yield_now().await;
    }
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    server.abort();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn chunked_body_of_http_1_is_read_and_goes_on() {
    let app = server().layer(table()).layer(layer());
    for (tool, status) in [("whoami", "200 OK"), ("close", "403 Forbidden")] {
        let text = call(tool);
        let head = format!(
            "POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/json\r\n\
             authorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\r\n",
            good()
        );
        let chunks = text
            .as_bytes()
            .chunks(3)
            .map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
        let parts = std::iter::once(head.into_bytes()).chain(chunks).chain([b"0\r\n\r\n".to_vec()]);

        let answer = over_a_socket(app.clone(), parts.collect()).await;

        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
        assert_eq!(answer.ends_with(&text), tool == "whoami", "{answer}");
    }
}

#[tokio::test]
async fn body_of_http_2_is_read_and_goes_on() {
    let app = server().layer(table()).layer(layer());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp", listener.local_addr().unwrap());
    let served = tokio::spawn(async move { axum::serve(listener, app).await });
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();

    for (tool, status) in [("whoami", 200), ("close", 403)] {
        let text = call(tool);
        let frames: Vec<_> =
            text.as_bytes().chunks(7).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let body = AxumBody::from_stream(futures::stream::iter(frames.into_iter().chain(
            // A frame without bytes, as clients may end a body with.
            [Ok::<_, Infallible>(Bytes::new())],
        )));
        let mut request = post(body).bearer(good());
        *request.uri_mut() = url.parse().unwrap();

        let response = client.request(request).await.unwrap();

        assert_eq!((response.status().as_u16(), response.version()), (status, Version::HTTP_2));
        let echoed = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(echoed == text.as_bytes(), tool == "whoami");
    }
    served.abort();
}
