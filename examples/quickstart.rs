//! Lets users sign in with a password, get a token, and use it: issuing and verifying in one
//! program.
//!
//! ```text
//! cargo run --example quickstart
//! ```
//!
//! It prints the `curl` lines to try, and then one line for each refusal with its reason. Users:
//! `alice` (role `user`) and `admin` (role `admin`), both with the password `password`.
//!
//! - `ADDR`: the address to listen on, `127.0.0.1:3000` by default
//! - `RUST_LOG`: the log filter, `tower_bearer=debug,quickstart=debug` by default
//! - `JWT_SECRET_KEY`: the secret to sign with, in base64url, at least 32 bytes; random by default

use std::collections::HashMap;
use std::error::Error;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use axum::body::to_bytes;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_bearer::policy::{Policy, role};
use tower_bearer::revocation::{MemoryRevocations, Revocation};
use tower_bearer::{
    Algorithm, BearerLayer, Claims, Principal, Require, Requirement, SigningKey, TokenIssuer,
    Validation, Verifier, render,
};

/// The claims that handlers read from a token.
#[derive(Clone, Serialize, Deserialize)]
struct User {
    sub: String,
    name: String,
    roles: Vec<String>,
    iat: u64,
    exp: u64,
}

struct Admin;

impl Requirement for Admin {
    fn policy() -> impl Policy {
        role("admin")
    }
}

#[tokio::main]
async fn main() -> Result<(), Sentence> {
    // Refusals are events of the target `tower_bearer`. Those that a stranger can cause have the
    // level `DEBUG`.
    let log = std::env::var("RUST_LOG")
        .unwrap_or_else(|_| "tower_bearer=debug,quickstart=debug".to_owned());
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(log)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .init();

    let secret = secret()?;
    let key = SigningKey::from_secret(Algorithm::HS256, secret)
        .map_err(|error| format!("JWT_SECRET_KEY: {error}"))?;
    let issuer = TokenIssuer::new(ISSUER, AUDIENCE, key)?;
    let app = app(issuer)?;

    let addr = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&addr)
        .await
        .map_err(|error| format!("cannot listen on {addr}: {error}; set ADDR to another one"))?;
    println!("{}", curl_lines(listener.local_addr()?));
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

fn app(issuer: TokenIssuer) -> Result<Router, Box<dyn Error>> {
    let revocations = MemoryRevocations::new();
    let verifier =
        Verifier::<User>::new(issuer.verifying_key(), Validation::new(ISSUER, AUDIENCE))?
            .with_revocations(revocations.clone());

    let guarded = Router::new()
        .route("/protected-resource", get(protected_resource))
        .route("/admin-only", get(admin_only))
        .route("/logout", post(logout))
        .with_state(revocations)
        // Not `layer`: that would cover the 404 of this router too, and so of the one it is merged
        // into.
        .route_layer(BearerLayer::new(verifier).with_rejection(render::Json));
    let open = Router::new()
        .route("/", get(|| async { "Hello! Sign in at POST /login.\n" }))
        .route("/login", post(login))
        .with_state(Arc::new(Accounts::new(issuer)?));
    Ok(open.merge(guarded).layer(map_response(with_newline)))
}

/// Ends each body with a newline, for terminals.
async fn with_newline(response: Response) -> Result<Response, StatusCode> {
    let (mut parts, body) = response.into_parts();
    let body = to_bytes(body, usize::MAX).await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let mut body = body.to_vec();
    if !body.is_empty() && !body.ends_with(b"\n") {
        body.push(b'\n');
        parts.headers.remove(CONTENT_LENGTH);
    }
    Ok(Response::from_parts(parts, body.into()))
}

async fn protected_resource(Claims(user): Claims<User>) -> Json<serde_json::Value> {
    Json(json!({ "message": format!("Hello, {}!", user.name), "claims": *user }))
}

async fn admin_only(_: Require<Admin>, user: Claims<User>) -> Json<serde_json::Value> {
    Json(json!({ "message": format!("Welcome to the engine room, {}.", user.name) }))
}

