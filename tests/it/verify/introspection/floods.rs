use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::join_all;
use futures::stream::FuturesUnordered;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use tower::ServiceExt as _;
use tower_bearer::Reason;
use tower_bearer::introspection::{Introspection, OpaqueTokens};
use tower_bearer::middleware::Authenticator as _;
use tracing::Level;

use super::server::{Reply, Server, json_of, usual};
use super::{active, app, basic, introspection};
use crate::support::log::Log;
use crate::support::{WithBearer, get, invalid_token, send};

/// Answers each request when the server is opened.
fn slowly(server: &Server) {
    server.script(|request| match usual(request) {
        Reply::Whole(response) => Reply::WhenOpened(response),
        other => other,
    });
}

#[tokio::test]
async fn requests_with_one_token_share_one_call() {
    // RFC 7662 §4: questions are shared
    let server = Server::start().await;
    let app = app(introspection(&server));
    slowly(&server);

    let requests = (0..50).map(|_| send(&app, get("/").bearer("good-1")));
    let (answers, ()) = tokio::join!(join_all(requests), async {
        server.await_requests(1).await;
        server.open();
    });

    for answer in answers {
        answer.is_ok("good-1");
    }
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn call_goes_on_when_the_request_that_began_it_goes_away() {
    let server = Server::start().await;
    let app = app(introspection(&server));
    slowly(&server);

    let first = tokio::spawn(app.clone().oneshot(get("/").bearer("good-1")));
    server.await_requests(1).await;
    let second = tokio::spawn({
        let app = app.clone();
        async move { send(&app, get("/").bearer("good-1")).await }
    });
    // The second request has joined the call before the first one ends.
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    server.open();

    second.await.unwrap().is_ok("good-1");
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn refusal_is_kept_for_its_time_and_by_the_whole_token() {
    // RFC 7662 §4: negative answers are kept for a short time, by a keyed hash of the token
    let server = Server::start().await;
    let kept = app(introspection(&server));
    let never = app(introspection(&server).with_inactive_for(Duration::ZERO));
    let challenge = invalid_token("The token is not active any more");

    for _ in 0..5 {
        let answer = send(&kept, get("/").bearer("bad-1")).await;
        answer.is_refused(401, Some(&challenge), Reason::Inactive);
    }
    assert_eq!(server.asked(), 1);
    for token in ["bad-2", "bad-11", "bad-"] {
        let answer = send(&kept, get("/").bearer(token)).await;
        answer.is_refused(401, Some(&challenge), Reason::Inactive);
    }
    assert_eq!(server.asked(), 4);
    // A refusal of one token never is that of another.
    send(&kept, get("/").bearer("good-1")).await.is_ok("good-1");
    for _ in 0..3 {
        let answer = send(&never, get("/").bearer("bad-1")).await;
        answer.is_refused(401, Some(&challenge), Reason::Inactive);
    }
    assert_eq!(server.asked(), 8);
}

#[tokio::test]
async fn budget_of_unknown_tokens_is_spent_at_once_and_known_tokens_need_none() {
    let (log, _guard) = Log::of_this_thread();
    let server = Server::start().await;
    let app = app(introspection(&server).with_budget(3, Duration::from_secs(3600)));

    send(&app, get("/").bearer("good-1")).await.is_ok("good-1");
    for number in 0..2 {
        let answer = send(&app, get("/").bearer(format!("bad-{number}"))).await;
        assert_eq!(answer.status, 401);
    }
    for number in 2..20 {
        let answer = send(&app, get("/").bearer(format!("bad-{number}"))).await;
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
        let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((3500..=3600).contains(&seconds), "{seconds}");
        // A good token that is known, and a bad one that is kept.
        send(&app, get("/").bearer("good-1")).await.is_ok("good-1");
        assert_eq!(send(&app, get("/").bearer("bad-1")).await.status, 401);
    }

    let warnings: Vec<_> =
        log.events().into_iter().filter(|(level, _)| *level == Level::WARN).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].1.contains("with_budget"), "{warnings:?}");
}

#[tokio::test]
async fn calls_and_waiting_requests_are_bounded_and_the_others_are_refused_at_once() {
    let server = Server::start().await;
    let app = app(introspection(&server).with_call_limits(2, 3));
    send(&app, get("/").bearer("good-known")).await.is_ok("good-known");
    slowly(&server);

    // Two that are asked about, and three that wait.
    let waiting: Vec<_> = (0..5)
        .map(|number| {
            let app = app.clone();
            tokio::spawn(async move { send(&app, get("/").bearer(format!("good-{number}"))).await })
        })
        .collect();
    server.await_requests(3).await;
    let refused = send(&app, get("/").bearer("good-5")).await;
    refused.is_refused(503, None, Reason::AuthenticatorFailed);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(server.asked(), 3, "one was asked about before");
    // A request with one of the five joins its call.
    let joined = tokio::spawn({
        let app = app.clone();
        async move { send(&app, get("/").bearer("good-4")).await }
    });
    // A known token has places of its own, while all others are taken.
    server.heal();
    send(&app, get("/").bearer("good-known")).await.is_ok("good-known");

    server.open();
    for (number, answer) in join_all(waiting).await.into_iter().enumerate() {
        answer.unwrap().is_ok(&format!("good-{number}"));
    }
    joined.await.unwrap().is_ok("good-4");
    send(&app, get("/").bearer("good-5")).await.is_ok("good-5");
}

