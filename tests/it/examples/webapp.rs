//! Tests the web application by what it promises over HTTP. `scripts/interop` adds a browser.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use http::HeaderMap;

use super::*;

fn start(env: &[(&str, &str)]) -> Program {
    Program::start("webapp", env)
}

impl Program {
    fn post(&self, path: &str, body: Value) -> Request<Full<Bytes>> {
        let request = Request::post(format!("{}{path}", self.url));
        let request = request.header("content-type", "application/json");
        request.body(Full::new(body.to_string().into())).unwrap()
    }

    async fn sign_in(&self, username: &str) -> Tokens {
        let answer = self.send(self.post("/api/login", credentials(username))).await;
        tokens(&answer)
    }

    async fn refresh(&self, refresh_token: &str) -> Response<String> {
        self.send(self.post("/api/refresh", json!({ "refresh_token": refresh_token }))).await
    }

    /// Asks for a path as a user, and returns the status.
    async fn status(&self, method: Method, path: &str, access_token: &str) -> u16 {
        let mut request = self.get(path).bearer(access_token);
        *request.method_mut() = method;
        self.send(request).await.status().as_u16()
    }

    async fn me(&self, access_token: &str) -> u16 {
        self.status(Method::GET, "/api/me", access_token).await
    }

    /// Signs in with cookies, and returns the field to send them in.
    async fn sign_in_with_cookies(&self, username: &str) -> String {
        let mut body = credentials(username);
        body["keep"] = "cookies".into();
        let answer = self.send(self.post("/api/login", body)).await;
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert!(!answer.body().contains("token"), "{answer:?}");
        cookies(answer.headers())
    }
}

struct Tokens {
    access: String,
    refresh: String,
}

fn tokens(answer: &Response<String>) -> Tokens {
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body = json_of(answer);
    assert_eq!(body["token_type"], "Bearer");
    assert!(body["expires_in"].is_u64());
    let text = |member: &str| body[member].as_str().unwrap().to_owned();
    Tokens { access: text("access_token"), refresh: text("refresh_token") }
}

/// Returns what a browser would send back. A cookie without a value was removed.
fn cookies(headers: &HeaderMap) -> String {
    let set = headers.get_all("set-cookie").iter().map(|field| field.to_str().unwrap());
    let pairs = set.map(|field| field.split(';').next().unwrap());
    pairs.filter(|pair| !pair.ends_with('=')).collect::<Vec<_>>().join("; ")
}

fn credentials(username: &str) -> Value {
    json!({ "username": username, "password": "password" })
}

