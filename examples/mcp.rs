//! Protects an MCP server, built with the official SDK (`rmcp`).
//!
//! ```text
//! ISSUER=https://id.example.com RESOURCE=http://127.0.0.1:3000/mcp cargo run --example mcp
//! ```
//!
//! - `ADDR`: the address to listen on, `127.0.0.1:3000` by default
//! - `ISSUER`: the authorization server, to the letter as in `iss`. Its keys are found by its metadata. It gives out JWTs
//!   for a `resource` (RFC 8707)
//! - `RESOURCE`: the URL of this server as its clients know it, which is the audience of tokens. Its path is the one that
//!   is served
//! - `SESSION_SECRET` (base64url, 32 bytes at least): a secret that the nodes of a server share, so that they know each
//!   other's sessions; by default a new one
//! - `RUST_LOG`: the log filter, `tower_bearer=debug` by default, which shows why each request was refused
//!
//! The tools: `whoami` for everyone who is signed in, `list_orders` with the scope `orders:read`, and `close_order` with
//! `orders:write`. The list of tools shows those that the token allows. A client without the scope is answered 403 with
//! it, and asks the user for more.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::http::request::Parts;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{CacheScope, ListToolsResult, PaginatedRequestParams};
use rmcp::schemars::JsonSchema;
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;
use tower_bearer::mcp::{Mcp, McpSessions, Operations};
use tower_bearer::policy::scope;
use tower_bearer::resource::Resource;
use tower_bearer::{Principal, RemoteKeys, Validation, Verifier, render};

/// The claims that the tools use.
#[derive(Deserialize)]
struct User {
    name: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "tower_bearer=debug".to_owned());
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(log)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            eprintln!("{error}{reason}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let (issuer, resource) = (needed("ISSUER")?, needed("RESOURCE")?);
    let resource = Resource::new(&resource)
        .and_then(|resource| resource.with_scopes(["orders:read"]))
        .map_err(|error| wrong("RESOURCE", error))?;
    let keys = RemoteKeys::discover(&issuer).map_err(|error| wrong("ISSUER", error))?;
    eprintln!("Fetching the keys of {issuer}, for 10 seconds at the most");
    keys.await_ready(Duration::from_secs(10)).await.map_err(|error| {
        let reason = error.source().map(|source| format!(": {source}")).unwrap_or_default();
        wrong("ISSUER", format!("{error}{reason}"))
    })?;

    let rules = Validation::new(issuer, resource.as_str()).with_audiences(resource.audiences());
    let verifier = Verifier::<User>::new(keys, rules).map_err(|error| wrong("ISSUER", error))?;
    let path = path_of(&resource);
    let mcp =
        Mcp::new(verifier, resource)?.with_operations(operations())?.with_rejection(render::Json);
    let mcp = match set("SESSION_SECRET") {
        Some(secret) => {
            let secret = URL_SAFE_NO_PAD.decode(secret.trim_end_matches('='));
            let secret = secret.map_err(|_| wrong("SESSION_SECRET", "is not base64url"))?;
            let sessions = McpSessions::from_secret(secret);
            mcp.with_sessions(sessions.map_err(|error| wrong("SESSION_SECRET", error))?)
        }
        None => mcp,
    };
    let app = Router::new().route_service(&path, server()).layer(mcp);

    let addr = set("ADDR").unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let listener = tokio::net::TcpListener::bind(&addr).await;
    let listener =
        listener.map_err(|error| wrong("ADDR", format!("cannot listen on {addr}: {error}")))?;
    println!("Listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}

/// Says which scope each tool needs.
fn operations() -> Operations {
    Operations::new()
        .with_open_tools(["whoami"])
        .with_tool("list_orders", scope("orders:read"))
        .with_tool("close_order", scope("orders:read orders:write"))
}

fn server() -> StreamableHttpService<Orders, LocalSessionManager> {
    let open = Arc::new(Mutex::new(BTreeSet::from([1, 2, 3])));
    let orders = move || Ok(Orders { open: Arc::clone(&open), operations: operations() });
    // `Mcp` checks hosts, and knows the one of the resource.
    let config = StreamableHttpServerConfig::default().disable_allowed_hosts();
    StreamableHttpService::new(orders, Arc::default(), config)
}

/// The MCP server. It knows nothing of tokens.
struct Orders {
    open: Arc<Mutex<BTreeSet<u32>>>,
    operations: Operations,
}

#[derive(Deserialize, JsonSchema)]
struct Close {
    /// The number of the order.
    number: u32,
}

#[tool_router]
impl Orders {
    #[tool(description = "Says who you are")]
    async fn whoami(&self, Extension(request): Extension<Parts>) -> Result<String, ErrorData> {
        let principal = principal(&request)?;
        let name = principal.claims::<User>().and_then(|user| user.name.clone());
        let name = name.or_else(|| principal.subject().map(str::to_owned));
        Ok(name.unwrap_or_else(|| "a machine".to_owned()))
    }

    #[tool(description = "Lists the numbers of open orders")]
    async fn list_orders(&self) -> String {
        format!("{:?}", self.open.lock().expect("no tool panics"))
    }

    #[tool(description = "Closes an order")]
    async fn close_order(&self, Parameters(Close { number }): Parameters<Close>) -> String {
        let was_open = self.open.lock().expect("no tool panics").remove(&number);
        format!("{number} {}", if was_open { "is closed" } else { "was not open" })
    }
}

#[tool_handler(name = "orders")]
impl ServerHandler for Orders {
    // In place of the one that the macro makes, which lists all tools.
    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let request = context.extensions.get::<Parts>().ok_or_else(no_principal)?;
        let principal = principal(request)?;
        let mut tools = Self::tool_router().list_all();
        tools.retain(|tool| self.operations.allows_tool(principal, &tool.name));
        let mut list = ListToolsResult::with_all_items(tools);
        // Another user has another list.
        list.cache_scope = Some(CacheScope::Private);
        Ok(list)
    }
}

fn principal(request: &Parts) -> Result<&Principal, ErrorData> {
    Principal::from_extensions(&request.extensions).map_err(|_| no_principal())
}

fn no_principal() -> ErrorData {
    ErrorData::internal_error("the server is set up wrongly", None)
}

/// Returns the path of the resource, which ends without a slash.
fn path_of(resource: &Resource) -> String {
    let url = resource.as_str();
    let path = url.splitn(4, '/').nth(3).unwrap_or_default();
    format!("/{}", path.split('?').next().unwrap_or_default())
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

fn needed(variable: &str) -> Result<String, Box<dyn Error>> {
    set(variable).ok_or_else(|| wrong(variable, "not set"))
}

fn wrong(variable: &str, problem: impl fmt::Display) -> Box<dyn Error> {
    format!("{variable}: {problem}").into()
}
