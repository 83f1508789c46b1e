//! Runs `bearer serve` and speaks with it over sockets.

#![allow(let_underscore_drop, clippy::pedantic, clippy::unwrap_used)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tower_bearer::{Reason, RemoteKeys, Validation, Verifier};

#[tokio::test]
async fn tokens_of_all_routes_are_accepted_by_a_verifier_that_discovers_the_provider() {
    let server = Server::start(&["--user", "alice:admin,user:read,write"]);
    let verifier = server.verifier(AUDIENCE);

    let of_client = server.token("grant_type=client_credentials&client_id=orders&scope=read");
    let of_user = server.token("grant_type=urn%3Abearer%3Adev%3Auser&user=alice");
    let minted = server.post("/mint", "").body;

    let client = verifier.verify(&of_client).await.unwrap();
    assert_eq!((&client["sub"], &client["scope"]), (&json!("orders"), &json!("read")));
    let user = verifier.verify(&of_user).await.unwrap();
    assert_eq!(user["roles"], json!(["admin", "user"]));
    assert_eq!(user["scope"], "read write");
    let minted = verifier.verify(&minted).await.unwrap();
    assert_eq!((&minted["sub"], &minted["roles"]), (&json!("alice"), &json!(["admin", "user"])));
}

#[test]
fn client_may_name_itself_by_basic_and_choose_an_audience() {
    let server = Server::start(&[]);
    let form = ("Content-Type", "application/x-www-form-urlencoded");
    // `orders:anything`
    let basic = ("Authorization", "Basic b3JkZXJzOmFueXRoaW5n");
    let body = "grant_type=client_credentials&resource=https%3A%2F%2Forders.example";

    let answer = server.send("POST", "/token", &[form, basic], body);

    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let claims = claims(answer.json()["access_token"].as_str().unwrap());
    assert_eq!(claims["client_id"], "orders");
    assert_eq!(claims["aud"], "https://orders.example");
}

#[test]
fn token_requests_that_cannot_be_answered_are_errors_of_oauth() {
    let server = Server::start(&[]);
    for (body, status, error) in [
        ("grant_type=client_credentials", 401, "invalid_client"),
        ("grant_type=password&username=alice", 400, "unsupported_grant_type"),
        ("", 400, "unsupported_grant_type"),
        ("grant_type=urn%3Abearer%3Adev%3Auser&user=mallory", 400, "invalid_grant"),
        ("grant_type=client_credentials&client_id=a&client_id=b", 400, "invalid_request"),
        ("grant_type=client_credentials&client_id=a&scope=%22", 400, "invalid_scope"),
    ] {
        let form = ("Content-Type", "application/x-www-form-urlencoded");
        let answer = server.send("POST", "/token", &[form], body);

        assert_eq!((answer.status, &answer.json()["error"]), (status, &json!(error)), "{body}");
    }
    let json = ("Content-Type", "application/json");
    let answer = server.send("POST", "/token", &[json], "{}");
    assert_eq!((answer.status, &answer.json()["error"]), (400, &json!("invalid_request")));
}

#[tokio::test]
async fn minted_token_has_the_members_of_the_request_and_lacks_those_that_are_null() {
    let server = Server::start(&["--audience", "orders"]);
    let verifier = server.verifier("orders");
    let order = json!({
        "header": { "typ": "JWT", "x": 1 },
        "claims": { "sub": "bob", "nbf": null, "jti": null, "groups": ["a"] },
    });

    let token = server.post("/mint", &order.to_string()).body;

    let claims = verifier.verify(&token).await.unwrap();
    assert_eq!((&claims["sub"], &claims["groups"]), (&json!("bob"), &json!(["a"])));
    assert!(claims.get("nbf").is_none() && claims.get("jti").is_none());
    assert_eq!(header(&token)["x"], 1);
}