fn with(
    mut request: Request<Full<Bytes>>,
    fields: &[(&'static str, &str)],
) -> Request<Full<Bytes>> {
    for (name, value) in fields {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

#[track_caller]
fn is_refused(answer: &Response<String>, status: u16, error: &str) {
    assert_eq!(
        (answer.status().as_u16(), json_of(answer)["error"].as_str()),
        (status, Some(error)),
        "{answer:?}"
    );
}

#[tokio::test]
async fn user_signs_in_refreshes_and_signs_out() {
    let program = start(&[]);
    let begun = program.sign_in("alice").await;
    let me = program.send(program.get("/api/me").bearer(&begun.access)).await;
    assert_eq!(json_of(&me)["username"], "alice");
    assert_eq!(json_of(&me)["roles"], json!(["user"]));
    assert_eq!(json_of(&me)["header"]["alg"], "ES256");

    let next = tokens(&program.refresh(&begun.refresh).await);
    let again = tokens(&program.refresh(&begun.refresh).await);
    assert_eq!(next.refresh, again.refresh);
    assert_eq!(program.me(&next.access).await, 200);

    let out = json!({ "refresh_token": next.refresh });
    let out = program.send(program.post("/api/logout", out)).await;
    assert_eq!((out.status().as_u16(), &**out.body()), (204, ""));
    assert_eq!(program.me(&begun.access).await, 401);
    assert_eq!(program.me(&next.access).await, 401);
    is_refused(&program.refresh(&next.refresh).await, 401, "invalid_grant");
}

#[tokio::test]
async fn stolen_refresh_token_ends_its_session_and_no_other() {
    let program = start(&[]);
    let (begun, other) = (program.sign_in("alice").await, program.sign_in("alice").await);
    let next = tokens(&program.refresh(&begun.refresh).await);
    let last = tokens(&program.refresh(&next.refresh).await);

    is_refused(&program.refresh(&begun.refresh).await, 401, "invalid_grant");

    is_refused(&program.refresh(&last.refresh).await, 401, "invalid_grant");
    assert_eq!(program.me(&last.access).await, 401);
    assert_eq!(program.me(&other.access).await, 200);
}

#[tokio::test]
async fn wrong_credentials_have_one_answer() {
    let program = start(&[]);
    let wrong = json!({ "username": "alice", "password": "passw0rd" });

    let wrong = program.send(program.post("/api/login", wrong)).await;
    let unknown = program.send(program.post("/api/login", credentials("mallory"))).await;

    is_refused(&wrong, 401, "invalid_grant");
    assert_eq!(wrong.body(), unknown.body());
}

#[tokio::test]
async fn registration_signs_in_and_names_are_unique() {
    let program = start(&[]);
    let register = async |username: &str, password: &str| {
        let body = json!({ "username": username, "password": password });
        program.send(program.post("/api/register", body)).await
    };

    let begun = tokens(&register(" Zoë ", "correct horse").await);

    let me = program.send(program.get("/api/me").bearer(&begun.access)).await;
    assert_eq!(json_of(&me)["username"], "Zoë");
    assert_eq!(program.status(Method::GET, "/api/admin", &begun.access).await, 403);
    is_refused(&register("ZOE\u{308}", "correct horse").await, 409, "username_taken");
    is_refused(&register("alice", "correct horse").await, 409, "username_taken");
    is_refused(&register("bob", "short").await, 400, "invalid_password");
    is_refused(&register("bob", &"x".repeat(1025)).await, 400, "invalid_password");
    is_refused(&register("   ", "correct horse").await, 400, "invalid_request");
    is_refused(&register(&"b".repeat(65), "correct horse").await, 400, "invalid_request");
    is_refused(&register("b\0b", "correct horse").await, 400, "invalid_request");
    tokens(&register(&"b".repeat(64), "correct horse").await);
    for (body, kind, status) in [
        (r#"{"username":"bob"}"#, "application/json", 400),
        (
            r#"{"username":"bob","password":"correct horse","roles":"admin"}"#,
            "application/json",
            400,
        ),
        (
            r#"{"username":"bob","password":"correct horse","keep":"forever"}"#,
            "application/json",
            400,
        ),
        ("[]", "application/json", 400),
        ("username=bob&password=correct+horse", "application/x-www-form-urlencoded", 415),
        (&format!(r#"{{"username":"{}"}}"#, "x".repeat(9000)), "application/json", 413),
    ] {
        let mut request = program.post("/api/register", Value::Null);
        *request.body_mut() = Full::new(body.to_owned().into());
        let answer = program.send(with(request, &[("content-type", kind)])).await;
        is_refused(&answer, status, "invalid_request");
    }
}

#[tokio::test]
async fn admin_page_is_for_admins_who_can_end_sessions() {
    let program = start(&[]);
    let (alice, admin) = (program.sign_in("alice").await, program.sign_in("admin").await);

    let refused = program.send(program.get("/api/admin").bearer(&alice.access)).await;
    let listed = program.send(program.get("/api/admin").bearer(&admin.access)).await;
    is_refused(&refused, 403, "forbidden");
    let users = json_of(&listed)["users"].clone();
    let users = users.as_array().unwrap();
    let alice_id = users.iter().find(|user| user["username"] == "alice").unwrap()["id"].clone();
    let path = format!("/api/admin/users/{}/end-sessions", alice_id.as_str().unwrap());

    assert_eq!(program.status(Method::POST, &path, &alice.access).await, 403);
    assert_eq!(program.status(Method::POST, &path, &admin.access).await, 204);

    assert_eq!(program.me(&alice.access).await, 401);
    assert_eq!(program.me(&admin.access).await, 200);
    // She can sign in again at once.
    let alice = program.sign_in("alice").await;
    assert_eq!(program.me(&alice.access).await, 200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let program = start(&[]);
    let here = program.sign_in("alice").await;
    let mut phone = credentials("alice");
    phone["device"] = "Phone".into();
    let phone = tokens(&program.send(program.post("/api/login", phone)).await);

    let list = program.send(program.get("/api/sessions").bearer(&here.access)).await;
    let list = json_of(&list);
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 2);
    let own = list.iter().find(|one| one["current"] == true).unwrap();
    let other = list.iter().find(|one| one["device"] == "Phone").unwrap();
    assert!(own["created_at"].is_string() && own["last_seen"].is_string());
    let path = format!("/api/sessions/{}", other["id"].as_str().unwrap());
    let admin = program.sign_in("admin").await;
    assert_eq!(program.status(Method::DELETE, &path, &admin.access).await, 404);

    assert_eq!(program.status(Method::DELETE, &path, &here.access).await, 204);

    assert_eq!(program.me(&phone.access).await, 401);
    assert_eq!(program.status(Method::DELETE, &path, &here.access).await, 404);
    assert_eq!(program.status(Method::POST, "/api/logout-everywhere", &here.access).await, 204);
    assert_eq!(program.me(&here.access).await, 401);
    is_refused(&program.refresh(&here.refresh).await, 401, "invalid_grant");
}

#[tokio::test]
async fn other_password_ends_the_other_sessions() {
    let program = start(&[]);
    let (here, other) = (program.sign_in("alice").await, program.sign_in("alice").await);
    let change = async |current: &str, new: &str| {
        let body = json!({ "current": current, "new": new });
        program.send(program.post("/api/password", body).bearer(&here.access)).await
    };

    is_refused(&change("passw0rd", "battery staple").await, 403, "invalid_grant");
    is_refused(&change("password", "short").await, 400, "invalid_password");
    assert_eq!(change("password", "battery staple").await.status(), 204);

    assert_eq!(program.me(&here.access).await, 200);
    assert_eq!(program.me(&other.access).await, 401);
    let old = program.send(program.post("/api/login", credentials("alice"))).await;
    is_refused(&old, 401, "invalid_grant");
    let new = json!({ "username": "alice", "password": "battery staple" });
    tokens(&program.send(program.post("/api/login", new)).await);
}

#[tokio::test]
async fn cookies_stand_in_for_tokens_and_other_sites_cannot_use_them() {
    let program = start(&[]);
    let cookie = program.sign_in_with_cookies("alice").await;
    let own = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
    let foreign = [("cookie", &*cookie), ("origin", "https://evil.example")];
    let sibling = [("cookie", &*cookie), ("sec-fetch-site", "same-site")];
    let form = |path: &str| {
        let request = Request::post(format!("{}{path}", program.url));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(Full::default()).unwrap()
    };

    assert_eq!(program.send(with(program.get("/api/me"), &own)).await.status(), 200);
    for path in ["/api/logout-everywhere", "/api/logout", "/api/refresh", "/api/password"] {
        is_refused(&program.send(with(form(path), &foreign)).await, 403, "cross_site");
        is_refused(&program.send(with(form(path), &sibling)).await, 403, "cross_site");
    }
    // No other site signs the browser in as a user of its own.
    for (path, keep) in ["/api/login", "/api/register"]
        .into_iter()
        .flat_map(|path| [(path, "cookies"), (path, "refresh-cookie")])
    {
        let mut body = credentials("mallory");
        body["keep"] = keep.into();
        let request = with(program.post(path, body), &[("origin", "https://evil.example")]);
        is_refused(&program.send(request).await, 403, "cross_site");
    }
    // No account was made.
    let unknown = program.send(program.post("/api/login", credentials("mallory"))).await;
    is_refused(&unknown, 401, "invalid_grant");
    let both = with(program.get("/api/me"), &own).bearer("x.y.z");
    assert_eq!(program.send(both).await.status(), 400);

    let refreshed = program.send(with(program.post("/api/refresh", json!({})), &own)).await;
    assert_eq!(refreshed.status(), 200);
    let cookie = cookies(refreshed.headers());
    let own = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
    let out = program.send(with(program.post("/api/logout", json!({})), &own)).await;
    assert_eq!((out.status().as_u16(), &*cookies(out.headers())), (204, ""));
    assert_eq!(program.send(with(program.get("/api/me"), &own)).await.status(), 401);
}

#[tokio::test]
async fn page_keeps_the_access_token_and_a_cookie_the_refresh_token() {
    let program = start(&[]);
    let signed_in = |path: &str, username: &str| {
        let mut body = credentials(username);
        body["keep"] = "refresh-cookie".into();
        with(program.post(path, body), &[("sec-fetch-site", "same-origin")])
    };
    let access = |answer: &Response<String>| {
        assert_eq!(answer.status(), 200, "{answer:?}");
        let body = json_of(answer);
        assert!(body.get("refresh_token").is_none() && body["expires_in"].is_u64(), "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    };

    for (path, username) in [("/api/login", "alice"), ("/api/register", "Zoë")] {
        let begun = program.send(signed_in(path, username)).await;
        assert_eq!(program.me(&access(&begun)).await, 200);
        let cookie = cookies(begun.headers());
        assert!(cookie.contains("refresh-only=") && !cookie.contains("access="), "{cookie}");
        let own = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
        let foreign = [("cookie", &*cookie), ("sec-fetch-site", "cross-site")];
        let empty = |path: &str| program.post(path, json!({}));

        is_refused(&program.send(with(empty("/api/refresh"), &foreign)).await, 403, "cross_site");
        let next = program.send(with(empty("/api/refresh"), &own)).await;
        let other_tab = program.send(with(empty("/api/refresh"), &own)).await;
        assert_eq!(program.me(&access(&next)).await, 200);
        let rotated = |answer: &Response<String>| {
            let cookie = cookies(answer.headers());
            cookie.split("; ").find(|pair| pair.starts_with("refresh-only=")).unwrap().to_owned()
        };
        assert_eq!(rotated(&next), rotated(&other_tab));
        assert!(!cookie.contains(&rotated(&next)));

        is_refused(&program.send(with(empty("/api/logout"), &foreign)).await, 403, "cross_site");
        let out = program.send(with(empty("/api/logout"), &own)).await;
        assert_eq!((out.status().as_u16(), &*cookies(out.headers())), (204, ""));
        assert_eq!(program.me(&access(&next)).await, 401);
    }
}

#[tokio::test]
async fn access_token_ends_at_its_second() {
    let program = start(&[("ACCESS_LIFETIME", "1")]);
    let begun = program.sign_in("alice").await;

    tokio::time::sleep(Duration::from_millis(2100)).await;

    let refused = program.send(program.get("/api/me").bearer(&begun.access)).await;
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("invalid_token"), "{challenge}");
    let next = tokens(&program.refresh(&begun.refresh).await);
    assert_eq!(program.me(&next.access).await, 200);
}

#[tokio::test]
async fn idle_session_expires() {
    let program = start(&[("REFRESH_IDLE", "1")]);
    let begun = program.sign_in("alice").await;

    tokio::time::sleep(Duration::from_millis(1100)).await;

    is_refused(&program.refresh(&begun.refresh).await, 401, "invalid_grant");
}

#[tokio::test]
async fn attempts_are_limited_for_each_account_and_address() {
    let program = start(&[("ATTEMPTS_PER_ACCOUNT", "3")]);
    let guess = async |name: &str| {
        let body = json!({ "username": name, "password": "a guess" });
        program.send(program.post("/api/login", body)).await
    };
    for name in ["alice", "ALICE", " alice"] {
        assert_eq!(guess(name).await.status(), 401);
    }
    let refused = guess("alice").await;
    is_refused(&refused, 429, "slow_down");
    assert!(refused.headers().contains_key("retry-after"));
    program.sign_in("admin").await;

    // A correct password takes the attempts before it back.
    let program = start(&[("ATTEMPTS_PER_ACCOUNT", "3")]);
    for _ in 0..3 {
        for _ in 0..2 {
            let body = json!({ "username": "alice", "password": "a guess" });
            assert_eq!(program.send(program.post("/api/login", body)).await.status(), 401);
        }
        program.sign_in("Alice").await;
    }

    let program = start(&[("ATTEMPTS_PER_ADDRESS", "2")]);
    program.sign_in("alice").await;
    program.sign_in("admin").await;
    for path in ["/api/login", "/api/register"] {
        let refused = program.send(program.post(path, credentials("bob"))).await;
        is_refused(&refused, 429, "slow_down");
        assert!(refused.headers().contains_key("retry-after"));
    }
}

#[tokio::test]
async fn address_of_a_client_is_told_by_a_proxy_that_is_trusted_and_by_no_other() {
    let trusted =
        start(&[("ATTEMPTS_PER_ADDRESS", "1"), ("TRUSTED_PROXIES", "127.0.0.1,10.0.0.9")]);
    let others = start(&[("ATTEMPTS_PER_ADDRESS", "1"), ("TRUSTED_PROXIES", "10.0.0.9")]);
    let sign_in = async |program: &Program, forwarded: &str| {
        let request = program.post("/api/login", credentials("alice"));
        program.send(with(request, &[("x-forwarded-for", forwarded)])).await.status().as_u16()
    };

    // Without the field, the proxy is the client.
    trusted.sign_in("alice").await;
    for (forwarded, status) in [
        ("192.0.2.1", 200),
        ("192.0.2.1", 429),
        // Written by the client.
        ("192.0.2.7, 192.0.2.1", 429),
        ("192.0.2.7, 192.0.2.1, 10.0.0.9", 429),
        ("192.0.2.7", 200),
        ("2001:db8::1", 200),
        ("2001:db8::2", 429),
        ("unknown", 429),
    ] {
        assert_eq!(sign_in(&trusted, forwarded).await, status, "{forwarded}");
    }
    assert_eq!(sign_in(&others, "192.0.2.1").await, 200);
    assert_eq!(sign_in(&others, "192.0.2.2").await, 429);
}

#[tokio::test]
async fn request_whose_body_does_not_end_is_ended() {
    let program = start(&[("REQUEST_TIMEOUT", "1")]);
    let host = program.url.strip_prefix("http://").unwrap();
    for path in ["/api/login", "/api/register", "/api/refresh"] {
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
             content-length: 100\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).unwrap();

        // It is answered, and the connection is closed.
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();

        assert!(answer.starts_with("HTTP/1.1 408 "), "{path}: {answer}");
    }
    program.sign_in("alice").await;
}

#[tokio::test]
async fn documents_name_this_server() {
    let program = start(&[]);
    let keys = program.send(program.get("/.well-known/jwks.json")).await;
    let metadata = program.send(program.get("/.well-known/oauth-authorization-server")).await;
    let health = program.send(program.get("/healthz")).await;

    let keys = json_of(&keys);
    assert!(keys["keys"][0]["kid"].is_string() && keys["keys"][0].get("d").is_none(), "{keys}");
    assert_eq!(json_of(&metadata)["issuer"], program.url);
    let jwks_uri = format!("{}/.well-known/jwks.json", program.url);
    assert_eq!(json_of(&metadata)["jwks_uri"], jwks_uri);
    assert_eq!((health.status().as_u16(), &json_of(&health)["ready"]), (200, &json!(true)));
}

#[tokio::test]
async fn page_and_all_that_it_names_are_served_under_a_strict_policy() {
    let program = start(&[]);
    let mut paths = vec!["/".to_owned()];
    let mut done = 0;
    while let Some(path) = paths.get(done).cloned() {
        done += 1;
        let answer = program.send(program.get(&path)).await;
        assert_eq!(answer.status(), 200, "{path}");
        let policy = answer.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let body = answer.body();
        assert!(!body.contains("style=\"") && !body.contains("innerHTML"), "{path}");
        let named = body.split('"').filter_map(|text| match text.strip_prefix("./") {
            Some(module) if module.ends_with(".js") => Some(format!("/front/{module}")),
            _ => text.starts_with("/front/").then(|| text.to_owned()),
        });
        for path in named {
            if !paths.contains(&path) {
                paths.push(path);
            }
        }
    }
    assert!(done >= 9, "{paths:?}");
}

#[tokio::test]
async fn front_end_at_another_origin_is_allowed_if_it_is_named() {
    let origin = "http://localhost:5173";
    let program = start(&[("CORS_ORIGIN", origin)]);
    let mut preflight = program.get("/api/me");
    *preflight.method_mut() = Method::OPTIONS;
    let preflight =
        with(preflight, &[("origin", origin), ("access-control-request-method", "GET")]);

    let preflight = program.send(preflight).await;
    let refused = program.send(with(program.get("/api/me"), &[("origin", origin)])).await;
    let stranger = [("origin", "http://localhost:5174")];
    let stranger = program.send(with(program.get("/api/me"), &stranger)).await;

    assert_eq!(preflight.headers()["access-control-allow-origin"], origin);
    assert_eq!(refused.status(), 401);
    let exposed = refused.headers()["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("www-authenticate"), "{exposed}");
    assert_eq!(refused.headers()["access-control-allow-credentials"], "true");
    assert_eq!(stranger.headers()["access-control-allow-origin"], origin);
}

/// A directory that is removed at the end of the test.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("tower-bearer-{name}-{}", std::process::id()));
        _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, file: &str) -> String {
        self.0.join(file).to_str().unwrap().to_owned()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn instances_with_one_database_share_users_sessions_and_keys() {
    let directory = Directory::new("webapp");
    let url = format!("sqlite:{}", directory.path("app.db"));
    for keys_file in [None, Some(directory.path("keys.json"))] {
        let mut env = vec![("DATABASE_URL", &*url)];
        env.extend(keys_file.as_deref().map(|path| ("KEYS_FILE", path)));
        let one = start(&env);
        let begun = one.sign_in("alice").await;
        let cookie = one.sign_in_with_cookies("alice").await;
        let two = start(&env);

        assert_eq!(two.me(&begun.access).await, 200);
        let own = [("cookie", &*cookie), ("sec-fetch-site", "same-origin")];
        assert_eq!(two.send(with(two.post("/api/refresh", json!({})), &own)).await.status(), 200);
        let next = tokens(&two.refresh(&begun.refresh).await);
        assert_eq!(one.me(&next.access).await, 200);
        assert_eq!(tokens(&one.refresh(&begun.refresh).await).refresh, next.refresh);

        assert_eq!(one.status(Method::POST, "/api/logout-everywhere", &next.access).await, 204);
        is_refused(&two.refresh(&next.refresh).await, 401, "invalid_grant");
        drop((one, two));
        // Nothing is lost by a restart.
        let three = start(&env);
        three.sign_in("alice").await;
    }
}

#[tokio::test]
async fn refusals_are_on_the_terminal_and_secrets_are_not() {
    let mut command = command("webapp");
    command.stderr(Stdio::piped());
    let mut program = Program::spawned(command);
    let terminal = BufReader::new(program.child.stderr.take().unwrap());

    let begun = program.sign_in("alice").await;
    let next = tokens(&program.refresh(&begun.refresh).await);
    program.send(program.get("/api/me")).await;
    program.send(program.get("/api/admin").bearer(&begun.access)).await;
    let wrong = json!({ "username": "typed-name", "password": "typed-secret" });
    program.send(program.post("/api/login", wrong)).await;
    let short = json!({ "username": "typed-name", "password": "tiny-pw" });
    program.send(program.post("/api/register", short)).await;
    let cookie = program.sign_in_with_cookies("alice").await;
    let foreign = [("cookie", &*cookie), ("origin", "https://evil.example")];
    program.send(with(program.post("/api/logout-everywhere", json!({})), &foreign)).await;

    drop(program);
    let lines: Vec<_> = terminal.lines().map(Result::unwrap).collect();
    for said in ["missing_token", "needs role", "invalid_grant", "invalid_password", "cross_site"] {
        assert!(lines.iter().any(|line| line.contains(said)), "{said}: {lines:#?}");
    }
    let all = lines.join("\n");
    for secret in ["typed", "tiny-pw", &begun.access, &begun.refresh, &next.refresh, "password:"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    assert!(cookie.split("; ").all(|pair| !all.contains(pair.split_once('=').unwrap().1)));
}

#[test]
fn wrong_setting_is_a_sentence_that_names_the_variable() {
    for (variable, value, more) in [
        ("ACCESS_LIFETIME", "soon", "seconds"),
        ("ACCESS_LIFETIME", "0", "seconds"),
        ("REFRESH_IDLE", "-1", "seconds"),
        ("ATTEMPTS_PER_ACCOUNT", "few", "attempts"),
        ("USERS", "alice", "name:password:role"),
        ("USERS", "alice:short:user", "alice"),
        ("DATABASE_URL", "mysql://localhost", "sqlite:"),
        ("DATABASE_URL", "sqlite:/nowhere/app.db", "unable to open"),
        ("REDIS_URL", "http://localhost", "redis"),
        ("KEYS_FILE", "/nowhere/keys.json", "/nowhere"),
        ("PUBLIC_URL", "http://app.example.com", "HTTPS"),
        ("PUBLIC_URL", "https://app.example.com/shop", "path"),
        ("CORS_ORIGIN", "app.example.com", "origin"),
        ("TRUSTED_PROXIES", "proxy.example.com", "IP address"),
        ("REQUEST_TIMEOUT", "0", "seconds"),
    ] {
        let said = refusal("webapp", &[(variable, value), ("RUST_LOG", "error")]);

        assert!(said.contains(more), "{variable}={value}: {said}");
        assert_eq!(said.trim().lines().count(), 1, "{variable}={value}: {said}");
    }
}

/// Two instances, with what one of them has done, until the other one knows of it.
async fn share_sign_ins_and_revocations(env: &[(&str, &str)]) {
    let (one, two) = (start(env), start(env));
    let begun = one.sign_in("alice").await;
    assert_eq!(two.me(&begun.access).await, 200);
    let next = tokens(&two.refresh(&begun.refresh).await);
    let out = json!({ "refresh_token": next.refresh });
    assert_eq!(one.send(one.post("/api/logout", out)).await.status(), 204);

    assert_eq!(one.me(&next.access).await, 401);
    is_refused(&two.refresh(&next.refresh).await, 401, "invalid_grant");
    let begin = Instant::now();
    while two.me(&next.access).await != 401 {
        assert!(begin.elapsed() < Duration::from_secs(30), "the other instance is not told");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let again = two.sign_in("alice").await;
    assert_eq!(one.me(&again.access).await, 200);
}

mod needs_redis {
    use super::*;
    use crate::state::redis::server::{FORGETFUL, Redis};

    #[tokio::test]
    #[ignore = "needs redis-server: scripts/interop"]
    async fn instances_with_one_redis_share_revocations() {
        let directory = Directory::new("webapp-redis");
        let redis = Redis::start(FORGETFUL);
        let (file, redis_url) = (format!("sqlite:{}", directory.path("app.db")), redis.url());

        let env = [("DATABASE_URL", &*file), ("REDIS_URL", &*redis_url)];
        share_sign_ins_and_revocations(&env).await;
    }
}

mod needs_postgres {
    use super::*;

    #[tokio::test]
    #[ignore = "needs PostgreSQL: scripts/interop"]
    async fn instances_with_one_postgres_share_users_sessions_and_keys() {
        let url =
            std::env::var("DATABASE_URL").expect("DATABASE_URL is not set: run scripts/interop");
        let env = [("DATABASE_URL", &*url)];
        let (one, two) = (start(&env), start(&env));
        let begun = one.sign_in("alice").await;
        assert_eq!(two.me(&begun.access).await, 200);
        let next = tokens(&two.refresh(&begun.refresh).await);

        assert_eq!(two.status(Method::POST, "/api/logout-everywhere", &next.access).await, 204);

        is_refused(&one.refresh(&next.refresh).await, 401, "invalid_grant");
        let name = format!("Zoë {}", std::process::id());
        let body = json!({ "username": name, "password": "correct horse" });
        tokens(&one.send(one.post("/api/register", body.clone())).await);
        is_refused(&two.send(two.post("/api/register", body)).await, 409, "username_taken");
    }
}

mod needs_chromium {
    use super::*;

    #[test]
    #[ignore = "needs chromium: scripts/interop"]
    fn person_clicks_through_it() {
        let check =
            std::env::var("WEBAPP_CHECK").expect("WEBAPP_CHECK is not set: run scripts/interop");
        // More sign-ins of one user than a person would try.
        let many = ("ATTEMPTS_PER_ACCOUNT", "1000");
        let (usual, short) = (start(&[many]), start(&[many, ("ACCESS_LIFETIME", "2")]));

        let check = format!("{check} '{}' '{}'", usual.url, short.url);
        let output = Command::new("sh").args(["-c", &check]).output().unwrap();

        let (said, wrong) = (&output.stdout, &output.stderr);
        let [said, wrong] = [said, wrong].map(|text| String::from_utf8_lossy(text));
        assert!(output.status.success(), "{said}\n{wrong}");
    }
}
