//! Tests sign-in, refresh, sign-out, the list of sessions and another password, through routers as users build them.

mod bound;
mod refresh_cookie;
mod registration;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, SET_COOKIE, WWW_AUTHENTICATE};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tower_bearer::cookies::Cookies;
use tower_bearer::password::Passwords;
use tower_bearer::policy::role;
use tower_bearer::revocation::MemoryRevocations;
use tower_bearer::session::{MemorySessions, SessionKey, Sessions};
use tower_bearer::sign_in::{
    Account, AccountKey, Accounts, AccountsUnavailable, SignInAttempt, SignInEndpoints,
};
use tower_bearer::test_util::TestClock;
use tower_bearer::{
    Algorithm, BearerLayer, Reason, SigningKey, TokenIssuer, Validation, Verifier, require,
};

use crate::support::log::Log;
use crate::support::{AUDIENCE, Answer, ISSUER, NOW, send, validation};

/// The subject, the hash and the roles of a user.
type Row = (String, String, Vec<String>);

/// The application's table of users, by name.
#[derive(Default)]
struct Users {
    rows: Mutex<HashMap<String, Row>>,
    is_away: AtomicBool,
    asked: AtomicUsize,
}

impl Accounts for Users {
    async fn find(&self, key: AccountKey<'_>) -> Result<Option<Account>, AccountsUnavailable> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(AccountsUnavailable::new("the database is away"));
        }
        let rows = self.rows.lock().unwrap();
        let row = match key {
            AccountKey::Username(name) => rows.get(name),
            AccountKey::Subject(subject) => rows.values().find(|row| row.0 == subject),
            _ => None,
        };
        Ok(row.map(|(subject, hash, roles)| {
            Account::new(subject)
                .with_password_hash(hash)
                .with_roles(roles)
                .with_claims(&json!({ "email": format!("{subject}@example.com") }))
        }))
    }

    async fn replace_password_hash(
        &self,
        subject: &str,
        old_hash: &str,
        new_hash: &str,
    ) -> Result<bool, AccountsUnavailable> {
        let mut rows = self.rows.lock().unwrap();
        let row = rows.values_mut().find(|row| row.0 == subject && row.1 == old_hash);
        row.map_or(Ok(false), |row| {
            row.1 = new_hash.to_owned();
            Ok(true)
        })
    }
}

/// Cheap, as no password here is worth more.
fn passwords() -> Passwords {
    Passwords::new().with_argon2(7 * 1024, 5, 1).unwrap()
}

struct House {
    app: Router,
    users: Arc<Users>,
    clock: Arc<TestClock>,
}

impl House {
    async fn new() -> Self {
        Self::with(|endpoints| endpoints).await
    }

    async fn with(change: impl FnOnce(SignInEndpoints) -> SignInEndpoints) -> Self {
        let clock = Arc::new(TestClock::at(NOW));
        let users = Arc::new(Users::default());
        for (name, subject, roles) in [
            ("alice", "u1", &["user"][..]),
            ("admin", "u2", &["user", "admin"]),
            ("名 é", "u3", &[]),
        ] {
            let hash = passwords().hash("correct horse").await.unwrap();
            let roles = roles.iter().map(|role| (*role).to_owned()).collect();
            users.rows.lock().unwrap().insert(name.into(), (subject.into(), hash, roles));
        }
        let revocations = MemoryRevocations::new();
        let key = SigningKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();
        let tokens =
            TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap().with_clock(Arc::clone(&clock));
        let verifier = Verifier::<Value>::new(tokens.verifying_key(), validation())
            .unwrap()
            .with_clock(Arc::clone(&clock))
            .with_revocations(revocations.clone());
        let sessions = Sessions::new(
            tokens,
            MemorySessions::new(),
            revocations,
            SessionKey::from_secret([1; 32]).unwrap(),
        )
        .with_clock(Arc::clone(&clock));
        let cookies = Cookies::new([9; 32]).unwrap();
        let endpoints = SignInEndpoints::new(sessions, Arc::clone(&users), passwords())
            .with_cookies(cookies.clone());
        let endpoints = change(endpoints);
        let guarded = Router::new()
            .route("/me", get(|| async { "me" }).post(|| async { "changed" }))
            .route("/admin", get(|| async { "admin" }).layer(require(role("admin"))))
            .route_service("/logout-everywhere", endpoints.sign_out_everywhere())
            .route_service("/sessions", endpoints.sessions())
            .route_service("/sessions/{id}", endpoints.session())
            .route_service("/password", endpoints.change_password())
            .route_layer(BearerLayer::new(verifier).with_source(cookies.source()));
        let app = Router::new()
            .route_service("/login", endpoints.sign_in())
            .route_service("/refresh", endpoints.refresh())
            .route_service("/logout", endpoints.sign_out())
            .merge(guarded);
        Self { app, users, clock }
    }

