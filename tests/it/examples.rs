//! Tests the examples as programs: over sockets, configured by environment variables.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::clock::{Clock as _, SystemClock};
use tower_bearer::dpop::DpopKey;
use tower_bearer::keys::EncryptionKey;
use tower_bearer::test_util::{TestKey, TestToken};

use crate::support::{AUDIENCE, ISSUER, PLAIN, WithBearer, key_for};

mod client_certificates;
mod webapp;

/// An example that runs until the test ends.
pub struct Program {
    child: Child,
    lines: BufReader<ChildStdout>,
    url: String,
}

impl Program {
    pub fn start(name: &str, env: &[(&str, &str)]) -> Self {
        Self::start_with(name, &[], env)
    }

    pub fn start_with(name: &str, arguments: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = command(name);
        command.args(arguments).envs(env.iter().copied()).stderr(Stdio::null());
        Self::spawned(command)
    }

    fn spawned(mut command: Command) -> Self {
        let mut child = command.env("ADDR", "127.0.0.1:0").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut program = Self { child, lines, url: String::new() };
        let line = program.read_until("://127");
        let host = line.find("://").unwrap() + 3;
        let end = line[host..].find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
        let scheme = if line[..host].ends_with("https://") { "https" } else { "http" };
        let at = host - 3 - scheme.len();
        let url = end.map_or(&line[at..], |end| &line[at..host + end]);
        program.url = url.trim_end_matches('.').to_owned();
        program
    }

    /// Reads the output up to the line that holds a text, and returns that line.
    fn read_until(&mut self, text: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it ended");
            if line.contains(text) {
                return line.trim_end().to_owned();
            }
        }
    }

    pub async fn send(&self, request: Request<Full<Bytes>>) -> Response<String> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
    }

    pub fn get(&self, path: &str) -> Request<Full<Bytes>> {
        Request::get(format!("{}{path}", self.url)).body(Full::default()).unwrap()
    }

    async fn log_in(&self, body: impl Into<Bytes>) -> Response<String> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/login", self.url))
            .header("content-type", "application/json");
        self.send(request.body(Full::new(body.into())).unwrap()).await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// The example beside this test's own program; `cargo test` has built it.
pub fn command(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(|deps| deps.parent()).unwrap();
    let program =
        profile.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "run `cargo build --examples` first: {}", program.display());
    let mut command = Command::new(program);
    for variable in [
        "DPOP",
        "DPOP_NONCE_KEY",
        "DPOP_REPLAY",
        "TOKEN_HEADER",
        "TOKEN_TYPE",
        "PRESET",
        "RUST_LOG",
        "JWT_SECRET_KEY",
        "PUBLIC_KEY_FILE",
        "JWKS_FILE",
        "JWKS_URL",
        "DISCOVER",
        "CONFIG",
        "ISSUER",
        "AUDIENCE",
        "ALGORITHMS",
        "LEEWAY",
        "REVOKED_JTI_FILE",
        "REDIS_URL",
        "REDIS_NAMESPACE",
        "LONGEST_LIFETIME",
        "PUBLIC_URL",
        "DATABASE_URL",
        "KEYS_FILE",
        "ACCESS_LIFETIME",
        "REFRESH_IDLE",
        "USERS",
        "ATTEMPTS_PER_ACCOUNT",
        "ATTEMPTS_PER_ADDRESS",
        "CORS_ORIGIN",
        "CLIENT_CERT_FROM",
        "CLIENT_CERT_FIELD",
        "TRUSTED_HOPS",
        "TLS_CERT_FILE",
        "TLS_KEY_FILE",
        "TLS_CLIENT_CA_FILE",
        "RESOURCE",
        "SCOPES",
    ] {
        command.env_remove(variable);
    }
    command
}

