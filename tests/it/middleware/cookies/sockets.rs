//! Tests over real sockets: HTTP/1, HTTP/2, and web sockets over both.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ws::{Message as ServerMessage, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use futures::StreamExt;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tower_bearer::Claims;

use super::{app, cookies};
use crate::support::{PLAIN, User, WithBearer, good, layer};

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    addr
}

async fn ask(http2: bool, request: Request<Empty<Bytes>>) -> (StatusCode, String) {
    let client =
        Client::builder(TokioExecutor::new()).http2_only(http2).build_http::<Empty<Bytes>>();
    let (parts, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (parts.status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn origin_is_compared_with_the_host_over_http_1_and_2() {
    let addr = serve(app()).await;
    let post = |fields: &[String], origin: &str| {
        let request = Request::post(format!("http://{addr}/")).body(Empty::new()).unwrap();
        let add = |request: Request<_>, field: &String| request.field("cookie", field);
        fields.iter().fold(request, add).field("origin", origin)
    };
    let access = format!("__Host-access={}", good());
    // RFC 9113 §8.2.3: the field may be split between cookies
    let split = ["theme=dark".to_owned(), access.clone(), "_ga=GA1.1.1".to_owned()];
    let twice = ["theme=dark".to_owned(), access.clone(), "__Host-access=evil".to_owned()];
    let own = format!("https://{addr}");

    for http2 in [false, true] {
        let one = std::slice::from_ref(&access);
        assert_eq!(ask(http2, post(one, &own)).await, (StatusCode::OK, "alice".into()));
        assert_eq!(ask(http2, post(&split, &own)).await, (StatusCode::OK, "alice".into()));
        assert_eq!(ask(http2, post(one, "https://evil.com")).await.0, StatusCode::FORBIDDEN);
        assert_eq!(ask(http2, post(&split, "null")).await.0, StatusCode::FORBIDDEN);
        assert_eq!(ask(http2, post(&twice, &own)).await.0, StatusCode::BAD_REQUEST);
    }
}

async fn whoami(Claims(user): Claims<User>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async move |mut socket| {
        let name = user.sub.clone().unwrap();
        _ = socket.send(ServerMessage::Text(name.into())).await;
    })
}

async fn serve_web_sockets() -> SocketAddr {
    let layer = layer().with_source(cookies().source());
    serve(Router::new().route("/", any(whoami)).layer(layer)).await
}

#[tokio::test]
async fn web_socket_opens_for_a_page_of_this_origin_and_for_no_other() {
    // RFC 6455 §10.2: the origin of a web socket is checked
    let addr = serve_web_sockets().await;
    let open = async |origin: Option<String>| {
        let request = format!("ws://{addr}/").into_client_request().unwrap();
        let request = request.field("cookie", format!("__Host-access={}", good()));
        let request = match origin {
            Some(origin) => request.field("origin", origin),
            None => request,
        };
        match connect_async(request).await {
            Ok((mut socket, _)) => Ok(socket.next().await.unwrap().unwrap()),
            Err(Error::Http(response)) => {
                let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
                Err((response.status().as_u16(), challenge))
            }
            Err(other) => panic!("{other}"),
        }
    };

    let own = open(Some(format!("https://{addr}"))).await;
    let foreign = open(Some("https://evil.com".into())).await;
    let unknown = open(None).await;

    assert_eq!(own, Ok(Message::Text("alice".into())));
    assert_eq!(foreign, Err((403, PLAIN.to_owned())));
    assert_eq!(unknown, Err((403, PLAIN.to_owned())));
}

#[tokio::test]
async fn extended_connect_over_http_2_has_to_come_from_this_origin() {
    let stream = TcpStream::connect(serve_web_sockets().await).await.unwrap();
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tokio::spawn(connection);
    let connect = |origin: &'static str| {
        Request::connect("http://example.com/")
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("cookie", format!("__Host-access={}", good()))
            .header("origin", origin)
            .body(Empty::<Bytes>::new())
            .unwrap()
    };

    let opened = client.send_request(connect("https://example.com")).await.unwrap();
    let refused = client.send_request(connect("https://evil.com")).await.unwrap();

    assert_eq!((opened.status().as_u16(), refused.status().as_u16()), (200, 403));
}