    /// A sign-in without cookies.
    async fn without_cookies() -> Router {
        let users = Self::new().await.users;
        let key = SigningKey::from_secret(Algorithm::HS256, [7; 32]).unwrap();
        let sessions = Sessions::new(
            TokenIssuer::new(ISSUER, AUDIENCE, key).unwrap(),
            MemorySessions::new(),
            MemoryRevocations::new(),
            SessionKey::generate().unwrap(),
        );
        let endpoints = SignInEndpoints::new(sessions, users, passwords());
        Router::new().route_service("/login", endpoints.sign_in())
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        send(&self.app, post(path, body)).await
    }

    async fn sign_in(&self) -> Tokens {
        let answer = self.post("/login", credentials("alice", "correct horse")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        Tokens(serde_json::from_str(&answer.body).unwrap())
    }

    async fn refresh(&self, refresh_token: &str) -> Answer {
        self.post("/refresh", json!({ "refresh_token": refresh_token })).await
    }

    /// Asks for a guarded route with a token, and says how it was answered.
    async fn me(&self, access_token: &str) -> u16 {
        send(&self.app, bearer(Method::GET, "/me", access_token)).await.status.as_u16()
    }
}

struct Tokens(Value);

impl Tokens {
    fn access(&self) -> &str {
        self.0["access_token"].as_str().unwrap()
    }

