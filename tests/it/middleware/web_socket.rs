//! Tests tokens in `Sec-WebSocket-Protocol`, with a real client over real sockets.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ws::{Message as ServerMessage, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures::StreamExt;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::Empty;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tower_bearer::Claims;
use tower_bearer::source::WebSocketProtocol;

use crate::support::{PLAIN, User, WithBearer, challenge, good, invalid_token, key, layer, token};

/// Answers with the subject and the protocols that the handler was offered.
async fn whoami(
    Claims(user): Claims<User>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    let offered: Vec<_> = headers.get_all("sec-websocket-protocol").iter().cloned().collect();
    upgrade.protocols(["chat"]).on_upgrade(move |mut socket| async move {
        let text = format!("{} {offered:?}", user.sub.as_deref().unwrap());
        _ = socket.send(ServerMessage::Text(text.into())).await;
    })
}

async fn serve() -> SocketAddr {
    let app = Router::new().route("/", any(whoami)).layer(layer().with_source(WebSocketProtocol));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

type Opened = (Option<String>, String);

/// Opens a socket: returns the chosen protocol and the first message, or the refusal.
async fn open(protocols: &[&str], header: Option<String>) -> Result<Opened, http::Response<()>> {
    let mut request = format!("ws://{}/", serve().await).into_client_request().unwrap();
    for protocol in protocols {
        request = request.field("sec-websocket-protocol", protocol);
    }
    if let Some(token) = header {
        request = request.bearer(token);
    }
    match connect_async(request).await {
        Ok((mut socket, response)) => {
            let chosen = response.headers().get("sec-websocket-protocol");
            let chosen = chosen.map(|value| value.to_str().unwrap().to_owned());
            let Message::Text(text) = socket.next().await.unwrap().unwrap() else { panic!() };
            socket.close(None).await.unwrap();
            Ok((chosen, text.to_string()))
        }
        Err(Error::Http(response)) => Err(response.map(drop)),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn token_behind_bearer_opens_the_socket_and_the_handler_never_sees_it() {
    let offer = format!("bearer, {}", good());

    let opened = open(&[&offer], None).await.unwrap();

    assert_eq!(opened, (Some("bearer".into()), "alice []".into()));
}

#[tokio::test]
async fn protocol_that_the_handler_chooses_is_kept() {
    let offer = format!("chat, bearer, {}, other", good());

    let opened = open(&[&offer], None).await.unwrap();

    assert_eq!(opened, (Some("chat".into()), "alice [\"chat, other\"]".into()));
}

#[tokio::test]
async fn token_in_the_authorization_field_opens_the_socket_too() {
    let opened = open(&["chat"], Some(good())).await.unwrap();

    assert_eq!(opened, (Some("chat".into()), "alice [\"chat\"]".into()));
}

#[tokio::test]
async fn tokens_in_both_places_are_a_bad_request() {
    // RFC 6750 §2: one method for each request
    let offer = format!("bearer, {}", good());

    let refused = open(&[&offer], Some(good())).await.unwrap_err();

    let expected = challenge("invalid_request", "More than one token was sent");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(refused.headers()["www-authenticate"], expected);
}

#[tokio::test]
async fn socket_without_a_token_or_with_a_bad_one_does_not_open() {
    let expired = format!("bearer, {}", token().claim("exp", 1).sign(&key()));
    for (protocols, status, expected) in [
        (&[][..], 401, PLAIN.to_owned()),
        (&["chat"], 401, PLAIN.to_owned()),
        (&[&*expired], 401, invalid_token("The token has expired")),
        (
            &["chat, bearer"],
            400,
            challenge("invalid_request", "The Sec-WebSocket-Protocol field is malformed"),
        ),
    ] {
        let refused = open(protocols, None).await.unwrap_err();
        assert_eq!(refused.status(), status);
        assert_eq!(refused.headers()["www-authenticate"], expected);
    }
}

#[tokio::test]
async fn extended_connect_over_http_2_opens_the_socket() {
    let stream = TcpStream::connect(serve().await).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let connect = |protocols: String| {
        Request::connect("http://example.com/")
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("sec-websocket-protocol", protocols)
            .body(Empty::<Bytes>::new())
            .unwrap()
    };

    let opened = client.send_request(connect(format!("bearer, {}", good()))).await.unwrap();
    let refused = client.send_request(connect("chat".into())).await.unwrap();

    assert_eq!(opened.status(), 200);
    assert_eq!(opened.headers()["sec-websocket-protocol"], "bearer");
    assert_eq!(refused.status(), 401);
    let io = TokioIo::new(hyper::upgrade::on(opened).await.unwrap());
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    let mut socket = tokio_tungstenite::WebSocketStream::from_raw_socket(io, role, None).await;
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Text("alice []".into()));
}

#[tokio::test]
async fn field_is_nothing_but_a_field_on_ordinary_requests() {
    let app = Router::new()
        .route("/", any(|headers: HeaderMap| async move { headers.len().to_string() }))
        .layer(layer().with_source(WebSocketProtocol));
    let request = || crate::support::get("/").field("sec-websocket-protocol", "bearer, x");

    let refused = crate::support::send(&app, request()).await;
    let accepted = crate::support::send(&app, request().bearer(good())).await;

    refused.is_refused(401, Some(PLAIN), tower_bearer::Reason::MissingToken);
    accepted.is_ok("2");
}
