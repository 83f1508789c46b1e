//! Tests that the official clients of MCP sign in to the example unaided, and step up.
//!
//! `scripts/interop` installs the provider and the clients.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::any;
use http::header::HOST;
use http::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tower::util::MapRequestLayer;
use tower_bearer::mcp::{Mcp, Operations};
use tower_bearer::policy::scope;
use tower_bearer::resource::Resource;
use tower_bearer::test_util::TestToken;
use tower_bearer::{Validation, Verifier};

use crate::support::{ISSUER, User, WithBearer as _, key};

/// A program that runs until the test ends.
struct Running(Child);

impl Running {
    /// Starts a command, and returns the rest of the line that it begins with this.
    fn start(mut command: Command, start: &str) -> (Self, String) {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let running = Self(child);
        for line in lines {
            if let Some(rest) = line.unwrap().strip_prefix(start) {
                return (running, rest.to_owned());
            }
        }
        panic!("it ended");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// The command in a variable.
fn partner(variable: &str) -> Command {
    let command = std::env::var(variable).expect("run it by scripts/interop");
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("exec {command} \"$@\""), "sh"]);
    shell
}

/// The example behind the provider.
struct Site {
    _provider: Running,
    _example: Running,
    issuer: String,
    resource: String,
}

impl Site {
    fn start(path: &str) -> Self {
        // Its URL is in its configuration, so the port has to be known before.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let resource = format!("http://127.0.0.1:{port}{path}");
        let mut provider = partner("MCP_PROVIDER");
        provider.env("RESOURCE", &resource);
        let (provider, issuer) = Running::start(provider, "listening ");
        let mut example = crate::examples::command("mcp");
        example.envs([("ISSUER", &*issuer), ("RESOURCE", &*resource)]);
        example.env("ADDR", format!("127.0.0.1:{port}")).stderr(Stdio::null());
        let (example, _) = Running::start(example, "Listening on ");
        Self { _provider: provider, _example: example, issuer, resource }
    }

