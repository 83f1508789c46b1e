//! Signs users in, refreshes and ends their sessions: the whole life of a token, with a page to click through it.
//!
//! ```text
//! cargo run --example webapp
//! ```
//!
//! It prints its address; open that in a browser. Nothing has to be set up: users and sessions are in memory until the
//! program ends. All of it can be changed by environment variables:
//!
//! - `ADDR`: the address to listen on, `127.0.0.1:3000` by default; port 0 takes any that is free
//! - `PUBLIC_URL`: the address that browsers use, `https://app.example.com`, if a proxy with TLS stands in front.
//!   Cookies are then `Secure` and `__Host-`. Without it, the program listens on this machine only, and its cookies
//!   are for plain HTTP
//! - `DATABASE_URL`: `sqlite:app.db`, or `postgres://user:password@host/database`; SQLite in memory by default
//! - `REDIS_URL`: shares revocations between instances: `redis://127.0.0.1:6379`, on another machine `rediss://`.
//!   Without it, each instance knows its own until it ends. An access token that was revoked elsewhere, or before a
//!   restart, lives until it expires
//! - `KEYS_FILE`: a file of private keys, which is made if it is not there, and rotated each month; by default, one
//!   key in the database
//! - `ACCESS_LIFETIME`, `REFRESH_IDLE`: seconds, 900 and 604800 by default
//! - `USERS`: accounts to create, `alice:password:user,admin:password:admin` by default, and none with TLS
//! - `ATTEMPTS_PER_ACCOUNT`, `ATTEMPTS_PER_ADDRESS`: sign-ins in a minute, 20 and 600 by default; 0 for no limit
//! - `TRUSTED_PROXIES`: the addresses of the proxies in front, `10.0.0.5,10.0.0.6`. Their `X-Forwarded-For` tells the
//!   address of the client, for the limit above. Without them, the field is ignored, and all clients behind a proxy
//!   share the limit of its address
//! - `REQUEST_TIMEOUT`: the seconds for a request with its body, 30 by default
//! - `CORS_ORIGIN`: the origin of a front end at another address of the same site
//! - `RUST_LOG`: the log filter, `info,tower_bearer=debug` by default: one line for each refusal
//!
//! Instances with the same `DATABASE_URL` and `REDIS_URL` share sign-ins and revocations: users, sessions and keys are
//! in the database, which is what survives a restart; revocations are in Redis, because each request asks for them.
//! If they have no `PUBLIC_URL`, the address of the first one is the issuer of all.

#![allow(unreachable_pub, reason = "no other crate reaches into a program")]

mod api;
mod database;
mod keys;
mod pages;
mod register;
mod settings;
mod throttle;
mod users;

use std::error::Error;
use std::fmt;
use std::future::ready;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::map_response;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_bearer::cookies::Cookies;
use tower_bearer::issue::IssuerKeys;
use tower_bearer::password::Passwords;
use tower_bearer::policy::role;
use tower_bearer::revocation::{MemoryRevocations, RedisRevocations, RevocationStore, Revocations};
use tower_bearer::session::{PostgresSessions, SessionKey, Sessions, SqliteSessions};
use tower_bearer::sign_in::SignInEndpoints;
use tower_bearer::{BearerLayer, TokenIssuer, Validation, Verifier, render, require};
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;

use crate::api::{Health, User};
use crate::database::Database;
use crate::register::Desk;
use crate::settings::{Settings, wrong};
use crate::throttle::PerAccount;
use crate::users::{Username, Users};

