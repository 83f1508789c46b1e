//! An API in front of somebody else's tokens, set up by environment variables.
//!
//! ```text
//! ISSUER=https://id.example.com AUDIENCE=https://api.example.com JWKS_FILE=keys.json \
//!     cargo run --example resource_server
//! ```
//!
//! - `ADDR`: where to listen, `127.0.0.1:3000` by default
//! - `ISSUER`, `AUDIENCE`: the `iss` and `aud` that tokens carry, to the letter
//! - one of `JWT_SECRET_KEY` (base64url), `PUBLIC_KEY_FILE` (PEM, a certificate will do), `JWKS_FILE`
//! - `ALGORITHMS`: the algorithms to accept, separated by commas; by default what the keys are for,
//!   and HS256 for a secret
//! - `TOKEN_TYPE`: `at+jwt` to accept access tokens as RFC 9068 defines them and no others
//! - `PRESET`: the provider (`keycloak`, `auth0`, `entra`, `okta`, `cognito`), which decides where roles
//!   and scopes are and how ID tokens are told apart
//! - `LEEWAY`: by how many seconds clocks may differ, 60 by default
//! - `RUST_LOG`: what to log; `tower_bearer=debug` shows why each request was refused

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tower_bearer::policy::{role, scope};
use tower_bearer::{
    Algorithm, BearerLayer, Claims, ConfigError, KeySet, Preset, Validation, Verifier,
    VerifyingKey, require,
};

/// Whatever the provider puts into its tokens.
type AnyClaims = Map<String, Value>;

#[tokio::main]
async fn main() -> Result<(), Sentence> {
    let log = std::env::var("RUST_LOG").unwrap_or_else(|_| "info".to_owned());
    tracing_subscriber::fmt().with_env_filter(log).with_writer(std::io::stderr).init();

    let app = app(verifier()?);
    let addr = std::env::var("ADDR").unwrap_or_else(|_| "127.0.0.1:3000".to_owned());
    let listener = TcpListener::bind(&addr).await.map_err(|error| wrong("ADDR", error))?;
    println!("Listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).with_graceful_shutdown(stopped()).await?;
    Ok(())
}

fn app(verifier: Verifier<AnyClaims>) -> Router {
    let layer = BearerLayer::new(verifier).with_rejection(tower_bearer::Json);

    let guarded = Router::new()
        .route("/protected", get(claims))
        .route("/admin", get(claims).layer(require(role("admin"))))
        .route("/scoped", get(claims).layer(require(scope("things:write"))))
        .layer(layer.clone());
    let optional = Router::new().route("/maybe", get(maybe)).layer(layer.optional());
    Router::new().route("/healthz", get(|| async { "ok" })).merge(guarded).merge(optional)
}

async fn claims(Claims(claims): Claims<AnyClaims>) -> Json<AnyClaims> {
    Json(AnyClaims::clone(&claims))
}

async fn maybe(claims: Option<Claims<AnyClaims>>) -> Json<Value> {
    Json(match claims {
        Some(claims) => json!({ "authenticated": true, "claims": *claims.0 }),
        None => json!({ "authenticated": false }),
    })
}

fn verifier() -> Result<Verifier<AnyClaims>, Sentence> {
    let algorithms = algorithms()?;
    let keys = keys(algorithms.as_deref())?;
    let mut validation = Validation::new(needed("ISSUER")?, needed("AUDIENCE")?);
    if let Some(algorithms) = algorithms {
        validation = validation.with_algorithms(algorithms);
    }
    match set("TOKEN_TYPE").as_deref() {
        None => {}
        Some("at+jwt") => validation = validation.with_at_jwt_only(),
        Some(other) => {
            let problem = format!("{other:?} is not at+jwt; leave it out to accept JWT as well");
            return Err(wrong("TOKEN_TYPE", problem));
        }
    }
    if let Some(preset) = set("PRESET") {
        let preset: Preset = preset.parse().map_err(|error| wrong("PRESET", error))?;
        validation = validation.with_preset(preset);
    }
    if let Some(leeway) = set("LEEWAY") {
        let seconds = leeway.parse().map_err(|_| wrong("LEEWAY", "not a number of seconds"))?;
        validation = validation.with_leeway(Duration::from_secs(seconds));
    }
    Verifier::new(keys, validation).map_err(|error| {
        let variable = match error {
            ConfigError::EmptyIssuer => "ISSUER",
            ConfigError::EmptyAudience => "AUDIENCE",
            ConfigError::LeewayTooLarge { .. } => "LEEWAY",
            ConfigError::NoAlgorithms => "ALGORITHMS",
            _ => return error.into(),
        };
        wrong(variable, error)
    })
}

fn keys(algorithms: Option<&[Algorithm]>) -> Result<KeySet, Sentence> {
    let sources = ["JWT_SECRET_KEY", "PUBLIC_KEY_FILE", "JWKS_FILE"];
    let mut given = sources.into_iter().filter_map(|name| Some((name, set(name)?)));
    let (variable, value) = match (given.next(), given.next()) {
        (Some(one), None) => one,
        (None, _) => return Err(format!("set one of {}", sources.join(", ")).into()),
        (Some((one, _)), Some((other, _))) => {
            return Err(format!("{one} and {other} are both set; leave one out").into());
        }
    };
    let keys = match variable {
        "JWT_SECRET_KEY" => algorithms
            .unwrap_or(&[Algorithm::HS256])
            .iter()
            .map(|algorithm| VerifyingKey::from_base64url_secret(*algorithm, &value))
            .collect(),
        file => {
            let text = std::fs::read(&value)
                .map_err(|error| wrong(file, format_args!("{value} cannot be read: {error}")))?;
            match (file, algorithms) {
                ("PUBLIC_KEY_FILE", None) => KeySet::from_pem(text),
                ("PUBLIC_KEY_FILE", Some(algorithms)) => KeySet::from_pem_for(text, algorithms),
                (_, None) => KeySet::from_jwks(text),
                (_, Some(algorithms)) => KeySet::from_jwks_for(text, algorithms),
            }
        }
    };
    keys.map_err(|error| wrong(variable, error))
}

fn algorithms() -> Result<Option<Vec<Algorithm>>, Sentence> {
    let Some(names) = set("ALGORITHMS") else { return Ok(None) };
    let algorithms = names.split(',').map(|name| {
        let name = name.trim();
        name.parse().map_err(|error| wrong("ALGORITHMS", format_args!("{name:?}: {error}")))
    });
    algorithms.collect::<Result<_, _>>().map(Some)
}

fn set(variable: &str) -> Option<String> {
    std::env::var(variable).ok().filter(|value| !value.is_empty())
}

fn needed(variable: &str) -> Result<String, Sentence> {
    set(variable).ok_or_else(|| wrong(variable, "not set"))
}

fn wrong(variable: &str, problem: impl fmt::Display) -> Sentence {
    format!("{variable}: {problem}").into()
}

async fn stopped() {
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending::<()>().await;
    }
}

/// An error that `main` shows as the sentence it is.
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
