//! A service behind a real nginx, which signs users in and puts a token into a field of its own.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get as on_get;
use http::header::{AUTHORIZATION, CONNECTION, COOKIE};
use http::{HeaderMap, HeaderName, Request, StatusCode};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower_bearer::source::HeaderToken;
use tower_bearer::test_util::TestKey;
use tower_bearer::{Algorithm, Principal, Reason};

use crate::support::nginx::Nginx;
use crate::support::{
    Answer, PLAIN, WithBearer, challenge, get, good, invalid_token, key, layer, token,
};

const ASSERTION: HeaderName = HeaderName::from_static("x-assertion");

/// Makes the assertions that `/sign-in` gives nginx, and serves what they are for everywhere else.
async fn serve() -> SocketAddr {
    let sign_in = async |headers: HeaderMap| -> Response {
        let cookie = headers.get(COOKIE).and_then(|cookie| cookie.to_str().ok());
        match cookie.and_then(|cookie| cookie.strip_prefix("session=")) {
            Some(user) => [(ASSERTION, of(user))].into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        }
    };
    let subject = async |principal: Principal| principal.subject().unwrap_or_default().to_owned();
    let layer = layer().with_source_instead(HeaderToken::new(ASSERTION));
    let app = Router::new().fallback(on_get(subject)).layer(layer);
    let names = async |headers: HeaderMap| {
        headers.keys().map(HeaderName::as_str).collect::<Vec<_>>().join(" ")
    };
    let app = Router::new()
        .route("/sign-in", on_get(sign_in))
        .route("/names", on_get(names))
        .fallback_service(app);
    // A reason is an extension of the response, which no client sees.
    let app = app.layer(map_response(async |mut response: Response| {
        if let Some(reason) = response.extensions().get::<Reason>() {
            let reason = format!("{reason:?}").parse().unwrap();
            response.headers_mut().insert("x-reason", reason);
        }
        response
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

fn of(user: &str) -> String {
    token().claim("sub", user).sign(&key())
}

/// A token of that many bytes.
fn long(bytes: usize) -> String {
    // Each three bytes of padding are four of base64url.
    let padding = |length: usize| token().claim("padding", "x".repeat(length)).sign(&key());
    let length = (bytes - padding(0).len()) * 3 / 4;
    (length..).map(padding).find(|token| token.len() >= bytes).unwrap()
}

/// nginx as a proxy that signs users in. `more` are directives of the server.
fn proxy(api: SocketAddr, more: &str) -> Nginx {
    Nginx::start(&[], |addr| {
        format!(
            r#"
            map $http_authorization $bearer {{
                default "";
                "~*^bearer (?<credentials>[^ ]+)$" $credentials;
            }}
            server {{
                listen {addr};
                {more}
                proxy_set_header X-Assertion "";

                location / {{
                    auth_request /sign-in;
                    auth_request_set $assertion $upstream_http_x_assertion;
                    proxy_set_header X-Assertion $assertion;
                    proxy_pass http://{api};
                }}
                location = /sign-in {{
                    internal;
                    proxy_pass_request_body off;
                    proxy_set_header Content-Length "";
                    proxy_pass http://{api};
                }}
                # Takes the token of the client, and puts credentials of its own into the usual field.
                location /taken {{
                    proxy_set_header X-Assertion $bearer;
                    proxy_set_header Authorization "Basic cHJveHk6c2VjcmV0";
                    proxy_pass http://{api};
                }}
                location /public {{
                    proxy_pass http://{api};
                }}
                # One directive of its own, and those of the server count no more.
                location /forgotten {{
                    proxy_set_header Host $host;
                    proxy_pass http://{api};
                }}
            }}"#
        )
    })
}

async fn send(nginx: &Nginx, request: Request<Body>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (mut parts, body) = request.into_parts();
    parts.uri = format!("http://{}{}", nginx.addr(), parts.uri).parse().unwrap();
    let response = client.request(Request::from_parts(parts, body)).await.unwrap();
    Answer::of(response.map(Body::new)).await
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, challenge: Option<&str>, reason: Reason) {
    let seen = answer.headers.get("x-reason").map(|reason| reason.to_str().unwrap());
    let seen = (answer.status.as_u16(), answer.challenge(), seen);
    assert_eq!(seen, (status, challenge, Some(&*format!("{reason:?}"))));
}

/// nginx itself has answered.
#[track_caller]
fn assert_stopped(answer: &Answer, status: u16) {
    let is_from_here = answer.headers.contains_key("x-reason");
    assert!(answer.status == status && !is_from_here, "{answer:?}");
    assert!(answer.body.contains("nginx"), "{answer:?}");
}

mod needs_nginx {
    use super::*;

    #[tokio::test]
    #[ignore = "needs nginx: scripts/interop"]
    async fn user_whom_the_proxy_has_signed_in_is_accepted_and_no_other() {
        let nginx = proxy(serve().await, "");

        let alice = send(&nginx, get("/").field("cookie", "session=alice")).await;
        let stranger = send(&nginx, get("/")).await;
        let public = send(&nginx, get("/public")).await;

        alice.is_ok("alice");
        for refused in [stranger, public] {
            assert_refused(&refused, 401, Some(PLAIN), Reason::MissingToken);
        }
    }

    #[tokio::test]
    #[ignore = "needs nginx: scripts/interop"]
    async fn field_that_the_client_sends_is_replaced_by_that_of_the_proxy() {
        let nginx = proxy(serve().await, "");
        let mallory = of("mallory");

        for times in 1..=3 {
            let with = |request: Request<Body>| {
                (0..times).fold(request, |request, _| request.field("x-assertion", &mallory))
            };
            let alice = with(get("/").field("cookie", "session=alice"));
            send(&nginx, alice).await.is_ok("alice");
            for path in ["/", "/public"] {
                let refused = send(&nginx, with(get(path))).await;
                assert_refused(&refused, 401, Some(PLAIN), Reason::MissingToken);
            }
        }
    }

    #[tokio::test]
    #[ignore = "needs nginx: scripts/interop"]
    async fn field_with_an_underscore_is_another_one_also_where_nginx_lets_it_pass() {
        let api = serve().await;
        for (more, passes) in [("", false), ("underscores_in_headers on;", true)] {
            let nginx = proxy(api, more);
            let with = |request: Request<Body>| request.field("x_assertion", of("mallory"));

            let alice = send(&nginx, with(get("/").field("cookie", "session=alice"))).await;
            let refused = send(&nginx, with(get("/"))).await;
            let names = send(&nginx, with(get("/names"))).await;

            assert_eq!(names.body.contains("x_assertion"), passes, "{names:?}");
            alice.is_ok("alice");
            assert_refused(&refused, 401, Some(PLAIN), Reason::MissingToken);
        }
    }

    #[tokio::test]
    #[ignore = "needs nginx: scripts/interop"]
    async fn client_cannot_have_the_field_removed_as_one_of_the_connection() {
        let nginx = proxy(serve().await, "");
        for value in ["x-assertion", "close, X-Assertion"] {
            let request = get("/").field("cookie", "session=alice");

            let alice = send(&nginx, request.field(CONNECTION.as_str(), value)).await;

            alice.is_ok("alice");
        }
    }

    #[tokio::test]
    #[ignore = "needs nginx: scripts/interop"]
    async fn where_nginx_forgets_to_replace_the_field_the_signature_decides() {
        let nginx = proxy(serve().await, "");
        let forged = token().sign(&TestKey::generate(Algorithm::HS256));

        let forged = send(&nginx, get("/forgotten").field("x-assertion", &forged)).await;
        let twice = get("/forgotten").field("x-assertion", good()).field("x-assertion", good());
        let twice = send(&nginx, twice).await;
        let accepted = send(&nginx, get("/forgotten").field("x-assertion", good())).await;

        let wrong = invalid_token("The token cannot be verified");
        assert_refused(&forged, 401, Some(&wrong), Reason::InvalidSignature);
        let several = challenge("invalid_request", "More than one token was sent");
        assert_refused(&twice, 400, Some(&several), Reason::SeveralTokens);
        accepted.is_ok("alice");
    }

    #[tokio::test]
    #[ignore = "needs nginx: scripts/interop"]
    async fn token_that_the_proxy_takes_out_of_the_usual_field_is_accepted() {
        let nginx = proxy(serve().await, "");
        let basic = get("/taken").field(AUTHORIZATION.as_str(), "Basic YWxpY2U6c2VjcmV0");

        let accepted = send(&nginx, get("/taken").bearer(good())).await;
        let basic = send(&nginx, basic).await;
        let beside = send(&nginx, get("/taken").field("x-assertion", good())).await;
        let bad = send(&nginx, get("/taken").bearer("a.b.c")).await;
        let twice = send(&nginx, get("/taken").bearer(good()).bearer(good())).await;

        accepted.is_ok("alice");
        for refused in [basic, beside] {
            assert_refused(&refused, 401, Some(PLAIN), Reason::MissingToken);
        }
        let wrong = invalid_token("The token cannot be verified");
        assert_refused(&bad, 401, Some(&wrong), Reason::Malformed);
        assert_stopped(&twice, 400);
    }

    #[tokio::test]
    #[ignore = "needs nginx: scripts/interop"]
    async fn long_token_passes_only_where_the_buffers_of_nginx_are_large_enough() {
        let api = serve().await;
        let usual = proxy(api, "");
        let wide = proxy(api, "large_client_header_buffers 4 32k;");
        let taken = |bytes| get("/taken").bearer(long(bytes));

        send(&usual, taken(7_000)).await.is_ok("alice");
        assert_stopped(&send(&usual, taken(9_000)).await, 400);
        send(&wide, taken(9_000)).await.is_ok("alice");
        send(&wide, taken(16_000)).await.is_ok("alice");
        let refused = send(&wide, taken(17_000)).await;
        let wrong = invalid_token("The token cannot be verified");
        assert_refused(&refused, 401, Some(&wrong), Reason::TokenTooLarge);
    }

    #[tokio::test]
    #[ignore = "needs nginx: scripts/interop"]
    async fn long_assertion_of_the_sign_in_service_needs_a_larger_buffer() {
        let api = serve().await;
        let alice = || get("/").field("cookie", format!("session={}", "a".repeat(6_000)));
        let usual = proxy(api, "");
        let wide = proxy(api, "proxy_buffer_size 16k; proxy_buffers 8 16k;");

        let stopped = send(&usual, alice()).await;
        let accepted = send(&wide, alice()).await;

        assert_stopped(&stopped, 500);
        assert!(usual.log().contains("too big header"), "{}", usual.log());
        accepted.is_ok(&"a".repeat(6_000));
    }
}