#[tokio::main]
async fn main() -> Result<(), Sentence> {
    let log = std::env::var("RUST_LOG")
        .unwrap_or_else(|_| "info,tower_bearer=debug,webapp=debug".to_owned());
    let is_terminal = std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_env_filter(log)
        .with_writer(std::io::stderr)
        .with_ansi(is_terminal)
        .init();

    let settings = Settings::read()?;
    let listener = TcpListener::bind(&settings.addr).await.map_err(|error| {
        format!("cannot listen on {}: {error}; set ADDR to another one", settings.addr)
    })?;
    let addr = listener.local_addr()?;
    if !addr.ip().is_loopback() && !settings.is_https() {
        let problem = "passwords would cross the network without TLS; put a proxy with TLS in front, and set PUBLIC_URL to its https address";
        return Err(wrong("ADDR", format_args!("{addr}: {problem}")).into());
    }
    let database = Database::open(&settings.database_url).await?;
    let app = app(&settings, &database, addr).await?;

    println!("Listening on http://{addr}");
    if settings.has_default_users {
        println!(
            "Users: alice (role user) and admin (role admin), both with the password: password"
        );
    }
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

async fn app(
    settings: &Settings,
    database: &Database,
    addr: SocketAddr,
) -> Result<Router, Sentence> {
    let passwords = Passwords::new();
    let users = Users::new(database.clone());
    create_users(settings, &users, &passwords).await?;

    // Who the tokens are from. An issuer must not change with the port of an instance.
    let issuer = match &settings.public_url {
        Some(url) => url.clone(),
        None => database.shared("issuer", || Ok(format!("http://{addr}"))).await?,
    };
    let keys = keys::issuer_keys(database, settings.keys_file.as_deref(), settings.access_lifetime)
        .await?;
    let tokens =
        TokenIssuer::new(&issuer, AUDIENCE, keys.clone())?.with_lifetime(settings.access_lifetime);
    let published =
        Router::new().route_service("/.well-known/jwks.json", keys.jwks_service()).route_service(
            "/.well-known/oauth-authorization-server",
            tokens.metadata_service(&format!("{issuer}/.well-known/jwks.json"))?,
        );

    let redis = match &settings.redis_url {
        None => None,
        Some(url) => {
            let redis = RedisRevocations::new(url, settings.access_lifetime)
                .map_err(|error| wrong("REDIS_URL", error))?;
            until_ready(&redis).await;
            Some(redis)
        }
    };
    let (layer, sessions) = if let Some(redis) = &redis {
        guard(settings, database, keys, tokens, redis.clone()).await?
    } else {
        if !database::is_in_memory(&settings.database_url) {
            tracing::warn!(
                "revocations are in memory: after a restart, access tokens that were revoked are accepted until they \
                 expire, for {} seconds at most; set REDIS_URL to keep revocations",
                settings.access_lifetime.as_secs()
            );
        }
        let revocations = MemoryRevocations::new().with_max_lifetime(settings.access_lifetime);
        guard(settings, database, keys, tokens, revocations).await?
    };

    let cookies = cookies(settings, database).await?;
    let throttle = settings.attempts_per_account.map(PerAccount::new);
    let mut endpoints = SignInEndpoints::new(sessions.clone(), users.clone(), passwords.clone())
        .with_cookies(cookies.clone());
    if let Some(throttle) = &throttle {
        endpoints = throttle.limit(endpoints);
    }

    let admin = Router::new()
        .route("/api/admin", get(api::admin).with_state(users.clone()))
        .route("/api/admin/users/{id}/end-sessions", post(api::end_sessions).with_state(sessions))
        .route_layer(require(role("admin")));
    // What stands above this layer needs a token, what is merged below does not.
    let guarded = Router::new()
        .route("/api/me", get(api::me))
        .route_service("/api/logout-everywhere", endpoints.sign_out_everywhere())
        .route_service("/api/sessions", endpoints.sessions())
        .route_service("/api/sessions/{id}", endpoints.session())
        .route_service("/api/password", endpoints.change_password())
        .merge(admin)
        .route_layer(layer.with_source(cookies.source()).with_rejection(render::Json));

    let desk = Desk { users, passwords, cookies, throttle, endpoints: endpoints.clone() };
    let mut attempts = Router::new()
        .route_service("/api/login", endpoints.sign_in())
        .route("/api/register", post(register::register).with_state(Arc::new(desk)))
        .layer(DefaultBodyLimit::max(8 * 1024));
    if let Some(limit) = settings.attempts_per_address {
        attempts = attempts.layer(throttle::per_address(limit, &settings.trusted_proxies));
    }

    let health = Health { database: database.clone(), redis };
    let mut app = Router::new()
        .route_service("/api/refresh", endpoints.refresh())
        .route_service("/api/logout", endpoints.sign_out())
        .route("/healthz", get(api::health).with_state(health))
        .merge(attempts)
        .merge(guarded)
        .merge(published)
        .merge(pages::routes());
    // Outside of the layer: a preflight carries no token, and refusals have to be readable.
    if let Some(origin) = &settings.cors_origin {
        app = app.layer(cors(origin)?);
    }
    // A client that sends its body byte by byte would hold a connection for ever.
    let in_time =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, settings.request_timeout);
    let is_https = settings.is_https();
    Ok(app
        .layer(in_time)
        .layer(map_response(move |response| ready(pages::secure(response, is_https)))))
}