#[tokio::test]
async fn ten_thousand_invented_tokens_do_not_refuse_or_delay_known_ones() {
    // Also where the layer keeps no answer, and each request with a known token needs a call.
    for max_age in [Duration::from_secs(60), Duration::ZERO] {
        let server = Server::start().await;
        let introspection = introspection(&server)
            .with_budget(500, Duration::from_millis(10))
            .with_timeout(Duration::from_secs(30))
            .with_freshness(max_age);
        let app = app(introspection);
        for number in 0..10 {
            let token = format!("good-{number}");
            send(&app, get("/").bearer(&token)).await.is_ok(&token);
        }
        // The server never answers about invented tokens.
        server.script(|request| match usual(request) {
            reply if request.field("token").unwrap().starts_with("good") => reply,
            _ => Reply::Silence,
        });

        let mut flood: FuturesUnordered<_> = (0..10_000)
            .map(|number| {
                tokio::spawn(app.clone().oneshot(get("/").bearer(format!("invented-{number}"))))
            })
            .collect();
        // All but those that are asked about, and those that wait.
        for refused in 0..10_000 - (32 + 256) {
            let response = flood.next().await.unwrap().unwrap().unwrap();
            assert_eq!(response.status(), 503);
            if refused % 500 == 0 {
                let (token, began) = (format!("good-{}", refused / 500 % 10), Instant::now());
                send(&app, get("/").bearer(&token)).await.is_ok(&token);
                assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
            }
        }

        assert!(server.asked() <= 10 + 20 + 32, "{}", server.asked());
        flood.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test]
async fn places_are_free_again_after_calls_that_failed() {
    let server = Server::start().await;
    let app =
        app(introspection(&server).with_call_limits(1, 0).with_timeout(Duration::from_millis(100)));

    for round in 0..5 {
        server.script(move |_| match round % 2 {
            0 => Reply::Silence,
            _ => Reply::Whole(json_of("nonsense")),
        });
        let answer = send(&app, get("/").bearer("good-1")).await;
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
        assert_eq!(answer.headers["retry-after"], "5", "it was asked about");
    }
    server.heal();
    send(&app, get("/").bearer("good-1")).await.is_ok("good-1");
    assert_eq!(server.asked(), 6);
}

#[tokio::test]
async fn waiting_for_a_place_counts_for_the_time_of_a_call() {
    let server = Server::start().await;
    let app =
        app(introspection(&server).with_call_limits(1, 5).with_timeout(Duration::from_millis(300)));
    server.script(|_| Reply::Silence);

    let began = Instant::now();
    let tokens = (0..6).map(|number| format!("good-{number}"));
    let answers = join_all(tokens.map(|token| send(&app, get("/").bearer(token)))).await;

    for answer in answers {
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
    }
    // Six one after the other would take 1.8 seconds.
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[tokio::test]
async fn call_that_panics_is_a_503_and_the_next_one_is_not() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let url = "https://id.example.com/introspect";
    let introspection = Introspection::new(url, basic(), OpaqueTokens::all()).unwrap().with_client(
        move |_: Request<Bytes>| {
            assert!(counted.fetch_add(1, Ordering::SeqCst) >= 3, "as the test wants it");
            let answer = Response::builder().header("content-type", "application/json");
            let answer = answer.body(Full::<Bytes>::from(active(&json!({})).to_string())).unwrap();
            ready(Ok::<_, std::io::Error>(answer))
        },
    );
    let app = app(introspection);

    let answer = send(&app, get("/").bearer("good")).await;
    answer.is_refused(503, None, Reason::AuthenticatorFailed);
    send(&app, get("/").bearer("good")).await.is_ok("alice");

    assert_eq!(calls.load(Ordering::SeqCst), 4);
}

#[test]
fn without_a_runtime_or_timers_there_is_an_answer_and_no_panic() {
    let url = "http://127.0.0.1:1/introspect";
    let introspection = Introspection::new(url, basic(), OpaqueTokens::all()).unwrap();

    let outside = futures::executor::block_on(introspection.authenticate("good")).unwrap_err();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let without_timers = runtime.block_on(introspection.authenticate("good")).unwrap_err();

    assert_eq!(outside.reason(), Reason::AuthenticatorFailed);
    assert_eq!(without_timers.reason(), Reason::AuthenticatorFailed);
}

#[test]
fn call_of_a_runtime_that_has_ended_is_made_again_in_another_one() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (servers, first, second) = (runtime(), runtime(), runtime());
    let server = servers.block_on(Server::start());
    server.script(|_| Reply::Silence);
    let introspection = Arc::new(introspection(&server));
    let asking = Arc::clone(&introspection);
    first.spawn(async move { asking.authenticate("good-1").await.map(drop) });
    servers.block_on(server.await_requests(1));

    let asking = Arc::clone(&introspection);
    let waiting = second.spawn(async move { asking.authenticate("good-1").await.map(drop) });
    server.script(|_| Reply::Whole(json_of(&active(&json!({})).to_string())));
    first.shutdown_background();

    second.block_on(waiting).unwrap().unwrap();
}

#[tokio::test]
async fn operator_can_make_the_layer_forget_its_answers() {
    let server = Server::start().await;
    let introspection = introspection(&server);

    let before = introspection.generation();
    introspection.authenticate("good-1").await.unwrap();
    assert_eq!(introspection.generation(), before);
    introspection.forget();

    assert_ne!(introspection.generation(), before);
}