/// Revokes the token of this request. The next request with it is refused.
async fn logout(State(revocations): State<MemoryRevocations>, principal: Principal) -> Response {
    match Revocation::of(&principal) {
        Ok(token) => {
            revocations.revoke(token);
            StatusCode::NO_CONTENT.into_response()
        }
        Err(error) => (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

async fn login(
    State(accounts): State<Arc<Accounts>>,
    sent: Result<Json<Credentials>, JsonRejection>,
) -> Response {
    let Json(sent) = match sent {
        Ok(sent) => sent,
        Err(rejection) => {
            tracing::debug!(status = %rejection.status(), "refused: no name and password in JSON");
            return rejection.into_response();
        }
    };
    let Some(account) = accounts.check(sent).await else {
        // Without the name: users type passwords into its field.
        tracing::debug!("refused: wrong name or password");
        let challenge = HeaderValue::from_static("Bearer realm=\"login\"");
        let body = json!({ "error": "invalid_credentials" });
        return (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)], Json(body))
            .into_response();
    };
    let issued = accounts
        .issuer
        .token_for(account.username)
        .with_roles([account.role])
        .with_claims(&json!({ "name": account.name }))
        .issue();
    match issued {
        Ok(token) => {
            // RFC 6749 §5.1: no cache keeps a copy.
            let no_store = [(CACHE_CONTROL, HeaderValue::from_static("no-store"))];
            let expires_in = token.expires_in().as_secs();
            let body = json!({
                "access_token": token.as_str(),
                "token_type": "Bearer",
                "expires_in": expires_in,
            });
            (no_store, Json(body)).into_response()
        }
        Err(error) => {
            eprintln!("no token could be made: {error}");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Clone, Copy)]
struct Account {
    username: &'static str,
    name: &'static str,
    role: &'static str,
}

struct Accounts {
    issuer: TokenIssuer,
    by_name: HashMap<&'static str, (Account, PasswordHash)>,
    /// Checked in place of an unknown user's hash, so that both take the same time.
    unknown_user: PasswordHash,
    /// Bounds how many passwords are hashed at a time: Argon2 takes 19 MiB and a core for each.
    hashing: Semaphore,
}

impl Accounts {
    fn new(issuer: TokenIssuer) -> Result<Self, Box<dyn Error>> {
        let hash = |password: &str| Argon2::default().hash_password(password.as_bytes());
        let mut by_name = HashMap::new();
        for account in [
            Account { username: "alice", name: "Alice", role: "user" },
            Account { username: "admin", name: "Admin", role: "admin" },
        ] {
            by_name.insert(account.username, (account, hash("password")?));
        }
        Ok(Self { issuer, by_name, unknown_user: hash("nobody")?, hashing: Semaphore::new(4) })
    }

    /// Checks a password. Does the same work for a user that does not exist.
    async fn check(&self, sent: Credentials) -> Option<Account> {
        let (account, hash) = match self.by_name.get(&*sent.username) {
            Some((account, hash)) => (Some(*account), hash.clone()),
            None => (None, self.unknown_user.clone()),
        };
        let _permit = self.hashing.acquire().await.ok()?;
        let matches = tokio::task::spawn_blocking(move || {
            Argon2::default().verify_password(sent.password.as_bytes(), &hash).is_ok()
        });
        let matches = matches.await.ok()?;
        account.filter(|_| matches)
    }
}

/// Returns the secret from the environment, or a random one for this run.
fn secret() -> Result<Vec<u8>, Sentence> {
    if let Ok(encoded) = std::env::var("JWT_SECRET_KEY") {
        let secret = URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('='));
        return Ok(secret.map_err(|_| "JWT_SECRET_KEY is not base64url (A-Z a-z 0-9 - _)")?);
    }
    eprintln!("JWT_SECRET_KEY is not set: tokens are signed with a random secret until the end");
    let mut secret = vec![0; 32];
    getrandom::fill(&mut secret).map_err(|error| format!("no randomness: {error}"))?;
    Ok(secret)
}

fn curl_lines(addr: SocketAddr) -> String {
    format!(
        r#"Listening on http://{addr}. Try, in another terminal:

curl -i http://{addr}/protected-resource
TOKEN=$(curl -s http://{addr}/login -H 'Content-Type: application/json' -d '{{"username":"alice","password":"password"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -i http://{addr}/protected-resource -H "Authorization: Bearer $TOKEN"
curl -i http://{addr}/admin-only -H "Authorization: Bearer $TOKEN"
ADMIN=$(curl -s http://{addr}/login -H 'Content-Type: application/json' -d '{{"username":"admin","password":"password"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -i http://{addr}/admin-only -H "Authorization: Bearer $ADMIN"
curl -i -X POST http://{addr}/logout -H "Authorization: Bearer $TOKEN"
curl -i http://{addr}/protected-resource -H "Authorization: Bearer $TOKEN"
"#
    )
}

async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// An error that `main` shows as a plain sentence.
struct Sentence(Box<dyn Error>);

impl<E: Into<Box<dyn Error>>> From<E> for Sentence {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl std::fmt::Debug for Sentence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

const ISSUER: &str = "https://quickstart.example";
const AUDIENCE: &str = "https://quickstart.example/api";