/// Makes the layer that verifies access tokens, and the sessions that give them out. Both have the same revocations.
async fn guard<R: Revocations + RevocationStore + Clone>(
    settings: &Settings,
    database: &Database,
    keys: IssuerKeys,
    tokens: TokenIssuer<IssuerKeys>,
    revocations: R,
) -> Result<(BearerLayer<User>, Sessions), Sentence> {
    // One clock issues and verifies, so a token ends at its second. Between machines, allow what their clocks differ.
    let rules = Validation::new(tokens.issuer(), AUDIENCE).with_leeway(Duration::ZERO);
    let verifier = Verifier::new(keys, rules)?.with_revocations(revocations.clone());
    let key = SessionKey::from_secret(keys::secret(database, "session secret").await?)?;
    let sessions = match database {
        Database::Sqlite(pool) => {
            let store = SqliteSessions::from_pool(pool.clone()).await?;
            Sessions::new(tokens, store, revocations, key)
        }
        Database::Postgres(_) => {
            let store = PostgresSessions::connect(&settings.database_url).await?;
            Sessions::new(tokens, store, revocations, key)
        }
    };
    let sessions = sessions.with_idle_lifetime(settings.refresh_idle).with_max_per_subject(100);
    Ok((BearerLayer::new(verifier), sessions))
}

/// Waits for the revocations that there are, so that the first requests are not answered 503. A Redis that is away
/// does not keep the program from starting: `/healthz` tells.
async fn until_ready(redis: &RedisRevocations) {
    for _ in 0..100 {
        if redis.status().is_ready() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    tracing::warn!("Redis does not answer yet; tokens are refused with 503 until it does");
}

async fn cookies(settings: &Settings, database: &Database) -> Result<Cookies, Sentence> {
    let secret = keys::secret(database, "cookie secret").await?;
    let mut cookies = if settings.is_https() {
        Cookies::new(secret)?
    } else {
        Cookies::dangerously_for_loopback(secret)?
    };
    // A proxy may replace `Host`, by which the origin of a request is known.
    for origin in [&settings.public_url, &settings.cors_origin].into_iter().flatten() {
        cookies = cookies.with_trusted_origin(origin)?;
    }
    Ok(cookies)
}

fn cors(origin: &str) -> Result<CorsLayer, Sentence> {
    let origin: HeaderValue = origin.parse().map_err(|error| wrong("CORS_ORIGIN", error))?;
    Ok(CorsLayer::new()
        .allow_origin(origin)
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("x-csrf-token"),
        ])
        // Without this, a script cannot read why it was refused.
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER]))
}

async fn create_users(
    settings: &Settings,
    users: &Users,
    passwords: &Passwords,
) -> Result<(), Sentence> {
    for user in &settings.users {
        let problem =
            |problem: &dyn fmt::Display| wrong("USERS", format_args!("{}: {problem}", user.name));
        let name = Username::new(&user.name).map_err(|error| problem(&error))?;
        if !users.has(&name).await? {
            let hash = passwords.hash(&user.password).await.map_err(|error| problem(&error))?;
            users.add(&name, &hash, &user.role).await?;
        }
    }
    Ok(())
}

async fn stopped() {
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_) => std::future::pending().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<Option<()>>();
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => {
            if interrupted.is_err() {
                std::future::pending::<()>().await;
            }
        }
        _ = terminated => {}
    }
}

/// An error that `main` shows as a plain sentence.
struct Sentence(Box<dyn Error>);

impl<E: Into<Box<dyn Error>>> From<E> for Sentence {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl fmt::Debug for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

const AUDIENCE: &str = "front-door-api";