    /// Lets a client go through the whole flow, and returns what it says.
    fn visited_by(&self, client: &str) -> Vec<Value> {
        let output = partner(client).args([&self.resource, &self.issuer]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{client}: {said}{errors}");
        said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn requests(&self) -> Vec<Value> {
        let url = format!("{}/admin/requests", self.issuer);
        let output = Command::new("curl").args(["-sf", &url]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn needs_mcp_client(client: &str) {
    for path in ["/mcp", "/"] {
        let site = Site::start(path);

        let said = site.visited_by(client);

        let steps: Vec<_> = said.iter().map(|line| line["step"].as_str().unwrap()).collect();
        let expected = [
            "signed in",
            "tools",
            "whoami",
            "list_orders",
            "signed in",
            "close_order",
            "tools",
            "list_orders",
        ];
        assert_eq!(steps, expected, "{said:?}");
        let scopes = |line: &Value, name: &str| -> Vec<String> {
            let mut scopes: Vec<_> =
                line[name].as_str().unwrap().split(' ').map(str::to_owned).collect();
            scopes.retain(|scope| scope != "offline_access");
            scopes.sort();
            scopes
        };
        // The first request is for the scopes of the metadata, the second for those of the challenge.
        for name in ["asked", "granted"] {
            assert_eq!(scopes(&said[0], name), ["orders:read"]);
            assert_eq!(scopes(&said[4], name), ["orders:read", "orders:write"]);
        }
        assert_eq!(said[1]["names"], json!(["list_orders", "whoami"]));
        assert_eq!(said[6]["names"], json!(["close_order", "list_orders", "whoami"]));
        assert_eq!((&said[2]["text"], &said[2]["isError"]), (&json!("Alice"), &json!(false)));
        assert_eq!(said[3]["text"], "{1, 2, 3}");
        assert_eq!((&said[5]["text"], &said[5]["isError"]), (&json!("2 is closed"), &json!(false)));
        assert_eq!(said[7]["text"], "{1, 3}");
        // The client names the resource, for which its token then is.
        for request in site.requests() {
            let resource = request["resource"].as_str().unwrap();
            assert_eq!(resource.trim_end_matches('/'), site.resource.trim_end_matches('/'));
            assert_eq!(request["method"], "S256");
        }
    }
}

#[test]
#[ignore = "needs the MCP client of TypeScript: scripts/interop"]
fn needs_mcp_client_of_typescript() {
    needs_mcp_client("MCP_TYPESCRIPT_CLIENT");
}

#[test]
#[ignore = "needs the MCP client of Python: scripts/interop"]
fn needs_mcp_client_of_python() {
    needs_mcp_client("MCP_PYTHON_CLIENT");
}

#[test]
#[ignore = "needs the MCP client of Rust: scripts/interop"]
fn needs_mcp_client_of_rust() {
    needs_mcp_client("MCP_RUST_CLIENT");
}

/// The scenarios of the suite that `everything.mjs` is made for.
const SCENARIOS: [&str; 16] = [
    "server-initialize",
    "ping",
    "logging-set-level",
    "tools-list",
    "tools-call-simple-text",
    "tools-call-image",
    "tools-call-error",
    "tools-call-with-logging",
    "tools-call-with-progress",
    "tools-call-sampling",
    "server-sse-multiple-streams",
    "resources-list",
    "resources-read-text",
    "prompts-list",
    "prompts-get-simple",
    "dns-rebinding-protection",
];

/// Sends what comes through all layers on to another server.
async fn proxy(
    State((client, upstream)): State<(Client<HttpConnector, Body>, Uri)>,
    mut request: Request<Body>,
) -> Result<Response<Body>, StatusCode> {
    *request.uri_mut() = upstream.clone();
    request.headers_mut().remove(HOST);
    match client.request(request).await {
        Ok(response) => Ok(response.map(Body::new)),
        Err(_) => Err(StatusCode::BAD_GATEWAY),
    }
}

/// The suite sends no tokens, so they are added in front of the layers.
fn with_token(resource: &str) -> impl Fn(Request<Body>) -> Request<Body> + Clone + use<> {
    let token = TestToken::new(ISSUER, resource).claim("scope", "everything").sign(&key());
    move |request| request.bearer(&token)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the conformance suite of MCP: scripts/interop"]
async fn needs_mcp_conformance_of_servers_that_stays_as_it_is() {
    let (_server, upstream) = Running::start(partner("MCP_EVERYTHING"), "listening ");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resource = format!("http://{}/mcp", listener.local_addr().unwrap());
    let rules = Validation::new(ISSUER, &*resource);
    let verifier = Verifier::<User>::new(key().verifying_key(), rules).unwrap();
    let operations = Operations::new()
        .with_other_tools(scope("everything"))
        .with_other_methods(scope("everything"))
        .with_tool("test_never", scope("never"));
    let mcp = Mcp::new(verifier, Resource::new(&resource).unwrap()).unwrap();
    let mcp = mcp.with_operations(operations).unwrap();
    let client = Client::builder(TokioExecutor::new()).build_http();
    let app = Router::new()
        .route("/mcp", any(proxy).with_state((client, upstream.parse().unwrap())))
        .layer(mcp)
        .layer(MapRequestLayer::new(with_token(&resource)));
    let served = tokio::spawn(async move { axum::serve(listener, app).await });

    let run = |server: &str, scenarios: &[&str]| {
        let output = partner("MCP_CONFORMANCE").arg(server).args(scenarios).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.collect::<Vec<_>>()
    };
    // The server itself does not look at hosts.
    let bare = run(&upstream, &["dns-rebinding-protection"]);
    assert_eq!(bare[0]["failed"], 1, "{bare:?}");
    for result in tokio::task::block_in_place(|| run(&resource, &SCENARIOS)) {
        assert_eq!(result["failed"], 0, "{result:?}");
        assert!(result["passed"].as_u64() >= Some(1), "{result:?}");
    }
    served.abort();
}
