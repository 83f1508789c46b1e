//! Signs in to an MCP server with the official SDK, calls its tools, and asks for more scopes when it is told to:
//! `mcp-client <server> <issuer>`. The browser is that of `provider.mjs`. Says what happened, as a line of JSON for each
//! step.

use std::error::Error;

use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::{RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationRequest, OAuthState, WWWAuthenticateParams,
};
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::ServiceExt as _;
use serde_json::{Value, json};
use url::Url;

type Outcome<T> = Result<T, Box<dyn Error>>;
type Client = RunningService<RoleClient, ()>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let (server, issuer) = arguments.next().zip(arguments.next()).ok_or("two arguments")?;

    // Without a token first: the challenge says where to go.
    let bare = StreamableHttpClientTransport::from_uri(&*server);
    let Err(refused) = ().serve(bare).await else { return Err("no token was needed".into()) };
    let challenge = refused.auth_challenge().ok_or("no challenge")?.to_owned();
    let mut oauth = OAuthState::new(&server, None).await?;
    let request = AuthorizationRequest::new("http://127.0.0.1:9/callback")
        .with_client_name("interop")
        .with_challenge(challenge);
    oauth.start_authorization(request).await?;
    let url = oauth.get_authorization_url().await?;
    oauth.handle_callback_url(&browse(&issuer, &url).await?).await?;
    let manager = oauth.into_authorization_manager().ok_or("not authorized")?;
    say("signed in", json!({ "asked": asked(&url)?, "granted": manager.get_current_scopes().await.join(" ") }));

    let auth = AuthClient::new(reqwest::Client::default(), manager);
    let config = StreamableHttpClientTransportConfig::with_uri(&*server);
    let client = ().serve(StreamableHttpClientTransport::with_client(auth.clone(), config)).await?;
    tools(&client).await?;
    for name in ["whoami", "list_orders"] {
        said(name, &client.call_tool(CallToolRequestParams::new(name)).await?);
    }

    let close = || {
        let arguments = json!({ "number": 2 }).as_object().cloned().unwrap_or_default();
        client.call_tool(CallToolRequestParams::new("close_order").with_arguments(arguments))
    };
    let Err(refused) = close().await else { return Err("no scope was needed".into()) };
    let challenge = refused.auth_challenge().ok_or("no challenge")?;
    let needed = WWWAuthenticateParams::parse(challenge, &Url::parse(&server)?);
    let needed = needed.scope.filter(|_| challenge.contains("insufficient_scope")).ok_or("no scope")?;
    {
        let manager = auth.auth_manager.lock().await;
        let url = manager.request_scope_upgrade(&needed).await?;
        let sent = AuthorizationCallback::from_redirect_url(&browse(&issuer, &url).await?)?;
        let (code, state, from) = (sent.code, sent.csrf_token, sent.issuer);
        manager.exchange_code_for_token_with_issuer(&code, &state, from.as_deref()).await?;
        let granted = manager.get_current_scopes().await.join(" ");
        say("signed in", json!({ "asked": asked(&url)?, "granted": granted }));
    }
    said("close_order", &close().await?);
    tools(&client).await?;
    said("list_orders", &client.call_tool(CallToolRequestParams::new("list_orders")).await?);
    client.cancel().await?;
    Ok(())
}

async fn browse(issuer: &str, url: &str) -> Outcome<String> {
    let browser = reqwest::Client::new().get(format!("{issuer}/admin/browse"));
    let answer = browser.query(&[("url", url)]).send().await?.error_for_status()?;
    let sent: Value = answer.json().await?;
    Ok(sent["url"].as_str().ok_or("no redirect")?.to_owned())
}

fn asked(url: &str) -> Outcome<Option<String>> {
    let url = Url::parse(url)?;
    Ok(url.query_pairs().find(|(name, _)| name == "scope").map(|(_, scope)| scope.into_owned()))
}

async fn tools(client: &Client) -> Outcome<()> {
    let mut names: Vec<_> =
        client.list_all_tools().await?.into_iter().map(|tool| tool.name).collect();
    names.sort();
    say("tools", json!({ "names": names }));
    Ok(())
}

fn said(tool: &str, result: &CallToolResult) {
    let text = result.content.first().and_then(|content| content.as_text()).map(|text| &text.text);
    say(tool, json!({ "text": text, "isError": result.is_error.unwrap_or_default() }));
}

fn say(step: &str, mut value: Value) {
    value["step"] = step.into();
    println!("{value}");
}