    fn refresh(&self) -> &str {
        self.0["refresh_token"].as_str().unwrap()
    }
}

fn credentials(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}

fn post(path: &str, body: Value) -> Request<Body> {
    Request::post(path)
        .header("content-type", "application/json")
        .header("host", "api.example.com")
        .body(Body::from(body.to_string()))
        .unwrap()
}

fn bearer(method: Method, path: &str, token: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .header(AUTHORIZATION, format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap()
}

fn tokens(answer: &Answer) -> Tokens {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    Tokens(serde_json::from_str(&answer.body).unwrap())
}

#[track_caller]
fn is_refused(answer: &Answer, status: u16, error: &str) {
    let body: Value = serde_json::from_str(&answer.body).unwrap_or_default();
    assert_eq!(
        (answer.status.as_u16(), body["error"].as_str()),
        (status, Some(error)),
        "{answer:?}"
    );
    assert!(body["error_description"].is_string());
    assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
}

#[tokio::test]
async fn sign_in_answers_as_the_rfc_says() {
    // RFC 6749 §5.1: access token response
    let house = House::new().await;

    let answer = house.post("/login", credentials("alice", "correct horse")).await;

    let body = tokens(&answer).0;
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    assert_eq!(body.as_object().unwrap().len(), 4);
    assert_eq!(answer.headers["content-type"], "application/json");
    assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
    assert!(!answer.headers.contains_key(SET_COOKIE));
    assert_eq!(house.me(body["access_token"].as_str().unwrap()).await, 200);
}

#[tokio::test]
async fn form_is_read_as_json_is() {
    let house = House::new().await;
    let form = |body: &'static str| {
        let request = Request::post("/login")
            .header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        request.body(Body::from(body)).unwrap()
    };

    for (body, status) in [
        ("username=alice&password=correct+horse", 200),
        ("username=alice&password=correct+horse&grant_type=password", 200),
        ("username=%E5%90%8D+%C3%A9&password=correct%20horse", 200),
        ("username=alice&password=wrong", 401),
        ("username=alice&password=correct+horse&grant_type=client_credentials", 400),
    ] {
        let answer = send(&house.app, form(body)).await;
        assert_eq!(answer.status.as_u16(), status, "{body} {answer:?}");
    }
}

#[tokio::test]
async fn wrong_password_and_unknown_user_have_one_answer() {
    let (log, _guard) = Log::of_this_thread();
    let house = House::new().await;

    let wrong = house.post("/login", credentials("alice", "Correct horse")).await;
    let unknown = house.post("/login", credentials("a password typed here", "correct horse")).await;

    is_refused(&wrong, 401, "invalid_grant");
    assert_eq!(wrong.body, unknown.body);
    assert_eq!(wrong.headers, unknown.headers);
    assert!(wrong.headers.contains_key(WWW_AUTHENTICATE));
    let all = format!("{:?}", log.events());
    assert!(
        !all.contains("horse") && !all.contains("typed here") && !all.contains("alice"),
        "{all}"
    );
    house.sign_in().await;
}

#[tokio::test]
async fn body_that_is_not_understood_is_refused_with_what_is_wrong() {
    let house = House::new().await;
    let send_body = async |media_type: &str, body: Vec<u8>| {
        let request = Request::post("/login").header("content-type", media_type);
        send(&house.app, request.body(Body::from(body)).unwrap()).await
    };
    let json = "application/json";
    let long = format!(r#"{{"username":"alice","password":"{}"}}"#, "x".repeat(8 * 1024));
    for (media_type, body, status, error) in [
        (json, "", 400, "invalid_request"),
        (json, "{", 400, "invalid_request"),
        (json, "[]", 400, "invalid_request"),
        (json, "\"x\"", 400, "invalid_request"),
        (json, r#"{"username":"alice"}"#, 400, "invalid_request"),
        (json, r#"{"username":"alice","password":""}"#, 400, "invalid_request"),
        (json, r#"{"username":"alice","password":null}"#, 400, "invalid_request"),
        (json, r#"{"username":"","password":"correct horse"}"#, 400, "invalid_request"),
        (json, r#"{"username":1,"password":"correct horse"}"#, 400, "invalid_request"),
        (
            json,
            r#"{"username":"alice","password":"correct horse","admin":"yes"}"#,
            400,
            "invalid_request",
        ),
        (
            json,
            r#"{"username":"alice","password":"correct horse","password":"x"}"#,
            400,
            "invalid_request",
        ),
        (json, r#"{"username":"alice","password":"correct horse"} x"#, 400, "invalid_request"),
        (
            json,
            r#"{"username":"alice","password":"correct horse","keep":"forever"}"#,
            400,
            "invalid_request",
        ),
        (json, &long, 413, "invalid_request"),
        (
            "text/plain",
            r#"{"username":"alice","password":"correct horse"}"#,
            415,
            "invalid_request",
        ),
        ("", r#"{"username":"alice","password":"correct horse"}"#, 415, "invalid_request"),
        (json, r#"{"username":"alice","password":"correct horse"}"#, 200, ""),
        (json, r#"{"username":"alice","password":"correct horse","keep":null}"#, 200, ""),
        (
            "Application/JSON; charset=utf-8",
            r#"{"username":"alice","password":"correct horse"}"#,
            200,
            "",
        ),
    ] {
        let answer = send_body(media_type, body.into()).await;
        if status == 200 {
            assert_eq!(answer.status, StatusCode::OK, "{body} {answer:?}");
        } else {
            is_refused(&answer, status, error);
        }
    }
    assert_eq!(
        send_body(json, b"{\"username\":\"\xff\",\"password\":\"x\"}".to_vec()).await.status,
        400
    );
}

#[tokio::test]
async fn longest_names_and_passwords_are_read_and_longer_ones_refused() {
    let house = House::new().await;
    let long = |length| "x".repeat(length);

    let wrong = house.post("/login", credentials(&long(1024), &long(1024))).await;
    let long_password = house.post("/login", credentials("alice", &long(1025))).await;
    let long_name = house.post("/login", credentials(&long(1025), "x")).await;

    is_refused(&wrong, 401, "invalid_grant");
    is_refused(&long_password, 400, "invalid_password");
    is_refused(&long_name, 400, "invalid_request");
}

#[tokio::test]
async fn every_service_names_its_methods() {
    let house = House::new().await;
    let token = house.sign_in().await;
    for (path, allow) in [
        ("/login", "POST"),
        ("/refresh", "POST"),
        ("/logout", "POST"),
        ("/logout-everywhere", "POST"),
        ("/sessions", "GET, HEAD"),
        ("/sessions/x", "DELETE"),
        ("/password", "POST"),
    ] {
        let answer = send(&house.app, bearer(Method::PUT, path, token.access())).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (405, ""), "{path}");
        assert_eq!(answer.headers["allow"], allow, "{path}");
    }
}

#[tokio::test]
async fn roles_are_those_of_the_account_at_each_refresh() {
    let house = House::new().await;
    let begun = house.sign_in().await;
    let admin = async |tokens: &Tokens| {
        send(&house.app, bearer(Method::GET, "/admin", tokens.access())).await.status.as_u16()
    };
    assert_eq!(admin(&begun).await, 403);

    house.users.rows.lock().unwrap().get_mut("alice").unwrap().2.push("admin".into());
    let promoted = tokens(&house.refresh(begun.refresh()).await);

    assert_eq!(admin(&promoted).await, 200);
}

#[tokio::test]
async fn refresh_token_that_is_not_good_is_an_invalid_grant() {
    let house = House::new().await;
    let begun = house.sign_in().await;
    let next = tokens(&house.refresh(begun.refresh()).await);
    let last = tokens(&house.refresh(next.refresh()).await);
    assert_eq!(house.me(last.access()).await, 200);

    is_refused(&house.refresh("rt_x").await, 401, "invalid_grant");
    let none = house.post("/refresh", json!({})).await;
    is_refused(&none, 400, "invalid_request");
    // A thief comes with the first one.
    is_refused(&house.refresh(begun.refresh()).await, 401, "invalid_grant");

    is_refused(&house.refresh(last.refresh()).await, 401, "invalid_grant");
    assert_eq!(house.me(last.access()).await, 401);
}

#[tokio::test]
async fn session_of_a_user_who_is_gone_ends_at_the_next_refresh() {
    let house = House::new().await;
    let begun = house.sign_in().await;

    house.users.is_away.store(true, Ordering::SeqCst);
    let away = house.refresh(begun.refresh()).await;
    is_refused(&away, 503, "temporarily_unavailable");
    assert!(away.headers.contains_key("retry-after"));
    house.users.is_away.store(false, Ordering::SeqCst);
    // Nothing was lost: the same token is good again.
    let next = tokens(&house.refresh(begun.refresh()).await);

    house.users.rows.lock().unwrap().remove("alice");
    is_refused(&house.refresh(next.refresh()).await, 401, "invalid_grant");
    assert_eq!(house.me(next.access()).await, 401);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_is_no_error_twice() {
    let house = House::new().await;
    let (begun, other) = (house.sign_in().await, house.sign_in().await);

    for _ in 0..2 {
        let answer = house.post("/logout", json!({ "refresh_token": begun.refresh() })).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (204, ""), "{answer:?}");
    }
    let unknown = house.post("/logout", json!({ "refresh_token": "x" })).await;

    assert_eq!(unknown.status.as_u16(), 204);
    assert_eq!(house.me(begun.access()).await, 401);
    assert_eq!(house.me(other.access()).await, 200);
    is_refused(&house.post("/logout", json!({})).await, 400, "invalid_request");
}

#[tokio::test]
async fn signing_out_everywhere_ends_all_sessions_of_the_user_alone() {
    let house = House::new().await;
    let (here, there) = (house.sign_in().await, house.sign_in().await);
    let admin = tokens(&house.post("/login", credentials("admin", "correct horse")).await);

    let answer = send(&house.app, bearer(Method::POST, "/logout-everywhere", here.access())).await;

    assert_eq!(answer.status.as_u16(), 204, "{answer:?}");
    assert_eq!(house.me(here.access()).await, 401);
    assert_eq!(house.me(there.access()).await, 401);
    assert_eq!(house.me(admin.access()).await, 200);
    is_refused(&house.refresh(there.refresh()).await, 401, "invalid_grant");
    let none =
        send(&house.app, Request::post("/logout-everywhere").body(Body::empty()).unwrap()).await;
    none.is_refused(401, Some("Bearer realm=\"api\""), Reason::MissingToken);
}

#[tokio::test]
async fn user_sees_own_sessions_and_ends_one() {
    let house = House::new().await;
    let mut with_device = credentials("alice", "correct horse");
    with_device["device"] = "Telephone".into();
    let there = tokens(&house.post("/login", with_device).await);
    house.clock.advance(Duration::from_secs(10));
    let mut request = post("/login", credentials("alice", "correct horse"));
    request.headers_mut().insert("user-agent", "Firefox/140".parse().unwrap());
    let here = tokens(&send(&house.app, request).await);
    let admin = tokens(&house.post("/login", credentials("admin", "correct horse")).await);
    house.clock.advance(Duration::from_secs(10));
    tokens(&house.refresh(there.refresh()).await);

    let list = send(&house.app, bearer(Method::GET, "/sessions", here.access())).await;

    let list: Value = serde_json::from_str(&list.body).unwrap();
    let id = list[0]["id"].as_str().unwrap().to_owned();
    let own = list[1]["id"].as_str().unwrap();
    assert_eq!(
        list,
        json!([
            {
                "id": id, "device": "Telephone", "current": false,
                "created_at": "2027-01-15T08:00:00Z", "last_seen": "2027-01-15T08:00:20Z",
            },
            {
                "id": own, "device": "Firefox/140", "current": true,
                "created_at": "2027-01-15T08:00:10Z", "last_seen": "2027-01-15T08:00:10Z",
            },
        ])
    );
    let end = async |token: &str| {
        send(&house.app, bearer(Method::DELETE, &format!("/sessions/{id}"), token)).await
    };
    is_refused(&end(admin.access()).await, 404, "not_found");
    assert_eq!(house.me(there.access()).await, 200);
    assert_eq!(end(here.access()).await.status.as_u16(), 204);
    assert_eq!(house.me(there.access()).await, 401);
    assert_eq!(house.me(here.access()).await, 200);
    is_refused(&end(here.access()).await, 404, "not_found");
}

fn change_password(token: &str, current: &str, new: &str) -> Request<Body> {
    let mut request = post("/password", json!({ "current": current, "new": new }));
    request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    request
}

#[tokio::test]
async fn another_password_ends_the_other_sessions() {
    let house = House::new().await;
    let (here, there) = (house.sign_in().await, house.sign_in().await);

    let wrong = change_password(here.access(), "wrong", "battery staple");
    is_refused(&send(&house.app, wrong).await, 403, "invalid_grant");
    let short = change_password(here.access(), "correct horse", "short");
    is_refused(&send(&house.app, short).await, 400, "invalid_password");
    assert_eq!(house.me(there.access()).await, 200);
    house.clock.advance(Duration::from_secs(1));
    let answer =
        send(&house.app, change_password(here.access(), "correct horse", "battery staple")).await;

    assert_eq!((answer.status.as_u16(), &*answer.body), (204, ""), "{answer:?}");
    assert_eq!(house.me(here.access()).await, 200);
    assert_eq!(house.me(there.access()).await, 401);
    tokens(&house.refresh(here.refresh()).await);
    is_refused(&house.refresh(there.refresh()).await, 401, "invalid_grant");
    house.clock.advance(Duration::from_secs(1));
    let old = house.post("/login", credentials("alice", "correct horse")).await;
    is_refused(&old, 401, "invalid_grant");
    tokens(&house.post("/login", credentials("alice", "battery staple")).await);
}

#[tokio::test]
async fn one_of_two_changes_of_a_password_at_once_is_told_that_it_lost() {
    let house = House::new().await;
    let tokens = house.sign_in().await;
    let change = |new| {
        let (app, request) = (&house.app, change_password(tokens.access(), "correct horse", new));
        async move { send(app, request).await.status.as_u16() }
    };

    let mut both: [u16; 2] =
        futures::future::join(change("battery staple"), change("staple battery")).await.into();
    both.sort();

    // Or the second one found the new password already.
    assert!(matches!(both, [204, 403 | 409]), "{both:?}");
}

#[tokio::test]
async fn hash_of_a_migrated_table_is_replaced_at_the_sign_in() {
    let house = House::new().await;
    // By bcrypt of Python: `bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4))`.
    let migrated = "$2b$04$x45zq1eWljmpHaeyipVpFeIDV4bW/oY2HPdpFNmTb1ZrQqdqeA7Pi";
    let hash = || house.users.rows.lock().unwrap()["alice"].1.clone();
    house.users.rows.lock().unwrap().get_mut("alice").unwrap().1 = migrated.into();

    let wrong = house.post("/login", credentials("alice", "wrong")).await;
    is_refused(&wrong, 401, "invalid_grant");
    assert_eq!(hash(), migrated);
    house.sign_in().await;

    let replaced = hash();
    assert!(replaced.starts_with("$argon2id$"), "{replaced}");
    house.sign_in().await;
    assert_eq!(hash(), replaced);
}

#[tokio::test]
async fn user_whose_hash_is_damaged_gets_the_answer_of_a_wrong_password() {
    let (log, _guard) = Log::of_this_thread();
    let house = House::new().await;
    house.users.rows.lock().unwrap().get_mut("alice").unwrap().1 = "$argon2id$damaged".into();

    let answer = house.post("/login", credentials("alice", "correct horse")).await;

    is_refused(&answer, 401, "invalid_grant");
    let told = log.about("the stored hash of a password cannot be verified");
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(!told[0].1.contains("damaged"), "{told:?}");
}

#[tokio::test]
async fn attempts_are_limited_before_the_account_is_looked_up() {
    let house = House::with(|endpoints| {
        let left = AtomicUsize::new(2);
        endpoints.with_throttle(move |attempt: SignInAttempt<'_>| {
            if attempt.username != "alice" {
                return Ok(());
            }
            let left = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1));
            left.map(|_| ()).map_err(|_| Duration::from_millis(1500))
        })
    })
    .await;
    let guess = async || house.post("/login", credentials("alice", "wrong")).await;
    guess().await;
    guess().await;
    let asked = house.users.asked.load(Ordering::SeqCst);

    let answer = guess().await;

    is_refused(&answer, 429, "slow_down");
    assert_eq!(answer.headers["retry-after"], "2");
    assert_eq!(house.users.asked.load(Ordering::SeqCst), asked);
    tokens(&house.post("/login", credentials("admin", "correct horse")).await);
}

#[tokio::test]
async fn outcome_of_each_attempt_is_told() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let house = House::with({
        let told = Arc::clone(&told);
        |endpoints| {
            endpoints
                .with_throttle(|attempt| match attempt.username {
                    "throttled" => Err(Duration::from_secs(1)),
                    _ => Ok(()),
                })
                .on_outcome(move |attempt, is_correct| {
                    let SignInAttempt { username, is_password_change, .. } = attempt;
                    told.lock().unwrap().push((
                        username.to_owned(),
                        is_password_change,
                        is_correct,
                    ));
                })
        }
    })
    .await;

    let here = house.sign_in().await;
    house.post("/login", credentials("alice", "wrong")).await;
    house.post("/login", credentials("mallory", "correct horse")).await;
    let throttled = house.post("/login", credentials("throttled", "x")).await;
    is_refused(&throttled, 429, "slow_down");
    send(&house.app, change_password(here.access(), "wrong", "battery staple")).await;
    send(&house.app, change_password(here.access(), "correct horse", "battery staple")).await;

    let told = told.lock().unwrap();
    let told: Vec<_> =
        told.iter().map(|(name, change, right)| (&**name, *change, *right)).collect();
    assert_eq!(
        told,
        [
            ("alice", false, true),
            ("alice", false, false),
            ("mallory", false, false),
            ("u1", true, false),
            ("u1", true, true),
        ]
    );
}

#[tokio::test]
async fn body_that_does_not_end_holds_no_task_when_the_application_stops_waiting() {
    let house = House::new().await;
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let body = futures::stream::once(async move {
        // The stream owns it, and never ends.
        let _held = held;
        std::future::pending::<Result<bytes::Bytes, std::io::Error>>().await
    });
    let mut request = post("/login", Value::Null);
    *request.body_mut() = Body::from_stream(body);
    let mut answer = Box::pin(house.app.clone().oneshot(request));

    assert!(futures::poll!(&mut answer).is_pending());
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(answer);

    assert_eq!(Arc::strong_count(&alive), 1);
}

#[tokio::test]
async fn password_change_whose_sessions_could_not_be_ended_is_finished_by_the_same_request() {
    let house = House::new().await;
    let (here, there) = (house.sign_in().await, house.sign_in().await);
    // The first attempt got as far as the table.
    let new_hash = passwords().hash("battery staple").await.unwrap();
    house.users.rows.lock().unwrap().get_mut("alice").unwrap().1 = new_hash.clone();
    house.clock.advance(Duration::from_secs(1));

    let again = change_password(here.access(), "correct horse", "battery staple");
    assert_eq!(send(&house.app, again).await.status.as_u16(), 204);

    assert_eq!(house.users.rows.lock().unwrap()["alice"].1, new_hash);
    assert_eq!(house.me(here.access()).await, 200);
    assert_eq!(house.me(there.access()).await, 401);
    let wrong = change_password(here.access(), "correct horse", "another one");
    is_refused(&send(&house.app, wrong).await, 403, "invalid_grant");
}

#[tokio::test]
async fn client_that_disconnects_leaves_no_operation_half_done() {
    let house = House::new().await;
    let (here, there) = (house.sign_in().await, house.sign_in().await);
    house.clock.advance(Duration::from_secs(1));
    let request = change_password(here.access(), "correct horse", "battery staple");
    let mut answer = Box::pin(house.app.clone().oneshot(request));

    // It is on its way, and then no one waits for it.
    assert!(futures::poll!(&mut answer).is_pending());
    drop(answer);

    for _ in 0..600 {
        if house.me(there.access()).await == 401 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(house.me(there.access()).await, 401);
    assert_eq!(house.me(here.access()).await, 200);
}

#[tokio::test]
async fn client_that_is_not_known_signs_no_user_in() {
    let with_client = |client_id: &str| {
        let mut body = credentials("alice", "correct horse");
        body["client_id"] = client_id.into();
        body
    };
    let house = House::new().await;
    is_refused(&house.post("/login", with_client("app")).await, 400, "invalid_request");

    let house = House::with(|endpoints| endpoints.with_clients(["app"])).await;
    is_refused(&house.post("/login", with_client("App")).await, 400, "invalid_request");
    let begun = tokens(&house.post("/login", with_client("app")).await);

    // RFC 6749 §6: the refresh token is bound to the client to which it was issued
    is_refused(&house.refresh(begun.refresh()).await, 401, "invalid_grant");
    let by_client = json!({ "refresh_token": begun.refresh(), "client_id": "app" });
    tokens(&house.post("/refresh", by_client).await);
}

#[tokio::test]
async fn accounts_that_are_away_are_503() {
    let house = House::new().await;
    house.users.is_away.store(true, Ordering::SeqCst);

    let answer = house.post("/login", credentials("alice", "correct horse")).await;

    is_refused(&answer, 503, "temporarily_unavailable");
    assert_eq!(answer.headers["retry-after"], "5");
}

/// The cookies of a browser, by name.
fn cookies_of(answer: &Answer) -> HashMap<String, String> {
    let fields = answer.headers.get_all(SET_COOKIE).iter().map(|field| field.to_str().unwrap());
    let pairs = fields.map(|field| field.split(';').next().unwrap().split_once('=').unwrap());
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn with_cookies(mut request: Request<Body>, cookies: &HashMap<String, String>) -> Request<Body> {
    let pairs: Vec<_> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    request.headers_mut().insert(COOKIE, pairs.join("; ").parse().unwrap());
    request.headers_mut().insert("host", "api.example.com".parse().unwrap());
    request
}

fn from_site(mut request: Request<Body>, site: &'static str) -> Request<Body> {
    request.headers_mut().insert("sec-fetch-site", site.parse().unwrap());
    request
}

async fn browser(house: &House) -> HashMap<String, String> {
    let mut body = credentials("alice", "correct horse");
    body["keep"] = "cookies".into();
    let answer = send(&house.app, from_site(post("/login", body), "same-origin")).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, r#"{"expires_in":900}"#));
    cookies_of(&answer)
}

#[tokio::test]
async fn browser_keeps_tokens_in_cookies_and_no_script_sees_them() {
    let house = House::new().await;
    let mut body = credentials("alice", "correct horse");
    body["keep"] = "cookies".into();

    let answer = send(&house.app, from_site(post("/login", body), "same-origin")).await;

    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert!(!answer.body.contains("token"), "{}", answer.body);
    let fields: Vec<_> =
        answer.headers.get_all(SET_COOKIE).iter().map(|field| field.to_str().unwrap()).collect();
    for name in ["__Host-access=", "__Host-refresh="] {
        let field = fields.iter().find(|field| field.starts_with(name)).unwrap();
        for attribute in ["HttpOnly", "Secure", "SameSite=Lax", "Path=/"] {
            assert!(field.contains(attribute), "{attribute} {name}");
        }
    }
    let get = Request::get("/me").body(Body::empty()).unwrap();
    let me = send(&house.app, with_cookies(get, &cookies_of(&answer))).await;
    assert_eq!(me.status, StatusCode::OK, "{me:?}");
}

#[tokio::test]
async fn refresh_by_cookie_sets_new_cookies_and_ends_with_none() {
    let house = House::new().await;
    let cookies = browser(&house).await;
    let refresh = async |cookies: &HashMap<String, String>| {
        let request = Request::post("/refresh").body(Body::empty()).unwrap();
        send(&house.app, from_site(with_cookies(request, cookies), "same-origin")).await
    };

    let next = refresh(&cookies).await;
    let last = refresh(&cookies_of(&next)).await;
    let stolen = refresh(&cookies).await;

    assert_eq!(next.status, StatusCode::OK, "{next:?}");
    assert_ne!(cookies_of(&next)["__Host-refresh"], cookies["__Host-refresh"]);
    assert_eq!(last.status, StatusCode::OK);
    is_refused(&stolen, 401, "invalid_grant");
    // The browser forgets what is not good any more.
    assert!(cookies_of(&stolen).values().all(String::is_empty), "{stolen:?}");
    assert_eq!(cookies_of(&stolen).len(), 4);
}

#[tokio::test]
async fn other_sites_cannot_use_the_cookies_or_sign_a_browser_in() {
    let house = House::new().await;
    let cookies = browser(&house).await;
    let mut body = credentials("alice", "correct horse");
    body["keep"] = "cookies".into();
    let empty = |path: &str| Request::post(path).body(Body::empty()).unwrap();

    for site in ["cross-site", "same-site"] {
        let login = send(&house.app, from_site(post("/login", body.clone()), site)).await;
        is_refused(&login, 403, "cross_site");
        for path in ["/refresh", "/logout", "/logout-everywhere", "/me"] {
            let request = from_site(with_cookies(empty(path), &cookies), site);
            let answer = send(&house.app, request).await;
            assert_eq!(
                (answer.status.as_u16(), answer.reason),
                (403, Some(Reason::CrossSite)),
                "{path}"
            );
        }
    }

    // Whatever else is wrong with the request.
    let form = Request::post("/logout").header("content-type", "text/plain");
    let form = form.body(Body::from("x=1")).unwrap();
    let answer = send(&house.app, from_site(with_cookies(form, &cookies), "cross-site")).await;
    is_refused(&answer, 403, "cross_site");

    // Without cookies, a client that has the tokens may send them from anywhere.
    let foreign = from_site(post("/login", credentials("alice", "correct horse")), "cross-site");
    let begun = tokens(&send(&house.app, foreign).await);
    let refresh = post("/refresh", json!({ "refresh_token": begun.refresh() }));
    tokens(&send(&house.app, from_site(refresh, "cross-site")).await);
    let own = from_site(with_cookies(empty("/me"), &cookies), "same-origin");
    assert_eq!(send(&house.app, own).await.status, StatusCode::OK);
}

#[tokio::test]
async fn signing_out_by_cookie_removes_the_cookies() {
    let house = House::new().await;
    let cookies = browser(&house).await;
    let request = Request::post("/logout").body(Body::empty()).unwrap();

    let answer = send(&house.app, from_site(with_cookies(request, &cookies), "same-origin")).await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    assert!(cookies_of(&answer).values().all(String::is_empty));
    let get = Request::get("/me").body(Body::empty()).unwrap();
    let me = send(&house.app, with_cookies(get, &cookies)).await;
    assert_eq!((me.status.as_u16(), me.reason), (401, Some(Reason::Revoked)));
}

#[tokio::test]
async fn browser_that_has_lost_its_refresh_token_is_signed_out_all_the_same() {
    let house = House::new().await;
    let mut cookies = browser(&house).await;
    cookies.remove("__Host-refresh");
    let request = || Request::post("/logout").body(Body::empty()).unwrap();

    let answer =
        send(&house.app, from_site(with_cookies(request(), &cookies), "same-origin")).await;

    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    assert_eq!(cookies_of(&answer).len(), 4);
    let foreign =
        send(&house.app, from_site(with_cookies(request(), &cookies), "cross-site")).await;
    assert_ne!(foreign.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_the_browser_had() {
    let house = House::new().await;
    let before = browser(&house).await;
    let mut body = credentials("admin", "correct horse");
    body["keep"] = "cookies".into();

    let request = from_site(with_cookies(post("/login", body), &before), "same-origin");
    assert_eq!(send(&house.app, request).await.status, StatusCode::OK);

    let get = Request::get("/me").body(Body::empty()).unwrap();
    let me = send(&house.app, with_cookies(get, &before)).await;
    assert_eq!((me.status.as_u16(), me.reason), (401, Some(Reason::Revoked)));
}

#[tokio::test]
async fn refresh_token_in_body_and_cookie_is_refused() {
    let house = House::new().await;
    let cookies = browser(&house).await;
    let begun = house.sign_in().await;
    let both = post("/refresh", json!({ "refresh_token": begun.refresh() }));

    let answer = send(&house.app, from_site(with_cookies(both, &cookies), "same-origin")).await;

    is_refused(&answer, 400, "invalid_request");
    tokens(&house.refresh(begun.refresh()).await);
}

#[tokio::test]
async fn user_of_another_issuer_is_no_user_here_though_of_the_same_name() {
    let mut endpoints = None;
    let house = House::with(|own| {
        endpoints = Some(own.clone());
        own
    })
    .await;
    let alice = house.sign_in().await;
    let other = "https://partner.example.com";
    let key = SigningKey::from_secret(Algorithm::HS256, [8; 32]).unwrap();
    let partner =
        TokenIssuer::new(other, AUDIENCE, key).unwrap().with_clock(Arc::clone(&house.clock));
    let verifier =
        Verifier::<Value>::new(partner.verifying_key(), Validation::new(other, AUDIENCE))
            .unwrap()
            .with_clock(Arc::clone(&house.clock));
    let layer = BearerLayer::new(verifier);
    let endpoints = endpoints.unwrap();
    let app = Router::new()
        .route_service("/logout-everywhere", endpoints.sign_out_everywhere())
        .route_service("/sessions", endpoints.sessions())
        .route_layer(layer);
    let foreign = partner.token_for("u1").issue().unwrap();

    for (method, path) in [(Method::POST, "/logout-everywhere"), (Method::GET, "/sessions")] {
        let answer = send(&app, bearer(method, path, foreign.as_str())).await;
        is_refused(&answer, 403, "forbidden");
    }

    assert_eq!(house.me(alice.access()).await, 200);
}

#[tokio::test]
async fn service_of_a_user_without_the_layer_says_that_it_is_missing() {
    let house = House::new().await;
    let token = house.sign_in().await;
    let sessions = SignInEndpoints::new(
        Sessions::new(
            TokenIssuer::new(
                ISSUER,
                AUDIENCE,
                SigningKey::from_secret(Algorithm::HS256, [7; 32]).unwrap(),
            )
            .unwrap(),
            MemorySessions::new(),
            MemoryRevocations::new(),
            SessionKey::generate().unwrap(),
        ),
        Arc::clone(&house.users),
        passwords(),
    );
    let open = Router::new().route_service("/sessions", sessions.sessions());

    let answer = send(&open, bearer(Method::GET, "/sessions", token.access())).await;

    assert_eq!((answer.status.as_u16(), answer.reason), (500, Some(Reason::LayerMissing)));
}
