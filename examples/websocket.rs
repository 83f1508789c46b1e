//! Opens a WebSocket that needs a token, and closes it when the token expires.
//!
//! ```text
//! cargo run --example websocket
//! ```
//!
//! Open the address it prints in a browser: the page gets a token that is valid for ten seconds and
//! opens `new WebSocket(url, ["bearer", token])`, the only way in which a browser can send a token.
//!
//! - `ADDR`: the address to listen on, `127.0.0.1:3002` by default

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use axum::response::{Html, Response};
use axum::routing::{any, get, post};
use serde::Deserialize;
use tokio::net::TcpListener;
use tower_bearer::source::WebSocketProtocol;
use tower_bearer::{
    Algorithm, BearerLayer, Principal, SigningKey, TokenIssuer, Validation, Verifier,
};

#[derive(Deserialize)]
struct User {}

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let (issuer, audience) = ("https://websocket.example", "https://websocket.example/live");
    let key = SigningKey::generate(Algorithm::HS256)?;
    let tokens = TokenIssuer::new(issuer, audience, key)?.with_lifetime(Duration::from_secs(10));
    // One clock issues and verifies, so tokens and their sockets end at the second.
    let rules = Validation::new(issuer, audience).with_leeway(Duration::ZERO);
    let verifier = Verifier::<User>::new(tokens.verifying_key(), rules)?;

    let app = Router::new()
        .route("/live", any(live))
        .route_layer(BearerLayer::new(verifier).with_source(WebSocketProtocol))
        .route("/", get(|| async { Html(PAGE) }))
        .route("/token", post(token).with_state(Arc::new(tokens)));
    let addr = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3002".to_owned());
    let listener = TcpListener::bind(&addr)
        .await
        .map_err(|error| format!("cannot listen on {addr}: {error}; set ADDR to another one"))?;
    println!("Open http://{} in a browser", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

/// Stands in for a sign-in.
async fn token(State(tokens): State<Arc<TokenIssuer>>) -> Result<String, String> {
    let token = tokens.token_for("alice").issue().map_err(|error| error.to_string())?;
    Ok(token.into_string())
}

async fn live(upgrade: WebSocketUpgrade, principal: Principal) -> Response {
    upgrade.on_upgrade(|socket| talk(socket, principal))
}

/// Echoes until the token expires.
async fn talk(mut socket: WebSocket, principal: Principal) {
    let expired = tokio::time::sleep(principal.time_left());
    tokio::pin!(expired);
    loop {
        tokio::select! {
            () = &mut expired => {
                let reason = "the token has expired".into();
                let close = CloseFrame { code: close_code::POLICY, reason };
                drop(socket.send(Message::Close(Some(close))).await);
                return;
            }
            message = socket.recv() => match message {
                Some(Ok(Message::Text(text))) => {
                    let name = principal.subject().unwrap_or("nobody");
                    if socket.send(format!("{name}: {text}").into()).await.is_err() {
                        return;
                    }
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    }
}

const PAGE: &str = r##"<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>tower-bearer: WebSocket</title>
<style>
  :root { color-scheme: light dark }
  body { font: 16px/1.5 system-ui, sans-serif; margin: 3rem auto; max-width: 36rem; padding: 0 1rem }
  h1 { font-size: 1.6rem; margin: 0 }
  form { display: flex; gap: .5rem; margin: 1.5rem 0 1rem }
  input, button { font: inherit; padding: .4rem .8rem }
  input { flex: 1; min-width: 0 }
  pre { background: #8882; border-radius: .4rem; margin: 0; min-height: 7.5em; padding: .8rem 1rem;
        white-space: pre-wrap }
</style>
<h1>A WebSocket with a token</h1>
<p>The token is good for ten seconds, and the socket ends with it. Reload for another.</p>
<form>
  <input name="text" value="hello" aria-label="Message" autofocus>
  <button disabled>Send</button>
</form>
<pre id="log" role="log"></pre>
<script>
  const log = line => document.querySelector("#log").textContent += line + "\n";
  const form = document.forms[0];
  const button = form.querySelector("button");
  (async () => {
    const token = await (await fetch("/token", { method: "POST" })).text();
    const url = location.origin.replace(/^http/, "ws") + "/live";
    const socket = new WebSocket(url, ["bearer", token]);
    socket.onopen = () => {
      log(`open, protocol "${socket.protocol}"`);
      socket.send("hello");
      button.disabled = false;
    };
    socket.onmessage = event => log(event.data);
    socket.onclose = event => {
      log(`closed: ${event.code} ${event.reason}`);
      button.disabled = true;
    };
    form.onsubmit = event => {
      event.preventDefault();
      socket.send(form.text.value);
    };
  })();
</script>
"##;