/// Returns the output of a program that ends at once. A program that serves instead is an old one,
/// or does not see its mistake.
fn refusal(name: &str, env: &[(&str, &str)]) -> String {
    let mut child = command(name)
        .envs(env.iter().copied())
        .env("ADDR", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begin.elapsed() > Duration::from_secs(60) {
            child.kill().unwrap();
            panic!("{name} goes on with {env:?}; is it up to date? `cargo build --examples`");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && !error.contains("panicked"), "{error}");
    error
}

fn json_of(response: &Response<String>) -> Value {
    serde_json::from_str(response.body()).unwrap_or_else(|_| panic!("{response:?}"))
}

mod quickstart {
    use super::*;

    fn credentials(username: &str, password: &str) -> String {
        json!({ "username": username, "password": password }).to_string()
    }

    async fn token_of(program: &Program, username: &str) -> String {
        let answer = program.log_in(credentials(username, "password")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(json_of(&answer)["expires_in"], 900);
        assert_eq!(json_of(&answer)["token_type"], "Bearer");
        json_of(&answer)["access_token"].as_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn users_sign_in_and_reach_what_they_may() {
        let program = Program::start("quickstart", &[]);
        let (alice, admin) = (token_of(&program, "alice").await, token_of(&program, "admin").await);

        let public = program.send(program.get("/")).await;
        let without = program.send(program.get("/protected-resource")).await;
        let own = program.send(program.get("/protected-resource").bearer(&alice)).await;
        let forbidden = program.send(program.get("/admin-only").bearer(&alice)).await;
        let allowed = program.send(program.get("/admin-only").bearer(&admin)).await;

        assert_eq!(public.status(), 200);
        assert_eq!(
            (without.status().as_u16(), &without.headers()["www-authenticate"]),
            (401, &PLAIN.parse().unwrap())
        );
        assert_eq!(json_of(&own)["message"], "Hello, Alice!");
        assert_eq!(json_of(&own)["claims"]["roles"], json!(["user"]));
        assert_eq!(json_of(&own)["claims"]["sub"], "alice");
        assert_eq!(forbidden.status(), 403);
        assert_eq!(allowed.status(), 200);
    }

    #[tokio::test]
    async fn path_that_does_not_exist_is_not_found_with_and_without_a_token() {
        let program = Program::start("quickstart", &[]);
        let token = token_of(&program, "alice").await;

        let without = program.send(program.get("/nowhere")).await;
        let with = program.send(program.get("/nowhere").bearer(&token)).await;
        let broken = program.send(program.get("/nowhere").bearer("x")).await;

        for answer in [without, with, broken] {
            assert_eq!(answer.status(), 404);
            assert!(!answer.headers().contains_key("www-authenticate"), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn refusals_are_shown_on_the_terminal_with_their_reason() {
        let mut command = command("quickstart");
        command.stderr(Stdio::piped());
        let mut program = Program::spawned(command);
        let terminal = BufReader::new(program.child.stderr.take().unwrap());

        let token = token_of(&program, "alice").await;
        program.send(program.get("/protected-resource")).await;
        program.send(program.get("/admin-only").bearer(&token)).await;
        program.log_in(credentials("alice", "passw0rd")).await;
        program.log_in("{").await;

        drop(program);
        let lines: Vec<_> = terminal.lines().map(Result::unwrap).collect();
        for reason in [
            "missing_token",
            "needs role",
            "wrong name or password",
            "no name and password in JSON",
        ] {
            let about = lines.iter().filter(|line| line.contains(reason));
            assert_eq!(about.count(), 1, "{reason}: {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.contains("passw0rd")), "{lines:?}");
    }

    #[tokio::test]
    async fn bodies_end_with_a_newline() {
        let program = Program::start("quickstart", &[]);
        let token = token_of(&program, "alice").await;
        let accepted = program.send(program.get("/protected-resource").bearer(&token)).await;
        let refused = program.send(program.get("/protected-resource")).await;
        let welcome = program.send(program.get("/")).await;
        let garbage = program.log_in("{").await;
        let mut logout = program.get("/logout").bearer(&token);
        *logout.method_mut() = Method::POST;
        let out = program.send(logout).await;

        for answer in [accepted, refused, welcome, garbage] {
            assert!(
                answer.body().ends_with('\n') && !answer.body().ends_with("\n\n"),
                "{answer:?}"
            );
        }
        assert_eq!((out.status().as_u16(), &**out.body()), (204, ""));
    }

    #[tokio::test]
    async fn unknown_user_and_wrong_password_get_the_same_answer() {
        let program = Program::start("quickstart", &[]);

        let wrong = program.log_in(credentials("alice", "passw0rd")).await;
        let unknown = program.log_in(credentials("mallory", "password")).await;
        let garbage = program.log_in("{").await;

        assert_eq!(wrong.status(), 401);
        assert!(wrong.headers().contains_key("www-authenticate"));
        assert_eq!((unknown.status(), unknown.body()), (wrong.status(), wrong.body()));
        assert!(garbage.status().is_client_error());
    }

    #[tokio::test]
    async fn two_programs_with_one_secret_accept_each_others_tokens() {
        let secret = [("JWT_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")];
        let (one, two) =
            (Program::start("quickstart", &secret), Program::start("quickstart", &secret));
        let stranger = Program::start("quickstart", &[]);
        let token = token_of(&one, "alice").await;

        let accepted = two.send(two.get("/protected-resource").bearer(&token)).await;
        let refused = stranger.send(stranger.get("/protected-resource").bearer(&token)).await;

        assert_eq!(accepted.status(), 200);
        assert_eq!(refused.status(), 401);
    }

    #[test]
    fn wrong_set_up_is_a_sentence_not_a_panic() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap().to_string();
        let output = command("quickstart").env("ADDR", &addr).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(&format!("cannot listen on {addr}")), "{error}");
        assert!(!output.status.success() && !error.contains("panicked"), "{error}");

        let short = refusal("quickstart", &[("JWT_SECRET_KEY", "c2hvcnQ")]);
        assert!(short.contains("JWT_SECRET_KEY") && short.contains("256"), "{short}");
        let garbled = refusal("quickstart", &[("JWT_SECRET_KEY", "not base64!")]);
        assert!(garbled.contains("JWT_SECRET_KEY is not base64url"), "{garbled}");
    }

    /// The lines that README shows, and that the program prints.
    fn lines_of_readme() -> Vec<String> {
        let readme = include_str!("../../README.md");
        let block = readme.split("```sh\n").find(|block| block.contains("TOKEN=")).unwrap();
        block.split("```").next().unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn program_prints_the_lines_of_the_readme() {
        let output = include_str!("../../examples/quickstart.rs");
        for line in lines_of_readme().iter().filter(|line| line.contains("curl")) {
            let line = line.split("  #").next().unwrap();
            let template = line.replace("http://127.0.0.1:3000", "http://{addr}");
            let template = template.replace("'{\"", "'{{\"").replace("\"}'", "\"}}'");
            assert!(output.contains(&template), "{line}\n{template}");
        }
    }

    mod needs_curl {
        use super::*;

        #[test]
        #[ignore = "needs curl and sh: scripts/interop"]
        fn curl_lines_of_the_readme_answer_as_it_says() {
            let program = Program::start("quickstart", &[]);
            let mut script = "set -eu\n".to_owned();
            let mut expected = Vec::new();
            for line in lines_of_readme() {
                let (command, comment) = line.split_once("  #").unwrap_or((&line, ""));
                script += &format!("{command}\n").replace("http://127.0.0.1:3000", &program.url);
                expected
                    .extend(comment.split([' ', ',']).find_map(|word| word.parse::<u16>().ok()));
            }
            let output = Command::new("sh").arg("-c").arg(script).output().unwrap();
            assert!(output.status.success(), "{output:?}");

            let text = String::from_utf8(output.stdout).unwrap();
            let statuses: Vec<u16> =
                text.split("HTTP/1.1 ").skip(1).map(|rest| rest[..3].parse().unwrap()).collect();
            assert_eq!(statuses, expected, "{text}");
            assert!(expected.len() >= 4);
        }
    }
}

mod oidc {
    use super::*;

    #[test]
    fn provider_that_cannot_be_reached_is_a_sentence() {
        // Nothing listens there: the port was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let issuer = format!("http://127.0.0.1:{port}");

        let output = command("oidc").args([&issuer, "https://api.example.com"]).output().unwrap();

        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(text.starts_with(&format!("Fetching the keys of {issuer}, ")), "{text}");
        let last = text.lines().last().unwrap();
        assert!(!last.contains(['{', '"']) && last.contains(&issuer), "{last}");
    }

    #[test]
    fn missing_arguments_are_a_sentence() {
        let output = command("oidc").output().unwrap();

        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(text.trim_end(), "usage: cargo run --example oidc -- ISSUER AUDIENCE");
    }
}

#[test]
fn address_that_is_taken_is_a_sentence_in_every_example() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    for name in ["hyper_only", "quickstart", "websocket"] {
        let output = command(name).env("ADDR", &addr).output().unwrap();

        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && !text.contains("panicked"), "{name}: {text}");
        let sentence = format!("cannot listen on {addr}");
        assert!(text.lines().last().unwrap().contains(&sentence), "{name}: {text}");
        assert!(!text.contains("Os {"), "{name}: {text}");
    }
}

pub mod resource_server {
    use super::*;

    /// A file that is removed when the test ends.
    pub struct TempFile(PathBuf);

    impl TempFile {
        pub fn new(name: &str, text: &str) -> Self {
            let name = format!("tower-bearer-{}-{name}", std::process::id());
            let path = std::env::temp_dir().join(name);
            std::fs::write(&path, text).unwrap();
            Self(path)
        }

        pub fn path(&self) -> &str {
            self.0.to_str().unwrap()
        }
    }

    impl Drop for TempFile {
        fn drop(&mut self) {
            _ = std::fs::remove_file(&self.0);
        }
    }

    fn token() -> TestToken {
        TestToken::new(ISSUER, AUDIENCE)
    }

    async fn status(program: &Program, path: &str, token: &TestToken, key: &TestKey) -> u16 {
        program.send(program.get(path).bearer(token.sign(key))).await.status().as_u16()
    }

    #[tokio::test]
    async fn routes_answer_by_role_and_scope() {
        let key = key_for(Algorithm::ES256).with_key_id("k");
        let file = TempFile::new("jwks.json", &json!({ "keys": [key.to_jwk()] }).to_string());
        let env = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWKS_FILE", file.path())];
        let program = Program::start("resource_server", &env);
        let admin = token().claim("roles", json!(["admin"]));
        let writer = token().claim("scope", "things:read things:write");

        let claims = program.send(program.get("/protected").bearer(admin.sign(&key))).await;
        assert_eq!(json_of(&claims)["sub"], "alice");
        assert_eq!(json_of(&claims)["roles"], json!(["admin"]));
        for (path, token, expected) in [
            ("/admin", &admin, 200),
            ("/admin", &writer, 403),
            ("/scoped", &writer, 200),
            ("/scoped", &admin, 403),
            ("/maybe", &writer, 200),
        ] {
            assert_eq!(status(&program, path, token, &key).await, expected, "{path}");
        }
        for (path, expected) in
            [("/protected", 401), ("/admin", 401), ("/maybe", 200), ("/healthz", 200), ("/x", 404)]
        {
            let answer = program.send(program.get(path)).await;
            assert_eq!(answer.status().as_u16(), expected, "{path}");
        }
        let scoped = program.send(program.get("/scoped").bearer(admin.sign(&key))).await;
        let challenge = scoped.headers()["www-authenticate"].to_str().unwrap();
        assert!(challenge.contains("scope=\"things:write\""), "{challenge}");
        assert_eq!(json_of(&scoped)["error"], "insufficient_scope");
        let maybe = program.send(program.get("/maybe")).await;
        assert_eq!(json_of(&maybe), json!({ "authenticated": false }));
        assert_eq!(status(&program, "/maybe", &token().claim("exp", 1), &key).await, 401);
    }

    #[tokio::test]
    async fn listed_tokens_are_revoked_and_so_is_what_is_listed_later() {
        let key = key_for(Algorithm::ES256).with_key_id("k");
        let keys =
            TempFile::new("revoked-jwks.json", &json!({ "keys": [key.to_jwk()] }).to_string());
        let list = TempFile::new("revoked.txt", "# stolen\n\n t1 # on Monday\r\n");
        let env = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWKS_FILE", keys.path())];
        let env = [&env[..], &[("REVOKED_JTI_FILE", list.path())]].concat();
        let program = Program::start("resource_server", &env);
        let send = |id: &str| {
            let request = program.get("/protected").bearer(token().claim("jti", id).sign(&key));
            program.send(request)
        };
        let revoked = send("t1").await;
        assert_eq!((revoked.status().as_u16(), send("t2").await.status().as_u16()), (401, 200));
        assert!(revoked.body().contains("The token was revoked"), "{}", revoked.body());
        assert_eq!(status(&program, "/protected", &token().without("jti"), &key).await, 401);

        std::fs::write(list.path(), "t2\n").unwrap();

        let written = std::time::Instant::now();
        while send("t2").await.status() != 401 {
            assert!(written.elapsed().as_secs() < 15, "5 seconds, and a busy machine");
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        // Neither removing a line nor removing the file takes a revocation back.
        std::fs::remove_file(list.path()).unwrap();
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        for (id, expected) in [("t1", 401), ("t2", 401), ("t3", 200)] {
            assert_eq!(send(id).await.status().as_u16(), expected, "{id}");
        }
    }

    #[tokio::test]
    async fn secret_and_leeway_come_from_the_environment() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let bytes: Vec<u8> = (0..32).collect();
        let key = TestKey::from_secret(Algorithm::HS256, &bytes);
        let env = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWT_SECRET_KEY", secret)];
        let usual = Program::start("resource_server", &env);
        let strict = Program::start("resource_server", &[&env[..], &[("LEEWAY", "0")]].concat());
        let now = SystemClock.now().duration_since(std::time::UNIX_EPOCH).unwrap();
        let just_expired = token().claim("exp", now.as_secs() - 5);

        assert_eq!(status(&usual, "/protected", &just_expired, &key).await, 200);
        assert_eq!(status(&strict, "/protected", &just_expired, &key).await, 401);
        assert_eq!(status(&strict, "/protected", &token(), &key).await, 200);
    }

    #[tokio::test]
    async fn public_key_file_serves_the_algorithms_that_are_named() {
        let pem = include_str!("../fixtures/keys/rsa_public.pem");
        let private = include_bytes!("../fixtures/keys/rsa_private.der");
        let file = TempFile::new("key.pem", pem);
        let env = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("PUBLIC_KEY_FILE", file.path())];
        let usual = Program::start("resource_server", &env);
        let pss = [&env[..], &[("ALGORITHMS", "PS256, PS384")]].concat();
        let pss = Program::start("resource_server", &pss);

        for (program, algorithm, expected) in [
            (&usual, Algorithm::RS256, 200),
            (&usual, Algorithm::PS256, 401),
            (&pss, Algorithm::PS256, 200),
            (&pss, Algorithm::PS384, 200),
            (&pss, Algorithm::RS256, 401),
        ] {
            let key = TestKey::from_encoded(algorithm, private);
            assert_eq!(
                status(program, "/protected", &token(), &key).await,
                expected,
                "{algorithm}"
            );
        }
    }

    #[tokio::test]
    async fn token_type_and_preset_decide_what_an_access_token_is() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let key = TestKey::from_secret(Algorithm::HS256, &(0..32).collect::<Vec<u8>>());
        let env = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWT_SECRET_KEY", secret)];
        let with = |more| Program::start("resource_server", &[&env[..], &[more]].concat());
        let (strict, keycloak) = (with(("TOKEN_TYPE", "at+jwt")), with(("PRESET", "Keycloak")));
        let rfc_9068 = token().claim("client_id", "shop").claim("jti", "t1");
        let realm =
            token().claim("typ", "Bearer").claim("realm_access", json!({ "roles": ["admin"] }));

        assert_eq!(status(&strict, "/protected", &rfc_9068, &key).await, 200);
        let jwt = rfc_9068.header("typ", "JWT");
        assert_eq!(status(&strict, "/protected", &jwt, &key).await, 401);
        assert_eq!(status(&strict, "/protected", &token(), &key).await, 401);
        assert_eq!(status(&keycloak, "/admin", &realm, &key).await, 200);
        assert_eq!(status(&keycloak, "/admin", &token(), &key).await, 401);
    }

    #[tokio::test]
    async fn token_header_stands_in_place_of_the_authorization_field() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let key = TestKey::from_secret(Algorithm::HS256, &(0..32).collect::<Vec<u8>>());
        let env = [
            ("ISSUER", ISSUER),
            ("AUDIENCE", AUDIENCE),
            ("JWT_SECRET_KEY", secret),
            ("TOKEN_HEADER", "Cf-Access-Jwt-Assertion"),
        ];
        let program = Program::start("resource_server", &env);
        let of_proxy = async |token: &str| {
            let mut request = program.get("/protected");
            request.headers_mut().insert("cf-access-jwt-assertion", token.parse().unwrap());
            program.send(request).await.status().as_u16()
        };

        assert_eq!(of_proxy(&token().sign(&key)).await, 200);
        assert_eq!(of_proxy("a.b.c").await, 401);
        assert_eq!(status(&program, "/protected", &token(), &key).await, 401);
    }

    #[tokio::test]
    async fn metadata_of_the_resource_are_served_and_challenges_lead_there() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let key = TestKey::from_secret(Algorithm::HS256, &(0..32).collect::<Vec<u8>>());
        let env = [
            ("ISSUER", ISSUER),
            ("AUDIENCE", AUDIENCE),
            ("JWT_SECRET_KEY", secret),
            ("RESOURCE", "https://API.example.com/v1/"),
            ("SCOPES", "things:read, things:write"),
        ];
        let program = Program::start("resource_server", &env);
        let place = "/.well-known/oauth-protected-resource/v1";
        let metadata = format!("resource_metadata=\"https://api.example.com{place}\"");
        let challenge = async |request: Request<Full<Bytes>>| {
            let answer = program.send(request).await;
            let challenge = answer.headers().get("www-authenticate").cloned();
            (answer.status().as_u16(), challenge.map(|value| value.to_str().unwrap().to_owned()))
        };

        let document = program.send(program.get(place)).await;
        let expected = json!({
            "resource": "https://api.example.com/v1",
            "authorization_servers": [ISSUER],
            "scopes_supported": ["things:read", "things:write"],
            "bearer_methods_supported": ["header"],
        });
        assert_eq!(serde_json::from_str::<Value>(document.body()).unwrap(), expected);
        let seen = challenge(program.get("/protected")).await;
        assert_eq!(seen, (401, Some(format!("{PLAIN}, {metadata}"))));
        let seen = challenge(program.get("/scoped")).await;
        assert_eq!(seen, (401, Some(format!("{PLAIN}, scope=\"things:write\", {metadata}"))));
        let token = token().claim("scope", "things:write").sign(&key);
        assert_eq!(challenge(program.get("/scoped").bearer(token)).await, (200, None));
    }

    #[test]
    fn wrong_variables_of_the_resource_are_named() {
        let base = [
            ("ISSUER", ISSUER),
            ("AUDIENCE", AUDIENCE),
            ("JWT_SECRET_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
            ("RESOURCE", "https://api.example.com"),
        ];
        for (variable, value, more) in [
            ("RESOURCE", "http://api.example.com", "not HTTPS"),
            ("RESOURCE", "api", "is no URL"),
            ("SCOPES", "offline_access", "leave it out"),
            ("SCOPES", ",", "empty list"),
        ] {
            let said = refusal("resource_server", &[&base[..], &[(variable, value)]].concat());
            assert!(said.contains(variable) && said.contains(more), "{variable}={value}: {said}");
            assert_eq!(said.trim().lines().count(), 1, "{said}");
        }
        let without = [&base[..3], &[("SCOPES", "read")]].concat();
        let said = refusal("resource_server", &without);
        assert!(said.contains("SCOPES is set and RESOURCE is not"), "{said}");
    }

    #[tokio::test]
    async fn bound_tokens_need_a_proof_for_the_public_url_and_a_nonce_if_that_is_asked_for() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let key = TestKey::from_secret(Algorithm::HS256, &(0..32).collect::<Vec<u8>>());
        let client = DpopKey::generate(Algorithm::ES256).unwrap();
        let base = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWT_SECRET_KEY", secret)];
        let dpop = [("DPOP", "required"), ("PUBLIC_URL", "https://api.example.com/v1")];
        let nonce_key = [("DPOP_NONCE_KEY", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8")];
        let required = Program::start("resource_server", &[&base[..], &dpop].concat());
        let allowed = [("DPOP", "allowed"), ("DPOP_REPLAY", "memory")];
        let allowed = [&base[..], &dpop, &nonce_key, &allowed].concat();
        let allowed = Program::start("resource_server", &allowed);
        let bound = token().claim("cnf", json!({"jkt": client.thumbprint()})).sign(&key);
        let bearer = token().sign(&key);
        let sent = |program: &Program, uri: &str, nonce: Option<&str>| {
            let mut proof = client.proof(&Method::GET, uri).with_token(&bound);
            if let Some(nonce) = nonce {
                proof = proof.with_nonce(nonce);
            }
            let request = program.get("/protected").field("dpop", proof.sign().unwrap());
            request.field("authorization", format!("DPoP {bound}"))
        };
        let uri = "https://api.example.com/v1/protected";

        for (program, status) in [(&required, 401), (&allowed, 200)] {
            let answer = program.send(program.get("/protected").bearer(&bearer)).await;
            assert_eq!(answer.status().as_u16(), status);
            let stolen = program.send(program.get("/protected").bearer(&bound)).await;
            assert_eq!(stolen.status().as_u16(), 401);
        }
        let proof = sent(&required, uri, None);
        let again = proof.clone();
        assert_eq!(required.send(proof).await.status(), 200);
        assert_eq!(required.send(again).await.status(), 401);
        let other = sent(&required, "https://api.example.com/protected", None);
        assert_eq!(required.send(other).await.status(), 401);

        let answer = allowed.send(sent(&allowed, uri, None)).await;
        assert_eq!(answer.status(), 401);
        let nonce = answer.headers()["dpop-nonce"].to_str().unwrap().to_owned();
        assert_eq!(allowed.send(sent(&allowed, uri, Some(&nonce))).await.status(), 200);
    }

    #[test]
    fn wrong_variables_of_dpop_are_named() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let base = [
            ("ISSUER", ISSUER),
            ("AUDIENCE", AUDIENCE),
            ("JWT_SECRET_KEY", secret),
            ("DPOP", "required"),
            ("PUBLIC_URL", "https://api.example.com"),
        ];
        for (variable, value, more) in [
            ("DPOP", "yes", "allowed"),
            ("DPOP", "", "PUBLIC_URL"),
            ("PUBLIC_URL", "", "not set"),
            ("PUBLIC_URL", "api.example.com", "is no URL"),
            ("DPOP_NONCE_KEY", "c2hvcnQ", "256"),
            ("DPOP_NONCE_KEY", "!", "base64url"),
            ("DPOP_REPLAY", "disk", "redis"),
            ("API_KEYS_FILE", "keys.toml", "DPOP=allowed"),
        ] {
            let said = refusal("resource_server", &[&base[..], &[(variable, value)]].concat());
            assert!(said.contains(variable) && said.contains(more), "{variable}={value}: {said}");
            assert_eq!(said.trim().lines().count(), 1, "{said}");
        }
        let redis = [&base[..], &[("DPOP_REPLAY", "redis")]].concat();
        assert!(refusal("resource_server", &redis).contains("REDIS_URL: not set"));
    }

    #[tokio::test]
    async fn opaque_tokens_are_introspected_by_shape_or_by_prefix_and_jwts_are_verified() {
        let app = axum::Router::new().route(
            "/introspect",
            axum::routing::post(|headers: http::HeaderMap, body: String| async move {
                // base64 of `orders-api:secret`
                assert_eq!(headers["authorization"], "Basic b3JkZXJzLWFwaTpzZWNyZXQ=");
                let is_active = ["token=gho_good&", "token=opaque_good&"];
                let is_active = is_active.iter().any(|good| body.starts_with(good));
                axum::Json(json!({ "active": is_active, "sub": "alice", "iss": ISSUER }))
            }),
        );
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/introspect", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        let key = key_for(Algorithm::ES256);
        let jwks =
            TempFile::new("introspection.json", &json!({ "keys": [key.to_jwk()] }).to_string());
        let env = [
            ("ISSUER", ISSUER),
            ("AUDIENCE", AUDIENCE),
            ("JWKS_FILE", jwks.path()),
            ("INTROSPECTION_URL", &url),
            ("INTROSPECTION_CLIENT", "orders-api:secret"),
        ];

        let by_prefix = [("OPAQUE", "prefix"), ("OPAQUE_PREFIX", "gho_")];
        for (opaque, gho, usual) in [
            (&[][..], 200, 200),
            (&[("OPAQUE", "shape")], 200, 200),
            (&by_prefix, 200, 401),
            (&by_prefix[..1], 401, 200),
            (&[("OPAQUE", "fallback")], 200, 200),
        ] {
            let program = Program::start("resource_server", &[&env[..], opaque].concat());
            for (token, expected) in
                [("gho_good", gho), ("opaque_good", usual), ("gho_bad", 401), ("other", 401)]
            {
                let answer = program.send(program.get("/protected").bearer(token)).await;
                assert_eq!(answer.status(), expected, "{opaque:?}, {token}: {answer:?}");
            }
            assert_eq!(status(&program, "/protected", &token(), &key).await, 200);
        }
    }

    #[tokio::test]
    async fn encrypted_tokens_are_decrypted_and_others_refused_where_that_is_required() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let key = TestKey::from_secret(Algorithm::HS256, &(0..32).collect::<Vec<u8>>());
        let jwk = json!({ "kty": "oct", "alg": "dir", "k": secret });
        let file = TempFile::new("jwe-keys.json", &json!({ "keys": [jwk] }).to_string());
        let env = [
            ("ISSUER", ISSUER),
            ("AUDIENCE", AUDIENCE),
            ("JWT_SECRET_KEY", secret),
            ("JWE_KEY_FILE", file.path()),
        ];
        let usual = Program::start("resource_server", &env);
        let strict = [&env[..], &[("REQUIRE_JWE", "1")]].concat();
        let strict = Program::start("resource_server", &strict);
        let encryption = EncryptionKey::from_jwk(jwk.to_string()).unwrap();
        let encrypted = token().sign_and_encrypt(&key, &encryption);

        for program in [&usual, &strict] {
            let answer = program.send(program.get("/protected").bearer(&encrypted)).await;
            assert_eq!(answer.status().as_u16(), 200);
        }
        assert_eq!(status(&usual, "/protected", &token(), &key).await, 200);
        assert_eq!(status(&strict, "/protected", &token(), &key).await, 401);
    }

    #[test]
    fn wrong_configuration_names_the_variable_to_mend() {
        let secret = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        let base = [("ISSUER", ISSUER), ("AUDIENCE", AUDIENCE), ("JWT_SECRET_KEY", secret)];
        for (variable, value, more) in [
            ("ISSUER", "", ""),
            ("AUDIENCE", "", ""),
            ("JWT_SECRET_KEY", "c2hvcnQ", "256"),
            ("JWT_SECRET_KEY", "!", "base64url"),
            ("JWT_SECRET_KEY", "", "PUBLIC_KEY_FILE"),
            ("JWKS_FILE", "x.json", "JWT_SECRET_KEY"),
            ("JWKS_URL", "https://id.example.com/jwks", "JWT_SECRET_KEY"),
            ("CONFIG", "x.toml", "ISSUER"),
            ("ALGORITHMS", "HS257", "HS512"),
            ("ALGORITHMS", "none", "none"),
            ("TOKEN_TYPE", "JWT", "at+jwt"),
            ("PRESET", "oktoberfest", "keycloak auth0 entra okta cognito spiffe fapi2"),
            ("LEEWAY", "soon", "seconds"),
            ("LEEWAY", "86400", "300"),
            ("TOKEN_HEADER", "not a field", "header"),
            ("JWE_KEY_FILE", "/nowhere/keys.json", "/nowhere"),
            ("REQUIRE_JWE", "1", "JWE_KEY_FILE"),
            ("REQUIRE_JWE", "yes", "1"),
        ] {
            let env = [&base[..], &[(variable, value)]].concat();
            let said = refusal("resource_server", &env);
            assert!(said.contains(variable) && said.contains(more), "{variable}={value}: {said}");
            assert_eq!(said.trim().lines().count(), 1, "{said}");
        }
        for (variable, value, more) in [
            ("JWKS_URL", "http://id.example.com/jwks", "not HTTPS"),
            ("JWKS_URL", "keys.json", "not a URL"),
            ("DISCOVER", "yes", "is 1"),
        ] {
            let env = [("JWT_SECRET_KEY", ""), (variable, value)];
            let said = refusal("resource_server", &[&base[..], &env].concat());
            assert!(said.contains(variable) && said.contains(more), "{variable}={value}: {said}");
        }
        let introspection = [
            ("INTROSPECTION_URL", "https://id.example.com/introspect"),
            ("INTROSPECTION_CLIENT", "orders-api:secret"),
            ("OPAQUE", "shape"),
        ];
        for (variable, value, more) in [
            ("INTROSPECTION_URL", "http://id.example.com/introspect", "not HTTPS"),
            ("INTROSPECTION_URL", "", "INTROSPECTION_CLIENT"),
            ("INTROSPECTION_CLIENT", "", "not set"),
            ("INTROSPECTION_CLIENT", "orders-api", "an id and a secret"),
            ("INTROSPECTION_CLIENT", "orders-api:", "empty secret"),
            ("OPAQUE", "some", "shape"),
            ("OPAQUE_PREFIX", "gho_", "OPAQUE"),
        ] {
            let env = [&base[..], &introspection, &[(variable, value)]].concat();
            let said = refusal("resource_server", &env);
            assert!(said.contains(variable) && said.contains(more), "{variable}={value}: {said}");
            assert_eq!(said.trim().lines().count(), 1, "{said}");
        }
        let list = TempFile::new("broken-list.txt", "t1\nt2 t3\n");
        for (file, more) in [("/nowhere/list.txt", "/nowhere/list.txt"), (list.path(), "line 2")] {
            let said =
                refusal("resource_server", &[&base[..], &[("REVOKED_JTI_FILE", file)]].concat());
            assert!(said.contains("REVOKED_JTI_FILE") && said.contains(more), "{said}");
            assert_eq!(said.trim().lines().count(), 1, "{said}");
        }
        let missing = [("JWT_SECRET_KEY", ""), ("PUBLIC_KEY_FILE", "/nowhere/key.pem")];
        let said = refusal("resource_server", &[&base[..], &missing].concat());
        assert!(said.contains("PUBLIC_KEY_FILE") && said.contains("/nowhere"), "{said}");
    }
}

mod providers {
    use super::resource_server::TempFile;
    use super::*;
    use tower_bearer::test_util::{Fault, TestProvider};

    async fn status(program: &Program, path: &str, token: &str) -> u16 {
        program.send(program.get(path).bearer(token)).await.status().as_u16()
    }

    #[tokio::test]
    async fn keys_come_from_an_address_or_by_discovery() {
        let provider = TestProvider::start().await;
        let base = [("ISSUER", provider.issuer()), ("AUDIENCE", AUDIENCE)];
        let url = provider.jwks_url();
        for keys in [("JWKS_URL", &*url), ("DISCOVER", "1")] {
            let program = Program::start("resource_server", &[&base[..], &[keys]].concat());

            assert_eq!(status(&program, "/protected", &provider.mint(AUDIENCE)).await, 200);
            assert_eq!(status(&program, "/protected", &provider.mint("other")).await, 401);
            provider.rotate();
            assert_eq!(status(&program, "/protected", &provider.mint(AUDIENCE)).await, 200);
        }
    }

    #[tokio::test]
    async fn health_tells_how_the_keys_are_doing() {
        let provider = TestProvider::start().await;
        provider.set_fault(Fault::Down);
        let env = [("ISSUER", provider.issuer()), ("AUDIENCE", AUDIENCE), ("DISCOVER", "1")];
        let program = Program::start("resource_server", &env);

        let away = program.send(program.get("/healthz")).await;
        let refused = program.send(program.get("/protected").bearer(provider.mint(AUDIENCE))).await;
        provider.heal();
        let back = loop {
            let answer = program.send(program.get("/healthz")).await;
            if answer.status() == 200 {
                break answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        };

        assert_eq!(away.status(), 503);
        assert_eq!(json_of(&away)["keys"][provider.issuer()]["state"], "missing");
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"));
        assert_eq!(json_of(&back)["ready"], true);
        assert_eq!(json_of(&back)["keys"][provider.issuer()]["state"], "fresh");
        assert_eq!(status(&program, "/protected", &provider.mint(AUDIENCE)).await, 200);
    }

    #[tokio::test]
    async fn configuration_file_names_several_issuers() {
        let (one, two) = (TestProvider::start().await, TestProvider::start().await);
        let config = format!(
            r#"
                [[issuers]]
                issuer = "{}"
                audiences = ["{AUDIENCE}"]
                keys = {{ discover = true }}

                [[issuers]]
                issuer = "{}"
                audiences = ["{AUDIENCE}"]
                roles_at = ["/shop/roles"]
                keys = {{ jwks_url = "{}" }}
            "#,
            one.issuer(),
            two.issuer(),
            two.jwks_url(),
        );
        let file = TempFile::new("config.toml", &config);
        let program = Program::start("resource_server", &[("CONFIG", file.path())]);
        let admin = two.token(AUDIENCE).claim("shop", json!({ "roles": ["admin"] }));

        assert_eq!(status(&program, "/protected", &one.mint(AUDIENCE)).await, 200);
        assert_eq!(status(&program, "/admin", &two.sign(&admin)).await, 200);
        assert_eq!(status(&program, "/admin", &two.mint(AUDIENCE)).await, 403);
        assert_eq!(status(&program, "/admin", &one.sign(&admin)).await, 401);
    }

    #[test]
    fn mistake_in_a_configuration_file_is_one_sentence_with_its_place() {
        let file = TempFile::new("wrong.toml", "[[issuers]]\nissuer = \"a\"\nleewey = 5\n");

        let said = refusal("resource_server", &[("CONFIG", file.path())]);

        assert!(said.contains(file.path()) && said.contains("issuers[0].leewey"), "{said}");
        assert_eq!(said.trim().lines().count(), 1, "{said}");
    }

    // Starting the program blocks this thread, and the program asks the provider at once.
    #[tokio::test(flavor = "multi_thread")]
    async fn oidc_needs_an_issuer_and_an_audience() {
        let provider = TestProvider::start().await;
        let program = Program::start_with("oidc", &[provider.issuer(), AUDIENCE], &[]);

        let accepted = program.send(program.get("/").bearer(provider.mint(AUDIENCE))).await;
        let refused = program.send(program.get("/").bearer(provider.mint("other"))).await;

        assert_eq!(json_of(&accepted)["sub"], "alice");
        assert_eq!(refused.status(), 401);
        let said = refusal("oidc", &[]);
        assert!(said.contains("usage"), "{said}");
    }
}

mod hyper_only {
    use super::*;

    #[tokio::test]
    async fn token_it_prints_is_accepted() {
        let mut program = Program::start("hyper_only", &[]);
        let line = program.read_until("Bearer ");
        let token = line.split("Bearer ").nth(1).unwrap().trim_end_matches('\'');

        let accepted = program.send(program.get("/").bearer(token)).await;
        let refused = program.send(program.get("/")).await;

        assert_eq!((accepted.status().as_u16(), &**accepted.body()), (200, "Hello, Alice!\n"));
        assert_eq!(refused.status(), 401);
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
    }
}

mod websocket {
    use futures::{SinkExt, StreamExt};
    use tokio_tungstenite::connect_async;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;

    use super::*;

    #[tokio::test]
    async fn token_that_it_gives_out_opens_its_socket() {
        let program = Program::start("websocket", &[]);
        let mut request = program.get("/token");
        *request.method_mut() = Method::POST;
        let token = program.send(request).await.into_body();
        let url = program.url.replace("http://", "ws://") + "/live";
        let request = url.into_client_request().unwrap();
        let offer = format!("bearer, {token}");

        let opened = connect_async(request.clone().field("sec-websocket-protocol", offer)).await;
        let refused = connect_async(request).await;

        let (mut socket, response) = opened.unwrap();
        assert_eq!(response.headers()["sec-websocket-protocol"], "bearer");
        socket.send(Message::Text("hello".into())).await.unwrap();
        let echo = socket.next().await.unwrap().unwrap();
        assert_eq!(echo, Message::Text("alice: hello".into()));
        assert!(refused.is_err());
    }

    mod needs_chromium {
        use super::*;

        #[test]
        #[ignore = "needs chromium: scripts/interop"]
        fn page_opens_its_socket_and_sees_it_end_with_the_token() {
            let check = std::env::var("BROWSER_CHECK")
                .expect("BROWSER_CHECK is not set: run scripts/interop");
            let program = Program::start("websocket", &[]);

            let output = Command::new("sh")
                .args(["-c", &format!("{check} '{}'", program.url)])
                .output()
                .unwrap();

            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