#[tokio::test]
async fn minted_token_that_is_broken_is_refused_for_what_is_broken() {
    let server = Server::start(&[]);
    let verifier = server.verifier(AUDIENCE);
    for (order, reason) in [
        (json!({ "claims": { "exp": 1000 } }), Reason::Expired),
        (json!({ "claims": { "aud": "another" } }), Reason::WrongAudience),
        (json!({ "claims": { "iss": "https://another.example" } }), Reason::WrongIssuer),
        (json!({ "claims": { "exp": null } }), Reason::MissingClaim),
        (json!({ "header": { "alg": "none" } }), Reason::Malformed),
        (json!({ "header": { "alg": "RS256" } }), Reason::AlgorithmNotAllowed),
        (json!({ "header": { "kid": "another" } }), Reason::UnknownKey),
    ] {
        let token = server.post("/mint", &order.to_string()).body;

        let error = verifier.verify(&token).await.unwrap_err();
        assert_eq!(error.reason(), reason, "{order}: {error:#}");
    }
    let unsigned = server.post("/mint", r#"{"header":{"alg":"none"}}"#).body;
    assert!(unsigned.ends_with('.'));
}

#[test]
fn orders_that_cannot_be_read_are_refused() {
    let server = Server::start(&[]);
    for (path, body) in [
        ("/mint", "{"),
        ("/mint", "[]"),
        ("/mint", r#"{"claim":{}}"#),
        ("/mint", r#"{"claims":[]}"#),
        ("/fault", "{}"),
        ("/fault", r#"{"fault":"flood"}"#),
        ("/api/inspect", "{}"),
        ("/api/explain", r#"{"token":"a.b.c","keys":{"none":1}}"#),
    ] {
        let answer = server.post(path, body);

        let error = answer.json()["error"].clone();
        assert_eq!((answer.status, error), (400, json!("invalid_request")), "{path} {body}");
        assert!(!answer.body.contains("a.b.c"));
    }
    let answer = server.send("GET", "/mint", &[], "");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")));
    let answer = server.post("/jwks", "");
    assert_eq!((answer.status, answer.field("allow")), (405, Some("GET, HEAD")));
    assert_eq!(server.get("/nothing").status, 404);
    assert_eq!(server.post("/mint", &" ".repeat(4 * 1024 * 1024 + 1)).status, 413);
    assert_eq!(server.post("/mint", &" ".repeat(4 * 1024 * 1024)).status, 200);
}

#[tokio::test]
async fn rotation_refuses_no_token() {
    let server = Server::start(&[]);
    let verifier = server.verifier(AUDIENCE);
    let before = server.post("/mint", "").body;
    verifier.verify(&before).await.unwrap();

    let rotated = server.post("/rotate", "");

    assert_eq!(rotated.status, 200);
    let keys = rotated.json()["keys"].as_array().unwrap().clone();
    let states: Vec<_> = keys.iter().map(|key| key["state"].clone()).collect();
    assert_eq!(states, ["active", "next", "retired"]);
    assert_eq!(server.get("/jwks").json()["keys"].as_array().unwrap().len(), 3);
    let after = server.post("/mint", "").body;
    assert_ne!(header(&before)["kid"], header(&after)["kid"]);
    verifier.verify(&before).await.unwrap();
    verifier.verify(&after).await.unwrap();
}

#[test]
fn documents_may_be_cached_and_are_known_again() {
    let server = Server::start(&[]);
    for path in
        ["/jwks", "/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"]
    {
        let first = server.get(path);
        let etag = first.field("etag").unwrap().to_owned();
        let second = server.send("GET", path, &[("If-None-Match", &etag)], "");

        assert_eq!(first.field("cache-control"), Some("public, max-age=600"));
        assert_eq!((second.status, second.body.as_str()), (304, ""));
    }
}

#[tokio::test]
async fn each_fault_is_seen_by_a_verifier_and_ends_when_it_is_healed() {
    let server = Server::start(&[]);
    let token = server.post("/mint", "").body;
    for (fault, reason) in [
        ("down", Reason::KeysUnavailable),
        ("500", Reason::KeysUnavailable),
        ("not_json", Reason::KeysUnavailable),
        ("empty_keys", Reason::KeysUnavailable),
        ("wrong_issuer", Reason::KeysUnavailable),
        ("foreign_keys", Reason::UnknownKey),
    ] {
        let answer = server.post("/fault", &json!({ "fault": fault }).to_string());
        assert_eq!((answer.status, &answer.json()["fault"]), (200, &json!(fault)));

        let error = server.verifier(AUDIENCE).verify(&token).await.unwrap_err();

        assert_eq!(error.reason(), reason, "{fault}: {error:#}");
        assert_eq!(server.post("/heal", "").json(), json!({ "fault": null }));
        server.verifier(AUDIENCE).verify(&token).await.unwrap();
    }
}

#[test]
fn requests_that_a_fault_delays_end_when_it_is_healed() {
    let server = Server::start(&[]);
    for (fault, status) in [("hang", None), ("slow", Some("HTTP/1.1 200 OK"))] {
        server.post("/fault", &json!({ "fault": fault }).to_string());
        let mut delayed = server.connect();
        let head = format!("Host: {}\r\nConnection: close\r\n\r\n", server.host);
        delayed.write_all(format!("GET /jwks HTTP/1.1\r\n{head}").as_bytes()).unwrap();
        server.wait_until_waiting();

        server.post("/heal", "");

        let mut answer = String::new();
        delayed.read_to_string(&mut answer).unwrap();
        assert_eq!(answer.lines().next(), status, "{fault}");
    }
}

#[test]
fn requests_that_other_web_sites_cause_are_refused() {
    let server = Server::start(&[]);
    for path in ["/rotate", "/fault", "/heal", "/mint", "/token", "/api/inspect", "/api/explain"] {
        for field in [
            ("Origin", "https://evil.example"),
            ("Origin", "null"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Site", "same-site"),
        ] {
            let answer = server.send("POST", path, &[field], "{}");

            let error = answer.json()["error"].clone();
            assert_eq!((answer.status, error), (403, json!("other_site")), "{path} {field:?}");
            assert_eq!(answer.field("access-control-allow-origin"), None);
        }
    }
    assert_eq!(server.get("/jwks").json()["keys"].as_array().unwrap().len(), 2);
}

#[test]
fn requests_of_the_own_page_are_accepted() {
    let server = Server::start(&[]);
    let origin = format!("http://{}", server.host);
    let fields = [("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin")];

    assert_eq!(server.send("POST", "/rotate", &fields, "").status, 200);
    assert_eq!(server.send("POST", "/api/inspect", &fields, r#"{"token":"a"}"#).status, 200);
}

#[test]
fn requests_under_another_name_are_refused() {
    let server = Server::start(&[]);
    let port = server.port();
    for path in ["/", "/jwks", "/api/page"] {
        for host in [&format!("rebound.example:{port}"), "127.0.0.1", "127.0.0.1:1"] {
            let answer = server.send_as(host, "GET", path, &[], "");

            let error = answer.json()["error"].clone();
            assert_eq!((answer.status, error), (403, json!("wrong_host")), "{path} {host}");
        }
    }
}

#[test]
fn requests_under_all_names_of_this_machine_are_accepted() {
    let server = Server::start(&[]);
    let port = server.port();
    for name in ["127.0.0.1", "localhost", "[::1]"] {
        let answer = server.send_as(&format!("{name}:{port}"), "GET", "/", &[], "");

        assert_eq!(answer.status, 200, "{name}");
    }
}

#[test]
fn page_forbids_other_origins_frames_and_caches() {
    let server = Server::start(&[]);

    let page = server.get("/");

    assert_eq!(page.status, 200);
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.field("cache-control"), Some("no-store"));
    assert_eq!(page.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.field("x-frame-options"), Some("DENY"));
    assert_eq!(page.field("referrer-policy"), Some("no-referrer"));
    let policy = page.field("content-security-policy").unwrap();
    for directive in [
        "default-src 'none'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "style-src 'sha256-",
        "script-src 'sha256-",
    ] {
        assert!(policy.contains(directive), "{directive}: {policy}");
    }
    assert!(!policy.contains("unsafe"));
    assert_eq!(page.body.matches("<script").count(), 1);
}

#[test]
fn answers_about_tokens_are_not_stored() {
    let server = Server::start(&[]);
    let token = server.post("/mint", "").body;
    let question = json!({
        "token": token, "issuer": server.issuer, "audience": AUDIENCE, "keys": { "issuer": true }, "preset": null,
    });

    let inspected = server.post("/api/inspect", &json!({ "token": token }).to_string());
    let explained = server.post("/api/explain", &question.to_string());

    assert_eq!(inspected.field("cache-control"), Some("no-store"));
    assert_eq!(inspected.json()["claims"]["iss"], server.issuer);
    assert_eq!(inspected.json()["verified"], false);
    assert_eq!(explained.field("cache-control"), Some("no-store"));
    assert_eq!(explained.json()["verdict"], "accepted", "{}", explained.body);
    assert_eq!(explained.json()["assumed"], json!([]));

    // Without expectations the token is judged by its own word, and the answer says so.
    let question = json!({ "token": token, "keys": { "issuer": true } });
    let explained = server.post("/api/explain", &question.to_string());
    assert_eq!(explained.json()["verdict"], "accepted", "{}", explained.body);
    assert_eq!(explained.json()["assumed"], json!(["issuer", "audience"]));
}

#[tokio::test]
async fn mint_asks_the_provider_to_sign() {
    let server = Server::start(&[]);
    let arguments = ["mint", "--provider", &server.issuer, "--role", "admin", "--lifetime", "5m"];

    let minted = crate::support::bearer().args(arguments).assert().success();
    let token = String::from_utf8(minted.get_output().stdout.clone()).unwrap();

    let claims = server.verifier(AUDIENCE).verify(token.trim()).await.unwrap();
    assert_eq!(claims["roles"], json!(["admin"]));
    assert_eq!(claims["iss"], server.issuer);
}

#[test]
fn keys_of_a_file_outlive_the_program() {
    let folder = TempFolder::new("keys");
    let path = folder.path("keys.json");
    let first = Server::start(&["--key-file", &path]);
    first.post("/rotate", "");
    let before = first.get("/jwks").json();
    drop(first);

    let second = Server::start(&["--key-file", &path]);

    assert_eq!(second.get("/jwks").json(), before);
    assert_eq!(before["keys"].as_array().unwrap().len(), 3);
}

#[test]
fn one_key_of_a_file_signs_and_is_not_replaced() {
    let folder = TempFolder::new("one");
    let key = tower_bearer::SigningKey::generate(tower_bearer::Algorithm::EdDSA).unwrap();
    let jwk = key.to_private_jwk();
    let server = Server::start(&["--key-file", &folder.write("one.jwk", jwk.as_str())]);

    let refused = server.post("/rotate", "");

    assert_eq!((refused.status, &refused.json()["error"]), (409, &json!("not_rotated")));
    assert_eq!(header(&server.post("/mint", "").body)["alg"], "EdDSA");
    assert!(!server.get("/jwks").body.contains("\"d\""));
}

#[test]
fn key_files_that_cannot_be_used_are_refused() {
    let folder = TempFolder::new("unusable");
    let secret = "YSBzZWNyZXQgb2YgbW9yZSB0aGFuIDMyIGJ5dGVzLCBmb3IgdGVzdHM";
    let jwk = json!({ "kty": "oct", "alg": "HS256", "k": secret }).to_string();
    for (path, words) in [
        (folder.write("secret.jwk", &jwk), "no public part"),
        (folder.write("odd.txt", "hello"), "cannot be used"),
        (folder.write("odd.pem", "-----BEGIN PRIVATE KEY-----\nhello\n"), "cannot be used"),
    ] {
        let (code, stderr) = failing(&["--key-file", &path]);

        assert_eq!(code, 2);
        assert!(stderr.contains(words) && stderr.contains("hint:"), "{stderr}");
        assert!(!stderr.contains(secret));
    }
}

#[test]
fn arguments_that_make_no_sense_are_refused_with_a_sentence() {
    for (arguments, words) in [
        (["--addr", "0.0.0.0:0"], "other machines could reach this address"),
        (["--addr", "[::]:0"], "other machines could reach this address"),
        (["--addr", "here"], "neither a port nor an address"),
        (["--algorithm", "HS256"], "algorithms with a public key"),
        (["--lifetime", "soon"], "a time such as"),
        (["--lifetime", "0s"], "a second at least"),
        (["--user", ":admin"], "the name is missing"),
        (["--audience", ""], "audience"),
    ] {
        let (code, stderr) = failing(&arguments);

        assert_eq!(code, 2, "{arguments:?}");
        assert!(stderr.contains(words), "{arguments:?}: {stderr}");
    }
}

#[test]
fn port_that_is_taken_is_refused() {
    let server = Server::start(&[]);

    let (code, stderr) = failing(&["--addr", &server.host]);

    assert_eq!(code, 2);
    assert!(stderr.contains("cannot be listened on"), "{stderr}");
    assert!(stderr.contains("use another port"), "{stderr}");
}

#[test]
fn each_request_is_a_line_without_its_query() {
    let mut server = Server::start(&[]);
    server.get("/jwks?token=eyJhbGciOiJub25lIn0");
    server.send("POST", "/rotate", &[("Origin", "https://evil.example")], "");
    server.post("/fault", r#"{"fault":"down"}"#);

    let lines: Vec<Value> = (0..4).map(|_| server.line()).collect();

    assert_eq!(lines[0]["event"], "request");
    assert_eq!((&lines[0]["path"], &lines[0]["status"]), (&json!("/jwks"), &json!(200)));
    assert_eq!((&lines[1]["path"], &lines[1]["status"]), (&json!("/rotate"), &json!(403)));
    assert_eq!((&lines[2]["event"], &lines[2]["fault"]), (&json!("fault"), &json!("down")));
    assert_eq!(lines[3]["path"], "/fault");
}

#[cfg(unix)]
#[test]
fn signal_ends_the_program_with_success() {
    for signal in ["-INT", "-TERM"] {
        let mut server = Server::start(&[]);

        let pid = server.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());

        assert_eq!(server.child.wait().unwrap().code(), Some(0), "{signal}");
    }
}

#[test]
fn closed_output_ends_the_program_quietly() {
    let mut server = Server::start(&[]);
    server.output = None;

    // The program notices when it has a line to print: for a request that it has answered.
    let ended = loop {
        if let Some(ended) = server.child.try_wait().unwrap() {
            break ended;
        }
        // It may end before it answers.
        if let Ok(mut connection) = TcpStream::connect(&server.host) {
            drop(connection.write_all(b"GET / HTTP/1.1\r\n\r\n"));
            drop(connection.read(&mut [0]));
        }
    };
    assert_eq!(ended.code(), Some(0));
    let mut stderr = String::new();
    server.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "");
}

#[test]
#[ignore = "needs Chromium: scripts/interop"]
fn needs_chromium_for_the_page() {
    let check = std::env::var("PAGE_CHECK").expect("PAGE_CHECK is not set: run scripts/interop");
    let server = Server::start(&[]);
    let folder = std::env::temp_dir().join(format!("bearer-page-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();

    let status = Command::new("sh")
        .args(["-c", &format!(r#"{check} "$@""#), "sh"])
        .args([Path::new(&server.issuer), &folder])
        .status()
        .unwrap();

    println!("screenshots: {}", folder.display());
    assert!(status.success());
}

#[cfg(unix)]
#[test]
#[ignore = "needs Python for a terminal: scripts/interop"]
fn needs_python_for_key_presses() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/interop.d/terminal/serve.py");

    let status = Command::new("python3").args([script, env!("CARGO_BIN_EXE_bearer")]).status();

    assert!(status.unwrap().success());
}

/// A running `bearer serve --json`, which ends with the value.
struct Server {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    issuer: String,
    host: String,
}

impl Server {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let output = Some(BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, output, issuer: String::new(), host: String::new() };
        let start = server.line();
        assert_eq!(start["event"], "listening");
        server.issuer = start["issuer"].as_str().unwrap().to_owned();
        server.host = server.issuer.strip_prefix("http://").unwrap().to_owned();
        server
    }

    /// Reads a line of the output.
    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.as_mut().unwrap().read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Waits until a fault holds a request back.
    fn wait_until_waiting(&self) {
        while self.get("/api/page").json()["provider"]["waiting"] != 1 {
            std::thread::yield_now();
        }
    }

    fn port(&self) -> &str {
        self.host.rsplit_once(':').unwrap().1
    }

    fn verifier(&self, audience: &str) -> Verifier<Value> {
        let keys = RemoteKeys::discover(&self.issuer).unwrap();
        Verifier::new(keys, Validation::new(&self.issuer, audience)).unwrap()
    }

    fn token(&self, form: &str) -> String {
        let kind = ("Content-Type", "application/x-www-form-urlencoded");
        let answer = self.send("POST", "/token", &[kind], form);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "")
    }

    fn post(&self, path: &str, body: &str) -> Answer {
        self.send("POST", path, &[], body)
    }

    fn send(&self, method: &str, path: &str, fields: &[(&str, &str)], body: &str) -> Answer {
        self.send_as(&self.host, method, path, fields, body)
    }

    fn send_as(
        &self,
        host: &str,
        method: &str,
        path: &str,
        fields: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let length = body.len().to_string();
        let usual = [("Host", host), ("Connection", "close"), ("Content-Length", &length)];
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in usual.iter().chain(fields) {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request.extend(["\r\n", body]);
        let mut socket = self.connect();
        // The server may answer and close before it has read everything.
        drop(socket.write_all(request.as_bytes()));
        let mut answer = Vec::new();
        drop(socket.read_to_end(&mut answer));
        Answer::read(&String::from_utf8(answer).unwrap())
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.host).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: String,
}

impl Answer {
    fn read(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let fields = lines.filter_map(|line| line.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Self { status, fields: fields.collect(), body: body.to_owned() }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A folder that is removed with the value.
struct TempFolder(PathBuf);

impl TempFolder {
    fn new(name: &str) -> Self {
        let name = format!("bearer-serve-{}-{name}", std::process::id());
        let folder = Self(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).unwrap();
        folder
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bearer"));
    command.args(["serve", "--json"]).args(arguments);
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Returns the exit code and the standard error of a command that does not start.
fn failing(arguments: &[&str]) -> (i32, String) {
    let output = command(arguments).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn header(token: &str) -> Value {
    part(token, 0)
}

fn claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, index: usize) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(index).unwrap();
    let part = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap();
    serde_json::from_slice(&part).unwrap()
}

const AUDIENCE: &str = "https://api.example.com";
