use std::time::Duration;

use http::StatusCode;
use http::header::LOCATION;
use tokio::net::TcpListener;
use tower_bearer::Reason;
use tower_bearer::introspection::{Introspection, OpaqueTokens};
use tracing::Level;

use super::server::{Reply, Server, json_of, response, status};
use super::{SECRET, app, basic, introspection};
use crate::support::log::Log;
use crate::support::{WithBearer, get, send};

type Fault = Box<dyn Fn() -> Reply + Send + Sync>;

/// Text that is no token in any log.
const TOKEN: &str = "good-t0ken-of-alice";

#[tokio::test]
async fn endpoint_that_fails_is_a_503_with_retry_after_and_no_challenge_until_it_works_again() {
    // RFC 7662 §2.3: an endpoint that fails is no inactive token
    let server = Server::start().await;
    let introspection = introspection(&server)
        .with_timeout(Duration::from_millis(300))
        .with_max_bytes(10_000)
        .with_freshness(Duration::ZERO);
    let app = app(introspection);
    let faults: Vec<(&str, Fault)> = vec![
        ("400", Box::new(|| Reply::Whole(response(400, "application/json", "{}")))),
        ("401", Box::new(|| Reply::Whole(status(StatusCode::UNAUTHORIZED)))),
        ("403", Box::new(|| Reply::Whole(status(StatusCode::FORBIDDEN)))),
        ("404", Box::new(|| Reply::Whole(status(StatusCode::NOT_FOUND)))),
        ("429", Box::new(|| Reply::Whole(status(StatusCode::TOO_MANY_REQUESTS)))),
        ("500", Box::new(|| Reply::Whole(status(StatusCode::INTERNAL_SERVER_ERROR)))),
        ("503", Box::new(|| Reply::Whole(status(StatusCode::SERVICE_UNAVAILABLE)))),
        (
            "an inactive token with status 500",
            Box::new(|| Reply::Whole(response(500, "application/json", r#"{"active":false}"#))),
        ),
        (
            "an active token with status 201",
            Box::new(|| {
                Reply::Whole(response(201, "application/json", r#"{"active":true,"sub":"alice"}"#))
            }),
        ),
        ("no content", Box::new(|| Reply::Whole(status(StatusCode::NO_CONTENT)))),
        ("HTML", Box::new(|| Reply::Whole(response(200, "text/html", "<html>")))),
        (
            "JSON as text",
            Box::new(|| {
                Reply::Whole(response(200, "text/plain", r#"{"active":true,"sub":"alice"}"#))
            }),
        ),
        ("nothing", Box::new(|| Reply::Whole(json_of("")))),
        ("half an object", Box::new(|| Reply::Whole(json_of(r#"{"active":true,"sub":"al"#)))),
        (
            "a huge object",
            Box::new(|| {
                let filling = "x".repeat(20_000);
                Reply::Whole(json_of(&format!(
                    r#"{{"active":true,"sub":"alice","x":"{filling}"}}"#
                )))
            }),
        ),
        (
            "a redirect",
            Box::new(|| {
                let mut response = status(StatusCode::TEMPORARY_REDIRECT);
                response.headers_mut().insert(LOCATION, "/introspect".parse().unwrap());
                Reply::Whole(response)
            }),
        ),
        ("silence", Box::new(|| Reply::Silence)),
    ];

    for (name, fault) in faults {
        let asked = server.asked();
        server.script(move |_| fault());
        let answer = send(&app, get("/").bearer(TOKEN)).await;
        assert_eq!(answer.status, 503, "{name}: {answer:?}");
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
        assert_eq!(answer.headers["retry-after"], "5", "{name}");
        assert_eq!(server.asked(), asked + 1, "{name}");
        // It is not kept: the next request asks again.
        server.heal();
        send(&app, get("/").bearer(TOKEN)).await.is_ok(TOKEN);
    }
}

#[tokio::test]
async fn endpoint_that_cannot_be_reached_is_a_503() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/introspect");
    let app = app(Introspection::new(&url, basic(), OpaqueTokens::all()).unwrap());

    let answer = send(&app, get("/").bearer(TOKEN)).await;

    answer.is_refused(503, None, Reason::AuthenticatorFailed);
}

#[tokio::test]
async fn flapping_endpoint_never_makes_a_good_token_bad() {
    let server = Server::start().await;
    let app = app(introspection(&server).with_freshness(Duration::ZERO));

    for round in 0..20 {
        if round % 2 == 0 {
            server.say_as(502, "text/html", "<html>");
            let answer = send(&app, get("/").bearer(TOKEN)).await;
            answer.is_refused(503, None, Reason::AuthenticatorFailed);
        } else {
            server.heal();
            send(&app, get("/").bearer(TOKEN)).await.is_ok(TOKEN);
        }
    }
}

#[tokio::test]
async fn failure_is_loud_once_and_names_neither_token_nor_secret() {
    let (log, _guard) = Log::of_this_thread();
    let server = Server::start().await;
    let app = app(introspection(&server));
    server.say_as(401, "application/json", r#"{"error":"invalid_client"}"#);

    for _ in 0..10 {
        let answer = send(&app, get("/").bearer(TOKEN)).await;
        answer.is_refused(503, None, Reason::AuthenticatorFailed);
    }
    server.heal();
    for _ in 0..10 {
        send(&app, get("/").bearer(TOKEN)).await.is_ok(TOKEN);
    }

    let loud =
        |level| log.events().into_iter().filter(|(one, _)| *one == level).collect::<Vec<_>>();
    let warnings = loud(Level::WARN);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let (_, text) = &warnings[0];
    assert!(text.contains("401") && text.contains("check id, secret and method"), "{text}");
    assert!(text.contains(&server.url("/introspect")), "{text}");
    let again = loud(Level::INFO);
    assert_eq!(again.len(), 1, "{again:?}");
    let all = format!("{:?}", log.events());
    for secret in [TOKEN, SECRET, "hunter2", "invalid_client"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}
